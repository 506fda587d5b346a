"""How sure a probability of a grade is counts what the study leaves unknown of all essays alike, and nothing else."""

from __future__ import annotations

import numpy as np
import pytest
from numpy.testing import assert_allclose
from scipy.special import ndtr

from eng5_runner.measure.grading.calibration import Calibration, Group

LOWEST, MIDDLE, HIGHEST = 0, 4, 8
BOUNDS = np.arange(1.0, 9.0) - 4.5
_NORMAL = {0.05: -1.645, 0.25: -0.674, 0.5: 0.0, 0.75: 0.674, 0.95: 1.645}


def one_point(*, line=0.0, middle=0.0):
    """Nine grades a logit apart, of a judge and a class that are known but for where the line and the class lie."""
    of_bounds, single = np.full((1, 8), line**2), np.ones(1)
    group = Group(mean=np.zeros(1), mean_variance=np.full(1, middle**2), spread=2.0 * single, noise=0.5)
    return Calibration(
        weight=single,
        step=single,
        scatter=single,
        group=group,
        centres=np.arange(9.0)[None] - 4.0,
        variances=np.zeros((1, 9)),
        bounds=BOUNDS[None],
        bound_variances=of_bounds,
        inversions=np.zeros((1, 8)),
        misgraded=np.zeros(0),
        of_anchors=group,
    )


def quantiles(calibration, *, theta, grade, shares=tuple(_NORMAL)):
    essay = np.array([theta]), np.array([0.25])
    return calibration.within_one(*essay, medians=np.array([grade]), shares=np.array([shares]), group=None)[0]


def own(theta):
    """Expected quality, and its standard deviation: S = 2, τ = 1, an error of .5, a teacher's noise of .5."""
    kept = 4.0 / (4.0 + 1.0 + 0.25)
    return kept * theta, np.sqrt(4.0 * (1.0 - kept) + 0.25), kept


def test_the_whole_line_may_be_shifted():
    """Of the lowest grades it is the bound above them alone that counts, so that quantiles are those of its place."""
    quality, width, _ = own(-3.0)
    found = quantiles(one_point(line=0.6), theta=-3.0, grade=LOWEST)
    places = BOUNDS[1] + 0.6 * np.array(list(_NORMAL.values()))
    assert_allclose(found, ndtr((places - quality) / width), atol=0.02)
    assert_allclose(quantiles(one_point(), theta=-3.0, grade=LOWEST), ndtr((BOUNDS[1] - quality) / width))


def test_where_the_middle_of_the_class_lies_is_unknown_of_all_alike():
    quality, width, kept = own(3.0)
    found = quantiles(one_point(middle=2.0), theta=3.0, grade=HIGHEST)
    places = BOUNDS[-2] + 2.0 * (1.0 - kept) * np.array(list(_NORMAL.values()))
    assert_allclose(found, np.sort(ndtr((quality - places) / width)), atol=0.02)


def test_a_shift_to_either_side_makes_an_essay_in_the_middle_of_its_grade_less_sure():
    quality, width, _ = own(0.0)
    low, high = quantiles(one_point(line=0.6), theta=0.0, grade=MIDDLE, shares=(0.25, 0.95))
    two_sided = 0.6 * 1.15  # a quarter lies farther out
    most, least = (ndtr((1.5 - at - quality) / width) - ndtr((-1.5 - at - quality) / width) for at in (0.0, two_sided))
    assert high == pytest.approx(most, abs=0.005) and low == pytest.approx(least, abs=0.02)


@pytest.mark.parametrize(("theta", "grade"), [(-3.0, LOWEST), (-1.0, 3), (0.0, MIDDLE), (0.3, 5), (3.0, HIGHEST)])
def test_on_average_over_the_shifts_it_is_the_probability(theta, grade):
    calibration = one_point(line=0.6, middle=1.0)
    every = tuple((np.arange(900) + 0.5) / 900)
    probabilities = calibration.probabilities(np.array([theta]), np.array([0.25]))[0]
    mean = quantiles(calibration, theta=theta, grade=grade, shares=every).mean()
    assert mean == pytest.approx(probabilities[max(0, grade - 1) : grade + 2].sum(), abs=0.005)
