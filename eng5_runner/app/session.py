"""One session of work on a run: lock, ledger, stack, clients, and the outputs at its end.

`work_on` starts or continues a run and reports every event and notice to `emit`:

    with held(directory), run_log(directory, spec=spec, verbose=False) as log:
        finished = work_on(SessionWork(...), watch=Watch(emit=print), log=log)
    finished.hydrated.files      # the outputs, which are on the disk
"""

from __future__ import annotations

import asyncio
import os
import re
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import ExitStack, asynccontextmanager
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import Any

import structlog

from eng5_runner.app.addresses import LOOPBACK
from eng5_runner.app.embedded import Child, embedded_stack
from eng5_runner.app.environment import cache_folder, kafka_password, trace_of
from eng5_runner.app.judge.trial import trial_checks
from eng5_runner.app.local_checks import local_checks, login_check
from eng5_runner.app.logs import log_update
from eng5_runner.app.loop import run_in_thread, run_loop
from eng5_runner.app.metrics import RunMetrics, kept, measured
from eng5_runner.app.tokens import Token, admin_token
from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.events import AddedByPeople, BudgetRaised, RunResumed, RunStarted
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import LiveState, RunState, fold_into
from eng5_runner.effects.ledger import LEDGER_NAME, Ledger
from eng5_runner.effects.outputs import STACK_FOLDER
from eng5_runner.effects.terminal import show_cursor
from eng5_runner.errors import ConfigurationError, DiskError, RunnerError, UsageError, command
from eng5_runner.judges.credentials import shown_address
from eng5_runner.run.connect import open_ports
from eng5_runner.run.hydrate import Hydrated, hydrate, write
from eng5_runner.run.pipeline import Session, drive
from eng5_runner.run.ports import Notice, Update, WorkLeft
from eng5_runner.run.run_directory import has_begun
from eng5_runner.systems import on_signal, signals
from eng5_runner.transport.stack_secret import StackSecret

# After the first interruption, the time that the running stage has to end by itself (seconds).
DRAIN_SECONDS = 8.0
# An option, such as `--llm-model`.
_OPTION = re.compile(r"(?<![\w-])--[a-z]")

