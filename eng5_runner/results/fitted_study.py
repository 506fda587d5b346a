"""The judgements of a run as the statistics see them: fitted once, and read by every block of the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.core.inputs import EssayFlag, Inputs
from eng5_runner.core.rounding import ends, rounded
from eng5_runner.measure.grading.grades import Scale, StudentGrade
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_at
from eng5_runner.measure.model.dependence import Correlation, Dependence, dependence, weighed
from eng5_runner.measure.model.own_effects import OwnEffects
from eng5_runner.measure.model.soft import Said, soft_from
from eng5_runner.measure.model.soft_choice import SoftChoice, choose
from eng5_runner.measure.quality.misfit import Misfit, misfit
from eng5_runner.results.artefact.columns import columns_of
from eng5_runner.results.artefact.measurement import (
    JudgementDependence,
    PairCorrelation,
    SoftCandidate,
    SoftJudge,
    SoftUse,
)
from eng5_runner.results.artefact.study import Comparison, FailedComparison


@dataclass(frozen=True, kw_only=True)  # no slots: the comparisons of a million judgements are counted once
class Judgements:
    """All judgements as columns, in the order in which they were asked: 19 bytes each, where a row takes 2 kB.

    Attributes:
        items: the essays' ids, sorted; the other fields refer to them by place.
        first: shape (judgements,), the essay shown first.
        second: shape (judgements,), the essay shown second.
        first_won: shape (judgements,), 1 if the first won, else 0.
        judge: shape (judgements,), the place of the model in `judges`.
        cost_usd: shape (judgements,).
        judges: provider and model of each judge.
    """

    items: tuple[str, ...]
    first: NDArray[np.int32]
    second: NDArray[np.int32]
    first_won: NDArray[np.int8]
    judge: NDArray[np.int16]
    cost_usd: NDArray[np.float64]
    judges: tuple[tuple[str, str], ...]

    @classmethod
    def of(cls, items: Sequence[str], judged: Sequence[Comparison]) -> Judgements:
        """The judgements of these essays, which are all that were judged."""
        columns = columns_of(judged).of_essays(items)
        return cls(
            items=tuple(items),
            first=np.frombuffer(columns.first, dtype=np.int32),
            second=np.frombuffer(columns.second, dtype=np.int32),
            first_won=np.frombuffer(columns.first_won, dtype=np.int8),
            judge=np.frombuffer(columns.judge, dtype=np.int16),
            cost_usd=np.frombuffer(columns.cost_usd, dtype=np.float64),
            judges=columns.judges,
        )

    def __len__(self) -> int:
        return len(self.first)

    @cached_property
    def by_judge(self) -> dict[str, Comparisons]:
        """The comparisons of each judge, by `provider/model`, in the order of the names."""
        places = sorted(range(len(self.judges)), key=self.judges.__getitem__)
        return {"/".join(self.judges[place]): self._counted(self.judge == place) for place in places}

    @cached_property
    def comparisons(self) -> Comparisons:
        """Those of all judges."""
        return next(iter(self.by_judge.values())) if len(self.judges) == 1 else self._counted(slice(None))

    def _counted(self, chosen: slice | NDArray[np.bool_]) -> Comparisons:
        return comparisons_at(
            self.items, first=self.first[chosen], second=self.second[chosen], outcome=self.first_won[chosen]
        )


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedStudy:
    """What was judged, and the scale that follows.

    Attributes:
        judged: every judgement.
        failed: every call without a winner.
        asked: all judgements as comparisons.
        fitted: from them, with what each of them counts for.
        surprise: how well the essays fit the scale.
        dependent: how far judgements of the same pair repeat each other.
        own: what is each judge's own; None for a single judge, and where only wins were asked for.
        soft: what was used of the judge's confidence and the probabilities of its answers; None if only wins were
            asked for, or if there was nothing else.
        scale: the grades.
        grades: anchor id → index of its grade.
        words: essay id → its words.
        flags: the essays that may sway the judge by more than what a reader sees.
    """

    judged: Judgements
    failed: Sequence[FailedComparison]
    asked: Comparisons
    fitted: Fit
    surprise: Misfit
    dependent: Dependence
    own: OwnEffects | None
    soft: SoftUse | None
    scale: GradeScale
    grades: Mapping[str, int]
    words: Mapping[str, int]
    flags: Sequence[EssayFlag] = ()

    @classmethod
    def of(
        cls,
        inputs: Inputs,
        *,
        judged: Sequence[Comparison],
        failed: Sequence[FailedComparison] = (),
        soft: bool = False,
    ) -> JudgedStudy:
        """Fit at least one judgement; `soft` allows to use more of it than who won."""
        words = {anchor.anchor_id: anchor.word_count for anchor in inputs.anchors}
        words |= {student.essay_id: student.word_count for student in inputs.students}
        columns = Judgements.of(sorted(words), judged)
        scale = GRADE_SCALES[inputs.grade_scale]
        judges = list(columns.by_judge.values())
        dependent = dependence(judges)
        counted = weighed(judges, dependent)
        choice = (
            choose(counted, soft_from(counted, map(said_by, judged)))
            if soft
            else SoftChoice(fitted=fit(counted, near=dependent.near))
        )
        return cls(
            judged=columns,
            failed=failed,
            asked=columns.comparisons,
            fitted=choice.fitted,
            surprise=misfit(choice.fitted),
            dependent=dependent,
            own=choice.own,
            soft=soft_use(choice),
            scale=scale,
            grades={anchor.anchor_id: scale.index(anchor.grade) for anchor in inputs.anchors},
            words=words,
            flags=inputs.flags,
        )

    @property
    def measured_scale(self) -> Scale:
        """The grades as the projection needs them."""
        return Scale(prior=self.scale.prior, has_below_lowest=self.scale.below_lowest is not None)

    def probabilities(self, student: StudentGrade) -> dict[str, float]:
        """By grade, lowest first."""
        return {grade: rounded(p) for grade, p in zip(self.scale.outcomes, student.probabilities, strict=True)}


def said_by(row: Comparison) -> Said:
    """A judgement with what its judge said."""
    return Said(
        row.essay_a_id,
        row.essay_b_id,
        1.0 if row.first_won else 0.0,
        judge=f"{row.provider}/{row.model}",
        confidence=row.confidence,
        probability=row.probability_a,
        is_bound=row.probability_is_bound or False,
    )


def dependence_facts(
    found: Dependence | None, *, asked: Comparisons, counted: Comparisons
) -> JudgementDependence | None:
    """How far judgements repeat each other, and what they count for; None where it cannot be measured."""
    if found is None or found.repeats is found.swaps is None:
        return None
    return JudgementDependence(
        repeats=_pair_correlation(found.repeats),
        swaps=_pair_correlation(found.swaps),
        judgements=round(float(asked.weight.sum())),
        count_as=rounded(float(counted.weight.sum())),
    )


def _pair_correlation(found: Correlation | None) -> PairCorrelation | None:
    if found is None:
        return None
    return PairCorrelation(correlation=rounded(found.value), interval_90=ends(found.interval), pairs=found.pairs)


def soft_use(choice: SoftChoice) -> SoftUse | None:
    """What a fit used besides who won; None where no judge said more than who won, or too few judgements did."""
    if not choice.judges:
        return None
    return SoftUse(
        worth=rounded(choice.worth),
        worth_interval_90=None if choice.worth_interval is None else ends(choice.worth_interval),
        judges=tuple(
            SoftJudge(
                judge=judge.judge or None,
                judgements=rounded(judge.judgements),
                used=judge.reading.scale,
                parameters=tuple(map(rounded, judge.reading.parameters)) or None,
                tried=tuple(
                    SoftCandidate(scale=scale, gain=rounded(gain), standard_error=rounded(error))
                    for scale, (gain, error) in judge.gains.items()
                ),
            )
            for judge in choice.judges
        ),
    )
