"""The projected grades of a run against teachers' grades that were given for checking."""

from __future__ import annotations

from collections.abc import Sequence

from eng5_runner.core.events import CheckGradesAdded
from eng5_runner.core.rounding import ends, rounded
from eng5_runner.measure.grading.check import check_students
from eng5_runner.measure.grading.grades import Projection, Refusal
from eng5_runner.results.artefact.measurement import CheckedGrades, CheckedStudent


def checked_grades(
    projection: Projection | Refusal, added: CheckGradesAdded, *, outcomes: Sequence[str]
) -> CheckedGrades | None:
    """The check; None where no grades are projected, or none of these students is linked with an anchor.

    Args:
        projection: the students' grades.
        added: the teachers' grades.
        outcomes: all grades of the scale, the lowest first.
    """
    if isinstance(projection, Refusal):
        return None
    known = {row.essay_id: outcomes.index(row.grade) for row in added.grades}
    check = check_students(projection.students, known)
    if check is None:
        return None
    students = [
        CheckedStudent(
            essay_id=student.item,
            teachers_grade=outcomes[known[student.item]],
            grade=outcomes[student.median],
            steps_above=rounded(sum(place * p for place, p in enumerate(student.probabilities)) - known[student.item]),
        )
        for student in projection.students
        if student.item in known and student.connected
    ]
    return CheckedGrades(
        file_name=added.file_name,
        sha256=added.sha256,
        given=len(added.grades),
        within_one=check.within_one,
        shift=rounded(check.shift),
        interval_90=None if check.interval is None else ends(check.interval),
        is_shifted=check.is_shifted,
        students=tuple(students),
    )
