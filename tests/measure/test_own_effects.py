"""Judges that differ: each has its own discrimination and position effect, where that predicts better."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest
from scipy.optimize import minimize
from scipy.special import expit
from statsmodels.tools.numdiff import approx_hess

from eng5_runner.measure.model.bradley_terry import Fit, comparisons_from, fit
from eng5_runner.measure.model.own_effects import own_effects
from eng5_runner.measure.model.soft import Reading, Said, SoftEvidence, soft_from
from eng5_runner.measure.model.soft_choice import SoftChoice, choose
from eng5_runner.measure.quality.reliability import empirical_bayes

ITEMS = tuple(f"essay-{number:02}" for number in range(24))
TRUTH = np.random.default_rng(3).normal(0.0, 1.5, len(ITEMS))


def judged(judges: dict[str, tuple[float, float]], *, each: int = 120, seed: int = 5) -> tuple[Said, ...]:
    """Judgements of judges with a slope and a shift each."""
    generator, said = np.random.default_rng(seed), []
    for judge, (slope, shift) in judges.items():
        for _ in range(each):
            first, second = generator.choice(len(ITEMS), 2, replace=False)
            chance = expit(slope * (TRUTH[first] - TRUTH[second]) + shift)
            said.append(Said(ITEMS[first], ITEMS[second], float(generator.random() < chance), judge=judge))
    return tuple(said)


def chosen(said: tuple[Said, ...]) -> SoftChoice:
    data = comparisons_from(ITEMS, [(row.first, row.second, row.outcome) for row in said])
    return choose(data, soft_from(data, said))


def realised(theta: np.ndarray) -> float:
    return float(np.corrcoef(theta, TRUTH)[0, 1] ** 2)


def test_the_likelihood_has_each_judges_slope_and_shift() -> None:
    """The positions are those that maximise the likelihood, written out and maximised by another way."""
    said = judged({"ada": (1.0, 0.0), "bo": (1.0, 0.0)}, each=50)
    data = comparisons_from(ITEMS, [(row.first, row.second, row.outcome) for row in said])
    readings = (Reading("wins", slope=1.5, shift=-0.4), Reading("wins", slope=0.5, shift=0.4))
    fitted = fit(data, prior_sd=1.2, soft=SoftEvidence(judgements=soft_from(data, said), readings=readings))

    def cost(x: np.ndarray) -> float:
        total = np.square(x[:-1]).sum() / 2.0 / 1.2**2
        for row in said:
            own = readings[row.judge == "bo"]
            eta = own.slope * (x[ITEMS.index(row.first)] - x[ITEMS.index(row.second)] + x[-1]) + own.shift
            total += np.logaddexp(0.0, eta) - row.outcome * eta
        return float(total)

    best = minimize(cost, np.zeros(len(ITEMS) + 1), tol=1e-10)
    assert fitted.theta == pytest.approx(best.x[:-1] - best.x[:-1].mean(), abs=1e-3)
    assert fitted.position_effect == pytest.approx(best.x[-1], abs=1e-3)


def test_a_judge_that_tosses_coins_and_one_that_prefers_a_place_are_found() -> None:
    said = judged({"ada": (1.0, 0.0), "bo": (1.0, 0.0), "coin": (0.0, 0.0), "place": (1.0, 2.0)})
    choice = chosen(said)
    assert choice.own is not None and choice.own.is_used
    own = {judge.judge: judge for judge in choice.own.judges}
    assert own["coin"].slope < 0.35 and own["ada"].slope > 0.8
    assert own["place"].position_effect == pytest.approx(2.0, abs=0.6)
    assert own["ada"].position_effect == pytest.approx(0.0, abs=0.6)
    data = choice.fitted.comparisons
    assert realised(choice.fitted.theta) > realised(fit(data).theta) + 0.02


def test_a_judge_that_turns_the_order_around_counts_for_nothing() -> None:
    choice = chosen(judged({"ada": (1.0, 0.0), "bo": (1.0, 0.0), "turned": (-1.0, 0.0)}))
    assert choice.own is not None
    assert {judge.judge: judge.slope for judge in choice.own.judges}["turned"] == 0.0


def test_judges_alike_are_found_alike() -> None:
    choice = chosen(judged(dict.fromkeys(("ada", "bo", "cy"), (1.0, 0.3))))
    assert choice.own is not None
    for judge in choice.own.judges:
        assert abs(judge.slope - 1.0) < 2.5 * judge.slope_se
    assert abs(choice.own.gain[0]) < 0.02


def test_few_judgements_have_no_effects_of_their_own() -> None:
    choice = chosen(judged({"ada": (1.0, 0.0), "bo": (0.0, 2.0)}, each=39))
    assert choice.own is None


def test_without_a_position_effect_no_judge_has_one() -> None:
    said = judged({"ada": (1.0, 1.0), "bo": (1.0, -1.0)}, each=60)
    data = comparisons_from(ITEMS, [(row.first, row.second, row.outcome) for row in said])
    own = own_effects(fit(data, position_effect=False), soft_from(data, said))
    assert [judge.position_effect for judge in own.judges] == [None, None]


def test_slopes_and_shifts_are_the_likeliest_for_the_positions() -> None:
    """Checked by regressing each judge's wins on the contrasts, with the priors, by another way."""
    said = judged({"ada": (1.4, 0.3), "bo": (0.5, -0.6), "cy": (1.1, 0.3)}, each=200)
    data = comparisons_from(ITEMS, [(row.first, row.second, row.outcome) for row in said])
    own = own_effects(fit(data), soft_from(data, said))
    fitted = own.fitted
    best = []
    for judge in own.judges:
        rows = [row for row in said if row.judge == judge.judge]

        def cost(x: np.ndarray, rows: list[Said] = rows) -> float:
            total = (x[0] - 1.0) ** 2 / 2.0 / 0.5**2 + x[1] ** 2 / 2.0 / 0.5**2
            for row in rows:
                ends = [fitted.items.index(item) for item in (row.first, row.second)]
                contrast = np.zeros(len(ITEMS) + 1)
                contrast[ends[0]], contrast[ends[1]], contrast[-1] = 1.0, -1.0, 1.0
                mean = float(contrast[:-1] @ fitted.theta) + fitted.position_effect
                spread = float(np.sqrt(contrast @ fitted.covariance_with_position @ contrast))
                for node, share in ((-np.sqrt(3.0), 1 / 6), (0.0, 2 / 3), (np.sqrt(3.0), 1 / 6)):
                    odds = x[0] * (mean + node * spread) + x[1]
                    total += share * (np.logaddexp(0.0, odds) - row.outcome * odds)
            return float(total)

        best.append(minimize(cost, [1.0, 0.0], method="Nelder-Mead").x)
    slopes, shifts = np.array(best).T
    assert [judge.slope for judge in own.judges] == pytest.approx(slopes / slopes.mean(), abs=0.03)
    effects = np.array([judge.position_effect for judge in own.judges])
    own_shifts = effects - slopes / slopes.mean() * fitted.position_effect
    assert own_shifts == pytest.approx(shifts - shifts.mean(), abs=0.05)
    assert fitted.prior_sd_estimated
    assert not own_effects(fit(data), soft_from(data, said), prior_sd=1.5).fitted.prior_sd_estimated


