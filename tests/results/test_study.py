"""What the statistics are given: each question once, the words and the grades of all essays."""

from __future__ import annotations

import numpy as np
import pytest

from tests.support.results import calls, inputs_of, study_of

STUDENTS = ("birk", "cleo", "dag")
VERDICTS = ("birk>cleo", "cleo>dag", "birk<dag", "dag<birk", "cleo<birk")


def test_a_question_that_is_asked_again_is_no_new_evidence():
    """The same calls four times: the same positions and the same standard errors, not half of them."""
    inputs = inputs_of(students=STUDENTS)
    once, often = study_of(inputs, calls(*VERDICTS)), study_of(inputs, calls(*VERDICTS * 4))
    assert often.fitted.theta.tolist() == once.fitted.theta.tolist()
    assert often.fitted.standard_errors.tolist() == once.fitted.standard_errors.tolist()
    assert often.fitted.counts.sum() == 2 * len(VERDICTS)


def test_the_other_order_is_another_question():
    inputs = inputs_of(students=("birk", "cleo"))
    one, both = study_of(inputs, calls("birk>cleo")), study_of(inputs, calls("birk>cleo", "cleo<birk"))
    assert (one.fitted.comparisons.weight.sum(), both.fitted.comparisons.weight.sum()) == (1.0, 2.0)


def test_repeats_with_different_verdicts_are_no_copies():
    study = study_of(inputs_of(students=("birk", "cleo")), calls("birk>cleo", "birk>cleo", "birk<cleo", "birk>cleo"))
    assert study.fitted.comparisons.weight.sum() == 4.0, "too few pairs to measure how far they repeat each other"
    assert study.asked.weight.sum() == 4, "the judge's consistency is seen in all of them"


def test_the_essay_that_won_more_stands_higher_whoever_was_shown_first():
    study = study_of(inputs_of(students=STUDENTS), calls("birk>cleo", "cleo<birk", "cleo>dag", "dag<cleo"))
    assert study.fitted.items == STUDENTS
    assert np.argsort(-study.fitted.theta).tolist() == [0, 1, 2]


def test_an_essay_that_was_never_judged_is_placed_too():
    study = study_of(inputs_of(students=(*STUDENTS, "ebba")), calls(*VERDICTS))
    assert study.fitted.items == (*STUDENTS, "ebba")
    assert study.fitted.standard_errors[3] == max(study.fitted.standard_errors)


def test_anchors_carry_the_place_of_their_grade_and_every_essay_its_words():
    inputs = inputs_of(students=("birk",), anchors={"anchor-1": "F+", "anchor-2": "A"}, words={"birk": 7})
    study = study_of(inputs, calls("birk>anchor-1"))
    assert study.grades == {"anchor-1": 0, "anchor-2": 8}
    assert study.words == {"anchor-1": 100, "anchor-2": 100, "birk": 7}


@pytest.mark.parametrize(("scale", "below"), [("eng5_np_legacy_9_step", True), ("swedish_8_anchor", False)])
def test_the_scale_says_whether_there_is_a_grade_below_the_lowest(scale, below):
    inputs = inputs_of(students=STUDENTS).model_copy(update={"grade_scale": scale})
    study = study_of(inputs, calls(*VERDICTS))
    assert study.measured_scale.has_below_lowest is below
    assert study.measured_scale.prior == study.scale.prior
