"""resume: continue a run where its last session ended."""

from __future__ import annotations

import os
from pathlib import Path

from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.app.resume import LeftToPay, left_to_pay, resume_run
from eng5_runner.app.session import Watch
from eng5_runner.app.trust import require_trust, strange_addresses
from eng5_runner.cli.agreement import agrees, answer_of
from eng5_runner.cli.called import Called
from eng5_runner.cli.commands.execute import show_end
from eng5_runner.cli.narrate import Narrator, people
from eng5_runner.core.harmless import harmless
from eng5_runner.effects.ledger import require_ledger
from eng5_runner.reports.figures import usd
from eng5_runner.reports.terminal.status import why_nothing_is_left


def resume(
    run_directory: Path,
    *,
    called: Called,
    json_lines: bool,
    verbose: bool,
    max_cost: float | None = None,
    metrics_port: int | None = None,
    metrics_host: str = LOOPBACK,
    yes: bool = False,
    trust_addresses: bool = False,
) -> int:
    """Continue a run, narrate it, and show how it ended.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: what stood in the way.
    """
    require_ledger(run_directory)
    if not (trust_addresses or _addresses_are_wanted(run_directory)):
        return 0
    left = None if yes else left_to_pay(run_directory, max_cost=max_cost)
    if left is not None and not agrees(_question(left), is_limited=left.limit_usd is not None):
        return 0
    narrator = Narrator(console=people(called), json_lines=json_lines)
    with narrator.live():
        watch = Watch(emit=narrator.emit, metrics_port=metrics_port, metrics_host=metrics_host, owns_process=True)
        finished = resume_run(run_directory, watch=watch, max_cost=max_cost, verbose=verbose)
    if finished.was_done:
        for line in why_nothing_is_left(finished.hydrated.state, finished.run_directory):
            narrator.say(line)
    return show_end(finished, narrator)


def _addresses_are_wanted(run_directory: Path) -> bool:
    """Whether the run's services are known to be the person's, or the person at the terminal says so.

    Raises:
        UsageError: nobody can be asked.
    """
    strange = strange_addresses(run_directory, os.environ)
    if not strange:
        return True
    answer = answer_of(f"This run sends essays and tokens to {', '.join(map(harmless, strange))}. Do you want that?")
    if answer is None:
        require_trust(run_directory, os.environ)
    return bool(answer)


def _question(left: LeftToPay) -> str:
    price = "at a price that a plan shows"
    if left.usd_each is not None:
        price = f"for about {usd(left.usd_each * left.comparisons)} USD, as those so far"
    limit = "" if left.limit_usd is None else f", within the limit of {left.limit_usd:g} USD"
    return f"Go on: {left.comparisons} comparisons are left, {price}{limit}?"
