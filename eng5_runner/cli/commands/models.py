"""models: every model that is known here, its price, what it takes, and what it needs to be asked."""

from __future__ import annotations

import os

from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.request import Provider
from eng5_runner.errors import UsageError
from eng5_runner.judges.catalogue import known_models
from eng5_runner.judges.manifest import USERS_FILE
from eng5_runner.reports.terminal.models import model_facts, models_table


def list_models(*, provider: str | None, json_lines: bool) -> int:
    """Tell of the built-in models and of the user's own.

    Raises:
        UsageError: there is no such provider.
        ConfigurationError: the user's file of models cannot be used.
    """
    if provider is not None and provider not in set(Provider):
        raise UsageError(f"--provider {provider} is not known.", remedy=f"Use one of {', '.join(Provider)}.")
    known = [one for one in known_models(os.environ) if provider in (None, one.entry.provider)]
    if json_lines:
        for one in known:
            write_json({"event": "Model"} | model_facts(one))
        return 0
    console = people()
    console.print(models_table(known))
    for remedy in dict.fromkeys(f"{one.entry.provider}: {one.remedy}" for one in known if one.remedy):
        console.print(remedy, markup=False)
    console.print("USD per million tokens. A bill can differ: `--json` tells when and where a price was looked up.")
    console.print(f"Your own models, prices and limits: a file that {USERS_FILE} names; docs/judges.md shows its form.")
    return 0
