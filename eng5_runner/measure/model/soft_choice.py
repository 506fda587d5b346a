"""Whether what judges say besides who won is used: only where it predicts wins better that the fit has not seen.

The pairs are divided into folds. The positions are fitted without the judgements of a fold, by the bare wins and by
each soft scale, and predict who wins in the fold. A judge is read on the scale with which all wins are predicted best.
So a confidence that says nothing does no harm: the judge then counts by its wins.

    choice = choose(comparisons, soft_from(comparisons, rows))
    choice.fitted.theta               by what the judges said where that helps, else by their wins
    choice.worth                      2.1: one judgement is worth 2.1 bare wins
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal, TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar
from scipy.special import stdtrit

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.own_effects import OwnEffects, own_effects
from eng5_runner.measure.model.soft import WINS, Reading
from eng5_runner.measure.model.soft_fit import fit_read, posterior_of_rows

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons
    from eng5_runner.measure.model.soft import SoftJudgements

_Floats: TypeAlias = "NDArray[np.float64]"
SoftScale: TypeAlias = Literal["confidence", "probability"]

_FEWEST_JUDGEMENTS = 40
_MANY_JUDGES = 6
_FOLDS = 5
_MANY, _FOLDS_OF_MANY = 20_000, 2  # judgements; so many tell enough in few folds
_SEED = 1
# In standard errors of the gain. More would leave out what helps in small studies; less would take in noise.
_MARGIN = 0.5
_LEAST_SLOPE, _MOST_SLOPE = 0.05, 4.0
_LEAST_REAL = 1e-3


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeReading:
    """How one judge is read.

    Attributes:
        judge: its name; empty for judges with few judgements, which share one reading, and for rows that name none.
        judgements: the number of its judgements.
        reading: the scale that is used, with its parameters.
        gains: soft scale → by how much it lowers the log loss of a judgement that was not fitted, in nats, and the
            standard error of that.
    """

    judge: str
    judgements: float
    reading: Reading
    gains: Mapping[SoftScale, tuple[float, float]]


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class SoftChoice:
    """The fit, and what it uses.

    Attributes:
        fitted: by soft scales where they help, else by the wins.
        judges: how each is read; empty if there are too few judgements, or none that says more than who won.
        worth: how many bare wins one judgement is worth; 1 where the wins are used.
        worth_interval: 90% interval of it; None where the wins are used, and for very many judgements.
        own: what is each judge's own; None where there are not two judges with enough judgements. `fitted` uses it
            where it predicts wins better.
    """

    fitted: Fit
    judges: tuple[JudgeReading, ...] = ()
    worth: float = 1.0
    worth_interval: tuple[float, float] | None = None
    own: OwnEffects | None = None


def choose(
    comparisons: Comparisons,
    soft: SoftJudgements,
    *,
    position_effect: bool = True,
    prior_sd: float | None = None,
) -> SoftChoice:
    """Fit judgements by what their judges say, where that predicts wins better, else by the wins.

    Likewise each judge has its own slope and position effect where these predict wins better.

    Args:
        comparisons: the judgements as they count.
        soft: the same judgements one by one.
        position_effect: as for `fit`.
        prior_sd: as for `fit`.
    """
    choice = _by_scales(comparisons, soft, position_effect=position_effect, prior_sd=prior_sd)
    if len(soft.judges) <= 1:
        return choice
    own = own_effects(choice.fitted, soft, prior_sd=prior_sd)
    return replace(choice, own=own, fitted=own.fitted if own.is_used else choice.fitted)


def _by_scales(
    comparisons: Comparisons, soft: SoftJudgements, *, position_effect: bool, prior_sd: float | None
) -> SoftChoice:
    """The choice among wins and soft scales."""
    plain = fit(comparisons, position_effect=position_effect, prior_sd=prior_sd)
    candidates = _candidates(soft) if soft.judge.size >= _FEWEST_JUDGEMENTS else ()
    if not candidates:
        return SoftChoice(fitted=plain)
    trial = _Trial(comparisons, soft, position_effect=position_effect, prior_sd=prior_sd)
    wins, parts_of_wins = trial.of(None)
    best: dict[int, tuple[float, _Tried]] = {}
    gains: dict[int, dict[SoftScale, tuple[float, float]]] = {}
    for scales in candidates:
        whole = fit_read(comparisons, soft, scales=scales, position_effect=position_effect, prior_sd=prior_sd)
        loss, parts = trial.of(whole)
        gain, error = _gain(wins - loss)
        for judge, scale in scales.items():
            gains.setdefault(judge, {})[scale] = gain, error
            if gain > max(_MARGIN * error, best[judge][0] if judge in best else 0.0):
                best[judge] = gain, _Tried(scales, whole, parts)
    chosen = {judge: tried.scales[judge] for judge, (_, tried) in best.items()}
    tried = next((tried for _, tried in best.values() if tried.scales == chosen), None)
    if chosen and tried is None:
        whole = fit_read(comparisons, soft, scales=chosen, position_effect=position_effect, prior_sd=prior_sd)
        tried = _Tried(chosen, whole, trial.of(whole)[1])
    readings = (WINS,) * len(soft.judges) if tried is None or tried.whole.soft is None else tried.whole.soft.readings
    judges = tuple(
        JudgeReading(
            judge=name,
            judgements=float(soft.data.weight[soft.judge == judge].sum()),
            reading=readings[judge],
            gains=gains[judge],
        )
        for judge, name in enumerate(soft.judges)
        if judge in gains
    )
    if tried is None:
        return SoftChoice(fitted=plain, judges=judges)
    worth = _worth(tried.whole, plain)
    interval = _jackknife(worth, [_worth(*pair) for pair in zip(tried.parts, parts_of_wins, strict=True)])
    return SoftChoice(fitted=tried.whole, judges=judges, worth=worth, worth_interval=interval)


@dataclass(frozen=True, slots=True)
class _Tried:
    """Judges on soft scales, the others by their wins: the fit of all pairs, and the fits without each fold."""

    scales: Mapping[int, SoftScale]
    whole: Fit
    parts: list[Fit]


def _candidates(soft: SoftJudgements) -> tuple[Mapping[int, SoftScale], ...]:
    """What to try: each judge by itself on each scale that its answers have; many judges all together."""
    able: dict[SoftScale, list[int]] = {"confidence": [], "probability": []}
    for judge in range(len(soft.judges)):
        own = soft.judge == judge
        if soft.level[own].max(initial=0) > 1:
            able["confidence"].append(judge)
        if (~np.isnan(soft.log_odds[own]) & ~soft.is_bound[own]).any():
            able["probability"].append(judge)
    if len(soft.judges) > _MANY_JUDGES:
        return tuple(dict.fromkeys(judges, scale) for scale, judges in able.items() if judges)
    return tuple({judge: scale} for scale, judges in able.items() for judge in judges)


class _Trial:
    """Fits without a fold of the pairs, and how well they predict it."""

    def __init__(
        self, comparisons: Comparisons, soft: SoftJudgements, *, position_effect: bool, prior_sd: float | None
    ) -> None:
        self._comparisons, self._soft = comparisons, soft
        self._position_effect, self._prior_sd = position_effect, prior_sd
        keys = _pairs(soft.data)
        cells = np.unique(keys)
        fold = np.random.default_rng(_SEED).permutation(cells.size) % _FOLDS
        self._fold = fold[np.searchsorted(cells, keys)]
        self._fold_of_comparisons = fold[np.searchsorted(cells, _pairs(comparisons))]
        self._folds = _FOLDS if soft.judge.size <= _MANY else _FOLDS_OF_MANY

    def of(self, whole: Fit | None) -> tuple[_Floats, list[Fit]]:
        """The log loss of each judgement, nan where its fold was not tried, and the fits without each fold.

        Args:
            whole: the fit of all pairs, whose scales are used; None for the wins.
        """
        chance, fits = np.full(self._fold.size, np.nan), []
        start = () if whole is None or whole.soft is None else whole.soft.readings
        for number in range(self._folds):
            rest = _rows(self._comparisons, self._fold_of_comparisons != number)
            if start:
                fitted = fit_read(
                    rest,
                    self._soft.rows(self._fold != number),
                    scales={judge: reading.scale for judge, reading in enumerate(start)},
                    position_effect=self._position_effect,
                    prior_sd=self._prior_sd,
                    start=start,
                )
            else:
                fitted = fit(rest, position_effect=self._position_effect, prior_sd=self._prior_sd)
            held_out = self._fold == number
            mean, spread = posterior_of_rows(fitted, self._soft.rows(held_out))
            # The usual approximation of the mean of expit over a Normal distribution.
            chance[held_out] = mean / np.sqrt(1.0 + math.pi * np.square(spread) / 8.0)
            fits.append(fitted)
        return losses_held_out(chance, self._soft.data, fold=self._fold), fits


def losses_held_out(log_odds: _Floats, data: Comparisons, *, fold: NDArray[np.int64]) -> _Floats:
    """Log losses of the winners, with the log odds of each fold in units that suit the wins of the other folds.

    The unit of a soft scale is the noise in what the judge says, which the drawing of its answer can add to.

    Args:
        log_odds: shape (rows,), that the first wins, by fits without the row's fold; nan where no fit predicts it.
        data: the judgements.
        fold: shape (rows,), the fold of each judgement.
    """
    loss = np.full(log_odds.size, np.nan)
    known = ~np.isnan(log_odds)

    def total(log_slope: float, rows: NDArray[np.bool_]) -> _Floats:
        eta = math.exp(log_slope) * log_odds[rows]
        lost: _Floats = data.weight[rows] * (np.logaddexp(0.0, eta) - data.outcome[rows] * eta)
        return lost

    for number in np.unique(fold[known]).tolist():
        here = fold == number
        others = ~here & known
        ends = (math.log(_LEAST_SLOPE), math.log(_MOST_SLOPE))
        slope = minimize_scalar(lambda s, rows=others: float(total(s, rows).sum()), bounds=ends, method="bounded").x
        loss[here] = total(float(slope), here)
    return loss


def _gain(gain: _Floats) -> tuple[float, float]:
    """The mean of the judgements that were tried, and its standard error."""
    known = gain[~np.isnan(gain)]
    return float(known.mean()), float(known.std(ddof=1) / math.sqrt(known.size))


def _worth(soft: Fit, plain: Fit) -> float:
    """By what factor the wins would have to be more to be as reliable (the Spearman-Brown formula)."""
    by_soft, by_wins = _real(soft), _real(plain)
    return by_soft * (1.0 - by_wins) / (by_wins * (1.0 - by_soft))


def _real(fitted: Fit) -> float:
    """The share of the positions' variance that is real, by the fit's own σ."""
    share = 1.0 - fitted.mean_variance / fitted.prior_sd**2
    return min(max(share, _LEAST_REAL), 1.0 - _LEAST_REAL)


def _jackknife(worth: float, without: Sequence[float]) -> tuple[float, float] | None:
    """A 90% interval of the worth, from its values without each fold."""
    if len(without) < _FOLDS:
        return None
    pseudo = len(without) * math.log(worth) - (len(without) - 1) * np.log(without)
    margin = float(stdtrit(len(without) - 1, 0.95) * pseudo.std(ddof=1)) / math.sqrt(len(without))
    return worth * math.exp(-margin), worth * math.exp(margin)


def _pairs(data: Comparisons) -> NDArray[np.int64]:
    """A number for each row's pair, whichever was shown first."""
    pairs: NDArray[np.int64] = np.minimum(data.first, data.second) * len(data.items) + np.maximum(
        data.first, data.second
    )
    return pairs


def _rows(data: Comparisons, chosen: NDArray[np.bool_]) -> Comparisons:
    return replace(
        data,
        first=data.first[chosen],
        second=data.second[chosen],
        outcome=data.outcome[chosen],
        weight=data.weight[chosen],
    )
