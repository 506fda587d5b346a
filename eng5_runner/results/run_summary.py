"""A run in one row, for a list of many runs."""

from __future__ import annotations

from dataclasses import dataclass

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import GradesAvailable


@dataclass(frozen=True, slots=True, kw_only=True)
class RunSummary:
    """What identifies a run, and its main figures; a figure that is not defined is None.

    Attributes:
        label: the name that people gave the run.
        started_at: when it began, UTC; None where nothing says so.
        judge: provider and model of each judge.
        essays: compared, anchors included.
        comparisons: with a winner.
        outcome: how it ended; `open` where it has no results yet, `planned` after a plan, `unreadable` where its
            artefact is damaged, `changed` where it is not the one that the manifest lists.
        reliability: of the judge's own order, 0 to 1.
        agreement: r of the judge's true order with the teachers' grades, as the anchors show it.
        tau_b: Kendall's τ-b of the anchors with their grades.
        cost_usd: of all calls; None where the price of one is not known.
        mode: `execute`, `anchor-align` or `dry-run`.
        run_id: its UUID.
        directory: where it is.
    """

    label: str
    started_at: str | None = None
    judge: str | None = None
    essays: int | None = None
    comparisons: int | None = None
    outcome: str
    reliability: float | None = None
    agreement: float | None = None
    tau_b: float | None = None
    cost_usd: float | None = None
    mode: str | None = None
    run_id: str | None = None
    directory: str


def summary_of(artefact: Artefact, *, directory: str) -> RunSummary:
    """The row of a run; its comparisons are not looked at, so that an artefact without them gives the same."""
    metadata, grades = artefact.metadata, artefact.grade_model
    teachers = grades.agreement_with_teachers if isinstance(grades, GradesAvailable) else None
    return RunSummary(
        label=metadata.batch_label,
        started_at=metadata.started_at,
        judge=", ".join(f"{judge.provider} {judge.model}" for judge in metadata.judges) or None,
        essays=len(artefact.inputs.students) + len(artefact.inputs.anchors),
        comparisons=artefact.runner_status.comparisons.judged,
        outcome=artefact.runner_status.outcome,
        reliability=artefact.bt_model.reliability.empirical_bayes if artefact.bt_model else None,
        agreement=teachers.correlation if teachers else None,
        tau_b=artefact.anchor_alignment.kendall_tau_b if artefact.anchor_alignment else None,
        cost_usd=None if artefact.costs.unpriced else artefact.costs.total_usd,
        mode=metadata.runner_mode.value,
        run_id=metadata.batch_uuid,
        directory=directory,
    )
