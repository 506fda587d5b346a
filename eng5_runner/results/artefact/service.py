"""The CJ service's own figures, and how far they lie from the runner's."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field, JsonValue

from eng5_runner.contracts.published import UNGRADED
from eng5_runner.core.rounding import FIGURE_LIMIT
from eng5_runner.phrases import counted
from eng5_runner.results.artefact.part import (
    AtLeastOne,
    Correlation,
    Count,
    EssayId,
    NonNegative,
    Nullable,
    Part,
    Positive,
    Text,
)


class ServiceEstimate(Part):
    """The service's figures of an essay, on its own scale. What it did not give is absent."""

    essay_id: Text
    """The essay's id in `inputs`; the service's own id where it is none of them."""
    bt_score: float | None = None
    """Position."""
    rank: AtLeastOne | None = None
    """1 for the best."""
    letter_grade: str | None = None
    """Grade in the list of results."""
    normalized_score: float | None = None
    """Position on a scale from 0 to 1."""
    confidence_label: str | None = None
    """In the service's words."""
    bt_mean: float | None = None
    """Position in logits."""
    bt_se: float | None = None
    """Its standard error as the service defines it, in logits."""
    grade: str | None = None
    """Projected grade."""
    grade_label: str | None = None
    """How sure that is, in the service's words."""
    grade_confidence: float | None = None
    """The same as a number."""
    grade_probabilities: dict[str, float] | None = None
    """By grade."""

    @property
    def theta(self) -> float | None:
        """Position in logits, on the service's own scale; None where it gave none that it can mean."""
        return _plausible(self.bt_score if self.bt_mean is None else self.bt_mean)

    @property
    def standard_error(self) -> float | None:
        """Of `theta` as the service defines it, in logits; None where it gave none that it can mean."""
        return _plausible(self.bt_se)

    @property
    def stated_grade(self) -> str | None:
        """The projected grade, or the letter where no projection came; None where there is neither.

        The letter "U" means ungraded: services publish it for anchors and where they project nothing.
        """
        letter = None if self.letter_grade == UNGRADED else self.letter_grade
        return self.grade or letter or None


def _plausible(value: float | None) -> float | None:
    return None if value is None or not abs(value) <= FIGURE_LIMIT else value


class ServiceResult(Part):
    """The CJ service's own figures, as far as it gave any."""

    job_id: Nullable[str]
    """Of the service; null where it gave none."""
    model: Nullable[str]
    """The model that judged, by the service; null where it does not say."""
    essays: tuple[ServiceEstimate, ...]
    """In the service's order."""
    projections_available: bool | None = None
    """Whether the service projected grades; absent where it does not say."""
    calibration_method: str | None = None
    """In the service's words; absent where it does not say."""
    calibration_info: dict[str, JsonValue] | None = None
    """As it came, without numbers that JSON's readers cannot hold; absent where there is none."""


class EssayDifference(Part):
    """The service's figures of an essay minus the runner's. What one of both did not give is absent."""

    essay_id: EssayId
    """The essay's id in `inputs`."""
    theta: float
    """The runner's position, in logits."""
    service_theta: float | None = None
    """The service's position on its own scale, in logits."""
    standard_error: Positive
    """The runner's, in logits."""
    service_standard_error: float | None = None
    """The service's, in logits."""
    theta_difference: float | None = None
    """Service minus runner in the runner's logits, after `scale` and `shift` are taken off."""
    theta_difference_in_se: float | None = None
    """The same in the runner's standard errors."""
    se_ratio: float | None = None
    """The service's standard error over the runner's."""
    service_grade: Text | None = None
    """The service's grade of a student."""
    grade: Text | None = None
    """The runner's grade of a student."""
    beyond_precision: bool
    """Whether the difference is more than the precision explains; see `rule`."""


class ComparedFigures(Part):
    """How many figures were compared."""

    theta: Count
    """Positions."""
    standard_error: Count
    """Standard errors."""
    grade: Count
    """Grades."""
    essays: AtLeastOne
    """Essays of the run."""


class FiguresBeyond(Part):
    """How many figures differ by more than the precision explains."""

    theta: Count
    """Positions."""
    grade: Count
    """Grades."""


class ServiceComparison(Part):
    """The service's figures minus the runner's, after scale and median difference of the positions are taken off."""

    rule: Text
    """What counts as a difference, in words."""
    differs: bool
    """Whether there is any finding."""
    findings: tuple[Text, ...]
    """Each difference as a sentence."""
    shift: Nullable[float]
    """Median difference of the positions on the runner's scale, in logits; null with fewer than two."""
    scale: Positive | None = None
    """How many of the service's logits are one of the runner's; 1 with two positions and where the orders are opposite.
    Absent with fewer than two, and in earlier versions, which took it for 1."""
    spread_ratio: Nullable[NonNegative]
    """Spread of the service's positions over that of the runner's; null where it is undefined."""
    rank_correlation: Nullable[Correlation]
    """Spearman's ρ of both positions; null where it is undefined."""
    largest_difference_in_se: Nullable[NonNegative]
    """In the runner's standard errors; null where no positions were compared."""
    root_mean_square_in_se: Nullable[NonNegative]
    """In the runner's standard errors; null where no positions were compared."""
    median_se_ratio: Nullable[float]
    """The service's standard errors over the runner's; null where none were compared."""
    compared: ComparedFigures
    """How many figures were compared."""
    grades_equal: Count
    """Students with the same grade in both."""
    beyond: FiguresBeyond
    """How many differ by more than the precision explains."""
    essays: Annotated[tuple[EssayDifference, ...], Field(min_length=1)]
    """Each essay."""

    @property
    def agreement(self) -> str | None:
        """What was compared and agrees, as a sentence; None where something differs."""
        if self.findings:
            return None
        counts = self.compared
        absent = [
            name
            for name, count in (
                ("positions", counts.theta),
                ("standard errors", counts.standard_error),
                ("grades", counts.grade),
            )
            if not count
        ]
        if not counts.theta and not counts.standard_error and not counts.grade:
            return "the service gave no figures to compare with the runner's"
        missing = f"; it gave no {' and no '.join(absent)} to compare" if absent else ""
        return (
            "the service's figures agree with the runner's within their precision "
            f"({counted(counts.theta, 'position')}, {counted(counts.standard_error, 'standard error')}, "
            f"{counted(counts.grade, 'grade')}){missing}"
        )
