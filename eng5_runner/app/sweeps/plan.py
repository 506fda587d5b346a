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
from eng5_runner.app.sweeps.file import DESIGN_KEYS, ELSEWHERE, JUDGE_KEYS, SweepFile
from eng5_runner.app.sweeps.record import RecordedRun, SweepRecord, key_of, read_record
from eng5_runner.core.spec import Mode
from eng5_runner.effects.outputs import STACK_FOLDER
from eng5_runner.errors import ConfigurationError, InputsInvalid, UsageError
from eng5_runner.inventory.read import Assets
from eng5_runner.planning.candidates import ServiceModels
from eng5_runner.planning.sweep import Cell, PlannedCell, Progress, SweepPlan
from eng5_runner.run.run_directory import has_begun, saved_run


@dataclass(frozen=True, slots=True, kw_only=True)
class PlannedSweep(SweepPlan):
    """A sweep before its runs.

    Attributes:
        file: what is asked for.
        settings: of all runs.
        assets: the study.
        record: what has begun.
        other_usd: what runs cost that the file no longer names.
        other_unpriced: how many of their calls have no known price.
    """

    file: SweepFile
    settings: Resolved
    assets: Assets = field(repr=False)
    service: ServiceModels | None = field(repr=False)
    environment: Mapping[str, str] = field(repr=False)
    record: SweepRecord
    other_usd: float
    other_unpriced: int

    @property
    def stack_folder(self) -> Path:
        """Records of the embedded services of all runs."""
        return self.folder / STACK_FOLDER

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
        name=file.name,
        runs_at_once=file.runs_at_once,
        folder=folder,
        max_cost=file.max_cost if max_cost is None else max_cost,
        settings=base,
        assets=assets,
        service=models_of_service(base.settings),
        environment=for_runs,
        cells=(),
        record=record,
        other_usd=0.0,
        other_unpriced=0,
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
    others = [run for key, run in begun.items() if key not in keys]
    said = (warning for run in planned for warning in run.warnings)
    return replace(
        sweep,
        cells=tuple(cells),
        other_usd=sum(run.spent_usd for run in others),
        other_unpriced=sum(run.unpriced for run in others),
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
