"""The agreement of two halves of a study, and the reliability that follows from it."""

from __future__ import annotations

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import Comparisons, Fit, comparisons_from, fit
from eng5_runner.measure.quality.split_half import split_half
from tests.support.studies import balanced_study, judged, normal_truth

ITEMS = tuple(f"{place:02}" for place in range(12))
ONE, OTHER, THIRD = (
    balanced_study(normal_truth(len(ITEMS), spread=1.5, seed=1), rounds=rounds, seed=seed)
    for rounds, seed in ((6, 1), (8, 2), (7, 3))
)


def together(*judges: Comparisons) -> Fit:
    rows = [
        (one.items[first], one.items[second], outcome)
        for one in judges
        for first, second, outcome in zip(one.first, one.second, one.outcome.tolist(), strict=True)
    ]
    return fit(comparisons_from(judges[0].items, rows))


def correlation(study: Fit, one: list[Comparisons], other: list[Comparisons]) -> float:
    """Of the positions by some judges with those by others, each fitted with the σ of the study."""
    ends = [fit(together(*half).comparisons, prior_sd=study.prior_sd).theta for half in (one, other)]
    return float(np.corrcoef(*ends)[0, 1])


def test_two_judges_are_the_two_halves() -> None:
    study = together(ONE, OTHER)
    halves = split_half(study, seed=1, judges=[ONE, OTHER], splits=3)
    r = correlation(study, [ONE], [OTHER])
    assert halves is not None
    assert halves.correlation == pytest.approx(r, abs=1e-4)
    assert halves.reliability == pytest.approx(2 * r / (1 + r), abs=1e-4)
    assert halves.interval == pytest.approx((halves.reliability, halves.reliability), abs=1e-6)


def test_the_smaller_half_of_three_judges_is_one_of_them() -> None:
    study = together(ONE, OTHER, THIRD)
    halves = split_half(study, seed=1, judges=[ONE, OTHER, THIRD], splits=1)
    possible = [
        correlation(study, [one], others)
        for one, others in ((ONE, [OTHER, THIRD]), (OTHER, [ONE, THIRD]), (THIRD, [ONE, OTHER]))
    ]
    assert halves is not None
    assert min(abs(halves.correlation - r) for r in possible) < 1e-4


def test_judges_of_opposite_mind_keep_the_correlation_below_zero() -> None:
    """The formula of Spearman and Brown has no meaning there."""
    opposite = comparisons_from(
        ONE.items,
        [
            (ONE.items[first], ONE.items[second], 1.0 - outcome)
            for first, second, outcome in zip(ONE.first, ONE.second, ONE.outcome.tolist(), strict=True)
        ],
    )
    halves = split_half(together(ONE, ONE, opposite), seed=1, judges=[ONE, opposite], splits=2)
    assert halves is not None
    assert halves.reliability == halves.correlation < -0.5


def test_without_judges_the_pairs_are_split() -> None:
    truth = {"a": 1.5, "b": -1.5, "c": 1.0, "d": -1.0}
    two_pairs = judged([("a", "b"), ("b", "a"), ("c", "d"), ("d", "c")] * 3, truth=truth, seed=4)
    study = fit(comparisons_from("abcd", two_pairs))
    assert split_half(study, seed=1, splits=4) is not None
    one_pair = [row for row in two_pairs if "a" in row]
    assert split_half(fit(comparisons_from("abcd", one_pair)), seed=1, splits=4) is None


def test_one_judge_has_no_halves() -> None:
    assert split_half(together(ONE), seed=1, judges=[ONE]) is None


def test_judgements_of_other_items_are_refused() -> None:
    with pytest.raises(ValueError, match="not of the fitted items"):
        split_half(together(ONE), seed=1, judges=[ONE, comparisons_from("ab", [("a", "b", 1.0)])])
