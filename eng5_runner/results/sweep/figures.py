"""What one run of a sweep says of its judge, from its artefact."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from statistics import median

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.rounding import usd
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import (
    AnchorAlignment,
    FirstPositionAdvantage,
    JudgeConsistency,
    JudgeQuality,
    LengthBias,
)
from eng5_runner.results.artefact.part import AtLeastOne, Count, Interval90, Nullable, Part, Text
from eng5_runner.results.artefact.study import Comparison, Costs
from eng5_runner.results.paired_verdicts import grade_places


class SweptFigure(Part):
    """A figure with its 90% interval; without a value where it is not measured or not defined."""

    value: Nullable[float] = None
    """None where there is none."""
    interval_90: Nullable[Interval90] = None
    """None where there is none, such as with fewer than six anchors."""


class SweptFigures(Part):
    """What a sweep says of a judge, by one run or by the mean of several."""

    tau_b: SweptFigure
    """Kendall's τ-b of the anchors' order with their grades."""
    grade_error: SweptFigure
    """Mean distance in steps of each anchor's grade by the other anchors to the experts' grade."""
    first_shown: SweptFigure
    """Advantage of being shown first, in logits; 0 is expected."""
    length: SweptFigure
    """Advantage of twice as many words at the same grade, in logits; 0 is expected."""
    swap: SweptFigure
    """Share of pairs with the same winner in the other order."""
    reliability: Nullable[float]
    """Of the judge's own order, 0 to 1."""
    usd_a_judgement: Nullable[float]
    """What a judgement costs where none is repeated from an earlier run, failed calls included; None where the price
    of one is not known."""
    seconds_an_answer: Nullable[float]
    """Median time of the model's answer; None where no service says."""


class SweptRun(SweptFigures):
    """One run of a sweep."""

    judge: Text
    """The judge's name in the sweep."""
    design: Text
    """The design's name in the sweep."""
    seed: int
    """Of the pairing."""
    directory: str
    """The run's folder in the folder of the sweep."""
    run_id: str
    """Its UUID."""
    model: Nullable[str]
    """Provider and model; None where nothing was judged."""
    outcome: str
    """How it ended."""
    judged: Count
    """Comparisons with a winner."""
    failed: Count
    """Comparisons without."""
    usd: float
    """What the run cost."""
    seconds: float
    """From the run's beginning to its last event."""
    unpriced: AtLeastOne | None = None
    """Calls whose price is not known: `usd` lacks them; absent where all prices are known."""


@dataclass(frozen=True, slots=True, kw_only=True)
class RunFigures:
    """A run with what is compared between judges.

    Attributes:
        run: its own figures.
        mode: of the run.
        students: how many were compared.
        positions: anchor → position in logits.
        grades: anchor → place of its grade on the scale.
        shares: pair of anchors of different grades → how often its first one won; the ids in the alphabet's order.
    """

    run: SweptRun
    mode: str
    students: int
    positions: Mapping[str, float]
    grades: Mapping[str, int]
    shares: Mapping[tuple[str, str], float]


def figures_of(artefact: Artefact, *, judge: str, design: str, seed: int, directory: str) -> RunFigures:
    """The figures of a run, as its own report shows them.

    Args:
        artefact: of the run.
        judge: the judge's name in the sweep.
        design: the design's name in the sweep.
        seed: of the pairing.
        directory: the run's folder in the folder of the sweep.
    """
    metadata, alignment, quality = artefact.metadata, artefact.anchor_alignment, artefact.judge_quality
    grades = grade_places(artefact) if metadata.grade_scale in GRADE_SCALES else {}
    models = [f"{identity.provider} {identity.model}" for identity in metadata.judges]
    times = [row.response_time_ms for row in artefact.llm_comparisons if row.response_time_ms and row.replayed is None]
    counts = artefact.runner_status.comparisons
    lasted = datetime.fromisoformat(metadata.generated_at) - datetime.fromisoformat(metadata.started_at)
    run = SweptRun(
        judge=judge,
        design=design,
        seed=seed,
        directory=directory,
        run_id=metadata.batch_uuid,
        model=", ".join(models) or None,
        outcome=artefact.runner_status.outcome,
        judged=counts.judged,
        failed=counts.failed,
        tau_b=_tau_b(alignment),
        grade_error=_grade_error(alignment),
        first_shown=_first_shown(quality),
        length=_length(quality),
        swap=_swap(quality),
        reliability=None if artefact.bt_model is None else artefact.bt_model.reliability.empirical_bayes,
        usd=artefact.costs.total_usd,
        unpriced=artefact.costs.unpriced or None,
        usd_a_judgement=_usd_a_judgement(artefact.costs, judged=counts.judged),
        seconds_an_answer=median(times) / 1000 if times else None,
        seconds=max(lasted.total_seconds(), 0.0),
    )
    return RunFigures(
        run=run,
        mode=metadata.runner_mode.value,
        students=len(artefact.inputs.students),
        positions={entry.essay_id: entry.theta for entry in artefact.bt_summary if entry.essay_id in grades},
        grades=grades,
        shares=_shares(artefact.llm_comparisons, grades),
    )


def _tau_b(alignment: AnchorAlignment | None) -> SweptFigure:
    if alignment is None:
        return SweptFigure()
    intervals = alignment.intervals_90
    interval = None if intervals is None else intervals.kendall_tau_b
    return SweptFigure(value=alignment.kendall_tau_b, interval_90=interval)


def _grade_error(alignment: AnchorAlignment | None) -> SweptFigure:
    if alignment is None:
        return SweptFigure()
    intervals = alignment.intervals_90
    interval = None if intervals is None else intervals.left_out_mean_absolute_error
    return SweptFigure(value=alignment.left_out_mean_absolute_error, interval_90=interval)


def _first_shown(quality: JudgeQuality | None) -> SweptFigure:
    effect = None if quality is None else quality.position_effect
    if not isinstance(effect, FirstPositionAdvantage):
        return SweptFigure()
    return SweptFigure(value=effect.estimate, interval_90=effect.interval_90)


def _length(quality: JudgeQuality | None) -> SweptFigure:
    bias = None if quality is None else quality.length
    if not isinstance(bias, LengthBias):
        return SweptFigure()
    return SweptFigure(value=bias.logits_a_doubling, interval_90=bias.interval_90)


def _swap(quality: JudgeQuality | None) -> SweptFigure:
    swap = None if quality is None else quality.swap
    if not isinstance(swap, JudgeConsistency):
        return SweptFigure()
    return SweptFigure(value=swap.share, interval_90=swap.interval_90)


def _usd_a_judgement(costs: Costs, *, judged: int) -> float | None:
    if not judged or costs.unpriced:
        return None
    test_answer = 0.0 if costs.test_answer is None else costs.test_answer.usd
    saved = 0.0 if costs.replayed is None else costs.replayed.saved_usd
    return usd((costs.total_usd - test_answer + saved) / judged)


def _shares(comparisons: Iterable[Comparison], grades: Mapping[str, int]) -> dict[tuple[str, str], float]:
    won: defaultdict[tuple[str, str], list[bool]] = defaultdict(list)
    for row in comparisons:
        one, other = row.essay_a_id, row.essay_b_id
        if one in grades and other in grades and grades[one] != grades[other]:
            pair = (min(one, other), max(one, other))
            won[pair].append(row.winner_id == pair[0])
    return {pair: sum(wins) / len(wins) for pair, wins in won.items()}
