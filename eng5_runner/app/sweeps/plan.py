"""What the runs of a sweep would do and cost, and how far those that have begun have come. Nothing is sent."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path

from eng5_runner.app.look_ahead import models_of_service
from eng5_runner.app.options.table import CONFIG, SETTINGS
from eng5_runner.app.plan import PlannedRun, plan_run, usable_inputs
from eng5_runner.app.settings import Resolved, Settings, settings_from
from eng5_runner.app.sweeps.file import DESIGN_KEYS, ELSEWHERE, JUDGE_KEYS, Cell, SweepFile
from eng5_runner.app.sweeps.record import RecordedRun, SweepRecord, key_of, read_record
from eng5_runner.core.next_step import is_at_cost_limit
from eng5_runner.core.spec import Mode
from eng5_runner.core.state import RunState
from eng5_runner.effects.outputs import STACK_FOLDER
from eng5_runner.errors import ConfigurationError, InputsInvalid, UsageError
from eng5_runner.inventory.read import Assets
from eng5_runner.planning.candidates import ServiceModels
from eng5_runner.planning.plan import Plan
from eng5_runner.planning.pricing import Interval
from eng5_runner.run.run_directory import has_begun, saved_run

_FREE = Interval(low=0.0, high=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class Progress:
    """How far a run that has begun has come.

    Attributes:
        directory: of the run.
        outcome: how it ended; None while it is open.
        answered: comparisons with and without a winner.
        spent_usd: so far.
        limit_usd: the most that it may spend; None without a limit.
    """

    directory: Path
    outcome: str | None
    answered: int
    spent_usd: float
    limit_usd: float | None
    at_limit: bool

    @classmethod
    def of(cls, directory: Path, state: RunState) -> Progress:
        """How far a run has come, by its ledger."""
        return cls(
            directory=directory,
            outcome=None if state.closed is None else state.closed.outcome,
            answered=state.judged + state.failed,
            spent_usd=state.cost_usd,
            limit_usd=state.spec.budget.max_cost_usd,
            at_limit=state.closed is not None and is_at_cost_limit(state),
        )

    @property
    def ended(self) -> bool:
        """Whether it spends no more unless its limit is raised."""
        return self.outcome == "complete" or self.at_limit


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedCell:
    """A run of a sweep as it is planned.

    Attributes:
        key: of what it asks whom.
        plan: of the whole run.
        progress: None if it has not begun.
    """

    cell: Cell
    key: str
    plan: Plan
    progress: Progress | None

    @property
    def comparisons_left(self) -> int:
        """Comparisons that are still to come."""
        if self.progress is None:
            return self.plan.comparisons
        return 0 if self.progress.outcome == "complete" else max(self.plan.comparisons - self.progress.answered, 0)

    @property
    def usd_left(self) -> Interval | None:
        """The likely price of what is left; None if the price is not known."""
        judge = self.plan.judge
        if self.plan.costs_nothing or not self.comparisons_left:
            return _FREE
        if judge is None or judge.usd is None:
            return None
        return _with_test(judge.usd.times(self._share_left), self.plan)

    @property
    def at_most_usd(self) -> float | None:
        """The most that all of the run can cost; None if that is not known."""
        judge = self.plan.judge
        if self.plan.costs_nothing:
            return 0.0
        if judge is None or judge.usd_at_most is None:
            return None
        return judge.usd_at_most + (judge.call_at_most_usd or 0.0 if self.plan.test_answer else 0.0)

    @property
    def at_most_left(self) -> float | None:
        """The most that what is left can cost."""
        most = self.at_most_usd
        return None if most is None else most * self._share_left

    @property
    def seconds_left(self) -> Interval:
        """How long what is left is likely to take by itself."""
        judge = self.plan.judge
        return _FREE if judge is None else judge.seconds.times(self._share_left)

    @property
    def _share_left(self) -> float:
        return self.comparisons_left / max(self.plan.comparisons, 1)


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSweep:
    """A sweep before its runs.

    Attributes:
        file: what is asked for.
        folder: of the sweep.
        max_cost: in USD, of all runs together; None without a limit.
        settings: of all runs.
        assets: the study.
        cells: its runs, in the order of the file.
        record: what has begun.
        other_usd: what runs cost that the file no longer names.
        warnings: about the assets, judges and designs.
    """

    file: SweepFile
    folder: Path
    max_cost: float | None
    settings: Resolved
    assets: Assets = field(repr=False)
    service: ServiceModels | None = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    cells: tuple[PlannedCell, ...]
    record: SweepRecord
    other_usd: float
    warnings: tuple[str, ...]

    @property
    def stack_folder(self) -> Path:
        """Records of the embedded services of all runs."""
        return self.folder / STACK_FOLDER

    @property
    def left(self) -> tuple[PlannedCell, ...]:
        """The runs that are not complete."""
        return tuple(cell for cell in self.cells if not _is_complete(cell))

    @property
    def costs_nothing(self) -> bool:
        """Whether it is known that what is left costs nothing."""
        return all(cell.plan.costs_nothing for cell in self.left)

    @property
    def usd_left(self) -> Interval | None:
        """The likely price of what is left; None if a price is not known."""
        return price_of(self.left)

    @property
    def at_most_usd(self) -> float | None:
        """The most that what is left can cost by the judges' prices; None if that is not known."""
        return most_of(self.left)

    @property
    def seconds_left(self) -> Interval:
        """How long what is left is likely to take."""
        return seconds_of(self.left, at_once=self.file.runs_at_once)

    def plan_run(self, cell: Cell, *, limit: float | None) -> PlannedRun:
        """One of its runs, with its own cost limit.

        Raises:
            RunnerError: the settings contradict each other, or the judge cannot be asked.
        """
        designs, seeds = ({getattr(other, of) for other in self.file.cells} for of in ("design", "seed"))
        label = (
            cell.judge,
            *([cell.design] if len(designs) > 1 else []),
            *([f"seed {cell.seed}"] if len(seeds) > 1 else []),
        )
        values = dict(cell.settings) | {
            "mode": self.settings.settings.mode.value,
            "batch_id": ", ".join(label),
            "output_dir": str(self.folder),
            "max_cost": limit,
        }
        with _placed(f"{self.file.path}, {cell.name}"):
            resolved = settings_from(environment=self.environment, **values)
            return plan_run(resolved, self.assets, service=self.service, are_shown=True)


