"""The three scales of the CJ service, as the contract lists them."""

from __future__ import annotations

import math

import pytest

from eng5_runner.contracts.grade_scales import GRADE_SCALES

SCALES = list(GRADE_SCALES.values())


def test_the_scales_are_the_three_of_the_contract():
    assert {key: " ".join(scale.grades) for key, scale in GRADE_SCALES.items()} == {
        "eng5_np_legacy_9_step": "F+ E- E+ D- D+ C- C+ B A",
        "eng5_np_national_9_step": "1 2 3 4 5 6 7 8 9",
        "swedish_8_anchor": "F E D D+ C C+ B A",
    }
    assert all(key == scale.scale_id for key, scale in GRADE_SCALES.items())


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.scale_id)
def test_each_prior_gives_every_grade_a_share_and_sums_to_one(scale):
    assert len(scale.prior) == len(scale.grades)
    assert min(scale.prior) > 0
    assert math.isclose(sum(scale.prior), 1.0, abs_tol=1e-12)


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.scale_id)
def test_a_grade_s_index_is_its_place_from_below(scale):
    assert [scale.index(grade) for grade in scale.grades] == list(range(len(scale.grades)))


@pytest.mark.parametrize("scale", SCALES, ids=lambda scale: scale.scale_id)
@pytest.mark.parametrize("grade", ["U", "", "a", "10", "A "])
def test_a_grade_that_is_not_on_the_scale_has_no_index(scale, grade):
    with pytest.raises(ValueError, match="not in tuple"):
        scale.index(grade)


def test_students_can_fall_below_the_lowest_anchor_grade_where_the_scale_has_such_a_grade():
    outcomes = {key: scale.outcomes[0] for key, scale in GRADE_SCALES.items()}
    assert outcomes == {"eng5_np_legacy_9_step": "F", "eng5_np_national_9_step": "0", "swedish_8_anchor": "F"}
    assert GRADE_SCALES["swedish_8_anchor"].outcomes == GRADE_SCALES["swedish_8_anchor"].grades
    assert len(GRADE_SCALES["eng5_np_legacy_9_step"].outcomes) == 10


def test_no_anchor_carries_the_grade_below_the_lowest():
    for scale in SCALES:
        assert scale.below_lowest not in scale.grades


def test_the_swedish_prior_is_the_published_one():
    expected = {"F": 2, "E": 8, "D": 15, "D+": 20, "C": 25, "C+": 15, "B": 10, "A": 5}
    scale = GRADE_SCALES["swedish_8_anchor"]
    assert {grade: round(share * 100) for grade, share in zip(scale.grades, scale.prior, strict=True)} == expected


def test_the_scales_cannot_be_changed():
    with pytest.raises(TypeError):
        GRADE_SCALES["swedish_8_anchor"] = SCALES[0]  # type: ignore[index] - the attempt is the test
    with pytest.raises(AttributeError):
        SCALES[0].grades = ()  # type: ignore[misc] - the attempt is the test
