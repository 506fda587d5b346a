"""Two runs on the same pairs of anchors: which of them decides more pairs as the experts did."""

from __future__ import annotations

import pytest

from eng5_runner.measure.quality.paired import mcnemar, pairs_to_tell
from eng5_runner.results.paired_verdicts import PairedVerdicts, grade_places, paired_verdicts
from tests.support.artefacts import artefact, metadata

GRADES = {"high": 5, "mid": 3, "low": 1, "twin": 3}


def test_a_pair_counts_where_both_runs_decided_two_anchors_of_different_grades() -> None:
    shares = {
        ("high", "low"): (1.0, 1.0),
        ("low", "mid"): (0.25, 0.75),
        ("mid", "high"): (0.75, 0.25),
        ("high", "mid"): (0.25, 0.0),
        ("high", "student"): (1.0, 1.0),
        ("student", "high"): (1.0, 1.0),
        ("mid", "twin"): (1.0, 0.0),
        ("twin", "low"): (0.5, 1.0),
        ("low", "twin"): (0.0, 0.5),
    }
    found = paired_verdicts(shares, GRADES)
    assert found is not None
    assert (found.pairs, found.both_right, found.only_a_right, found.only_b_right) == (4, 1, 1, 1)
    assert (found.p_value, found.more_pairs) == (1.0, None)
    assert paired_verdicts({("mid", "twin"): (1.0, 0.0)}, GRADES) is None


def test_the_test_and_the_number_of_pairs_are_those_of_the_pairs_that_differ() -> None:
    shares = {(f"a{n}", f"b{n}"): (0.9 if n < 12 else 0.1, 0.1 if 3 <= n < 15 else 0.9) for n in range(20)}
    grades = {name: place for n in range(20) for name, place in ((f"a{n}", 2), (f"b{n}", 1))}
    found = paired_verdicts(shares, grades)
    assert found is not None
    assert (found.only_a_right, found.only_b_right, found.both_right) == (9, 5, 3)
    assert found.p_value == pytest.approx(mcnemar(9, 5), abs=1e-6)
    assert found.more_pairs == pairs_to_tell(9, 5, pairs=20)
    same = paired_verdicts({("high", "low"): (1.0, 1.0)}, GRADES)
    assert same is not None
    assert (same.p_value, same.more_pairs) == (None, None)


def verdict(only_a: int, only_b: int, *, p: float | None, more: int | None) -> str:
    return PairedVerdicts(
        pairs=50, both_right=9, only_a_right=only_a, only_b_right=only_b, p_value=p, more_pairs=more
    ).verdict


def test_the_verdict_says_who_is_better_or_how_many_pairs_would_tell() -> None:
    alike = "neither run decides more pairs of anchors as the experts did"
    assert verdict(0, 0, p=None, more=None) == verdict(3, 3, p=1.0, more=None) == alike
    assert verdict(12, 3, p=0.1, more=0) == "A decides more pairs of anchors as the experts did"
    assert verdict(3, 12, p=0.035, more=0) == "B decides more pairs of anchors as the experts did"
    would = "comparisons of such pairs in each run would tell, if {} is as much better as it looks"
    assert verdict(9, 5, p=0.11, more=40) == f"cannot tell: about 40 more {would.format('A')}"
    assert verdict(5, 9, p=0.4, more=0) == f"cannot tell: a few more {would.format('B')}"


def test_an_anchors_place_is_that_of_its_grade_on_the_scale() -> None:
    anchors = {"anchor-a1": "A", "anchor-f1": "F+"}
    assert grade_places(artefact(anchors=anchors)) == {"anchor-a1": 8, "anchor-f1": 0}
    assert grade_places(artefact(anchors=anchors, metadata=metadata(grade_scale="of another program"))) == {}