def price_of(cells: Sequence[PlannedCell]) -> Interval | None:
    """The likely price of what is left of these runs; None if one is not known."""
    prices = [cell.usd_left for cell in cells]
    known = [price for price in prices if price is not None]
    return _sum(known) if len(known) == len(prices) else None


def most_of(cells: Sequence[PlannedCell]) -> float | None:
    """The most that what is left of these runs can cost; None if that is not known."""
    bounds = [cell.at_most_left for cell in cells]
    known = [bound for bound in bounds if bound is not None]
    return sum(known) if len(known) == len(bounds) else None


def seconds_of(cells: Sequence[PlannedCell], *, at_once: int) -> Interval:
    """Between the time of the longest judge, and that of so many judges at once; the runs of one follow each other."""
    by_judge: dict[str, list[Interval]] = {}
    for cell in cells:
        by_judge.setdefault(cell.cell.judge, []).append(cell.seconds_left)
    times = [_sum(each) for each in by_judge.values()]
    if not times:
        return _FREE
    longest = Interval(low=max(time.low for time in times), high=max(time.high for time in times))
    return Interval(low=longest.low, high=max(longest.high, _sum(times).high / min(at_once, len(times))))


def plan_sweep(
    file: SweepFile,
    *,
    read: Callable[[Settings], Assets],
    environment: Mapping[str, str],
    max_cost: float | None = None,
) -> PlannedSweep:
    """Plan all runs of a sweep, and see how far they have come.

    Args:
        file: the sweep.
        read: reads the study that the settings name.
        environment: variables that count where the file says nothing.
        max_cost: a cost limit in place of the file's.

    Raises:
        RunnerError: the assets cannot be used or have changed, a setting does not fit, or a judge cannot be asked.
    """
    settings_from(max_cost=max_cost)  # refuses what can be no limit
    for_runs = _for_runs(environment)
    with _placed(f"{file.path}, [base]"):
        base = settings_from(environment=for_runs, **{"mode": "execute"} | dict(file.base))
        _check_mode(base.settings.mode)
    assets = read(base.settings)
    inputs = usable_inputs(assets, are_shown=True)
    folder = base.settings.output_dir / file.name
    record = read_record(folder) or SweepRecord(name=file.name, inputs_sha256=inputs.digest())
    if record.inputs_sha256 != inputs.digest():
        raise InputsInvalid(
            f"The assets are not those that the sweep in {folder} began with.",
            remedy="Restore them, or give the sweep another name in its file.",
        )
    sweep = PlannedSweep(
        file=file,
        folder=folder,
        max_cost=file.max_cost if max_cost is None else max_cost,
        settings=base,
        assets=assets,
        service=models_of_service(base.settings),
        environment=for_runs,
        cells=(),
        record=record,
        other_usd=0.0,
        warnings=(),
    )
    planned = [sweep.plan_run(cell, limit=None) for cell in file.cells]
    begun = {run.key: Progress.of(path, saved_run(path).state) for run, path in _begun(folder, record)}
    keys = [key_of(run.spec) for run in planned]
    cells = [
        PlannedCell(cell=cell, key=key, plan=run.plan, progress=begun.get(key))
        for cell, key, run in zip(file.cells, keys, planned, strict=True)
    ]
    _check_different(cells, path=file.path)
    said = (warning for run in planned for warning in run.warnings)
    return replace(
        sweep,
        cells=tuple(cells),
        other_usd=sum(run.spent_usd for key, run in begun.items() if key not in keys),
        warnings=tuple(dict.fromkeys(said)),
    )


