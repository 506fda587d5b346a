"""Projected grades against the teachers' own grades of a few students, which were used for nothing else.

Anchors vouch for the grades only where students write as the anchors do. A judge that likes this year's students a step
more than the anchors is seen in no figure of the anchors; some students with known grades show it.

>>> check = grade_check([((0.0, 0.0, 1.0), 1), ((0.0, 0.1, 0.9), 1), ((0.1, 0.8, 0.1), 0), ((0.0, 1.0, 0.0), 0)])
>>> round(check.shift, 2), check.is_shifted, check.within_one
(0.98, True, 4)
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import stdtrit

if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping, Sequence

    from eng5_runner.measure.grading.grades import StudentGrade

_FEWEST = 2
_LEVEL = 0.9
_HALF = 0.5 - 1e-12


@dataclass(frozen=True, slots=True, kw_only=True)
class GradeCheck:
    """How projected grades compare with the teachers'.

    Attributes:
        students: how many were checked.
        within_one: how many of them have a projected grade at most one step from the teachers'.
        shift: the mean of expected projected grade minus teachers' grade, in steps; positive where the judge is
            generous.
        interval: of `shift`, 90% (Student's t); None with fewer than two students.
    """

    students: int
    within_one: int
    shift: float
    interval: tuple[float, float] | None

    @property
    def is_shifted(self) -> bool:
        """Whether the interval leaves no doubt that the grades are shifted."""
        return self.interval is not None and not self.interval[0] <= 0.0 <= self.interval[1]


def check_students(students: Iterable[StudentGrade], known: Mapping[str, int]) -> GradeCheck | None:
    """Compare projected students with known grades; None where there is nobody to compare.

    Args:
        students: as projected. One whom no comparison links with an anchor is left out: the grade is a guess.
        known: student → the teachers' grade as an outcome.
    """
    checked = [
        (student.probabilities, known[student.item])
        for student in students
        if student.item in known and student.connected
    ]
    return grade_check(checked) if checked else None


def grade_check(students: Sequence[tuple[Sequence[float], int]]) -> GradeCheck:
    """Compare probabilities with known grades.

    Args:
        students: of each student the probabilities of the outcomes, and the teachers' grade as an outcome.

    Raises:
        ValueError: there are no students.
    """
    if not students:
        raise ValueError("a check needs students")
    claimed = np.array([shares for shares, _ in students], dtype=np.float64)
    known = np.array([grade for _, grade in students], dtype=np.float64)
    off = claimed @ np.arange(claimed.shape[1]) - known
    median = np.argmax(np.cumsum(claimed, axis=1) >= _HALF, axis=1)
    interval = None
    if off.size >= _FEWEST:
        margin = float(stdtrit(off.size - 1, (1.0 + _LEVEL) / 2.0)) * float(off.std(ddof=1)) / math.sqrt(off.size)
        interval = (float(off.mean()) - margin, float(off.mean()) + margin)
    return GradeCheck(
        students=off.size,
        within_one=int(np.count_nonzero(np.abs(median - known) <= 1.0)),
        shift=float(off.mean()),
        interval=interval,
    )
