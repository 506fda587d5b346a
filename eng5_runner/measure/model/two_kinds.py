"""People and models that judge the same items: the scale is the people's, and models add what they agree.

A model's judgements repeat the model's own taste. Counted as people's, six thousand of them drown a thousand of
people's. So there are two scales, each with its own position effect. An item's positions on them are Normal with the
correlation r. Given the model's scale, the people's positions are

    θ_i = β m_i + u_i,     u_i ~ N(0, σ_u²),

where m is the model's posterior mean. β and σ_u follow from r and from the spread σ of the people's scale. Both are
integrated over a grid with the marginal likelihood of the people's judgements. With r = 0 a model adds nothing; with r
near 1 its judgements count nearly as people's. β m is a handicap (`Comparisons.offset`), so that the fit of the u is
what it is for one kind of judges.

    kinds = fit_two_kinds(people, models)
    kinds.correlation, kinds.correlation_interval      # .49, (.25, .69)
    kinds.fitted.theta                                 # on the people's scale
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.special import expit, xlog1py, xlogy

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.links import Links

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.measure.model.comparisons import Comparisons

_Floats: TypeAlias = "NDArray[np.float64]"

# Fewer of people's judgements say nothing of r.
FEWEST_JUDGEMENTS = 40
# The marginal likelihood takes a matrix of these.
MOST_ITEMS = 1_500
# Fisher's z of r, at equal distances, and the spread of the people's scale in logits.
_Z = tuple(0.4 * step for step in range(-6, 7))
_LOG_SD = tuple(math.log(0.1) + 0.372 * step for step in range(12))
# Of a hundred sets of people's judgements nine tenths have a spread of .5 to 2.3; the prior is twice as wide.
_TYPICAL_LOG_SD, _LOG_SD_SPREAD = math.log(1.2), 0.9
# Of the residual variance as a share of the whole, so that r is never 1.
_LEAST_OWN = 1e-3
# Cells of the grid with less weight than this are left out of predictions.
_LEAST_WEIGHT = 1e-3
_FOLDS = 5
_SEED = 1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TwoKinds:
    """People's scale, and what models add to it.

    Attributes:
        people: the fit of people's judgements alone.
        models: the fit of the models' judgements alone, on their own scale.
        fitted: the people's scale with what the models add, where that predicts people's judgements better than they
            do alone; else `people`.
        uses_models: whether the models add anything.
        correlation: r of the two scales' true positions.
        correlation_interval: its 90% interval.
        reliability: expected share of the variance of the people's scale that both kinds together explain, 0 to 1.
        reliability_interval: its 90% interval.
        loss_alone: mean log loss of people's judgements that were held out, by the other judgements of people; .693 is
            a coin.
        loss_joint: the same with what the models add.
    """

    people: Fit
    models: Fit
    fitted: Fit
    uses_models: bool
    correlation: float
    correlation_interval: tuple[float, float]
    reliability: float
    reliability_interval: tuple[float, float]
    loss_alone: float
    loss_joint: float


def cannot_join(people: Comparisons) -> str | None:
    """Why two kinds of judges cannot be put on one scale, in words; None where they can."""
    judged = float(people.weight.sum())
    if judged < FEWEST_JUDGEMENTS:
        return f"it needs at least {FEWEST_JUDGEMENTS} human judgements, and there are {judged:.0f}"
    if int(np.count_nonzero(people.counts)) > MOST_ITEMS:
        return f"it takes at most {MOST_ITEMS} items that people judged"
    return None


def fit_two_kinds(people: Fit, models: Fit, *, position_effect: bool = True) -> TwoKinds:
    """Put the people's judgements and the models' on the people's scale.

    Args:
        people: the fit of people's judgements, of the same items as `models`.
        models: the fit of the models' judgements.
        position_effect: whether people have one.

    Raises:
        ValueError: `cannot_join` has a reason.
    """
    if reason := cannot_join(people.comparisons):
        raise ValueError(reason)
    scale = _ModelScale.of(models)
    judged = np.flatnonzero(people.comparisons.counts)
    evidence, seen = _of_items(people.evidence, judged), scale.of_items(judged)
    cells = [_Cell(r=math.tanh(z), sd=math.exp(log_sd), scale=seen) for z in _Z for log_sd in _LOG_SD]
    fits = [cell.fitted(evidence, position_effect=position_effect) for cell in cells]
    beforehand = np.array([cell.log_prior for cell in cells])
    weights = _normalised(np.array([one.log_evidence for one in fits]) + beforehand)
    z = float((weights * np.repeat(np.array(_Z), len(_LOG_SD))).sum())
    log_sd = float((weights * np.tile(np.array(_LOG_SD), len(_Z))).sum())
    shares = np.array([cell.explained(one, of=len(people.items)) for cell, one in zip(cells, fits, strict=True)])
    whole = _Cell(r=math.tanh(z), sd=math.exp(log_sd), scale=scale)
    likely = [(cell, weight) for cell, weight in zip(cells, weights.tolist(), strict=True) if weight > _LEAST_WEIGHT]
    alone, joint = _losses(evidence, likely, position_effect=position_effect)
    return TwoKinds(
        people=people,
        models=models,
        fitted=whole.on_peoples_scale(people, position_effect=position_effect) if joint < alone else people,
        uses_models=joint < alone,
        correlation=math.tanh(z),
        correlation_interval=_middle(np.array([cell.r for cell in cells]), weights),
        reliability=float((weights * shares).sum()),
        reliability_interval=_middle(shares, weights),
        loss_alone=alone,
        loss_joint=joint,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _ModelScale:
    """The models' positions: m, the spread of the true ones, and the mean squared error of m."""

    mean: _Floats
    sd: float
    error: float

    @classmethod
    def of(cls, models: Fit) -> _ModelScale:
        return cls(mean=models.posterior_mean, sd=models.prior_sd, error=models.mean_variance)

    def of_items(self, places: NDArray[np.int64]) -> _ModelScale:
        return replace(self, mean=self.mean[places])


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Cell:
    """One value of the correlation and of the spread of the people's scale."""

    r: float
    sd: float
    scale: _ModelScale

    @property
    def slope(self) -> float:
        """β."""
        return self.r * self.sd / self.scale.sd

    @property
    def own_sd(self) -> float:
        """σ_u."""
        explained = self.slope**2 * (self.scale.sd**2 - self.scale.error)
        return math.sqrt(max(self.sd**2 - explained, _LEAST_OWN * self.sd**2))

    @property
    def log_prior(self) -> float:
        """Every r is as likely as any other beforehand, at equal distances of Fisher's z."""
        return math.log(1.0 - self.r**2) - ((math.log(self.sd) - _TYPICAL_LOG_SD) / _LOG_SD_SPREAD) ** 2 / 2.0

    def fitted(self, evidence: Comparisons, *, position_effect: bool) -> Fit:
        """The people's own part u."""
        return fit(self.handicapped(evidence), prior_sd=self.own_sd, position_effect=position_effect)

    def explained(self, own: Fit, *, of: int) -> float:
        """The share of the variance of the people's scale that is explained, among so many items."""
        left = float(np.square(own.standard_errors).sum()) + (of - len(own.items)) * self.own_sd**2
        return 1.0 - left / of / self.sd**2

    def handicapped(self, evidence: Comparisons) -> Comparisons:
        """People's judgements with β m as handicap."""
        between = evidence.by_contrast(
            self.slope * (self.scale.mean[evidence.first] - self.scale.mean[evidence.second])
        )
        return replace(evidence, offset=between if evidence.offset is None else evidence.offset + between)

    def on_peoples_scale(self, people: Fit, *, position_effect: bool) -> Fit:
        """All of it as one fit: its positions are β m + u, and its log odds are those of the handicapped fit of u."""
        own = self.fitted(people.evidence, position_effect=position_effect)
        theta = own.theta + self.slope * self.scale.mean
        return replace(own, comparisons=people.comparisons, soft=people.soft, theta=theta - theta.mean())