def test_errors_of_slopes_and_position_effects_are_those_of_the_regressions() -> None:
    """Checked with the curvature of each judge's log posterior by differences, at the positions as fitted."""
    said = judged({"ada": (1.4, 0.3), "bo": (0.5, -0.6), "cy": (1.1, 0.3)}, each=60)
    data = comparisons_from(ITEMS, [(row.first, row.second, row.outcome) for row in said])
    own = own_effects(fit(data), soft_from(data, said))
    fitted = own.fitted
    for judge in own.judges:
        rows = [row for row in said if row.judge == judge.judge]
        places = [[fitted.items.index(item) for item in (row.first, row.second)] for row in rows]
        contrasts = np.array([fitted.theta[one] - fitted.theta[two] for one, two in places]) + fitted.position_effect
        outcomes = np.array([row.outcome for row in rows])

        def cost(x: np.ndarray, contrasts: np.ndarray = contrasts, outcomes: np.ndarray = outcomes) -> float:
            odds = x[0] * contrasts + x[1]
            surprise = np.logaddexp(0.0, odds) - outcomes * odds
            return float(surprise.sum() + (x[0] - 1.0) ** 2 / 2.0 / 0.5**2 + x[1] ** 2 / 2.0 / 0.5**2)

        assert judge.position_effect is not None
        at = np.array([judge.slope, judge.position_effect - judge.slope * fitted.position_effect])
        errors = np.sqrt(np.diag(np.linalg.inv(approx_hess(at, cost))))
        assert [judge.slope_se, judge.position_effect_se] == pytest.approx(errors, rel=1e-3)


