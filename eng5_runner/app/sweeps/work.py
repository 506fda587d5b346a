"""Work on the runs of a sweep, several at once: beside each other in one event loop, on one embedded stack.

A run is begun or resumed as any other; only its stack is that of the sweep, which its folder links to, so that it can
be resumed by itself, too.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from contextlib import AbstractContextManager, ExitStack, asynccontextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from eng5_runner.app.assemble import executes_remotely
from eng5_runner.app.embedded import Child, embedded_stack
from eng5_runner.app.execute import begun
from eng5_runner.app.plan import PlannedRun, save_plan
from eng5_runner.app.resume import continued
from eng5_runner.app.session import Finished, Interruption, SessionWork, Watch, work_beside
from eng5_runner.app.sweeps.money import SharedLimit
from eng5_runner.app.sweeps.plan import PlannedSweep
from eng5_runner.app.sweeps.record import RecordedRun, SweepRecord, write_record
from eng5_runner.app.trust import require_trust
from eng5_runner.effects.outputs import MANIFEST_NAME, STACK_FOLDER
from eng5_runner.errors import ConfigurationError, DiskError, RunnerError, UsageError
from eng5_runner.planning.sweep import PlannedCell, Progress
from eng5_runner.run.ports import Notice, Update
from eng5_runner.run.run_directory import has_begun, saved_run

OnUpdate = Callable[[PlannedCell, Update | RunnerError], None]


@dataclass(slots=True)
class SweepWork:
    """The runs of a sweep while they are worked on.

    Attributes:
        sweep: as it was planned.
        emit: gets each event and notice of each run, and the error that ended it.
        progress: how far each run has come, by its key.
        errors: what a run could not continue after, by its key.
        unpaid: runs that did not begin because nothing was left of the cost limit, by their keys.
    """

    sweep: PlannedSweep
    emit: OnUpdate
    progress: dict[str, Progress] = field(default_factory=dict)
    errors: dict[str, RunnerError] = field(default_factory=dict)
    unpaid: set[str] = field(default_factory=set)
    _fixed: set[str] = field(default_factory=set)
    _record: SweepRecord = field(init=False)
    _money: SharedLimit | None = field(init=False)

    def __post_init__(self) -> None:
        self._record = self.sweep.record
        self.progress = {cell.key: cell.progress for cell in self.sweep.cells if cell.progress is not None}
        self._money = _shared(self.sweep)
        for key, progress in self.progress.items():
            self._note(key, progress)
        if self._money is not None and self._money.left < 0:
            held = self._money.limit - self._money.left
            raise UsageError(
                f"The runs that have begun may spend {held:.4f} USD, more than the limit of {self._money.limit:g} USD.",
                remedy="Give a higher max_cost.",
            )

    async def run(self, interruption: Interruption, *, owns_process: bool) -> None:
        """Work on every run that is not complete, until all have ended or an interruption comes.

        Raises:
            RunnerError: the embedded stack did not come up.
        """
        interruption.begin(owns_process=owns_process)
        if not self._waiting({}) and not self._raises():
            return
        async with _stack(self.sweep) as child:
            raised = self._raises()
            waiting = self._waiting(raised)
            while waiting and not interruption.stop.is_set():
                before = self._answered()
                await self._all(waiting, raised, child=child, stop=interruption.stop)
                if self._answered() == before:
                    return
                # What some runs have left of the limit is for those that need more, as long as it brings them on.
                raised = self._raises()
                waiting = [cell for cell in self.sweep.cells if cell.key in raised or cell.key in self.unpaid]

    def _waiting(self, raised: Mapping[str, float]) -> list[PlannedCell]:
        return [cell for cell in self.sweep.cells if cell.key in raised or not self._has_ended(cell.key)]

    def _has_ended(self, key: str) -> bool:
        progress = self.progress.get(key)
        return progress is not None and progress.ended and (progress.directory / MANIFEST_NAME).is_file()

    def _raises(self) -> dict[str, float]:
        """Higher limits for the runs that stopped at theirs."""
        if self._money is None:
            return {}
        stopped = [
            cell
            for cell in self.sweep.cells
            if cell.key not in self._fixed and (found := self.progress.get(cell.key)) is not None and found.at_limit
        ]
        calls = {cell.key: (cell.plan.judge and cell.plan.judge.call_at_most_usd) or 0.0 for cell in stopped}
        return self._money.raises(list(calls), at_least=calls) if calls else {}

    async def _all(
        self, waiting: Sequence[PlannedCell], raised: Mapping[str, float], *, child: Child | None, stop: asyncio.Event
    ) -> None:
        # Runs of one judge come one after the other: a later one repeats the judgements of an earlier one for nothing,
        # and two at the same time would both pay.
        by_judge: dict[str, list[PlannedCell]] = {}
        for cell in waiting:
            by_judge.setdefault(cell.cell.judge, []).append(cell)
        left = iter(by_judge.values())

        async def work() -> None:
            for cells in left:
                for cell in cells:
                    if not stop.is_set():
                        await self._one_if_possible(cell, raised.get(cell.key), child=child, stop=stop)

        async with asyncio.TaskGroup() as tasks:
            for _ in range(min(self.sweep.file.runs_at_once, len(by_judge))):
                tasks.create_task(work())

    async def _one_if_possible(
        self, cell: PlannedCell, raised: float | None, *, child: Child | None, stop: asyncio.Event
    ) -> None:
        """Work on a run; an error ends this run and no other."""
        self.errors.pop(cell.key, None)
        try:
            await self._one(cell, raised, child=child, stop=stop)
        except RunnerError as error:
            self.errors[cell.key] = error
            self.emit(cell, error)

    async def _one(self, cell: PlannedCell, raised: float | None, *, child: Child | None, stop: asyncio.Event) -> None:
        """Begin a run, or go on with it.

        Raises:
            RunnerError: what it could not continue after.
        """
        if child is not None and child.death.done():
            raise child.death.result()
        watch = Watch(emit=partial(self.emit, cell), stack=child)
        progress = self.progress.get(cell.key)
        if progress is None:
            limit = self._money.begin(cell.key) if self._money is not None else None
            if limit == 0.0:
                self.unpaid.add(cell.key)
                self.emit(cell, Notice(kind="remark", text="not begun, as nothing is left of the cost limit"))
                return
            self.unpaid.discard(cell.key)
            planned = self.sweep.plan_run(cell.cell, limit=limit)
            directory = self._directory_for(cell, planned)
            session: AbstractContextManager[tuple[SessionWork, ExitStack] | Finished] = begun(planned, directory)
        else:
            directory = progress.directory
            require_trust(directory, os.environ)
            session = continued(directory, max_cost=raised)
        try:
            with session as opened:
                if not isinstance(opened, Finished):
                    await work_beside(opened[0], watch=watch, stop=stop, log=opened[1])
        except UsageError:
            if raised is None:
                raise
            self._fixed.add(cell.key)  # a given service that keeps no limit: its number of comparisons is fixed
        finally:
            if has_begun(directory):
                self._note(cell.key, Progress.of(directory, saved_run(directory).state))

    def _directory_for(self, cell: PlannedCell, planned: PlannedRun) -> Path:
        """A directory for a run, which the record names before anything is sent."""
        directory = save_plan(planned)
        if planned.spec.target.stack == "embedded":
            _link(directory / STACK_FOLDER, to=self.sweep.stack_folder)
        run = RecordedRun(
            key=cell.key,
            judge=cell.cell.judge,
            design=cell.cell.design,
            seed=cell.cell.seed,
            directory=directory.name,
        )
        self._record = self._record.with_run(run)
        write_record(self.sweep.folder, self._record)
        return directory

    def _note(self, key: str, progress: Progress) -> None:
        self.progress[key] = progress
        if self._money is not None:
            limit = progress.limit_usd or 0.0
            self._money.note(key, limit=limit, spent=progress.spent_usd, ended=progress.ended)

    def _answered(self) -> int:
        return sum(progress.answered for progress in self.progress.values())


def _shared(sweep: PlannedSweep) -> SharedLimit | None:
    """The limit of all runs together; None without one.

    Raises:
        ConfigurationError: the price of a judge of ours is not known.
        UsageError: a run that began without a limit may cost anything.
    """
    if sweep.max_cost is None:
        return None
    for cell in sweep.cells:
        if cell.plan.own_prompt and cell.at_most_usd is None:
            raise ConfigurationError(
                f"The price of {cell.cell.judge} is not known, so no cost limit can be kept. Nothing was sent.",
                remedy="Leave max_cost out, choose a model with a price, or name its price in ENG5_MODELS_FILE.",
            )
        begun_so = cell.progress is not None and not cell.progress.ended and cell.progress.limit_usd is None
        if begun_so and not cell.plan.costs_nothing:
            raise UsageError(
                f"The run of {cell.cell.name} began without a cost limit and is not complete.",
                remedy="Leave max_cost out, or give the sweep another name in its file.",
            )
    bounds = [cell.at_most_usd for cell in sweep.cells]
    by_number = any(bound is None for bound in bounds)
    weights = {
        cell.key: float(cell.plan.comparisons if by_number else bound or 0.0)
        for cell, bound in zip(sweep.cells, bounds, strict=True)
    }
    return SharedLimit(sweep.max_cost, weights=weights, other_spent=sweep.other_usd)


@asynccontextmanager
async def _stack(sweep: PlannedSweep) -> AsyncIterator[Child | None]:
    """The embedded stack of all runs; None where services are given."""
    settings = sweep.settings.settings
    if executes_remotely(settings):
        yield None
        return
    async with embedded_stack(
        sweep.stack_folder,
        client_id=settings.kafka_client_id,
        replays=not settings.no_cache,
        judge_concurrency=settings.judge_concurrency,
    ) as child:
        yield child


def _link(link: Path, *, to: Path) -> None:
    """Let a run's folder lead to the stack of the sweep, where its essays and requests are.

    Raises:
        DiskError: the file system makes no links.
    """
    try:
        link.symlink_to(Path("..") / to.name, target_is_directory=True)
    except OSError as error:
        raise DiskError(
            f"{link} cannot be made: {error.strerror}.", remedy="Choose an --output-dir on a disk that has links."
        ) from None
