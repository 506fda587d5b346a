"""The judgements of a run as the statistics see them: fitted once, and read by every block of the artefact."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.core.inputs import Inputs
from eng5_runner.measure.grading.grades import Scale
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import Comparisons, collapse_repeats, comparisons_from
from eng5_runner.results.judgements import Judgement


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgedStudy:
    """What was judged, and the scale that follows.

    Attributes:
        judged: every judgement, in a fixed order.
        failed: every call without a winner.
        asked: all judgements as comparisons.
        fitted: made of them with every repeat of a question counted once.
        scale: the grades.
        grades: of each anchor, the grade's index.
        words: of each essay.
    """

    judged: Sequence[Judgement]
    failed: Sequence[Judgement]
    asked: Comparisons
    fitted: Fit
    scale: GradeScale
    grades: Mapping[str, int]
    words: Mapping[str, int]

    @classmethod
    def of(cls, inputs: Inputs, *, judged: Sequence[Judgement], failed: Sequence[Judgement]) -> JudgedStudy:
        """Fit at least one judgement."""
        words = {one.anchor_id: one.word_count for one in inputs.anchors}
        words |= {one.essay_id: one.word_count for one in inputs.students}
        rows = [(one.first, one.second, 1.0 if one.first_won else 0.0) for one in judged]
        asked = comparisons_from(sorted(words), rows)
        scale = GRADE_SCALES[inputs.grade_scale]
        return cls(
            judged=judged,
            failed=failed,
            asked=asked,
            # The same call repeated is one observation, not several: see the method's section on standard errors.
            fitted=fit(collapse_repeats(asked)),
            scale=scale,
            grades={anchor.anchor_id: scale.index(anchor.grade) for anchor in inputs.anchors},
            words=words,
        )

    @property
    def measured_scale(self) -> Scale:
        """The grades as the projection wants them."""
        return Scale(prior=self.scale.prior, has_below_lowest=self.scale.below_lowest is not None)
