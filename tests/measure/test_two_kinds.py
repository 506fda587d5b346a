"""People and models on one scale: the people's, to which a model adds what it agrees."""

from __future__ import annotations

import math

import numpy as np
import pytest
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import Fit, comparisons_from, fit
from eng5_runner.measure.model.two_kinds import TwoKinds, cannot_join, fit_two_kinds

ITEMS = tuple(f"essay-{number:02}" for number in range(30))


def drawn(theta: np.ndarray, *, judgements: int, first: float, generator: np.random.Generator) -> Fit:
    rows = []
    for _ in range(judgements):
        a, b = generator.choice(len(ITEMS), 2, replace=False)
        rows.append((ITEMS[a], ITEMS[b], float(generator.random() < expit(theta[a] - theta[b] + first))))
    return fit(comparisons_from(ITEMS, rows))


def study(r: float) -> tuple[TwoKinds, np.ndarray]:
    """The fit of a study in which the two scales correlate by r, and people's true positions."""
    generator = np.random.default_rng(11)
    people = generator.normal(0.0, 1.0, len(ITEMS))
    people = (people - people.mean()) / people.std()
    apart = generator.normal(0.0, 1.0, len(ITEMS))
    apart -= apart.mean() + people * (apart * people).mean()
    models = 3.0 * (r * people + math.sqrt(1.0 - r**2) * apart / apart.std())
    kinds = fit_two_kinds(
        drawn(1.2 * people, judgements=150, first=0.2, generator=generator),
        drawn(models, judgements=600, first=-1.5, generator=generator),
    )
    return kinds, people


def agreed(theta: np.ndarray, truth: np.ndarray) -> float:
    return float(np.corrcoef(theta, truth)[0, 1] ** 2)


@pytest.mark.parametrize("r", [0.0, 0.9])
def test_the_agreement_is_found(r: float) -> None:
    kinds, _ = study(r)
    low, high = kinds.correlation_interval
    assert low < r < high
    assert kinds.correlation == pytest.approx(r, abs=0.25)


def test_a_model_that_agrees_adds_much() -> None:
    kinds, truth = study(0.9)
    assert kinds.uses_models and kinds.loss_joint < kinds.loss_alone
    assert agreed(kinds.fitted.theta, truth) > agreed(kinds.people.theta, truth) + 0.05
    assert kinds.reliability == pytest.approx(agreed(kinds.fitted.theta, truth), abs=0.12)
    # Better than a coin, and worse than the true positions predict.
    assert 0.45 < kinds.loss_joint < kinds.loss_alone < math.log(2.0)


def test_a_model_of_another_mind_changes_nothing_much() -> None:
    """Blind pooling would put the model's own order into the place of the people's."""
    kinds, truth = study(0.0)
    assert agreed(kinds.fitted.theta, truth) > agreed(kinds.people.theta, truth) - 0.05
    assert agreed(kinds.models.theta, truth) < 0.1
    assert kinds.loss_joint < kinds.loss_alone + 0.005


def test_the_joint_fit_is_a_fit_of_the_peoples_judgements() -> None:
    """Its gradient is zero where the people's own part has its prior around what the model expects."""
    kinds, _ = study(0.9)
    assert kinds.fitted.comparisons is kinds.people.comparisons
    assert kinds.fitted.position_effect == pytest.approx(0.2, abs=0.5)
    assert kinds.fitted.theta.sum() == pytest.approx(0.0, abs=1e-9)
    assert kinds.fitted.prior_sd < kinds.people.prior_sd


def test_few_judgements_of_people_are_no_scale() -> None:
    generator = np.random.default_rng(1)
    few = drawn(np.zeros(len(ITEMS)), judgements=39, first=0.0, generator=generator)
    assert "at least 40" in (cannot_join(few.comparisons) or "")
    with pytest.raises(ValueError, match="at least 40"):
        fit_two_kinds(few, few)