def _losses(evidence: Comparisons, cells: list[tuple[_Cell, float]], *, position_effect: bool) -> tuple[float, float]:
    """The mean log loss of people's judgements, each fifth of the pairs held out: by people alone, and with models."""
    pair = Links.of(evidence).pair
    fold = (np.random.default_rng(_SEED).permutation(int(pair.max()) + 1) % _FOLDS)[pair]
    alone, joint = 0.0, 0.0
    for number in range(_FOLDS):
        rest, held_out = (evidence.part(chosen) for chosen in (fold != number, fold == number))
        alone += _lost(_chance(fit(rest, position_effect=position_effect), held_out), held_out)
        chances = [
            weight * _chance(cell.fitted(rest, position_effect=position_effect), cell.handicapped(held_out))
            for cell, weight in cells
        ]
        joint += _lost(np.sum(chances, axis=0) / sum(weight for _, weight in cells), held_out)
    total = float(evidence.weight.sum())
    return alone / total, joint / total


def _chance(fitted: Fit, data: Comparisons) -> _Floats:
    """The probability that the first wins, for judgements that are no part of the fit."""
    chance: _Floats = expit(fitted.expected_log_odds(data))
    return chance


def _lost(chance: _Floats, data: Comparisons) -> float:
    # A chance of exactly 0 or 1 costs nothing where it was right.
    return -float((data.weight * (xlogy(data.outcome, chance) + xlog1py(1.0 - data.outcome, -chance))).sum())


def _of_items(data: Comparisons, places: NDArray[np.int64]) -> Comparisons:
    """The same rows, with only the items that they have."""
    index = np.zeros(len(data.items), dtype=np.int64)
    index[places] = np.arange(places.size)
    return replace(
        data,
        items=tuple(data.items[place] for place in places.tolist()),
        first=index[data.first],
        second=index[data.second],
    )


def _normalised(log_weights: _Floats) -> _Floats:
    raw = np.exp(log_weights - log_weights.max())
    weights: _Floats = raw / raw.sum()
    return weights


def _middle(values: _Floats, weights: _Floats) -> tuple[float, float]:
    """The middle 90% of a weighted sample."""
    known, place = np.unique(values, return_inverse=True)
    mass = np.bincount(place, weights)
    low, high = np.interp([0.05, 0.95], np.cumsum(mass) - mass / 2.0, known).tolist()
    return low, high
