"""resume: continue a run where its last session ended."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Annotated

import typer

from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.cli.commands.common import JsonOption, RunArgument
from eng5_runner.cli.parameters import VerboseOption, YesOption, option_of


def resume(
    context: typer.Context,
    run: RunArgument,
    *,
    max_cost: Annotated[
        float | None, option_of("max_cost", help_text="New cost limit in USD, above the present one.", variable=False)
    ] = None,
    json: JsonOption = False,
    verbose: VerboseOption = False,
    metrics_port: Annotated[int | None, option_of("metrics_port")] = None,
    metrics_host: Annotated[str, option_of("metrics_host")] = LOOPBACK,
    yes: YesOption = False,
    trust_addresses: Annotated[
        bool,
        typer.Option("--trust-addresses", help="Use the addresses of services and judge, also if they are not known."),
    ] = False,
) -> int:
    """Continue a run where its last session ended."""
    from eng5_runner.app.resume import left_to_pay, resume_run
    from eng5_runner.app.session import Watch
    from eng5_runner.cli.agreement import agrees
    from eng5_runner.cli.called import Called
    from eng5_runner.cli.console import people
    from eng5_runner.cli.session import Narrator, show_end
    from eng5_runner.effects.ledger import require_ledger
    from eng5_runner.reports.terminal.status import why_nothing_is_left

    require_ledger(run)
    if not (trust_addresses or _addresses_are_wanted(run)):
        return 0
    left = None if yes else left_to_pay(run, max_cost=max_cost)
    if left is not None and not agrees(left.question(), is_limited=left.limit_usd is not None):
        return 0
    narrator = Narrator(console=people(Called.now(context.command)), json_lines=json)
    with narrator.live():
        watch = Watch(emit=narrator.emit, metrics_port=metrics_port, metrics_host=metrics_host, owns_process=True)
        finished = resume_run(run, watch=watch, max_cost=max_cost, verbose=verbose)
    if finished.was_done:
        for line in why_nothing_is_left(finished.hydrated.state, finished.run_directory):
            narrator.say(line)
    return show_end(finished, narrator)


def _addresses_are_wanted(run_directory: Path) -> bool:
    """Whether the run's services are known to be the person's, or the person at the terminal says so.

    Raises:
        UsageError: nobody can be asked.
    """
    from eng5_runner.app.trust import require_trust, strange_addresses
    from eng5_runner.core.harmless import harmless
    from eng5_runner.effects.terminal import answer_of

    strange = strange_addresses(run_directory, os.environ)
    if not strange:
        return True
    answer = answer_of(f"This run sends essays and tokens to {', '.join(map(harmless, strange))}. Do you want that?")
    if answer is None:
        require_trust(run_directory, os.environ)
    return bool(answer)
