"""What judges of a known agreement with the experts would get in the same design.

Few anchors and few judgements leave much to chance: even a judge who orders the essays exactly as the experts do loses
some pairs of neighbouring grades. So a judge's figures are set beside those of simulated judges. Each simulated judge
has positions that correlate with the experts' by r (an expert's position lies anywhere within the step of its grade),
spread as this judge's positions do, and judges the same pairs in the same order. Where this judge's judgements of a
pair repeat each other, so do theirs.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.sparse import csr_array

from eng5_runner.measure.model.comparisons import Comparisons, chance_of, shared_chance
from eng5_runner.measure.quality.resampling import kendall_tau_b_of_each

if TYPE_CHECKING:
    from collections.abc import Collection, Mapping, Sequence

    from numpy.typing import NDArray

    from eng5_runner.measure.model.bradley_terry import Fit

_Floats: TypeAlias = "NDArray[np.float64]"

DRAWS = 400
_CHANCES_AT_ONCE = 1 << 15  # few enough for the processor's cache
_HALF = 0.5


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class AbleJudges:
    """The figures of the simulated judges, each of shape (draws,).

    Attributes:
        kendall_tau_b: of the anchors' estimated positions with their grades; nan where it is undefined.
        inversions: pairs of anchors in which the higher grade lost most judgements; an even score counts as half.
        without_win: anchors above the lowest grade that won no judgement.
    """

    kendall_tau_b: _Floats
    inversions: _Floats
    without_win: _Floats


def able_judges(
    fitted: Fit,
    *,
    anchors: Mapping[str, int],
    rs: Sequence[float],
    seed: int,
    draws: int = DRAWS,
    ordered: Collection[str] | None = None,
) -> list[AbleJudges]:
    """For each r, simulate judges whose positions of the anchors correlate with the experts' by it.

    The positions of other essays are those of the fit.

    Args:
        fitted: the study; it has at least one anchor.
        anchors: anchor → index of its grade.
        rs: each 0 to 1.
        seed: not negative.
        draws: number of judges for each r.
        ordered: the anchors whose order counts, as comparisons link them; None for all.
    """
    places = np.array([place for place, item in enumerate(fitted.items) if item in anchors])
    grades = np.array([anchors[fitted.items[place]] for place in places], dtype=np.float64)
    of_order = np.array([ordered is None or fitted.items[place] in ordered for place in places])
    error = fitted.errors_at_mean[places]
    mean = fitted.posterior_mean[places]
    sd = math.sqrt(float(np.var(mean) + np.square(error).mean()))
    counted, found = _Counted.of(fitted, places=places, grades=grades), []
    size = max(1, _CHANCES_AT_ONCE // max(1, counted.times.size))
    for r in rs:
        generator = np.random.default_rng([seed, round(r * 1000)])
        truth = _positions(grades, r=r, sd=sd, draws=draws, generator=generator) + mean.mean()
        seen = truth + error * generator.normal(size=truth.shape)
        lost = [counted.of_judges(truth[at : at + size], generator) for at in range(0, draws, size)]
        found.append(
            AbleJudges(
                kendall_tau_b=kendall_tau_b_of_each(seen[:, of_order], np.tile(grades[of_order], (draws, 1))),
                inversions=np.concatenate([inversions for inversions, _ in lost]),
                without_win=np.concatenate([without for _, without in lost]),
            )
        )
    return found


def _positions(grades: _Floats, *, r: float, sd: float, draws: int, generator: np.random.Generator) -> _Floats:
    """The simulated judges' positions of the anchors around 0, shape (draws, anchors)."""
    shape = (draws, grades.size)
    expert = grades + generator.uniform(-_HALF, _HALF, shape)
    expert -= expert.mean(axis=-1, keepdims=True)
    spread = np.maximum(expert.std(axis=-1, keepdims=True), np.finfo(float).tiny)
    positions: _Floats = sd * (r * expert / spread + math.sqrt(1.0 - r * r) * generator.normal(size=shape))
    return positions


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Counted:
    """The judgements in which an anchor takes part, and what is counted of them.

    Attributes:
        rows: the judgements.
        times: shape (rows,), how often each was made.
        fixed: shape (n + 1,), the positions of all items and δ.
        places: shape (anchors,), the anchors' places among the items.
        counting: shape (anchors + pairs, rows), what a win of the one shown first adds to each anchor's wins, and, for
            each pair of anchors of different grades, to what the higher grade lost beyond half.
        at_none: shape (anchors + pairs,), the same counts if no one shown first wins.
        is_expected: shape (anchors,), whether an anchor should win sometimes: it was judged and is above the lowest.
    """

    rows: Comparisons
    times: NDArray[np.int64]
    fixed: _Floats
    places: NDArray[np.int64]
    counting: csr_array[np.float64]
    at_none: _Floats
    is_expected: NDArray[np.bool_]

    @classmethod
    def of(cls, fitted: Fit, *, places: NDArray[np.int64], grades: _Floats) -> _Counted:
        data, n = fitted.comparisons, len(fitted.items)
        grade = np.full(n, np.nan)
        grade[places] = grades
        own = np.flatnonzero(~(np.isnan(grade[data.first]) & np.isnan(grade[data.second])))
        rows = Comparisons(
            items=data.items,
            first=data.first[own],
            second=data.second[own],
            outcome=data.outcome[own],
            weight=data.weight[own],
        )
        times: NDArray[np.int64] = np.maximum(1, np.rint(rows.weight)).astype(np.int64)
        apart = grade[rows.first] - grade[rows.second]
        among = np.flatnonzero(np.abs(apart) > 0.0)
        cells = np.minimum(rows.first, rows.second) * n + np.maximum(rows.first, rows.second)
        pair = np.unique(cells[among], return_inverse=True)[1] + places.size
        anchor = np.full(n, -1)
        anchor[places] = np.arange(places.size)
        as_first, as_second = (np.flatnonzero(anchor[side] >= 0) for side in (rows.first, rows.second))
        lines = [anchor[rows.first[as_first]], anchor[rows.second[as_second]], pair]
        columns = [as_first, as_second, among]
        amounts = [np.ones(as_first.size), -np.ones(as_second.size), -np.sign(apart[among])]
        line, column, amount = (np.concatenate(parts) for parts in (lines, columns, amounts))
        shape = int(pair.max(initial=places.size - 1)) + 1, own.size
        at_none = np.bincount(lines[1], times[as_second], shape[0]).astype(np.float64)
        at_none += np.bincount(pair, times[among] * np.sign(apart[among]) * _HALF, shape[0])
        judged = np.bincount(np.concatenate(lines[:2]), minlength=shape[0])[: places.size] > 0
        return cls(
            rows=rows,
            times=times,
            fixed=np.append(fitted.theta, fitted.position_effect),
            places=places,
            counting=csr_array((amount, (line, column)), shape=shape),
            at_none=at_none,
            is_expected=judged & (grades > grades.min()),
        )

    def of_judges(self, truth: _Floats, generator: np.random.Generator) -> tuple[_Floats, _Floats]:
        """Inversions and anchors without a win of judges with these positions, which have the shape (m, anchors)."""
        x = np.repeat(self.fixed[None], len(truth), axis=0)
        x[:, self.places] = truth
        chance = chance_of(self.rows.log_odds(x))
        if (self.times == 1).all():
            won = (generator.random(chance.shape) < chance).astype(np.float64)
        else:
            won = generator.binomial(self.times, chance).astype(np.float64)
        shared = shared_chance(self.rows, generator, studies=(len(truth),))
        if shared is not None:
            won = np.where(np.isnan(shared), won, self.times * (shared < chance))
        counts = (self.counting @ won.T).T + self.at_none
        wins, lost = counts[:, : self.places.size], counts[:, self.places.size :]
        inverted = (lost > 0.0).sum(axis=-1) + _HALF * (lost == 0.0).sum(axis=-1)
        empty = (wins == 0.0) & self.is_expected
        return inverted.astype(np.float64), empty.sum(axis=-1).astype(np.float64)
