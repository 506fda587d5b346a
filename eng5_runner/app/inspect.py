"""Look at runs: open, verify, compare, write their outputs again. No network is used."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from eng5_runner import __version__
from eng5_runner.effects.ledger import move_torn_tail, require_ledger
from eng5_runner.effects.run_lock import held, is_held
from eng5_runner.errors import InputsInvalid, TemporaryFailure, VerificationFailed
from eng5_runner.phrases import counted
from eng5_runner.reports.figures import spent
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
        costs = self.artefact.costs
        price = spent(costs.total_usd, unpriced=costs.unpriced)
        judged = f"{counted(counts.judged, 'comparison')}, {counts.failed} failed, {price}"
        lines = [
            f"Run {self.id} ({self.label}), {self.mode}, {self.outcome}",
            f"judge: {', '.join(self.judges) or 'none'}",
            f"{counted(len(essays), 'essay')} ({counted(anchors, 'anchor')}), {judged}",
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
        `.to_pandas()` and `.to_polars()`. `eng5.verify` proves what the file says.

    Raises:
        InputsMissing: the directory has no artefact: it is no run, or a run that has not ended yet.
        InputsInvalid: the artefact is damaged, or not the one that the run's manifest lists.

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
        TemporaryFailure: something does not hold because a process works on the run.
        InputsMissing: it is not a run's directory.

    Example:
        >>> import eng5_runner as eng5
        >>> eng5.verify(demo).outcome
        'complete'
    """
    directory = _directory(run)
    was_held = is_held(directory)
    try:
        return verification.verify(directory, version=__version__)
    except VerificationFailed:
        if not (was_held or is_held(directory)):
            raise
        raise TemporaryFailure(
            f"{directory} is being worked on, so its files do not belong together yet.",
            remedy="Wait until that process ends, then verify it.",
        ) from None


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
        move_torn_tail(run_directory)
        hydrated = hydrate(run_directory)
        if hydrated.violations:
            raise AssertionError(f"the artefact breaks its schema: {'; '.join(hydrated.violations)}")
        write(run_directory, hydrated)
    return hydrated
