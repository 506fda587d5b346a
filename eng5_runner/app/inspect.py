"""Look at runs: open, verify, compare, and what their directories say. No network is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eng5_runner import __version__
from eng5_runner.core.next_step import missing_uploads, next_step
from eng5_runner.core.progress import comparisons_per_second
from eng5_runner.core.study_size import comparisons_wanted
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.ledger import require_ledger
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.effects.run_lock import held, is_held
from eng5_runner.errors import DiskError, InputsInvalid, command
from eng5_runner.reports.html_report import REPORT_NAME
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.study import Comparison, FailedComparison
from eng5_runner.results.compare import RunsCompared, compare_artefacts
from eng5_runner.results.rows import Rows
from eng5_runner.results.run_rows import (
    AnchorPosition,
    EssayPosition,
    anchor_rows,
    comparison_rows,
    essay_rows,
    failed_rows,
)
from eng5_runner.run import verify as verification
from eng5_runner.run.artefact_file import load_artefact
from eng5_runner.run.hydrate import Hydrated, hydrate, write
from eng5_runner.run.run_directory import SavedRun, saved_run
from eng5_runner.run.verify import Verified


@dataclass(frozen=True, eq=False)  # no slots: row lists are made when first asked for, and kept
class Run:
    """A run's results, from the artefact in its directory.

    Attributes:
        path: the run's directory.
        artefact: the whole artefact.
    """

    path: Path
    artefact: Artefact

    def __repr__(self) -> str:
        essays, counts = self.artefact.bt_summary, self.artefact.runner_status.comparisons
        anchors = sum(entry.is_anchor for entry in essays)
        judged = f"{counts.judged} comparisons, {counts.failed} failed, {self.artefact.costs.total_usd:.4f} USD"
        lines = [
            f"Run {self.id} ({self.label}), {self.mode}, {self.outcome}",
            f"judge: {', '.join(self.judges) or 'none'}",
            f"{len(essays)} essays ({anchors} anchors), {judged}",
        ]
        if self.reliability is not None:
            lines.append(f"reliability of the judge's order: {self.reliability:.2f}")
        return "\n  ".join([*lines, str(self.path)])

    @property
    def id(self) -> str:
        """The run's UUID."""
        return self.artefact.metadata.batch_uuid

    @property
    def label(self) -> str:
        """The name that a person gave it."""
        return self.artefact.metadata.batch_label

    @property
    def mode(self) -> str:
        """`execute`, `dry-run` or `anchor-align`."""
        return self.artefact.metadata.runner_mode.value

    @property
    def outcome(self) -> str:
        """`complete`, `partial`, `budget`, `failed`, `interrupted`, `not-sent`, `not-awaited`, or `open`."""
        return self.artefact.runner_status.outcome

    @property
    def judges(self) -> tuple[str, ...]:
        """Provider and model of each judge."""
        return tuple(f"{judge.provider} {judge.model}" for judge in self.artefact.metadata.judges)

    @property
    def reliability(self) -> float | None:
        """The reliability of the judge's order, 0 to 1; None without comparisons. It says nothing about teachers."""
        model = self.artefact.bt_model
        return None if model is None else model.reliability.empirical_bayes

    @cached_property
    def essays(self) -> Rows[EssayPosition]:
        """All essays with positions (logits) and grades, the highest first."""
        return essay_rows(self.artefact)

    @property
    def comparisons(self) -> Rows[Comparison]:
        """The judgements. A data frame of them also has the columns `file_a` and `file_b`."""
        return comparison_rows(self.artefact)

    @cached_property
    def anchors(self) -> Rows[AnchorPosition]:
        """The anchors with their known grade and the one that the other anchors give them."""
        return anchor_rows(self.artefact)

    @property
    def failed(self) -> Rows[FailedComparison]:
        """The comparisons without a winner."""
        return failed_rows(self.artefact)


def open_run(path: str | Path) -> Run:
    """A run's results.

    Args:
        path: the run's directory, such as `runs/latest`.

    Returns:
        The run: `.artefact`, and the row lists `.essays`, `.comparisons`, `.anchors` and `.failed`, each with
        `.to_pandas()` and `.to_polars()`. What the file says is taken as it is; `eng5.verify` proves it.

    Raises:
        InputsMissing: the directory has no artefact: it is no run, or a run that has not ended yet.
        InputsInvalid: the artefact is damaged.

    Example:
        >>> import eng5_runner as eng5
        >>> run = eng5.open_run(demo)
        >>> run.outcome, run.essays[0].rank
        ('complete', 1)
        >>> max(essay.theta for essay in run.essays) == run.essays[0].theta
        True
    """
    directory = Path(path)
    return Run(path=directory, artefact=load_artefact(directory))


def _directory(run: str | Path | Run) -> Path:
    return run.path if isinstance(run, Run) else Path(run)


def verify(run: str | Path | Run) -> Verified:
    """Prove that a run's files are what its ledger gives, byte for byte.

    Args:
        run: the run's directory, or the run.

    Returns:
        What was checked: `.files` and `.comparisons` (numbers), `.outcome`, and `.disagreements` with the figures of
        the CJ service. `.older_reports` names reports with the words of an earlier version, `.extra_files` files that
        do not belong to the run.

    Raises:
        VerificationFailed: something does not hold; the message names each file.
        InputsMissing: it is not a run's directory.

    Example:
        >>> import eng5_runner as eng5
        >>> eng5.verify(demo).outcome
        'complete'
    """
    return verification.verify(_directory(run), version=__version__)