def of_unequal_judges(*errors: float, by_spread: float = 0.0, seed: int = 5) -> Fit:
    """A fit of three judges whose slopes are known with these errors."""
    slopes = (1.6, 0.9, 0.5)
    said = judged({name: (slope, 0.0) for name, slope in zip(("ada", "bo", "cy"), slopes, strict=True)}, seed=seed)
    data = comparisons_from(ITEMS, [(row.first, row.second, row.outcome) for row in said])
    readings = tuple(Reading("wins", slope=one, slope_se=error) for one, error in zip(slopes, errors, strict=True))
    evidence = SoftEvidence(judgements=soft_from(data, said), readings=readings, by_spread=by_spread)
    return fit(data, prior_sd=None if by_spread else 1.5, soft=evidence)


def test_small_errors_of_slopes_add_what_the_wrong_weights_add() -> None:
    """A judge weighed by its slope + e adds e Σ (outcome − chance) b to the gradient; its variance is written out."""
    errors = np.array([0.05, 0.08, 0.02])
    known, estimated = of_unequal_judges(0.0, 0.0, 0.0), of_unequal_judges(*errors)
    assert known.soft is not None
    rows, judge = known.evidence, np.tile(known.soft.judgements.judge, 2)
    chance = expit(rows.log_odds(known.mode))
    added = np.zeros((len(ITEMS) + 1, len(ITEMS) + 1))
    for row, amount in enumerate(rows.weight * chance * (1.0 - chance) * errors[judge] ** 2):
        contrast = np.zeros(len(ITEMS) + 1)
        contrast[rows.first[row]], contrast[rows.second[row]], contrast[-1] = 1.0, -1.0, 1.0
        added += amount * np.outer(contrast, contrast)
    more = known.covariance_with_position @ added @ known.covariance_with_position
    assert estimated.theta == pytest.approx(known.theta)
    assert estimated.covariance_with_position - known.covariance_with_position == pytest.approx(more, abs=2e-5)
    assert np.trace(more) > 1e-2


@pytest.mark.parametrize("seed", range(5))
def test_estimated_slopes_never_make_anything_more_certain(seed: int) -> None:
    errors = np.random.default_rng(seed).exponential(0.4, 3)
    known, estimated = of_unequal_judges(0.0, 0.0, 0.0, seed=seed), of_unequal_judges(*errors, seed=seed)
    more = estimated.covariance_with_position - known.covariance_with_position
    assert np.linalg.eigvalsh(more).min() > -1e-12
    assert (estimated.standard_errors > known.standard_errors).all()
    assert (estimated.errors_at_mean > known.errors_at_mean).all()
    assert empirical_bayes(estimated) < empirical_bayes(known)


def test_the_spread_is_the_likeliest_with_the_slopes_integrated_out() -> None:
    """σ is at the top of the log evidence of known slopes, with the prior of σ and the power of σ that slopes add."""
    found = of_unequal_judges(0.0, 0.0, 0.0, by_spread=-3.0)
    assert found.soft is not None

    def log_evidence(sd: float) -> float:
        there = fit(found.comparisons, soft=found.soft, prior_sd=sd).log_evidence
        return there - math.log(sd / 1.5) ** 2 / 2.0 - 3.0 * math.log(sd)

    here, less, more = (log_evidence(found.prior_sd * change) for change in (1.0, 0.99, 1.01))
    assert here > max(less, more)
    assert (more - less) / (2.0 * here - less - more) < 0.1


def test_slopes_that_are_used_are_estimates_and_their_mean_is_known() -> None:
    choice = chosen(judged({"ada": (1.6, 0.0), "bo": (0.4, 0.0)}))
    assert choice.own is not None and choice.own.is_used and choice.fitted.soft is not None
    evidence = choice.fitted.soft
    ada, bo = evidence.readings
    # They weigh the same, and one is above the mean by as much as the other is below.
    assert ada.slope_se == pytest.approx(bo.slope_se)
    assert 0.05 < ada.slope_se < min(judge.slope_se for judge in choice.own.judges)
    assert evidence.by_spread < 0.0
    same = tuple(replace(one, slope_se=0.0) for one in evidence.readings)
    known = fit(choice.fitted.comparisons, soft=SoftEvidence(judgements=evidence.judgements, readings=same))
    assert choice.fitted.prior_sd < known.prior_sd
    assert empirical_bayes(choice.fitted) < empirical_bayes(known)
