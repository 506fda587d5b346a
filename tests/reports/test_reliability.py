"""What every view says of reliability, of agreement with teachers and of what to know before using the grades."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.reports.reliability import dependence_of, grade_warnings, own_order, with_teachers
from eng5_runner.results.artefact import parse_artefact
from eng5_runner.results.artefact.judge import LeftOutAnchor
from eng5_runner.results.artefact.measurement import (
    AnchorSupport,
    DoubtfulAnchorGrade,
    GradeCentre,
    GradesAvailable,
    GradesUnavailable,
    JudgementDependence,
    PairCorrelation,
    Reliability,
    TeacherAgreement,
)
from tests.support.artefacts import artefact, entry, model, projection

FIRST = Path(__file__).parents[1] / "results" / "data" / "first_version.execute.json"


def reliability(**changes: object) -> Reliability:
    facts = {"empirical_bayes": 0.9, "interval_90": (0.8, 0.95), "bootstrap_draws": 200, "separation_inflated": False}
    return Reliability(**(facts | changes))


def graded(**changes: object) -> GradesAvailable:
    facts = {
        "method": "anchors",
        "within_grade_sd": 0.7,
        "centres": {
            name: GradeCentre(theta=theta, standard_deviation=0.2) for name, theta in (("E-", -1.0), ("A", 1.0))
        },
        "inversion_probabilities": (0.1,),
        "agreement_with_teachers": TeacherAgreement(
            correlation=0.8, interval_90=(0.6, 0.9), among="students", share_reproduced=0.58
        ),
        "anchor_support": AnchorSupport(anchors=12, within_one=12, interval_90=(0.82, 1.0), highest_label="HIGH"),
    }
    return GradesAvailable(**(facts | changes))


def run(grades: object, **blocks: object):
    facts = {"anchors": {"anchor-1": "A"}, "students": ("birk",), "grade_projections": (projection("birk", "A"),)}
    return artefact(**(facts | {"bt_model": model(), "grade_model": grades} | blocks))


def own(stated: Reliability) -> str:
    return own_order(run(graded(), bt_model=model().model_copy(update={"reliability": stated})))


def test_the_reliability_has_its_interval_or_the_reason_why_there_is_none():
    assert own(reliability()) == "0.90 (90% interval 0.80 to 0.95)"
    none = reliability(empirical_bayes=None, interval_90=None, undefined="it needs at least 6 items")
    assert own(none) == "not defined; it needs at least 6 items"
    assert "no comparison contradicts the order" in own(reliability(spread_at_limit="upper"))
    assert "show no difference" in own(reliability(spread_at_limit="lower"))
    assert own_order(artefact()) == "–"


def test_what_judgements_count_for_is_said_or_why_it_is_not_known():
    def of(stated: JudgementDependence | None, **blocks: object) -> str:
        return dependence_of(run(graded(), bt_model=model().model_copy(update={"dependence": stated}), **blocks))

    swaps = PairCorrelation(correlation=0.95, interval_90=(0.9, 1.0), pairs=300)
    assert of(JudgementDependence(swaps=swaps, judgements=600, count_as=308.2)) == (
        "two judgements of a pair correlate 0.95 (0.90 to 1.00; 300 pairs) in the two orders: "
        "600 judgements count as 308 independent ones"
    )
    both = JudgementDependence(repeats=swaps, swaps=swaps, judgements=600, count_as=158.0)
    assert "in the same order and 0.95" in of(both)
    assert "cannot be measured: fewer than 10 pairs" in of(None)
    assert dependence_of(artefact()) == "–"


def test_the_agreement_with_teachers_stands_with_its_interval_and_the_share_it_reproduces():
    text = with_teachers(run(graded()))
    assert (
        text
        == "r = 0.80 (0.60 to 0.90) among the students; reliability × r² = 0.58 of the teachers' ranking is reproduced"
    )
    alone = TeacherAgreement(correlation=0.8, interval_90=(0.6, 0.9), among="anchors")
    assert with_teachers(run(graded(agreement_with_teachers=alone))) == "r = 0.80 (0.60 to 0.90) among the anchors"
    assert with_teachers(run(GradesUnavailable(reason="too few anchors"))) == "not known; too few anchors"
    assert "an earlier version" in with_teachers(run(graded(agreement_with_teachers=None)))


def test_what_to_know_before_using_the_grades_is_said_and_nothing_else():
    assert list(grade_warnings(run(graded()))) == []
    doubtful = (DoubtfulAnchorGrade(anchor_id="anchor-1", grade="E-", by_the_others="B", probability=0.93),)
    support = AnchorSupport(anchors=12, within_one=8, interval_90=(0.43, 0.84), highest_label="LOW")
    named, labels = grade_warnings(run(graded(doubtful_anchors=doubtful, anchor_support=support)))
    assert named.startswith("anchor anchor-1 is E- by its label, B by the others (93% probably misgraded)")
    assert labels == (
        "8 of 12 anchors came within one step when the others graded them (90% interval 0.43 to 0.84), "
        "and r with the teachers is 0.60 to 0.90: no grade is labelled above LOW"
    )


def test_a_student_who_was_never_compared_is_said_to_have_the_grade_of_any_essay():
    rows = (entry("birk"), entry("cleo"), entry("anchor-1", grade="B"))
    compared = run(graded(), bt_summary=rows)
    never = run(graded(), bt_summary=tuple(row.model_copy(update={"comparison_count": 0}) for row in rows))
    assert not any("never compared" in warning for warning in grade_warnings(compared))
    assert "2 student essays were never compared" in next(iter(grade_warnings(never)))


def test_anchors_that_the_others_could_not_grade_are_counted_too():
    support = AnchorSupport(anchors=2, within_one=1, interval_90=(0.1, 0.9), highest_label="LOW")
    left_out = (
        LeftOutAnchor(anchor_id="anchor-1", grade="B", projected_grade="B"),
        LeftOutAnchor(anchor_id="anchor-2", grade="C", refused="too few anchors: 2, and 3 are needed"),
    )
    aligned = parse_artefact(FIRST.read_bytes()).anchor_alignment
    assert aligned is not None
    alignment = aligned.model_copy(update={"left_out": left_out})
    (labels,) = grade_warnings(run(graded(anchor_support=support), anchor_alignment=alignment))
    assert labels.startswith(
        "1 of 2 anchors came within one step when the others graded them, and 1 could not be graded so (90%"
    )


def test_students_whose_essays_are_unlike_the_anchors_in_length_are_counted():
    whole = run(graded(), students=("birk", "cleo", "dora"))
    (anchor,), students = whole.inputs.anchors, whole.inputs.students
    lengths = zip(students, (anchor.word_count - 1, anchor.word_count, anchor.word_count + 1), strict=True)
    inputs = whole.inputs.model_copy(
        update={"students": tuple(student.model_copy(update={"word_count": words}) for student, words in lengths)}
    )
    shorter, longer = grade_warnings(whole.model_copy(update={"inputs": inputs}))
    assert shorter.startswith("1 of 3 students' essays is shorter than every anchor")
    assert longer.startswith("1 of 3 students' essays is longer than every anchor")
