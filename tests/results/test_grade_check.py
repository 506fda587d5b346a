"""The artefact's block on teachers' grades that were given for checking."""

from __future__ import annotations

from eng5_runner.core.events import CheckGradesAdded, KnownGrade
from eng5_runner.measure.grading.check import check_students
from eng5_runner.measure.grading.grades import Projection, Refusal, project
from eng5_runner.results.grade_check import checked_grades
from tests.support.results import all_pairs, inputs_of, plain, study_of
from tests.support.run.events import AT

OUTCOMES = ("F", "F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
ORDER = ("anchor-a1", "birk", "anchor-c1", "cleo", "anchor-e1", "dag")
INPUTS = inputs_of(students=ORDER[1::2], anchors={"anchor-a1": "A", "anchor-c1": "C-", "anchor-e1": "E-"})


def projection() -> Projection:
    study = study_of(INPUTS, all_pairs(ORDER))
    found = project(study.fitted, anchors=study.grades, scale=study.measured_scale)
    assert isinstance(found, Projection)
    return found


def added(**grades: str) -> CheckGradesAdded:
    rows = tuple(KnownGrade(essay_id=name, grade=grade) for name, grade in grades.items())
    return CheckGradesAdded(at=AT, file_name="known.csv", sha256="3c" * 32, grades=rows)


def test_each_student_stands_beside_the_teachers_grade() -> None:
    projected = projection()
    block = plain(checked_grades(projected, added(birk="F", dag="A", gone="B"), outcomes=OUTCOMES))
    check = check_students(projected.students, {"birk": 0, "dag": 9})
    assert check is not None
    assert check.interval is not None
    students = {student.item: student for student in projected.students}
    expected = {name: sum(g * p for g, p in enumerate(students[name].probabilities)) for name in ("birk", "dag")}
    assert block == {
        "file_name": "known.csv",
        "sha256": "3c" * 32,
        "given": 3,
        "within_one": check.within_one,
        "shift": round(check.shift, 6),
        "interval_90": [round(end, 6) for end in check.interval],
        "is_shifted": check.is_shifted,
        "students": [
            {
                "essay_id": name,
                "teachers_grade": grade,
                "grade": OUTCOMES[students[name].median],
                "steps_above": round(expected[name] - OUTCOMES.index(grade), 6),
            }
            for name, grade in (("birk", "F"), ("dag", "A"))
        ],
    }


def test_without_grades_or_known_students_there_is_no_check() -> None:
    assert checked_grades(projection(), added(gone="B"), outcomes=OUTCOMES) is None
    assert checked_grades(Refusal(reason="too few anchors"), added(birk="B"), outcomes=OUTCOMES) is None
    one = checked_grades(projection(), added(birk="B"), outcomes=OUTCOMES)
    assert one is not None
    assert (one.given, one.interval_90, len(one.students)) == (1, None, 1)
