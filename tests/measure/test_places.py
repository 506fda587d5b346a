"""What places can tell: the share that the first won, and how far the items alone say who is shown first."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from eng5_runner.measure.model.comparisons import comparisons_from
from eng5_runner.measure.quality.places import confounding, share_of_first


def by_least_squares(pairs: list[tuple[int, int]], n: int) -> float:
    """The adjusted R² with a dense design, written out."""
    design = np.zeros((len(pairs), n))
    for row, (first, second) in enumerate(pairs):
        design[row, first], design[row, second] = 1.0, -1.0
    fitted = design @ np.linalg.lstsq(design, np.ones(len(pairs)), rcond=None)[0]
    unexplained = float(np.square(fitted - 1.0).sum())
    return 1.0 - unexplained / (len(pairs) - np.linalg.matrix_rank(design))


@pytest.mark.parametrize("turned", [0.0, 0.1, 0.5])
def test_confounding_is_the_adjusted_r2_of_a_constant_on_the_items(turned):
    generator, n = np.random.default_rng(4), 12
    pairs = [(a, b) if generator.random() >= turned else (b, a) for a in range(n) for b in range(a + 1, n)]
    names = [f"{index:02}" for index in range(n)]
    data = comparisons_from(names, [(names[a], names[b], 1.0) for a, b in pairs])
    assert confounding(data) == pytest.approx(by_least_squares(pairs, n), abs=1e-6)


def test_sorted_pairs_confound_balanced_pairs_do_not_and_a_chain_tells_nothing():
    names = "abcdefgh"
    by_name = [(a, b, 1.0) for a in names for b in names if a < b]
    assert confounding(comparisons_from(names, by_name)) > 0.6
    assert confounding(comparisons_from(names, [*by_name, *((b, a, 0.0) for a, b, _ in by_name)])) < 0.1
    assert confounding(comparisons_from(names, [(a, b, 1.0) for a, b in itertools.pairwise(names)])) == 1.0


def test_the_share_of_the_first_leaves_ties_out():
    rows = [("x", "y", 1.0), ("y", "x", 0.0), ("x", "y", 0.5), ("y", "x", 1.0), ("x", "y", 1.0)]
    assert share_of_first(comparisons_from("xy", rows)) == 0.75
    assert share_of_first(comparisons_from("xy", rows[2:3])) is None
