"""One session of work on a run: ledger, stack, clients, signals, and the outputs at its end."""

from __future__ import annotations

import asyncio
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

import structlog

from eng5_runner.app.embedded import Child, embedded_stack
from eng5_runner.app.environment import cache_folder, kafka_password
from eng5_runner.app.local_checks import local_questions, login_question
from eng5_runner.app.metrics import RunMetrics
from eng5_runner.app.tokens import Token, admin_token
from eng5_runner.app.trace import trace_of
from eng5_runner.cli.narrate import Narrator
from eng5_runner.contracts.request import Provider
from eng5_runner.core.events import BudgetRaised, RunResumed, RunStarted
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import RunState, fold
from eng5_runner.effects.ledger import Ledger
from eng5_runner.effects.outputs import STACK_FOLDER
from eng5_runner.errors import RunnerError
from eng5_runner.run.connect import open_ports
from eng5_runner.run.hydrate import Hydrated, hydrate, write
from eng5_runner.run.pipeline import Session, drive
from eng5_runner.run.ports import Update

# After the first signal, so long for the stage under way to end by itself (seconds).
DRAIN_SECONDS = 8.0


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWork:
    """What a session works on.

    Attributes:
        opening: RunStarted for a new run, RunResumed for one that goes on.
        texts: sha256 → bytes of the essays, where uploads are left.
        raised: the new cost limit, if a person has given one.
    """

    run_directory: Path
    opening: RunStarted | RunResumed
    inputs: Inputs
    texts: dict[str, bytes]
    raised: BudgetRaised | None = None


@dataclass(slots=True)
class Interruption:
    """What a person's signals asked for."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    signal_number: int | None = None

    def heed(self, number: int) -> None:
        """First signal: end in order. Second: end now; the ledger is durable as it is."""
        if self.signal_number is not None:
            os._exit(128 + number)
        self.signal_number = number
        self.stop.set()


async def work_on(work: SessionWork, *, narrator: Narrator, metrics: RunMetrics) -> int | None:
    """SessionWork on a run until it is closed or interrupted.

    Returns:
        The number of the signal that interrupted it, or None.

    Raises:
        RunnerError: whatever the run could not go on after.
    """
    interruption = Interruption()
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM, signal.SIGHUP):
        if number == signal.SIGHUP and signal.getsignal(number) is signal.SIG_IGN:
            continue  # it was begun with nohup: the terminal may go, and the run goes on
        loop.add_signal_handler(number, interruption.heed, number)
    with Ledger(work.run_directory) as ledger:
        if ledger.repaired:
            narrator.say(f"the ledger's last {ledger.repaired} bytes were torn; they had never counted", style="yellow")
        session = Session(
            ledger=ledger,
            state=fold(ledger.events),
            inputs=work.inputs,
            texts=work.texts,
            observe=_both(narrator.tell, metrics.tell),
            stop=interruption.stop,
        )
        with narrator.live():
            await session.record([work.opening, *([work.raised] if work.raised else [])])
            await _drive(session, work=work, interruption=interruption, narrator=narrator)
    return interruption.signal_number


def _both(first: Callable[[Update], None], second: Callable[[Update], None]) -> Callable[[Update], None]:
    def tell(told: Update) -> None:
        first(told)
        second(told)

    return tell


async def _drive(session: Session, *, work: SessionWork, interruption: Interruption, narrator: Narrator) -> None:
    async with _stack(session, work, narrator) as child:
        spec = session.state.spec
        target = child.target if child else spec.target
        token = None if child else await _token(session.state, narrator)
        ports = open_ports(
            spec,
            target=target,
            cache_folder=cache_folder(),
            token=child.token if child else _bearer(token),
            kafka_password=kafka_password(),
            trace=trace_of(os.environ).headers,
        )
        async with ports as opened:
            here = (*local_questions(spec, folder=work.run_directory), *login_question(spec, token))
            driving = asyncio.create_task(drive(session, replace(opened, here=here)))
            await _first_of(driving, child=child, stop=interruption.stop)


async def _token(state: RunState, narrator: Narrator) -> Token | None:
    """The token for the CJ service's admin side, which preflight alone asks, and of a guest run nothing.

    Whoever resumes later may have none any more: what is paid for is gathered all the same.
    """
    if state.stage != "started" or state.spec.study.assignment_id is None or not state.spec.send:
        return None
    return await admin_token(os.environ, announce=narrator.say)


def _bearer(token: Token | None) -> str | None:
    return None if token is None else token.value


async def _first_of(driving: asyncio.Task[None], *, child: Child | None, stop: asyncio.Event) -> None:
    """Wait for the run; less long if the stack dies under it or a person wants out."""
    death = asyncio.create_task(child.died()) if child else None
    wish = asyncio.create_task(stop.wait())
    others = {task for task in (death, wish) if task is not None}
    try:
        await asyncio.wait({driving, *others}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set():
            await asyncio.wait({driving}, timeout=DRAIN_SECONDS)
        if driving.done():
            driving.result()
        elif death is not None and death.done():
            raise death.result()
    finally:
        for task in (driving, *others):
            task.cancel()
        await asyncio.gather(driving, *others, return_exceptions=True)


@asynccontextmanager
async def _stack(session: Session, work: SessionWork, narrator: Narrator) -> AsyncIterator[Child | None]:
    """The embedded stack, where the run has nobody else to talk to."""
    spec = session.state.spec
    if spec.target.stack == "remote" or not spec.send:
        yield None
        return
    folder = work.run_directory / STACK_FOLDER
    async with embedded_stack(folder, client_id=spec.target.kafka_client_id, replays=spec.target.replays) as child:
        provider = spec.judge.provider_override if spec.judge else None
        judge = "an offline baseline" if provider in (None, Provider.MOCK) else provider.value
        narrator.say(f"no services were given: using the embedded stack, with {judge} as the judge")
        yield child


def finish(run_directory: Path, *, log_closed: Callable[[], None]) -> Hydrated:
    """Compute and write a run's outputs. The log's last line says how; then it is closed, for the manifest lists it.

    Raises:
        RunnerError: ledger or inputs are damaged, or the disk refused.
        AssertionError: the artefact breaks its schema, which is a bug.
    """
    hydrated = hydrate(run_directory)
    log_validation_state(hydrated)
    log_closed()
    if hydrated.violations:
        raise AssertionError(f"the artefact breaks its schema: {'; '.join(hydrated.violations)}")
    write(run_directory, hydrated)
    return hydrated


def finish_if_possible(run_directory: Path, *, log_closed: Callable[[], None]) -> None:
    """After a failure: keep what was gathered readable, and let the failure itself be what is told."""
    try:
        finish(run_directory, log_closed=log_closed)
    except (RunnerError, OSError) as error:
        structlog.get_logger().warning("not_hydrated", cause=str(error))


def log_validation_state(hydrated: Hydrated) -> None:
    """The record that says in one line what became of a run."""
    closed = hydrated.state.closed
    structlog.get_logger().info(
        "runner_validation_state",
        artefact=hydrated.artefact_name,
        schema_violations=hydrated.violations,
        outcome=closed.outcome if closed else "open",
        partial_data=bool(closed and closed.reasons),
        comparisons=hydrated.state.judged,
        failed_comparisons=hydrated.state.unjudged,
        duplicates=hydrated.state.repeated,
        rejected=hydrated.state.rejected,
    )
