"""A sweep from its file to its leaderboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

from eng5_runner.app.logs import logging_to
from eng5_runner.app.loop import run_in_thread, run_loop
from eng5_runner.app.plan import read_study
from eng5_runner.app.session import Interruption
from eng5_runner.app.sweeps.file import read_sweep_file
from eng5_runner.app.sweeps.plan import PlannedSweep, plan_sweep
from eng5_runner.app.sweeps.record import read_record
from eng5_runner.app.sweeps.work import OnUpdate, SweepWork
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.effects.run_lock import held
from eng5_runner.errors import DiskError, InputsMissing, RunnerError, TemporaryFailure
from eng5_runner.planning.sweep import Progress
from eng5_runner.reports.html_leaderboard import leaderboard_page
from eng5_runner.results.sweep.figures import RunFigures, figures_of
from eng5_runner.results.sweep.leaderboard import Leaderboard, make_leaderboard
from eng5_runner.results.sweep.tables import leaderboard_table
from eng5_runner.results.tables import table_csv
from eng5_runner.run.artefact_file import load_artefact
from eng5_runner.run.run_directory import saved_run

PAGE_NAME, CSV_NAME, LOG_NAME = "leaderboard.html", "leaderboard.csv", "sweep.log.jsonl"


@dataclass(frozen=True, slots=True, kw_only=True)
class Sweep:
    """A sweep after its runs were worked on.

    Attributes:
        path: its folder, with a folder for each run, `leaderboard.html` and `leaderboard.csv`.
        leaderboard: the judges in the order of their agreement with the experts, and which differences are real.
        errors: what a run could not continue after, by the run's name; calling again goes on.
        outcomes: how each run ended, by its name; None for one that is open or has not begun.
        signal_number: of the signal that interrupted it, if there was one.
    """

    path: Path
    leaderboard: Leaderboard
    errors: Mapping[str, RunnerError] = field(repr=False)
    outcomes: Mapping[str, str | None]
    signal_number: int | None = None

    @property
    def complete(self) -> bool:
        """Whether every run is complete."""
        return all(outcome == "complete" for outcome in self.outcomes.values())


def sweep(file: str | Path, *, max_cost: float | None = None, emit: OnUpdate | None = None) -> Sweep:
    """Run all judges, designs and seeds of a sweep's file, and compare the judges.

    A sweep that was interrupted, also by a kill, goes on where it was when it is called again, and pays nothing twice.
    Nobody is asked before money is spent: give `max_cost` here or in the file.

    Args:
        file: TOML; README.md has an example.
        max_cost: the most USD of all runs together, in place of the file's.
        emit: called in the worker's thread with each run of the sweep and an event, a notice or an error of it.

    Returns:
        The sweep: `.leaderboard` with `.verdict`, `.rows` and `.differences`; `.path`, its folder; `.errors`.

    Raises:
        RunnerError: the sweep could not begin: its file, the assets or a judge cannot be used.
        KeyboardInterrupt: it was interrupted. What was gathered is written.

    Example:
        >>> import eng5_runner as eng5
        >>> board = eng5.sweep("examples/sweep.toml").leaderboard  # doctest: +SKIP
        >>> board.verdict  # doctest: +SKIP
    """
    planned = plan_sweep(read_sweep_file(Path(file)), read=read_study, environment={}, max_cost=max_cost)
    return run_sweep(planned, emit=emit or _ignore)


def _ignore(*_: object) -> None:
    """For callers that watch no progress."""


def run_sweep(planned: PlannedSweep, *, emit: OnUpdate, owns_process: bool = False) -> Sweep:
    """Work on the runs of a planned sweep, and write its leaderboard, also after an interruption or errors.

    Args:
        planned: the sweep.
        emit: gets each event, notice and error of each run.
        owns_process: whether it runs in the main thread and takes signals, as on the command line.

    Raises:
        RunnerError: the stack did not come up, another process works on the sweep or has since it was planned, or the
            disk refused.
        KeyboardInterrupt: it was interrupted in a process that is not ours.
    """
    folder = planned.folder
    _make(folder)
    with held(folder), logging_to(folder / LOG_NAME, identity={"sweep": planned.file.name}, verbose=False):
        _require_as_planned(planned)
        work, interruption = SweepWork(sweep=planned, emit=emit), Interruption()
        try:
            if owns_process:
                run_loop(work.run(interruption, owns_process=True))
            else:
                run_in_thread(work.run(interruption, owns_process=False), on_interrupt=interruption.from_outside)
        finally:
            board = _write_leaderboard(work)
    names = {cell.key: cell.cell.name for cell in planned.cells}
    return Sweep(
        path=folder,
        leaderboard=board,
        errors={names[key]: error for key, error in work.errors.items()},
        outcomes={name: _outcome(work, key) for key, name in names.items()},
        signal_number=interruption.signal_number,
    )


def _require_as_planned(planned: PlannedSweep) -> None:
    """Check that nobody has worked on the sweep since it was planned, such as while its price was shown.

    Raises:
        TemporaryFailure: somebody has; runs would be paid for again, and missing in the leaderboard.
    """
    begun = [cell.progress for cell in planned.cells if cell.progress is not None]
    is_as_planned = (read_record(planned.folder) or planned.record) == planned.record and all(
        Progress.of(progress.directory, saved_run(progress.directory).state) == progress for progress in begun
    )
    if not is_as_planned:
        raise TemporaryFailure(
            f"Another process has worked on the sweep in {planned.folder} since this one was planned.",
            remedy="Nothing was sent. Call it again: it goes on from there.",
        )


def _outcome(work: SweepWork, key: str) -> str | None:
    if key in work.unpaid:
        return "budget"
    return work.progress[key].outcome if key in work.progress else None


def _write_leaderboard(work: SweepWork) -> Leaderboard:
    sweep = work.sweep
    board = make_leaderboard(
        list(_figures(work)),
        name=sweep.file.name,
        expected_runs=len(sweep.cells),
        limit_usd=sweep.max_cost,
        other_usd=sweep.other_usd,
        other_unpriced=sweep.other_unpriced,
    )
    write_atomically(sweep.folder / PAGE_NAME, leaderboard_page(board))
    write_atomically(sweep.folder / CSV_NAME, table_csv(leaderboard_table(board)))
    return board


def _figures(work: SweepWork) -> Iterator[RunFigures]:
    """Of each run that has an artefact; one artefact at a time is in memory."""
    for planned in work.sweep.cells:
        progress, cell = work.progress.get(planned.key), planned.cell
        if progress is None:
            continue
        with suppress(InputsMissing):
            yield figures_of(
                load_artefact(progress.directory),
                judge=cell.judge,
                design=cell.design,
                seed=cell.seed,
                directory=progress.directory.name,
            )


def _make(folder: Path) -> None:
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DiskError(
            f"{folder} cannot be created: {error.strerror}.", remedy="Choose a writable output_dir."
        ) from None
