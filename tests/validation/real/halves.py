"""Halves of the judges, each fitted alone: how well they agree, and what such halves add to a bias by themselves."""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from scipy.special import expit

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.model.comparisons import Comparisons, merged
from eng5_runner.measure.model.curvature import stack_shapes
from eng5_runner.measure.model.links import Links
from eng5_runner.measure.model.posterior import Posterior
from eng5_runner.measure.quality.reliability import empirical_bayes
from eng5_runner.measure.quality.split_half import split_half
from eng5_runner.measure.quality.taste import taste
from eng5_runner.results.judges.table_model import KindOfJudges

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit
    from eng5_runner.results.comparison_table import ComparisonTable

    Way = Callable[[Fit, Sequence[Comparisons]], float]

_SEED = 1
_SPLITS = 20
_RIDGE = 1e-9  # in logits²: positions are known only against each other
# As sirt's btm does, which the collection's authors use: scores move by ε towards the middle, and nothing shrinks.
_EDGE, _LOG_NO_PRIOR_SD = 0.3, math.log(100.0)
_STEP_TOLERANCE = 1e-4  # in logits; the error that remains is of the order of its square


@dataclass(frozen=True)
class Mean:
    """A mean and its standard error, both NaN where there is nothing."""

    value: float
    error: float

    @classmethod
    def of(cls, values: Sequence[float]) -> Mean:
        """The mean of those that are numbers."""
        known = np.array([value for value in values if not math.isnan(value)])
        if not known.size:
            return cls(math.nan, math.nan)
        error = float(known.std(ddof=1)) / math.sqrt(known.size) if known.size > 1 else math.nan
        return cls(float(known.mean()), error)

    @property
    def in_words(self) -> str:
        """As tables show it."""
        return "–" if math.isnan(self.value) else f"{self.value:+.3f} ± {self.error:.3f}"


def spearman_brown(correlation: float) -> float:
    """The reliability of the whole, by the correlation of its halves."""
    return 2.0 * correlation / (1.0 + correlation)


def shrunk(fitted: Fit, judges: Sequence[Comparisons]) -> float:
    """The reliability by halves that are fitted as the program does, with the prior of the whole."""
    split = split_half(fitted, seed=_SEED, judges=judges, splits=_SPLITS)
    return math.nan if split is None else spearman_brown(split.correlation)


def unshrunk(_: Fit, judges: Sequence[Comparisons]) -> float:
    """The reliability by halves that are fitted as the collection's authors do, over the items that both judged."""
    data, judge = _joined(judges)
    links, generator, found = Links.of(data), np.random.default_rng(_SEED), []
    for shape in stack_shapes(_SPLITS, items=len(data.items)):
        halves = [(generator.permutation(len(judges)) < len(judges) // 2)[judge] for _ in range(math.prod(shape))]
        half = np.reshape(halves, (*shape, judge.size))
        both = [_likeliest(data, links, chosen=rows).reshape(-1, len(data.items)) for rows in (half, ~half)]
        found += [_correlation(first, second) for first, second in zip(*both, strict=True)]
    return spearman_brown(float(np.median(found)))


def _joined(judges: Sequence[Comparisons]) -> tuple[Comparisons, NDArray[np.int64]]:
    """All rows, and the judge of each."""
    first, second, outcome, weight = (
        np.concatenate([getattr(one, name) for one in judges]) for name in ("first", "second", "outcome", "weight")
    )
    data = Comparisons(items=judges[0].items, first=first, second=second, outcome=outcome, weight=weight)
    return data, np.repeat(np.arange(len(judges)), [one.first.size for one in judges])


def _likeliest(data: Comparisons, links: Links, *, chosen: NDArray[np.bool_]) -> NDArray[np.float64]:
    """Positions by the chosen rows, shape (…, n); NaN for items without any."""
    part = replace(data, weight=np.where(chosen, data.weight, 0.0))
    share = _EDGE / np.maximum(part.counts, 2.0 * _EDGE)
    pull = (share[..., data.first] + share[..., data.second]) / 2.0
    part = replace(part, outcome=pull + (1.0 - 2.0 * pull) * data.outcome)
    start = np.zeros((*chosen.shape[:-1], len(data.items) + 1))
    posterior = Posterior(data=part, links=links, position_precision=None)
    theta = posterior.climb(start, _LOG_NO_PRIOR_SD, tolerance=_STEP_TOLERANCE).x[..., :-1]
    return np.where(part.counts > 0.0, theta, np.nan)


def _correlation(first: NDArray[np.float64], second: NDArray[np.float64]) -> float:
    known = ~np.isnan(first + second)
    return float(np.corrcoef(first[known], second[known])[0, 1])


def alike(judges: Sequence[Comparisons], *, position_effect: bool) -> Fit:
    """A fit in which all judgements count alike, as in halves."""
    return fit(merged(judges), position_effect=position_effect)


def for_other_judges(fitted: Fit, judges: Sequence[Comparisons]) -> float:
    """The reliability for other judges like these where their tastes can be told from chance, else for these."""
    tastes = taste(fitted, judges)
    return empirical_bayes(fitted) - (0.0 if tastes is None else tastes.share)


def gain_by_weighing(table: ComparisonTable, *, splits: int = _SPLITS) -> float:
    """By how much the reliability by halves is larger where each half weighs its own judges, as the program does."""
    generator, names, found = np.random.default_rng(_SEED), list(table.judges), []
    for _ in range(splits):
        halves = np.array_split(generator.permutation(len(names)), 2)
        kinds = [
            KindOfJudges.of(table, [names[place] for place in half], in_full=False, prior_sd=None, position_effect=True)
            for half in halves
        ]
        weighed = [kind.choice.fitted for kind in kinds]
        plain = [
            alike([*kind.judges.values()], position_effect=one.position_effect_se is not None)
            for kind, one in zip(kinds, weighed, strict=True)
        ]
        of_weighed, of_plain = (
            spearman_brown(_correlation(*(_where_judged(one) for one in both))) for both in (weighed, plain)
        )
        found.append(of_weighed - of_plain)
    return float(np.mean(found))


def _where_judged(fitted: Fit) -> NDArray[np.float64]:
    return np.where(fitted.counts > 0.0, fitted.theta, np.nan)


def by_itself(fitted: Fit, judges: Sequence[Comparisons], ways: Sequence[Way], *, times: int) -> list[Mean]:
    """Reliability − halves of each way, where judges without tastes, alike in all, answer the same questions."""
    found = []
    for one, answers in _simulated(fitted, judges, times=times):
        stated = for_other_judges(one, answers)
        found.append([stated - way(one, answers) for way in ways])
    return [Mean.of(column) for column in zip(*found, strict=True)]


def _simulated(fitted: Fit, judges: Sequence[Comparisons], *, times: int) -> Iterator[tuple[Fit, list[Comparisons]]]:
    """The same judges are asked the same again, and all see the positions that the fit leaves possible."""
    root = np.linalg.cholesky(fitted.covariance + _RIDGE * np.eye(len(fitted.items)))
    for number in range(times):
        generator = np.random.default_rng([_SEED, number])
        seen = np.append(fitted.posterior_mean + root @ generator.standard_normal(len(root)), fitted.position_effect)
        answers = [
            replace(data, outcome=generator.binomial(np.rint(data.weight).astype(int), chance) / data.weight)
            for data in judges
            for chance in [expit(data.log_odds(seen))]
        ]
        yield alike(answers, position_effect=fitted.position_effect_se is not None), answers
