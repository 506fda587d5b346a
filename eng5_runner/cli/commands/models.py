"""models: every model that is known here, its price, what it takes, and what it needs to be asked."""

from __future__ import annotations

import os
from typing import Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.output import say, write_json
from eng5_runner.errors import UsageError


def models(
    provider: Annotated[
        str | None, typer.Option("--provider", help="Only the models of this provider.", metavar="NAME")
    ] = None,
    json: JsonOption = False,
) -> int:
    """List the models that can judge, with prices and limits."""
    from eng5_runner.cli.console import people
    from eng5_runner.contracts.request import Provider
    from eng5_runner.judges.catalogue import known_models
    from eng5_runner.judges.manifest import USERS_FILE
    from eng5_runner.reports.terminal.models import model_facts, models_table

    if provider is not None and provider not in set(Provider):
        raise UsageError(f"--provider {provider} is not known.", remedy=f"Use one of {', '.join(Provider)}.")
    known = [one for one in known_models(os.environ) if provider in (None, one.entry.provider)]
    if json:
        for one in known:
            write_json({"event": "Model"} | model_facts(one))
        return 0
    people().print(models_table(known))
    for remedy in dict.fromkeys(f"{one.entry.provider}: {one.remedy}" for one in known if one.remedy):
        say(remedy)
    say("USD per million tokens. A bill can differ: `--json` tells when and where a price was looked up.")
    say(f"Your own models, prices and limits: a file that {USERS_FILE} names; docs/judges.md shows its form.")
    return 0
