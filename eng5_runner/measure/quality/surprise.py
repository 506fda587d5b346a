"""How large the residuals of a fit are where its model holds, for a fit that has seen the judgements.

A residual y − p̂ is smaller than chance alone would make it, because p̂ follows y. The judgement is therefore taken out
first: the others alone expect its log odds to be Normal with a mean and a variance (the cavity of Opper and Winther
2000, Neural Computation 12), which give the chance q that the first item wins. Then it is put back once as won, which
moves p̂ to p⁺, and once as lost, to p⁻. So the squared residual expects q (1 − p⁺)² + (1 − q) p⁻².

In simulation (40 items, 10 and 20 judgements an item) an overall infit divided by this is on average .96 to 1.03 for
positions that spread by 1 to 4.5 logits, and .89 to .92 for 6.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np

from eng5_runner.measure.model.comparisons import Comparisons, chance_of, summed_at

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"

# Nodes of a Normal expectation. The chance of an upset is an average over the tail, so it needs as many.
_NODES = 21
# A judgement that alone holds more of what is known of its pair than this is taken out as if it held so much.
_MOST_OF_A_PAIR = 0.95
_MOST_STEPS, _TOLERANCE = 60, 1e-6  # in logits
# Of a million judgements, so many are computed together: each takes twenty numbers on the way.
_ROWS_AT_ONCE = 1 << 16


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Expected:
    """What each row's residual is expected to be, shape (rows,).

    Attributes:
        square: of (y − p̂)².
        standardised: of (y − p̂)² / p̂ (1 − p̂).
    """

    square: _Floats
    standardised: _Floats


def expected_residuals(fitted: Fit, rows: Comparisons) -> Expected:
    """The expectation of each row's squared residual if the model holds.

    Args:
        fitted: the study, by the wins alone.
        rows: judgements of the fitted items. Where a question is not among the fitted ones, p̂ does not follow it.
    """
    counts, variance = _counts_for(fitted.comparisons, rows), fitted.variances_of(rows)
    square, standardised = np.empty(counts.size), np.empty(counts.size)
    for start in range(0, counts.size, _ROWS_AT_ONCE):
        some = slice(start, start + _ROWS_AT_ONCE)
        square[some], standardised[some] = _expected(
            fitted, rows.part(some), counts=counts[some], variance=variance[some]
        )
    return Expected(square=square, standardised=standardised)


def _expected(fitted: Fit, rows: Comparisons, *, counts: _Floats, variance: _Floats) -> tuple[_Floats, _Floats]:
    """Both expectations of some rows."""
    mode = np.append(fitted.theta, fitted.position_effect)
    log_odds = rows.log_odds(mode)
    chance = chance_of(log_odds)
    known = np.minimum(counts * chance * (1.0 - chance) * variance, _MOST_OF_A_PAIR)
    apart = variance / (1.0 - known)
    reach = counts * apart
    without = log_odds - reach * (rows.outcome - chance)
    stated = fitted.position_effect_mean
    mean = np.append(fitted.posterior_mean, 0.0 if stated is None else stated[0])
    wins = _mean_chance(without + rows.contrasts(mean) - rows.contrasts(mode), np.sqrt(apart))
    won, lost = chance_of(_after_win(without, reach)), chance_of(-_after_win(-without, reach))
    square = wins * (1.0 - won) ** 2 + (1.0 - wins) * lost**2
    return square, wins * (1.0 - won) / won + (1.0 - wins) * lost / (1.0 - lost)


def _counts_for(fitted: Comparisons, rows: Comparisons) -> _Floats:
    """How many judgements one judgement of each row counts for in the fit: 1, less where it is one of a group."""
    n = len(fitted.items)
    questions, place = np.unique(fitted.first * n + fitted.second, return_inverse=True)
    weight = np.minimum(summed_at(place, fitted.weight, size=questions.size), 1.0)
    asked = rows.first * n + rows.second
    at = np.minimum(np.searchsorted(questions, asked), max(0, questions.size - 1))
    return np.where(questions[at] == asked, weight[at], 0.0) if questions.size else np.zeros(asked.size)


def _mean_chance(mean: _Floats, sd: _Floats) -> _Floats:
    """E expit(N(mean, sd²)), shape (rows,)."""
    nodes, weights = np.polynomial.hermite_e.hermegauss(_NODES)
    total = np.zeros_like(mean)
    for node, weight in zip(nodes.tolist(), (weights / weights.sum()).tolist(), strict=True):
        total += weight * chance_of(mean + node * sd)
    return total


def _after_win(without: _Floats, reach: _Floats) -> _Floats:
    """The log odds after one more win, x = x₀ + s² (1 − expit x), by Newton's method.

    It starts at 0, or at the bound x₀ or x₀ + s² that is nearer to the solution: from there no step passes it.
    """
    log_odds = np.maximum(without, np.minimum(0.0, without + reach))
    for _ in range(_MOST_STEPS):
        lost = chance_of(-log_odds)
        step = (without + reach * lost - log_odds) / (1.0 + reach * lost * (1.0 - lost))
        log_odds = log_odds + step
        if np.abs(step).max(initial=0.0) < _TOLERANCE:
            break
    return log_odds
