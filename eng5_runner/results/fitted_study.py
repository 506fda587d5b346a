"""The judgements of a run as the statistics see them: fitted once, and read by every block of the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.core.inputs import EssayFlag, Inputs
from eng5_runner.core.rounding import ends, rounded
from eng5_runner.measure.grading.grades import Scale, StudentGrade
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import Comparisons, collapse_repeats, comparisons_from
from eng5_runner.measure.model.soft import Said, soft_from
from eng5_runner.measure.model.soft_choice import SoftChoice, choose
from eng5_runner.results.artefact.measurement import SoftCandidate, SoftJudge, SoftUse
from eng5_runner.results.artefact.study import Comparison, FailedComparison


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedStudy:
    """What was judged, and the scale that follows.

    Attributes:
        judged: every judgement, in a fixed order.
        failed: every call without a winner.
        asked: all judgements as comparisons.
        fitted: from them, with every repeat of a question counted once.
        soft: what was used of the judge's confidence and the probabilities of its answers; None if only wins were
            asked for, or if there was nothing else.
        scale: the grades.
        grades: anchor id → index of its grade.
        words: essay id → its words.
        flags: the essays that may sway the judge by more than what a reader sees.
    """

    judged: Sequence[Comparison]
    failed: Sequence[FailedComparison]
    asked: Comparisons
    fitted: Fit
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
        rows = [(row.essay_a_id, row.essay_b_id, 1.0 if row.first_won else 0.0) for row in judged]
        asked = comparisons_from(sorted(words), rows)
        scale = GRADE_SCALES[inputs.grade_scale]
        # The same call repeated is one observation, not several: see the method's section on standard errors.
        counted = collapse_repeats(asked)
        choice = choose(counted, soft_from(counted, map(_said, judged))) if soft else SoftChoice(fitted=fit(counted))
        return cls(
            judged=judged,
            failed=failed,
            asked=asked,
            fitted=choice.fitted,
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


def _said(row: Comparison) -> Said:
    return Said(
        row.essay_a_id,
        row.essay_b_id,
        1.0 if row.first_won else 0.0,
        judge=f"{row.provider}/{row.model}",
        confidence=row.confidence,
        probability=row.probability_a,
        is_bound=row.probability_is_bound or False,
    )


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
