"""What is each judge's own: how strongly it tells items apart (its slope), and how far it favours the item shown first.

A judge's log odds that the first wins are slope · (θ_first − θ_second + δ) + shift. A judge with slope 1 is as the
judges are on average; one with slope 0 tosses a coin, and counts for nothing. A slope is never below 0: a judge that
turns the order around is a finding for a person, and no evidence.

Slopes have the prior N(1, .5²) and shifts N(0, .5²), so that a judge of whom little is known is like the others. Both
follow from the positions' posterior, and the positions from them, by turns. They are used where they predict judgements
better that were not fitted.

Slopes are estimates, which costs twice. Weighed by slopes with the error e, judgements tell less of the positions: to
first order the information is lower by e² p (1 − p) a judgement, so that of a slope s the share s²/(s² + e²) is left.
And slopes follow the chance in positions, so that these seem to differ more than they do. The likelihood of σ with the
slopes integrated out (Laplace) has the factor Π e besides, less the error of the mean, which is 1 by definition.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.soft import WINS, Reading, SoftEvidence, SoftJudgements, slopes_and_shifts

if TYPE_CHECKING:
    from collections.abc import Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"

_SLOPE_SD, _SHIFT_SD = 0.5, 0.5
_LEAST_MEAN = 0.2  # of the slopes; below it they are not divided by their mean
_TURNS = 4
_MOST_STEPS, _ENOUGH = 30, 1e-6
_FOLDS = 5
_SEED = 1
_CHANGE = 0.05  # of log σ, for a derivative
# In standard errors of the gain.
_MARGIN = 0.5
# Gauss and Hermite's nodes for the standard Normal distribution, and their shares.
_NODES, _SHARES = (-1.7320508075688772, 0.0, 1.7320508075688772), (1.0 / 6.0, 2.0 / 3.0, 1.0 / 6.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeEffect:
    """What is one judge's own.

    Attributes:
        judge: its name; empty for judges with few judgements, which are taken together.
        judgements: their number, as they count.
        slope: how strongly it tells items apart, as a multiple of the judges' mean.
        slope_se: standard error of `slope`.
        position_effect: by how much it favours the item shown first, in logits; None where that is not estimated.
        position_effect_se: standard error of `position_effect`, without that of the common effect.
    """

    judge: str
    judgements: float
    slope: float
    slope_se: float
    position_effect: float | None
    position_effect_se: float | None


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class OwnEffects:
    """The judges' own effects, and what they gain.

    Attributes:
        fitted: the fit with them.
        judges: of each judge.
        gain: by how much they lower the log loss of a judgement that was not fitted, in nats, and its standard error.
    """

    fitted: Fit
    judges: tuple[JudgeEffect, ...]
    gain: tuple[float, float]

    @property
    def is_used(self) -> bool:
        """Whether they predict judgements better that were not fitted."""
        return self.gain[0] > _MARGIN * self.gain[1]


def own_effects(alike: Fit, soft: SoftJudgements, *, prior_sd: float | None = None) -> OwnEffects:
    """Estimate each judge's own slope and position effect.

    Args:
        alike: the fit in which all judges are alike.
        soft: its judgements one by one.
        prior_sd: as for `fit`.
    """
    readings = alike.soft.readings if alike.soft is not None else (WINS,) * len(soft.judges)
    fitted = alike
    for turn in range(_TURNS):
        readings = _improved(fitted, soft, readings=readings)
        # σ is estimated where it has nearly settled, and once more with the last slopes.
        known = fitted.prior_sd if turn in range(1, _TURNS - 1) else prior_sd
        fitted = _fit(alike, soft, readings=readings, prior_sd=known)
    gain = _gain(alike, soft, readings=readings, own_sd=fitted.prior_sd)
    own = OwnEffects(fitted=fitted, judges=_stated(fitted, soft, readings=readings), gain=gain)
    if not own.is_used:
        return own
    fitted = _estimated(fitted, soft, readings=readings, prior_sd=prior_sd)
    return replace(own, fitted=fitted, judges=_stated(fitted, soft, readings=readings))


def _fit(
    alike: Fit,
    soft: SoftJudgements,
    *,
    readings: tuple[Reading, ...],
    prior_sd: float | None,
    by_spread: float = 0.0,
) -> Fit:
    evidence = SoftEvidence(judgements=soft, readings=readings, by_spread=by_spread)
    has_position = alike.position_effect_se is not None
    return fit(alike.comparisons, soft=evidence, prior_sd=prior_sd, position_effect=has_position)


def _estimated(known: Fit, soft: SoftJudgements, *, readings: tuple[Reading, ...], prior_sd: float | None) -> Fit:
    """The fit in which slopes are the estimates that they are, from the fit that takes them as known."""
    weights = np.bincount(soft.judge, soft.data.weight, len(readings))

    def log_errors(sd: float) -> float:
        """Of all slopes together, for one σ."""
        there = _fit(known, soft, readings=readings, prior_sd=sd)
        variance = _Regression.of(there, soft, readings=readings, nodes=True).slope_variances(readings)
        return float(np.log(variance).sum() - math.log((weights**2 * variance).sum())) / 2.0

    less, more = (log_errors(known.prior_sd * math.exp(change)) for change in (-_CHANGE, _CHANGE))
    variance = _Regression.of(known, soft, readings=readings, nodes=False).slope_variances(readings)
    of_mean = weights**2 * variance
    errors = np.sqrt(variance * (1.0 - of_mean / of_mean.sum()))
    estimated = tuple(replace(one, slope_se=error) for one, error in zip(readings, errors.tolist(), strict=True))
    return _fit(known, soft, readings=estimated, prior_sd=prior_sd, by_spread=(more - less) / (2.0 * _CHANGE))


def _gain(alike: Fit, soft: SoftJudgements, *, readings: tuple[Reading, ...], own_sd: float) -> tuple[float, float]:
    """The mean gain of a judgement whose pair was not fitted, and its standard error.

    The slopes and shifts are estimated again without each fold; the scales and σ, which all judgements share, are not.
    """
    data, n = soft.data, len(soft.data.items)
    cells, pair = np.unique(
        np.minimum(data.first, data.second) * n + np.maximum(data.first, data.second), return_inverse=True
    )
    fold = (np.random.default_rng(_SEED).permutation(cells.size) % _FOLDS)[pair]
    same = tuple(replace(one, slope=1.0, shift=0.0) for one in readings)
    gain = np.zeros(fold.size)
    for number in range(_FOLDS):
        rest, held_out = soft.rows(fold != number), fold == number
        without = _fit(alike, rest, readings=same, prior_sd=alike.prior_sd)
        own = _improved(without, rest, readings=readings)
        with_own = _fit(alike, rest, readings=own, prior_sd=own_sd)
        asked = soft.rows(held_out)
        gain[held_out] = _loss(without, asked, readings=same) - _loss(with_own, asked, readings=own)
    return float(gain.mean()), float(gain.std(ddof=1) / math.sqrt(gain.size))


def _loss(fitted: Fit, soft: SoftJudgements, *, readings: tuple[Reading, ...]) -> _Floats:
    """The log loss of each judgement's winner."""
    slope, shift = slopes_and_shifts(readings, soft.judge)
    odds = fitted.expected_log_odds(replace(soft.data, slope=slope, offset=shift))
    loss: _Floats = soft.data.weight * (np.logaddexp(0.0, odds) - soft.data.outcome * odds)
    return loss


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Regression:
    """The logistic regressions of all judges' wins against handicaps on the contrasts, side by side.

    Attributes:
        judge: shape (rows,), of each row.
        judges: their number.
        contrast: shape (nodes, rows), θ_first − θ_second + δ at the nodes of its posterior.
        weight: shape (nodes, rows).
        outcome: shape (rows,).
        offset: shape (rows,).
        has_position: whether shifts are free.
    """

    judge: NDArray[np.int64]
    judges: int
    contrast: _Floats
    weight: _Floats
    outcome: _Floats
    offset: _Floats
    has_position: bool

    @classmethod
    def of(cls, fitted: Fit, soft: SoftJudgements, *, readings: tuple[Reading, ...], nodes: bool) -> _Regression:
        """At the posterior of a fit, or at its mode alone."""
        same = SoftEvidence(judgements=soft, readings=tuple(replace(one, slope=1.0, shift=0.0) for one in readings))
        rows = same.rows
        mean = rows.contrasts(np.append(fitted.theta, fitted.position_effect))
        places, shares = (np.array(_NODES), np.array(_SHARES)) if nodes else (np.zeros(1), np.ones(1))
        return cls(
            judge=np.tile(soft.judge, 2),
            judges=len(soft.judges),
            contrast=mean + places[:, None] * np.sqrt(fitted.variances_of(rows)),
            weight=shares[:, None] * rows.weight,
            outcome=rows.outcome,
            offset=np.zeros(rows.weight.size) if rows.offset is None else rows.offset,
            has_position=fitted.position_effect_se is not None,
        )

    def information(self, slope: _Floats, shift: _Floats) -> tuple[_Floats, _Floats, _Floats]:
        """Of the slope, of both together, and of the shift of each judge, each of shape (judges,)."""
        chance = self._chance(slope, shift)
        amount = self.weight * chance * (1.0 - chance)
        by_slope = self._sum(amount * self.contrast**2) + _SLOPE_SD**-2
        both = self._sum(amount * self.contrast) if self.has_position else np.zeros(self.judges)
        return by_slope, both, self._sum(amount) + _SHIFT_SD**-2

    def slope_variances(self, readings: Sequence[Reading]) -> _Floats:
        """Of each judge, shape (judges,)."""
        by_slope, both, by_shift = self.information(*_of(readings))
        variance: _Floats = by_shift / (by_slope * by_shift - both**2)
        return variance

    def likeliest(self) -> tuple[_Floats, _Floats]:
        """The slope and the shift of each judge, both of shape (judges,), by Newton's method."""
        slope, shift = np.ones(self.judges), np.zeros(self.judges)
        for _ in range(_MOST_STEPS):
            surprise = self.weight * (self.outcome - self._chance(slope, shift))
            uphill = self._sum(surprise * self.contrast) - (slope - 1.0) / _SLOPE_SD**2
            along = self._sum(surprise) - shift / _SHIFT_SD**2 if self.has_position else np.zeros(self.judges)
            by_slope, both, by_shift = self.information(slope, shift)
            held = (slope <= 0.0) & (uphill < 0.0)  # at the least slope, which the judgements would have lower
            left = by_slope * by_shift - both**2
            step = np.where(held, 0.0, (by_shift * uphill - both * along) / left)
            move = np.where(held, along / by_shift, (by_slope * along - both * uphill) / left)
            # No step is longer than the priors are wide, so that Newton's method does not leave the good region.
            step, move = np.clip(step, -_SLOPE_SD, _SLOPE_SD), np.clip(move, -_SHIFT_SD, _SHIFT_SD)
            before, slope = slope, np.maximum(slope + step, 0.0)
            shift = shift + move
            if max(np.abs(slope - before).max(), np.abs(move).max()) < _ENOUGH:
                break
        return slope, shift

    def _chance(self, slope: _Floats, shift: _Floats) -> _Floats:
        odds: _Floats = slope[self.judge] * self.contrast + shift[self.judge] + self.offset
        chance: _Floats = expit(odds)
        return chance

    def _sum(self, amounts: _Floats) -> _Floats:
        return np.bincount(self.judge, amounts.sum(axis=0), self.judges).astype(np.float64, copy=False)


