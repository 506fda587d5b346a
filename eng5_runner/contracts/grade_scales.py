"""The grade scales that the CJ service knows. Grades are listed from the lowest to the highest."""

from __future__ import annotations

from dataclasses import dataclass
from types import MappingProxyType


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeScale:
    """An ordered set of grades.

    Attributes:
        scale_id: the scale's key in the services.
        grades: the grades that an anchor can have, lowest first.
        below_lowest: the grade of work that does not reach the lowest of `grades`; None if the scale has no such grade.
        prior: the expected share of each of `grades` before any evidence; sums to 1.
    """

    scale_id: str
    grades: tuple[str, ...]
    below_lowest: str | None
    prior: tuple[float, ...]

    @property
    def outcomes(self) -> tuple[str, ...]:
        """All grades that a student can get, lowest first."""
        return self.grades if self.below_lowest is None else (self.below_lowest, *self.grades)

    def index(self, grade: str) -> int:
        """The position of an anchor's grade on the scale, 0 for the lowest.

        Raises:
            ValueError: the grade is not one of `grades`.
        """
        return self.grades.index(grade)


def _uniform(scale_id: str, grades: str, *, below_lowest: str) -> GradeScale:
    names = tuple(grades.split())
    return GradeScale(
        scale_id=scale_id, grades=names, below_lowest=below_lowest, prior=(1.0 / len(names),) * len(names)
    )


DEFAULT_SCALE = "eng5_np_legacy_9_step"
_SCALES = (
    _uniform(DEFAULT_SCALE, "F+ E- E+ D- D+ C- C+ B A", below_lowest="F"),
    _uniform("eng5_np_national_9_step", "1 2 3 4 5 6 7 8 9", below_lowest="0"),
    GradeScale(
        scale_id="swedish_8_anchor",
        grades=("F", "E", "D", "D+", "C", "C+", "B", "A"),
        below_lowest=None,
        prior=(0.02, 0.08, 0.15, 0.20, 0.25, 0.15, 0.10, 0.05),
    ),
)

GRADE_SCALES = MappingProxyType({scale.scale_id: scale for scale in _SCALES})
