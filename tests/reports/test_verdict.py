"""What a head of department reads first: one word for each question, and none that is kinder than the figures."""

from __future__ import annotations

import pytest

from eng5_runner.core.spec import Mode
from eng5_runner.reports.verdict import verdict_of
from eng5_runner.results.artefact.judge import JudgeFigures, JudgeQuality, NotMeasured
from eng5_runner.results.artefact.measurement import (
    CheckedGrades,
    CheckedStudent,
    GradeCentre,
    GradesAvailable,
    Reliability,
    TeacherAgreement,
)
from eng5_runner.results.artefact.study import BASELINE_KIND, JudgeIdentity
from tests.support.artefacts import artefact, entry, metadata, model, projection, status
from tests.support.judged_run import STOPPING

UNKNOWN = NotMeasured(not_measured="as no judgement is there")


def run(
    *, reliability: float = 0.9, low: float = 0.85, r: float = 0.9, r_low: float = 0.8, label: str = "HIGH", **blocks
):
    stated = Reliability(
        empirical_bayes=reliability,
        interval_90=(low, 0.95),
        bootstrap_draws=200,
        separation=None,
        separation_inflated=False,
        split_half=None,
    )
    centres = {name: GradeCentre(theta=theta, standard_deviation=0.2) for name, theta in (("E-", -1.0), ("A", 1.0))}
    grades = GradesAvailable(
        method="anchors",
        within_grade_sd=0.7,
        centres=centres,
        inversion_probabilities=(0.1,),
        agreement_with_teachers=TeacherAgreement(correlation=r, interval_90=(r_low, 0.95), among="students"),
    )
    facts = {
        "students": ("birk",),
        "bt_model": model().model_copy(update={"reliability": stated}),
        "grade_model": grades,
        "grade_projections": (projection("birk", "A", confidence=label),),
    }
    return artefact(**(facts | blocks))


def levels(made) -> list[str]:
    return [answer.level for answer in verdict_of(made).answers]


def test_a_run_where_all_is_well_is_green_and_no_more_than_a_second_opinion():
    verdict = verdict_of(run())
    assert verdict.level == "good" and verdict.headline.startswith("Reliable")
    assert [answer.word for answer in verdict.answers] == ["yes", "yes", "second opinion", "nothing"]


@pytest.mark.parametrize(
    ("changes", "question", "level", "headline"),
    [
        ({"reliability": 0.79}, 0, "fair", "Usable with care"),
        ({"low": 0.65}, 0, "fair", "Usable with care"),
        ({"reliability": 0.69, "low": 0.5}, 0, "bad", "Do not rank or grade"),
        ({"reliability": 0.3, "low": 0.02}, 0, "bad", "No better than chance"),
        ({"r_low": 0.4}, 1, "fair", "Usable with care"),
        ({"r": 0.6, "r_low": 0.3}, 1, "fair", "Usable with care"),
        ({"r": 0.3, "r_low": 0.1}, 1, "bad", "Repeatable, but not shown"),
        ({"label": "MID"}, 2, "fair", "Usable with care"),
        ({"label": "LOW"}, 2, "bad", "The order is usable with care, but not for grading."),
    ],
)
def test_the_worst_answer_decides(changes, question, level, headline):
    verdict = verdict_of(run(**changes))
    assert verdict.answers[question].level == level
    assert verdict.level == level and verdict.headline.startswith(headline)


def test_grades_are_good_for_nothing_where_the_order_or_the_agreement_fails():
    for changes in ({"reliability": 0.6, "low": 0.4}, {"r": 0.2, "r_low": 0.0}):
        use = verdict_of(run(**changes)).answers[2]
        assert (use.level, use.word) == ("bad", "nothing")


@pytest.mark.parametrize(
    ("shift", "is_shifted", "word"), [(-1.2, True, "not for grading"), (0.2, False, "second opinion")]
)
def test_grades_that_known_grades_contradict_are_not_for_grading(shift, is_shifted, word):
    check = CheckedGrades(
        file_name="known.csv",
        sha256="0" * 64,
        given=1,
        within_one=1,
        shift=shift,
        is_shifted=is_shifted,
        students=(CheckedStudent(essay_id="birk", teachers_grade="A", grade="A", steps_above=shift),),
    )
    use = verdict_of(run(grade_check=check)).answers[2]
    assert use.word == word and ("1.2 steps too low" in use.reason) == is_shifted