def _improved(fitted: Fit, soft: SoftJudgements, *, readings: tuple[Reading, ...]) -> tuple[Reading, ...]:
    """The readings with the slopes and shifts that are most likely for the posterior of the positions."""
    slope, shift = _Regression.of(fitted, soft, readings=readings, nodes=True).likeliest()
    weights = np.bincount(soft.judge, soft.data.weight, len(readings))
    # The unit of θ, and δ, are the judges' mean: otherwise only the priors would hold them.
    mean = float(np.average(slope, weights=weights))
    slope = slope / mean if mean > _LEAST_MEAN else slope
    shift = shift - float(np.average(shift, weights=weights))
    pairs = zip(readings, slope.tolist(), shift.tolist(), strict=True)
    return tuple(replace(reading, slope=one, shift=other) for reading, one, other in pairs)


def _stated(fitted: Fit, soft: SoftJudgements, *, readings: Sequence[Reading]) -> tuple[JudgeEffect, ...]:
    slope, shift = _of(readings)
    regression = _Regression.of(fitted, soft, readings=tuple(readings), nodes=False)
    by_slope, both, by_shift = regression.information(slope, shift)
    left, effect = by_slope * by_shift - both**2, slope * fitted.position_effect + shift
    has_position = regression.has_position
    return tuple(
        JudgeEffect(
            judge=name,
            judgements=float(soft.data.weight[soft.judge == judge].sum()),
            slope=float(slope[judge]),
            slope_se=math.sqrt(by_shift[judge] / left[judge]),
            position_effect=float(effect[judge]) if has_position else None,
            position_effect_se=math.sqrt(by_slope[judge] / left[judge]) if has_position else None,
        )
        for judge, name in enumerate(soft.judges)
    )


def _of(readings: Sequence[Reading]) -> tuple[_Floats, _Floats]:
    """The slope and the shift of each judge, both of shape (judges,)."""
    return np.array([one.slope for one in readings]), np.array([one.shift for one in readings])
