"""One rule turns file names into ids."""

from __future__ import annotations

import re
import unicodedata

import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.inventory.essay_ids import anchor_id, fold, student_id

ID = re.compile(r"[a-z0-9_-]{3,36}")
names = st.text(max_size=80)
plain_names = st.from_regex(r"[a-z0-9]([a-z0-9]|[_-][a-z0-9]){2,17}", fullmatch=True)


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("essay_01", "essay_01"),
        ("Essay 1 (final)", "essay-1-final"),
        ("Åsa Öberg – ENG 5", "asa-oberg-eng-5"),
        ("C+1", "cplus1"),
        ("ab", "ab-fb8e20fc"),
        ("李明", "essay-aa227102"),
        ("Søren", "sren-6bea0147"),
        ("An essay with a name that goes on and on 1", "an-essay-with-a-name-that-g-a8d2a187"),
    ],
)
def test_student_ids_stay_readable(stem: str, expected: str) -> None:
    assert student_id(stem) == expected


@pytest.mark.parametrize(
    ("stem", "expected"),
    [
        ("E+1", "anchor-eplus1"),
        ("E-1", "anchor-e-1"),
        ("A1", "anchor-a1"),
        ("ANCHOR 7", "anchor-7"),
        ("anchor_essay_eng_5_17_vt_001_F+", "anchor_essay_eng_5_17_vt_001_fplus"),
    ],
)
def test_anchor_ids_start_with_anchor(stem: str, expected: str) -> None:
    assert anchor_id(stem) == expected


@settings(deadline=None)
@given(names)
def test_every_name_has_a_valid_id(stem: str) -> None:
    assert ID.fullmatch(student_id(stem))
    assert ID.fullmatch(anchor_id(stem))
    assert anchor_id(stem).startswith("anchor")


@settings(deadline=None)
@given(names)
def test_an_id_does_not_depend_on_case_or_unicode_form(stem: str) -> None:
    for form in ("NFC", "NFD"):
        assert student_id(unicodedata.normalize(form, stem)) == student_id(stem)
        assert anchor_id(unicodedata.normalize(form, stem)) == anchor_id(stem)
    if stem.isascii():
        assert student_id(stem.upper()) == student_id(stem)


@settings(deadline=None)
@given(plain_names)
def test_a_plain_name_is_its_own_id(stem: str) -> None:
    assert student_id(stem) == stem


@settings(deadline=None)
@given(st.text(alphabet="ab ", min_size=37, max_size=60), st.text(alphabet="ab ", min_size=37, max_size=60))
def test_long_names_that_differ_only_at_the_end_stay_apart(one: str, other: str) -> None:
    one, other = "a student of the school " + one + "a", "a student of the school " + other + "a"
    assume(fold(one) != fold(other))
    assert student_id(one) != student_id(other)


def test_names_of_another_script_stay_apart() -> None:
    stems = ["李明", "李华", "王伟", "Иван", "محمد"]
    assert len({student_id(stem) for stem in stems}) == len(stems)
    assert len({anchor_id(stem) for stem in stems}) == len(stems)


@pytest.mark.parametrize("scale", GRADE_SCALES.values(), ids=lambda scale: scale.scale_id)
def test_numbered_grades_are_distinct_anchors(scale) -> None:
    stems = [f"{grade}{number}" for grade in scale.grades for number in ("1", "2", "3")]
    assert len({anchor_id(stem) for stem in stems}) == len(stems)