def compare(a: str | Path | Run, b: str | Path | Run) -> RunsCompared:
    """Compare two runs of the same essays: positions, grades, verdicts, cost.

    Essays are the same where their texts are the same, whatever they are called.

    Args:
        a: a run's directory, or the run.
        b: another one.

    Returns:
        The comparison: `.essays`, `.positions` (correlations with 90% intervals), `.grades`, `.verdicts`, `.anchors`,
        `.costs` (USD). A figure that is undefined is None.

    Raises:
        InputsMissing: a run has no artefact.
        InputsInvalid: an artefact is damaged, or the runs have no essay in common.

    Example:
        >>> import eng5_runner as eng5
        >>> eng5.compare(demo, demo).verdicts.agreement
        1.0
    """
    first, second = (run if isinstance(run, Run) else open_run(run) for run in (a, b))
    compared = compare_artefacts(first.artefact, second.artefact)
    if not compared.essays.shared:
        raise InputsInvalid(
            f"{first.path} and {second.path} have no essay in common.",
            remedy="Compare runs of the same texts; names may differ.",
        )
    return compared


def hydrate_run(run_directory: Path) -> Hydrated:
    """Write a run's outputs again from its ledger.

    Raises:
        RunnerError: it is not a run's directory, it is in use, or it is damaged.
        AssertionError: the artefact breaks its schema, which is a bug.
    """
    require_ledger(run_directory)
    with held(run_directory):
        hydrated = hydrate(run_directory)
        if hydrated.violations:
            raise AssertionError(f"the artefact breaks its schema: {'; '.join(hydrated.violations)}")
        write(run_directory, hydrated)
    return hydrated


def write_report(run_directory: Path, *, out: Path | None = None) -> Path:
    """Write a run's report: to `out`, or with all other outputs into the run's directory.

    Returns:
        Where the report is.

    Raises:
        RunnerError: the run cannot be read, or the file cannot be written.
    """
    if out is None:
        try:
            hydrate_run(run_directory)
        except DiskError as error:
            error.remedy += f" Or write the report elsewhere: {command('report', run_directory, '--out', 'FILE')}"
            raise
        return run_directory / REPORT_NAME
    write_atomically(out, hydrate(run_directory).files[REPORT_NAME])
    return out


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        run: its id.
        sessions: the number of times that somebody worked on it.
        texts_stored: the number of texts that the Content Service holds.
        comparisons_asked: the number of comparisons that the run asks for; where that is not on record yet, or was not
            by an older version, the number that it is made for.
        comparisons_missing: how many of them have not come back; None before the request is sent, and in old runs.
        requests: the number of requests that were made.
        cost_usd: spent so far.
        max_cost_usd: the cost limit; None without one.
        duplicates: the number of callbacks that came more than once.
        rejected: the number of callbacks that could not be used.
        completed: the status in which the CJ service completed the last request; None before.
        result: whether the CJ service's result of the last request came.
        uploads_left: the number of texts to store.
        next: the step that is due; None if the session has ended.
        is_running: whether a process works on it now.
        comparisons_per_second: in the last session; None before its second comparison.
        seconds_left: until all comparisons are there, at this rate; None where no process works on it, or no rate is
            known.
        silent_seconds: since the last event.
    """

    run: str
    label: str
    mode: str
    stage: str
    outcome: str
    reasons: tuple[str, ...]
    sessions: int
    texts_stored: int
    comparisons_asked: int
    comparisons_judged: int
    comparisons_failed: int
    comparisons_missing: int | None
    requests: int
    cost_usd: float
    max_cost_usd: float | None
    duplicates: int
    rejected: int
    completed: str | None
    result: bool
    uploads_left: int
    next: str | None
    is_running: bool
    comparisons_per_second: float | None
    seconds_left: float | None
    silent_seconds: float


def status_of(run_directory: Path) -> RunStatus:
    """Where a run stands; works while another process is at work on it.

    Raises:
        RunnerError: it is not a run's directory, or it is damaged.
    """
    return describe_status(saved_run(run_directory), run_directory)


def describe_status(saved: SavedRun, run_directory: Path) -> RunStatus:
    """Where a run stands, from its ledger and its lock."""
    state = saved.state
    spec, closed = state.spec, state.closed
    wanted, _ = comparisons_wanted(spec.budget, essays=len(saved.inputs.students) + len(saved.inputs.anchors))
    rate, is_running = comparisons_per_second(saved.events), is_held(run_directory)
    asked = wanted if state.asked is None else state.asked
    left = max(asked - state.judged - state.failed, 0)
    now = SystemClock().now()
    return RunStatus(
        run=str(spec.run_id),
        label=spec.label,
        mode=spec.mode.value,
        stage=state.stage,
        outcome=closed.outcome if closed else "open",
        reasons=closed.reasons if closed else (),
        sessions=state.sessions,
        texts_stored=len(state.storage_ids),
        comparisons_asked=asked,
        comparisons_judged=state.judged,
        comparisons_failed=state.failed,
        comparisons_missing=state.missing,
        requests=len(state.requests),
        cost_usd=round(state.cost_usd, 6),
        max_cost_usd=spec.budget.max_cost_usd,
        duplicates=state.repeated,
        rejected=state.rejected,
        completed=state.request.completed if state.request else None,
        result=state.request is not None and state.request.has_result,
        uploads_left=len(missing_uploads(state, saved.inputs)),
        next=next_step(state, saved.inputs),
        is_running=is_running,
        comparisons_per_second=rate and round(rate, 3),
        seconds_left=round(left / rate, 1) if is_running and rate else None,
        silent_seconds=round((now - (state.last_at or now)).total_seconds(), 1),
    )