def test_what_is_missing_is_said_and_a_failed_run_is_red():
    partial = run(runner_status=status(outcome="partial", partial_data=True, reasons=("12 comparisons are missing",)))
    missing = verdict_of(partial).answers[-1]
    assert (missing.level, missing.reason) == ("fair", "12 comparisons are missing.")
    assert levels(run(runner_status=status(outcome="failed", reasons=("the service failed",))))[-1] == "bad"


@pytest.mark.parametrize(
    ("odd", "judgements", "level", "headline"),
    [
        ((False, False), 100, "good", "Reliable"),
        ((True, False), 100, "bad", "The judges disagree; the grades are guesses."),
        ((True, False, False), 100, "fair", "Usable with care"),
        ((True, False, False), 250, "bad", "The judges disagree; the grades are guesses."),
        ((False, False), 9, "none", "Usable with care"),
    ],
)
def test_judges_who_disagree_have_no_order_in_common(odd, judgements, level, headline):
    """The judgements are those of the first; each other judge has a hundred."""
    judges = [
        JudgeFigures(
            provider="p",
            model=f"m{place}",
            judgements=100 if place else judgements,
            infit=1.0,
            outfit=1.0,
            agreed=0.41 if disagrees else 0.8,
            expected=0.78,
            disagrees=disagrees,
        )
        for place, disagrees in enumerate(odd)
    ]
    verdict = verdict_of(run(judge_quality=JudgeQuality.model_construct(judges=tuple(judges), position_effect=UNKNOWN)))
    answer = verdict.answers[1]
    assert answer.question == "Do the judges agree with each other?" and answer.level == verdict.level == level
    assert verdict.headline.startswith(headline) and "p m0" in answer.reason


def test_the_baseline_is_never_usable():
    judges = (JudgeIdentity(provider="mock", model="offline-baseline-2", kind=BASELINE_KIND),)
    verdict = verdict_of(run(metadata=metadata(judges=judges)))
    assert verdict.level == "bad" and "no language model" in verdict.headline
    assert "agree with teachers about as r = .57" in verdict.headline


def test_a_run_without_judgements_claims_nothing():
    verdict = verdict_of(artefact())
    assert verdict.level == "none" and len(verdict.answers) == 1


def test_a_run_of_the_anchors_asks_whether_the_judge_is_ready():
    aligned = run(metadata=metadata(runner_mode=Mode.ANCHOR_ALIGN), grade_projections=())
    assert verdict_of(aligned).answers[2].question == "Is the judge ready for students' essays?"


def test_named_pairs_are_no_test_of_the_whole_order():
    verdict = verdict_of(run(reliability=0.2, low=0.0, stopping=STOPPING.model_copy(update={"design": "boundary"})))
    assert verdict.answers[0].word == "not asked" and verdict.level != "bad"


def test_where_all_grades_are_guesses_it_does_not_say_most():
    (use,) = (answer for answer in verdict_of(run(label="LOW")).answers if answer.question.startswith("What can"))
    assert use.reason.startswith("All are guesses.")


def test_the_grades_of_the_baseline_are_good_for_nothing():
    baseline = JudgeIdentity(provider="mock", model="offline-baseline-2", kind=BASELINE_KIND)
    judged = run(metadata=metadata().model_copy(update={"judges": (baseline,)}), label="LOW")
    (use,) = (answer for answer in verdict_of(judged).answers if answer.question.startswith("What can"))
    assert (use.level, use.word) == ("bad", "nothing") and "Use the order" not in use.reason


@pytest.mark.parametrize(
    ("asked", "says"),
    [
        ({"target_reliability": 0.95}, "a reliability of 0.95, whose 90% interval begins at 0.85"),
        ({"target_standard_error": 0.3}, "standard errors of at most 0.3 for 90% of the essays, 0 of 1"),
    ],
)
def test_a_target_that_was_not_reached_is_missing(asked, says):
    rows = (entry("birk", se=0.5),)
    missed = run(stopping=STOPPING.model_copy(update=asked), bt_summary=rows)
    *_, missing = verdict_of(missed).answers
    assert missing.level == "fair" and says in missing.reason
    for ended_by in ("look 3: precise enough", None):
        stopping = STOPPING.model_copy(update=asked | {"ended_by": ended_by})
        *_, reached = verdict_of(run(stopping=stopping, bt_summary=rows)).answers
        assert "target" not in reached.reason
