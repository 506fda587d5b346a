"""One finished run of every outcome."""

from __future__ import annotations

import asyncio
from pathlib import Path
from uuid import UUID

from eng5_runner.core.events import CallbackAccepted
from eng5_runner.core.spec import Budget
from tests.support.run import messages
from tests.support.run.messages import Callback
from tests.support.run.runs import DRY, RUN_ID, Run, make_spec
from tests.support.run.world import World, whole_story

HOSTILE = '=HYPERLINK("http://evil")\x1b[31m <script>alert(1)</script>'


def with_failures(run_id: UUID, essays: list[str]) -> list[Callback]:
    """The story with two failed comparisons, and a judge that writes formulas and markup."""
    failures = [messages.comparison(run_id, 40 + n, ("birk", "cleo"), winner=None) for n in range(2)]
    hostile = messages.comparison_message(run_id, 60, ("dag", "birk"), winner="Essay A")
    hostile["data"]["justification"] = HOSTILE
    return [*whole_story(run_id, essays), *failures, Callback(messages.Topic.COMPARISON, messages.raw(hostile))]


def only_failures(run_id: UUID, _essays: list[str]) -> list[Callback]:
    """Two failed comparisons, one message that cannot be used, and the failure event."""
    failures = [messages.comparison(run_id, n, ("birk", "cleo"), winner=None) for n in range(2)]
    unusable = Callback(messages.Topic.RESULT, b"\xff" + str(run_id).encode())
    return [*failures, unusable, messages.failed(run_id)]


def _with_script(directory: Path, script, **budget: object) -> Run:
    world = World()
    world.cj.script = script
    run = Run(directory, world, make_spec(budget=Budget.model_validate({"max_comparisons": 15} | budget)))
    run.start()
    return run


def complete(directory: Path) -> Run:
    return _with_script(directory, with_failures, max_comparisons=16)


def partial(directory: Path) -> Run:
    return _with_script(directory, lambda run_id, essays: whole_story(run_id, essays)[:1])


def failed(directory: Path) -> Run:
    return _with_script(directory, only_failures)


def silent(directory: Path) -> Run:
    return _with_script(directory, lambda _run_id, _essays: [])


def dry(directory: Path) -> Run:
    run = Run(directory, spec=make_spec(**DRY))
    run.start()
    return run


def interrupted(directory: Path) -> Run:
    stop = asyncio.Event()

    def observe(told: object) -> None:
        if isinstance(told, CallbackAccepted) and told.kind == "comparison":
            stop.set()

    run = Run(directory, World(poll_records=1))
    run.start(observe=observe, stop=stop)
    return run


def still_open(directory: Path) -> Run:
    """Killed when the request was out."""

    class Killed(Exception):
        pass

    def observe(told: object) -> None:
        if isinstance(told, CallbackAccepted):
            raise Killed

    run = Run(directory, World(poll_records=1))
    try:
        run.start(observe=observe)
    except Killed:
        return run
    raise AssertionError(f"{RUN_ID} was to be killed")


OUTCOMES = {
    "complete": complete,
    "partial": partial,
    "failed": failed,
    "silent": silent,
    "not-sent": dry,
    "interrupted": interrupted,
    "open": still_open,
}
