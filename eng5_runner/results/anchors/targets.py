"""What the field asks of a judge, beside what judges of known agreement with the experts get in the same design."""

from __future__ import annotations

from collections.abc import Collection

import numpy as np
from numpy.typing import NDArray

from eng5_runner.core.rounding import ends
from eng5_runner.measure.quality.able_judges import able_judges
from eng5_runner.results.artefact.judge import (
    AlignmentTargets,
    AtLeastTarget,
    BesideAbleJudges,
    InversionsTarget,
    WithoutWinTarget,
)
from eng5_runner.results.fitted_study import JudgedStudy

# The simulated judges have a fixed seed, so that the same judgements always have the same verdict.
_SEED = 1
# What the field works with before a judge is trusted with students' essays.
TAU_AT_LEAST = 0.90
INVERSIONS_AT_MOST = 1.0
WITHOUT_WIN_AT_MOST = 0
# A judge whose order correlates so with the experts' is as good as it must be to be trusted.
FAIR_R = 0.9
# A figure says something of a judge if fair judges get it in at most this share of the cases.
SELDOM = 0.05
_FEWEST_GRADES = 2


def alignment_targets(
    study: JudgedStudy, *, tau: float | None, inverted: float, unexpected: int, ordered: Collection[str]
) -> AlignmentTargets:
    """The block of the artefact.

    Args:
        study: the judgements and their fit.
        tau: Kendall's τ-b of the anchors' positions and grades; None where it is undefined.
        inverted: pairs of anchors that were judged against their grades.
        unexpected: anchors above the lowest grade that won nothing.
        ordered: the anchors that τ-b is of.
    """
    beside_tau = beside_inversions = beside_winless = None
    if len(set(study.grades.values())) >= _FEWEST_GRADES:  # else no order agrees with the experts'
        fair, perfect = able_judges(study.fitted, anchors=study.grades, rs=(FAIR_R, 1.0), seed=_SEED, ordered=ordered)
        beside_tau = _beside(tau, fair=fair.kendall_tau_b, perfect=perfect.kendall_tau_b, more_is_better=True)
        beside_inversions = _beside(inverted, fair=fair.inversions, perfect=perfect.inversions, more_is_better=False)
        beside_winless = _beside(unexpected, fair=fair.without_win, perfect=perfect.without_win, more_is_better=False)
    if beside_winless is not None and unexpected <= WITHOUT_WIN_AT_MOST:
        beside_winless = beside_winless.model_copy(update={"verdict": "met"})
    return AlignmentTargets(
        kendall_tau_b=AtLeastTarget(
            at_least=TAU_AT_LEAST, met=None if tau is None else tau >= TAU_AT_LEAST, beside_able_judges=beside_tau
        ),
        inversions=InversionsTarget(
            at_most=INVERSIONS_AT_MOST, met=inverted <= INVERSIONS_AT_MOST, beside_able_judges=beside_inversions
        ),
        without_win=WithoutWinTarget(
            at_most=WITHOUT_WIN_AT_MOST, met=unexpected <= WITHOUT_WIN_AT_MOST, beside_able_judges=beside_winless
        ),
    )


def _beside(
    value: float | None, *, fair: NDArray[np.float64], perfect: NDArray[np.float64], more_is_better: bool
) -> BesideAbleJudges | None:
    """Where a figure lies among those of able judges; None where it is undefined."""
    among = fair[~np.isnan(fair)]
    if value is None or not among.size:
        return None
    sign = 1.0 if more_is_better else -1.0
    as_well, as_badly = np.mean(sign * among >= sign * value), np.mean(sign * among <= sign * value)
    return BesideAbleJudges(
        verdict="missed" if as_badly <= SELDOM else "met" if as_well <= SELDOM else "cannot be told",
        judges_of_90=ends(_middle(among)),
        judges_of_100=ends(_middle(perfect[~np.isnan(perfect)])),
    )


def _middle(values: NDArray[np.float64]) -> tuple[float, float]:
    # Of counts, the ends are counts, too.
    low, high = np.quantile(values, [SELDOM, 1.0 - SELDOM], method="inverted_cdf").tolist()
    return low, high