def _begun(folder: Path, record: SweepRecord) -> Iterator[tuple[RecordedRun, Path]]:
    for run in record.runs:
        if has_begun(folder / run.directory):
            yield run, folder / run.directory


def _check_mode(mode: Mode) -> None:
    if not mode.executes:
        raise UsageError(
            f"mode must be execute or anchor-align, not {mode.value}.",
            remedy="To see what a sweep would do and cost, give --plan.",
        )


def _check_different(cells: Sequence[PlannedCell], *, path: Path) -> None:
    """Refuse two runs that ask the same: one of them would be shown twice."""
    names: dict[str, str] = {}
    for planned in cells:
        if planned.key in names:
            raise ConfigurationError(
                f"{path}: the runs of {names[planned.key]} and of {planned.cell.name} ask the same.",
                remedy="Leave one of them out.",
            )
        names[planned.key] = planned.cell.name


def _for_runs(environment: Mapping[str, str]) -> dict[str, str]:
    """The variables without those of settings that the sweep's file decides."""
    decided = {*JUDGE_KEYS, *DESIGN_KEYS, *ELSEWHERE}
    variables = {CONFIG.env, *(setting.env for setting in SETTINGS if setting.key in decided)}
    return {name: value for name, value in environment.items() if name not in variables}


@contextmanager
def _placed(where: str) -> Iterator[None]:
    """Say in an error's message which part of the sweep's file it is about."""
    try:
        yield
    except (UsageError, ConfigurationError) as error:
        raise type(error)(f"{where}: {error.message}", remedy=error.remedy) from None


def _with_test(usd: Interval, plan: Plan) -> Interval:
    return usd if plan.test_answer is None else usd.plus(plan.test_answer)


def _sum(intervals: Sequence[Interval]) -> Interval:
    return Interval(low=sum(each.low for each in intervals), high=sum(each.high for each in intervals))


def _is_complete(cell: PlannedCell) -> bool:
    return cell.progress is not None and cell.progress.outcome == "complete"