Emit = Callable[[Update], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class SessionWork:
    """What a session works on.

    Attributes:
        opening: RunStarted for a new run, RunResumed for one that continues.
        texts: SHA-256 → text in UTF-8, where uploads are left.
        left: the number of texts to upload and of comparisons to come, for progress bars.
        raised: the new cost limit, if there is one.
        added: what people say of the essays, if the run begins with that.
    """

    run_directory: Path
    opening: RunStarted | RunResumed
    inputs: Inputs
    texts: dict[str, bytes]
    left: WorkLeft
    raised: BudgetRaised | None = None
    added: tuple[AddedByPeople, ...] = ()


@dataclass(frozen=True, slots=True, kw_only=True)
class Watch:
    """How a session is watched and interrupted.

    Attributes:
        emit: gets every update, in the loop's thread.
        metrics_port: serves live metrics on this port.
        metrics_host: the address of this machine that serves them.
        owns_process: whether the session owns the process, as on the command line: it runs in the main thread and takes
            the signals INT, TERM and HUP. Otherwise it runs in a thread of its own and leaves signals alone.
        stack: an embedded stack that serves other runs, too; None for one of its own, where it needs one.
    """

    emit: Emit
    metrics_port: int | None = None
    metrics_host: str = LOOPBACK
    owns_process: bool = False
    stack: Child | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Finished:
    """A session that has ended, with its outputs on the disk.

    Attributes:
        signal_number: of the signal that interrupted it, if there was one.
        was_done: whether the run was complete before, so that nothing was left to do.
    """

    run_directory: Path
    hydrated: Hydrated
    signal_number: int | None = None
    was_done: bool = False


@dataclass(slots=True)
class Interruption:
    """A request to end the session: the first ends it in order, the second at once."""

    stop: asyncio.Event = field(default_factory=asyncio.Event)
    signal_number: int | None = None
    loop: asyncio.AbstractEventLoop | None = None
    task: asyncio.Task[Any] | None = None

    def begin(self, *, owns_process: bool) -> None:
        """In the task that can be interrupted; in a process of its own, take the signals."""
        self.loop, self.task = asyncio.get_running_loop(), asyncio.current_task()
        for number in signals("SIGINT", "SIGTERM", "SIGHUP") if owns_process else ():
            if number.name == "SIGHUP" and signal.getsignal(number) is signal.SIG_IGN:
                continue  # it was started with nohup: the terminal may close, and the work continues
            on_signal(number, partial(self.on_signal, number), loop=self.loop)

    def on_signal(self, number: int) -> None:
        """In the loop's thread. The ledger is durable, so the second signal may end the process."""
        if self.signal_number is not None:
            show_cursor()
            os._exit(128 + number)
        self.signal_number = number
        self.stop.set()

    def from_outside(self) -> None:
        """In any other thread."""
        if self.loop is None:
            self.stop.set()  # the session has not begun yet, and ends as soon as it does
        elif self.task is not None and not self.loop.is_closed():
            self.loop.call_soon_threadsafe(self.task.cancel if self.stop.is_set() else self.stop.set)


def work_on(work: SessionWork, *, watch: Watch, log: ExitStack) -> Finished:
    """Work on a run until it is closed or interrupted, and write its outputs; the caller holds the run's lock.

    Raises:
        RunnerError: what the run could not continue after; its remedy names the resume command.
        KeyboardInterrupt: it was interrupted in a process that is not ours; what was gathered is written.
    """
    directory, interruption = work.run_directory, Interruption()
    try:
        with measured(port=watch.metrics_port, host=watch.metrics_host) as metrics, kept(metrics, directory):
            main = _session(work, watch=watch, metrics=metrics, interruption=interruption)
            if watch.owns_process:
                run_loop(main)
            else:
                run_in_thread(main, on_interrupt=interruption.from_outside)
    except RunnerError as error:
        _stopped(error, directory, log=log)
        raise
    except KeyboardInterrupt:
        _finish_if_possible(directory, log=log)
        raise
    try:
        hydrated = _finish(directory, log=log)
    except KeyboardInterrupt:
        text = f"all that came is recorded; to write the outputs: {command('hydrate', directory)}"
        watch.emit(Notice(kind="trouble", text=text))
        raise
    return Finished(run_directory=directory, hydrated=hydrated, signal_number=interruption.signal_number)


async def work_beside(work: SessionWork, *, watch: Watch, stop: asyncio.Event, log: ExitStack) -> Finished:
    """Work on a run beside others, in a task of the running loop; the caller holds the run's lock.

    Args:
        work: what it works on.
        watch: how it is watched; it serves no metrics.
        stop: ends the session in order when it is set.
        log: the run's log.

    Raises:
        RunnerError: what the run could not continue after; its remedy names the resume command.
    """
    directory = work.run_directory
    try:
        with measured(port=None) as metrics, kept(metrics, directory):
            await _session(work, watch=watch, metrics=metrics, interruption=Interruption(stop=stop))
    except RunnerError as error:
        _stopped(error, directory, log=log)
        raise
    _require_there(directory)
    hydrated = await asyncio.to_thread(hydrate, directory)
    _end_log(hydrated, log)
    await asyncio.to_thread(write, directory, hydrated)
    return Finished(run_directory=directory, hydrated=hydrated)


def _stopped(error: RunnerError, directory: Path, *, log: ExitStack) -> None:
    """Note the error, keep what was gathered readable, and say in the remedy how to go on."""
    structlog.get_logger().error("stopped", cause=error.message)
    unwritten = _finish_if_possible(directory, log=log)
    if has_begun(directory):
        error.remedy += f"{unwritten}\n{_way_on(error, directory)}"


def _way_on(error: RunnerError, directory: Path) -> str:
    """What to do about a run after its remedy. A run keeps its settings, so another setting needs another run."""
    changes_a_setting = _OPTION.search(f"{error.message} {error.remedy}") is not None
    if changes_a_setting and isinstance(error, ConfigurationError | UsageError):
        return "Then start a new run: this one keeps the settings that it began with."
    advice = f"To go on: {command('resume', directory)}"
    return f"{advice}\nA run keeps its settings: with other ones start a new run." if changes_a_setting else advice


async def _session(work: SessionWork, *, watch: Watch, metrics: RunMetrics, interruption: Interruption) -> None:
    interruption.begin(owns_process=watch.owns_process)

    def emit(update: Update) -> None:
        log_update(update)
        metrics.count(update)
        watch.emit(update)

    with Ledger(work.run_directory) as ledger:
        emit(work.left)
        if ledger.repaired:
            text = f"the ledger's last {ledger.repaired} bytes were torn; they had never counted"
            emit(Notice(kind="repaired", text=text))
        session = Session(
            ledger=ledger,
            state=fold_into(LiveState(), ledger.events),
            inputs=work.inputs,
            texts=work.texts,
            observe=emit,
            stop=interruption.stop,
        )
        raised = [] if work.raised is None else [work.raised]
        await session.record([work.opening, *raised, *work.added])
        await _drive(session, work=work, shared=watch.stack, stop=interruption.stop)


async def _drive(session: Session, *, work: SessionWork, shared: Child | None, stop: asyncio.Event) -> None:
    async with _stack(session, work, shared=shared) as child:
        spec = session.state.spec
        target = child.target if child else spec.target
        token = None if child else await _token(session.state, session.observe)
        bearer = None if token is None else token.value
        ports = open_ports(
            spec,
            target=target,
            cache_folder=cache_folder(),
            token=child.token if child else bearer,
            kafka_password=kafka_password(),
            trace=trace_of(os.environ).headers,
            secret=child.secret if child else StackSecret.of(os.environ),
        )
        async with ports as opened:
            ours = (*local_checks(spec, folder=work.run_directory, left=work.left), *login_check(spec, token))
            last = tuple(trial_checks(spec, work.inputs, texts=work.texts))
            driving = asyncio.create_task(drive(session, replace(opened, local_checks=ours, last_checks=last)))
            await _first_of(driving, child=child, stop=stop, emit=session.observe)


async def _token(state: RunState, emit: Emit) -> Token | None:
    """The token for the CJ service's admin side. Only preflight needs it, and a guest run does not.

    A later session may have no token any more; it gathers all the same what is paid for.
    """
    if state.stage != "started" or state.spec.study.assignment_id is None or not state.spec.send:
        return None
    return await admin_token(os.environ, announce=lambda text: emit(Notice(kind="remark", text=text)))


async def _first_of(driving: asyncio.Task[None], *, child: Child | None, stop: asyncio.Event, emit: Emit) -> None:
    """Wait for the run to end, or the stack to die, or an interruption."""
    death = child.death if child else None
    stopped = asyncio.create_task(stop.wait())
    try:
        await asyncio.wait({driving, stopped, *([death] if death else [])}, return_when=asyncio.FIRST_COMPLETED)
        if stop.is_set() and not driving.done():
            emit(Notice(kind="stage", text="ending in order, which takes some seconds; a second time ends at once"))
            await asyncio.wait({driving}, timeout=DRAIN_SECONDS)
        if driving.done():
            driving.result()
        elif death is not None and death.done():
            raise death.result()
    finally:
        for task in (driving, stopped):
            task.cancel()
        await asyncio.gather(driving, stopped, return_exceptions=True)


@asynccontextmanager
async def _stack(session: Session, work: SessionWork, *, shared: Child | None) -> AsyncIterator[Child | None]:
    """The embedded stack, for a run that sends its request to no other services."""
    spec = session.state.spec
    if spec.target.stack == "remote" or not spec.send:
        yield None
        return
    if shared is not None:
        yield shared
        return
    folder = work.run_directory / STACK_FOLDER
    async with embedded_stack(
        folder,
        client_id=spec.target.kafka_client_id,
        replays=spec.target.replays,
        judge_concurrency=spec.judge_concurrency,
    ) as child:
        judges = " and ".join(dict.fromkeys(map(_judge_shown, spec.judges)))
        role = "the judges" if spec.further_models else "the judge"
        text = f"no services were given: using the embedded stack, with {judges} as {role}"
        session.observe(Notice(kind="remark", text=text))
        yield child


def _judge_shown(judge: LLMConfigOverrides | None) -> str:
    """Who is asked, and where."""
    provider = judge.provider_override if judge else None
    if provider in (None, Provider.MOCK):
        return "an offline baseline"
    return f"{provider.value} at {shown_address(provider, os.environ)}"


def _finish(run_directory: Path, *, log: ExitStack) -> Hydrated:
    """Compute and write a run's outputs. The log gets its last line and is closed first: the manifest lists it.

    Raises:
        RunnerError: ledger or inputs are damaged, or the disk refused.
        AssertionError: the artefact breaks its schema, which is a bug.
    """
    _require_there(run_directory)
    hydrated = hydrate(run_directory)
    _end_log(hydrated, log)
    write(run_directory, hydrated)
    return hydrated


def _require_there(run_directory: Path) -> None:
    """Check that a run's directory, in which it has worked until now, is where it was.

    Raises:
        DiskError: it was moved or deleted.
    """
    if not (run_directory / LEDGER_NAME).exists():
        raise DiskError(
            f"{run_directory} was moved or deleted while the run was under way, so its outputs cannot be written.",
            remedy=f"All that came is recorded there. Go on at its new place: {command('resume', 'DIRECTORY')}",
        )


def _end_log(hydrated: Hydrated, log: ExitStack) -> None:
    """Write the log's last line and close it.

    Raises:
        AssertionError: the artefact breaks its schema, which is a bug.
    """
    closed = hydrated.state.closed
    structlog.get_logger().info(
        "runner_validation_state",
        artefact=hydrated.artefact_name,
        schema_violations=hydrated.violations,
        outcome=closed.outcome if closed else "open",
        partial_data=bool(closed and closed.reasons),
        comparisons=hydrated.state.judged,
        failed_comparisons=hydrated.state.failed,
        duplicates=hydrated.state.repeated,
        rejected=hydrated.state.rejected,
        doubtful=hydrated.state.objections.total(),
    )
    log.close()
    if hydrated.violations:
        raise AssertionError(f"the artefact breaks its schema: {'; '.join(hydrated.violations)}")


def _finish_if_possible(run_directory: Path, *, log: ExitStack) -> str:
    """After a failure: keep what was gathered readable; the failure itself is what gets reported.

    Returns:
        A line that says why the outputs could not be written; empty if they were. The log may be closed then.
    """
    try:
        _finish(run_directory, log=log)
    except (RunnerError, OSError) as error:
        return f"\nThe ledger keeps what came; the outputs could not be written: {error}"
    return ""
