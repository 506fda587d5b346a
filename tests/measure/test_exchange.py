"""The test of two judges by exchange of anchors, and Holm's correction."""

from __future__ import annotations

import numpy as np
import pytest

from eng5_runner.measure.quality.exchange import exchange_p_value, holm

GRADES = tuple(float(place) for place in range(8))


def _judged(*positions: float) -> np.ndarray:
    return np.array([positions], dtype=np.float64)


def test_the_p_value_is_the_share_of_exchanges_that_differ_as_much() -> None:
    right, reversed_ = _judged(*GRADES), _judged(*GRADES[::-1])
    # Only the exchange of nothing, and of everything, gives a difference of 2.
    assert exchange_p_value(right, reversed_, grades=GRADES, seed=1) == pytest.approx(2 / 2**8)


def test_equal_judges_do_not_differ() -> None:
    assert exchange_p_value(_judged(*GRADES), 5.0 * _judged(*GRADES) + 3.0, grades=GRADES, seed=1) == 1.0


@pytest.mark.parametrize(("stretched", "shifted"), [(7.0, 0.0), (0.1, 0.0), (1.0, 40.0)])
def test_the_unit_of_a_judge_does_not_matter(stretched: float, shifted: float) -> None:
    """Decisive judges place the same anchors further apart."""
    one, other = _judged(0.0, 1.0, 2.0, 3.5, 3.0, 5.0, 6.0, 7.0), _judged(1.0, 0.0, 2.0, 5.0, 3.0, 4.0, 7.0, 6.0)
    same = exchange_p_value(one, other, grades=GRADES, seed=1)
    assert same is not None and 0.0 < same < 1.0
    assert exchange_p_value(one, stretched * other + shifted, grades=GRADES, seed=1) == same


def test_a_judge_without_an_order_cannot_be_tested() -> None:
    assert exchange_p_value(_judged(*GRADES), _judged(*[1.0] * 8), grades=GRADES, seed=1) is None
    assert exchange_p_value(_judged(*GRADES), _judged(*GRADES), grades=[2.0] * 8, seed=1) is None


def test_other_anchors_are_refused() -> None:
    with pytest.raises(ValueError, match="same anchors"):
        exchange_p_value(_judged(*GRADES), _judged(*GRADES[1:]), grades=GRADES, seed=1)


def test_with_many_anchors_exchanges_are_drawn_and_repeatable() -> None:
    grades = [float(place) for place in range(14)]
    noise = np.random.default_rng(3).normal(0.0, 6.0, (2, 14))
    good, bad = np.array([grades, grades]), np.array([grades, grades]) + noise
    told = [exchange_p_value(good, bad, grades=grades, seed=7) for _ in range(2)]
    assert told[0] == told[1]
    assert told[0] is not None and told[0] < 0.05


def test_the_same_run_many_times_says_what_one_says() -> None:
    """Many runs are exchanged in parts; what the parts count is added up."""
    one, other = _judged(*GRADES), _judged(1.0, 0.0, 2.0, 5.0, 3.0, 4.0, 7.0, 6.0)
    alone = exchange_p_value(one, other, grades=GRADES, seed=1)
    often = exchange_p_value(np.repeat(one, 400, axis=0), np.repeat(other, 400, axis=0), grades=GRADES, seed=1)
    assert often == pytest.approx(alone) and alone is not None and alone > 0.03


def test_equally_good_judges_are_rarely_said_to_differ() -> None:
    """Each judge misplaces anchors in its own way, so that pairs of anchors depend on each other."""
    random, wrong = np.random.default_rng(11), 0
    for _ in range(300):
        one, other = (_judged(*(np.array(GRADES) + random.normal(0.0, 2.0, 8))) for _ in range(2))
        p_value = exchange_p_value(one, other, grades=GRADES, seed=1)
        wrong += p_value is not None and p_value <= 0.1
    assert wrong <= 30


def test_holm_corrects_in_steps_and_keeps_the_order() -> None:
    assert holm([0.04, 0.01, 0.5]) == [0.08, 0.03, 0.5]
    assert holm([0.01, 0.012, 0.011]) == pytest.approx([0.03, 0.03, 0.03])
    assert holm([0.9, 0.8]) == [1.0, 1.0]
    assert holm([]) == []
