"""Studies of the same pairs, fitted side by side, are what each of them is alone."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from eng5_runner.measure.model.curvature import stack_shapes
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.posterior import Posterior, position_precision
from eng5_runner.measure.model.prior_scale import likeliest_prior
from tests.support.studies import balanced_study, normal_truth

STUDIES, TOLERANCE = 7, 1e-6


def posteriors(*, essays, estimated, seed):
    """The stack of them and each alone, with other outcomes and other weights; the last is without any variation."""
    pairs = balanced_study(normal_truth(essays, spread=1.5, seed=seed), rounds=6, seed=seed)
    links, generator = Links.of(pairs), np.random.default_rng(seed)
    outcome = generator.integers(0, 2, (STUDIES, pairs.first.size)).astype(float)
    outcome[-1] = 1.0
    weight = generator.integers(0, 3, outcome.shape).astype(float)

    def posterior(outcome, weight):
        data = replace(pairs, outcome=outcome, weight=weight)
        return Posterior(data=data, links=links, position_precision=position_precision(data) if estimated else None)

    return posterior(outcome, weight), [posterior(*one) for one in zip(outcome, weight, strict=True)]


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize("essays", [2, 9, 30])
def test_the_modes_of_a_stack_are_those_of_its_studies(essays, estimated):
    stack, alone = posteriors(essays=essays, estimated=estimated, seed=essays)
    log_sd = np.linspace(-1.0, 2.0, STUDIES)
    top = stack.climb(np.zeros((STUDIES, essays + 1)), log_sd, tolerance=TOLERANCE)
    tops = [
        one.climb(np.zeros(essays + 1), float(sd), tolerance=TOLERANCE) for one, sd in zip(alone, log_sd, strict=True)
    ]
    assert top.x == pytest.approx(np.array([one.x for one in tops]), abs=1e-9)
    exact = [one.curvature.inverse() for one in tops]
    assert top.curvature.inverse() == pytest.approx(np.array(exact), rel=1e-5, abs=1e-9)
    for one, peak in zip(alone, tops, strict=True):
        inner = one.curvature(peak.x, peak.precision).inverse()[:-1, :-1]
        assert inner.sum() == pytest.approx(0.0, abs=1e-9), "the centred positions do not move together"


@pytest.mark.parametrize("estimated", [True, False])
@pytest.mark.parametrize("essays", [3, 12, 40])
def test_each_study_of_a_stack_finds_its_own_spread(essays, estimated):
    stack, alone = posteriors(essays=essays, estimated=estimated, seed=essays)
    wanted = {"hyperprior": True, "log_sd": math.log(1.5), "tolerance": TOLERANCE}
    found = likeliest_prior(stack, start=np.zeros((STUDIES, essays + 1)), **wanted)
    each = [likeliest_prior(one, **wanted) for one in alone]
    # Alone it stops sooner: a mode is sought to a thousandth only, and the slope of the evidence is off by its square.
    assert found.log_sd == pytest.approx([float(one.log_sd) for one in each], abs=2e-4)
    assert found.unexplained == pytest.approx([float(one.unexplained) for one in each], rel=1e-3)
    assert len(set(np.round(found.log_sd, 3))) == STUDIES


@pytest.mark.parametrize("essays", [2, 100])
def test_the_determinant_is_that_of_the_matrix_whose_inverse_it_has(essays):
    stack, _ = posteriors(essays=essays, estimated=True, seed=essays)
    curvature = stack.climb(np.zeros((STUDIES, essays + 1)), 0.3, tolerance=TOLERANCE).curvature
    inverse = curvature.inverse()
    # Along the common mean, which is left out of the centred positions, H is σ⁻².
    inverse[:, :-1, :-1] += math.exp(2 * 0.3) / essays
    assert curvature.log_determinant() == pytest.approx(-np.linalg.slogdet(inverse)[1], rel=1e-9)


@pytest.mark.parametrize(("items", "studies"), [(2, 1), (2, 100_000), (40, 200), (250, 80), (251, 3), (10, 0)])
def test_stacks_hold_every_study_once(items, studies):
    shapes = list(stack_shapes(studies, items=items))
    assert sum(math.prod(shape) for shape in shapes) == studies
    assert all(math.prod(shape) * (items + 1) ** 2 <= 1 << 20 for shape in shapes)
    assert {len(shape) for shape in shapes} <= {1 if items <= 250 else 0}


@pytest.mark.parametrize("essays", [40, 260])
@pytest.mark.parametrize("estimated", [True, False])
def test_a_step_solves_for_the_gradient_and_leaves_the_position_where_it_is_not_estimated(essays, estimated):
    """In the dense form and in the sparse one, which is for more than 250 items."""
    _, (posterior, *_) = posteriors(essays=essays, estimated=estimated, seed=essays)
    x = np.append(normal_truth(essays, spread=1.0, seed=1), 0.3 * estimated)
    x[:-1] -= x[:-1].mean()
    gradient, curvature = posterior.gradient(x, 0.5), posterior.curvature(x, 0.5)
    step = curvature.solve(gradient)
    assert step.dtype == np.float64
    assert (curvature.has_position, bool(step[-1])) == (estimated, estimated)
    near = 1e-5
    fall = (gradient - posterior.gradient(x + near * step, 0.5)) / near
    assert fall[: essays + estimated] == pytest.approx(gradient[: essays + estimated], abs=0.01)
