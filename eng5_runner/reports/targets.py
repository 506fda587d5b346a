"""The targets that the field sets a judge, for all views: what was found, what able judges get, and the verdict."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from eng5_runner.reports.figures import number, span, times
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import BesideAbleJudges
from eng5_runner.results.paired_verdicts import grade_places

MET, MISSED, UNDEFINED = "met", "missed", "undefined"
RULE = (
    "Able judges are simulated: they judge the same pairs, and their order agrees with the experts' by r. Met: at most "
    "one in twenty judges of r = .9 does as well, or there is no anchor without a win. Missed: at most one in twenty "
    "does as badly."
)


@dataclass(frozen=True, slots=True, kw_only=True)
class TargetRow:
    """One target.

    Attributes:
        name: what is looked at.
        found: the judge's figure.
        usual: the fixed target that the field works with.
        fair: what the middle 90% of judges of r = .9 get; empty where that was not computed.
        perfect: the same of judges who order the anchors as the experts do.
        verdict: `met`, `cannot be told`, `missed` or `undefined`.
    """

    name: str
    found: str
    usual: str
    fair: str
    perfect: str
    verdict: str


def target_rows(artefact: Artefact) -> Iterator[TargetRow]:
    """The targets of a run with anchors; none without them, or in artefacts of versions that did not write them."""
    alignment, places = artefact.anchor_alignment, grade_places(artefact)
    if alignment is None or alignment.targets is None or alignment.inversions is None or alignment.without_win is None:
        return
    targets, inverted = alignment.targets, alignment.inversions
    lowest = min(places.values(), default=0)
    winless = [anchor for anchor in alignment.without_win if places.get(anchor.anchor_id, lowest + 1) > lowest]
    tau, inversions, without_win = targets.kendall_tau_b, targets.inversions, targets.without_win
    yield _row(
        "order of the anchors (Kendall τ-b)",
        found=number(alignment.kendall_tau_b),
        usual=f"at least {tau.at_least:.2f}",
        met=tau.met,
        beside=tau.beside_able_judges,
        digits=2,
    )
    yield _row(
        "inverted pairs of anchors",
        found=f"{times(inverted.inverted)} of {inverted.pairs}",
        usual=f"at most {inversions.at_most:g}",
        met=inversions.met,
        beside=inversions.beside_able_judges,
        digits=1,
    )
    yield _row(
        "anchors above the lowest grade without a win",
        found=str(len(winless)),
        usual="none",
        met=without_win.met,
        beside=without_win.beside_able_judges,
        digits=1,
    )


def _row(
    name: str, *, found: str, usual: str, met: bool | None, beside: BesideAbleJudges | None, digits: int
) -> TargetRow:
    if beside is None:
        verdict = UNDEFINED if met is None else MET if met else MISSED
        return TargetRow(name=name, found=found, usual=usual, fair="", perfect="", verdict=verdict)
    return TargetRow(
        name=name,
        found=found,
        usual=usual,
        fair=span(beside.judges_of_90, digits),
        perfect=span(beside.judges_of_100, digits),
        verdict=beside.verdict,
    )
