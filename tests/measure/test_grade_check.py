"""Projected grades against teachers' grades of a few students that were used for nothing else."""

from __future__ import annotations

import math

import pytest
from scipy.stats import t

from eng5_runner.measure.grading.check import GradeCheck, check_students, grade_check
from eng5_runner.measure.grading.grades import StudentGrade


def student(name: str, *probabilities: float, connected: bool = True) -> StudentGrade:
    return StudentGrade(
        item=name,
        probabilities=probabilities,
        median=0,
        mode=0,
        within_one=1.0,
        surely_within_one=1.0,
        label="LOW",
        extrapolated=False,
        connected=connected,
    )


def test_the_shift_is_the_mean_of_the_expected_grade_less_the_teachers() -> None:
    """With Student's t interval."""
    off = [1.5 - 1, 2.0 - 1, 0.25 - 0]
    check = grade_check([((0.0, 0.5, 0.5), 1), ((0.0, 0.0, 1.0), 1), ((0.75, 0.25, 0.0), 0)])
    mean = sum(off) / 3
    error = math.sqrt(sum((one - mean) ** 2 for one in off) / 2 / 3)
    assert check.students == 3
    assert check.shift == pytest.approx(mean)
    assert check.interval == pytest.approx(t.interval(0.9, 2, loc=mean, scale=error))


def test_within_one_is_counted_from_the_median() -> None:
    """It is the lowest grade at which the cumulative probability reaches one half."""
    half = ((0.5, 0.0, 0.0, 0.5), 1)
    beyond = ((0.4, 0.0, 0.0, 0.6), 1)
    two_off = ((0.0, 0.0, 1.0, 0.0), 0)
    exact = ((0.0, 1.0, 0.0, 0.0), 1)
    assert [grade_check([one]).within_one for one in (half, beyond, two_off, exact)] == [1, 0, 0, 1]
    thirds = (0.1 + 0.2 + 0.2, 0.0, 0.0, 0.5)
    assert grade_check([(thirds, 1), half, beyond]).within_one == 2


def test_one_student_has_no_interval_and_none_no_check() -> None:
    one = grade_check([((0.0, 1.0), 0)])
    assert (one.students, one.shift, one.interval, one.is_shifted) == (1, 1.0, None, False)
    assert grade_check([((0.0, 1.0), 0), ((1.0, 0.0), 0)]).interval is not None
    with pytest.raises(ValueError, match="a check needs students"):
        grade_check([])


@pytest.mark.parametrize(
    ("interval", "shifted"),
    [((0.1, 0.5), True), ((-0.5, -0.1), True), ((0.0, 0.5), False), ((-0.5, 0.0), False), ((-0.1, 0.1), False)],
)
def test_grades_are_shifted_where_the_interval_leaves_no_doubt(interval: tuple[float, float], shifted: bool) -> None:
    assert GradeCheck(students=2, within_one=2, shift=0.0, interval=interval).is_shifted is shifted


def test_only_students_with_a_known_grade_and_a_link_to_an_anchor_are_checked() -> None:
    students = [student("a", 0.0, 1.0), student("b", 1.0, 0.0), student("c", 0.0, 1.0, connected=False)]
    check = check_students(students, {"a": 0, "c": 0, "nobody": 1})
    assert check is not None
    assert (check.students, check.shift) == (1, 1.0)
    assert check_students(students, {"c": 0, "nobody": 1}) is None
