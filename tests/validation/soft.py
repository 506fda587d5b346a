"""What judgements that say more than who won are worth, against simulated truth."""

from __future__ import annotations

from functools import partial
from typing import TYPE_CHECKING

import numpy as np

from eng5_runner.measure.grading.grades import Refusal, project
from eng5_runner.measure.model.bradley_terry import fit
from tests.support.soft_judges import soft_study
from tests.validation.checks import NINE, Row, Table
from tests.validation.simulated import JUDGE_NOISE, SEED, SPREAD, graded, judged

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from eng5_runner.measure.model.bradley_terry import Fit
    from tests.support.soft_judges import Says

_ESSAYS = 60
_ALL = 20  # judgements an essay, as bare wins
_TOLERANCE = 0.015  # about a standard error of the agreement in so many studies
# What the judge says, judgements an essay, and the share of the calls of bare wins that this is.
_CASES: tuple[tuple[Says, int], ...] = (
    ("confidence", 10),
    ("garbled confidence", 12),
    ("probability", 6),
    ("noise as confidence", 20),
    ("noise as probability", 20),
)


def judgements(runs: int) -> Table:
    """Agreement with the experts' grades, intervals and worth, beside bare wins at 20 judgements an essay."""
    plain = _near(runs, k=_ALL, judge=judged)
    rows = [
        Row(case=f"bare wins, k = {_ALL}", figures=(f"{plain:.3f}", "100%", *["–"] * 5), claims=()),
        *(_row(says, k, plain=plain, runs=runs) for says, k in _CASES),
    ]
    columns = (
        *("±1 held", "calls", "used in", "true r²", "reliability", "coverage of 90% intervals", "worth in bare wins"),
    )
    return Table(title="Confidence and probabilities", columns=columns, rows=tuple(rows))


def _fitted(truth: Mapping[str, float], *, k: int, number: int, says: Says) -> Fit:
    return soft_study(truth, k=k, number=number, says=says).choice.fitted


def _by_wins(truth: Mapping[str, float], *, k: int, number: int, says: Says) -> Fit:
    """The same judgements, of which only the wins count."""
    return fit(soft_study(truth, k=k, number=number, says=says).choice.fitted.comparisons)


def _near(runs: int, *, k: int, judge: Callable[..., Fit]) -> float:
    """The share of projected grades within one step of the experts'."""
    near = []
    for number in range(runs):
        one = graded(6000 + number, k=k, judge=judge)
        projection = project(one.fitted, anchors=one.anchors, scale=NINE)
        if not isinstance(projection, Refusal):
            medians = [student.median for student in projection.students]
            near += [abs(a - b) <= 1 for a, b in zip(medians, one.expert.tolist(), strict=True)]
    return float(np.mean(near))


def _row(says: Says, k: int, *, plain: float, runs: int) -> Row:
    near = _near(runs, k=k, judge=partial(_fitted, says=says))
    if k == _ALL:
        plain = _near(runs, k=k, judge=partial(_by_wins, says=says))
    used, real, claimed, covered, worth = [], [], [], [], []
    for number in range(runs):
        truth = np.random.default_rng([SEED, number, k, 4]).normal(0.0, np.hypot(SPREAD, JUDGE_NOISE), _ESSAYS)
        items = [f"essay-{place:02}" for place in range(_ESSAYS)]
        choice = soft_study(dict(zip(items, truth.tolist(), strict=True)), k=k, number=number, says=says).choice
        fitted = choice.fitted
        used.append(fitted.soft is not None)
        real.append(np.corrcoef(fitted.theta, truth)[0, 1] ** 2)
        claimed.append(1.0 - np.mean(np.square(fitted.standard_errors)) / fitted.prior_sd**2)
        low, high = fitted.intervals(level=0.9)
        # The unit is the noise in what the judge says: the truth is brought to it.
        seen = (truth - truth.mean()) * np.std(fitted.posterior_mean) / np.sqrt(claimed[-1]) / np.std(truth)
        covered.append(np.mean((low <= seen) & (seen <= high)))
        worth.append(choice.worth)
    figures = (
        f"{near:.3f}",
        f"{k / _ALL:.0%}",
        f"{np.mean(used):.0%}",
        f"{np.mean(real):.3f}",
        f"{np.mean(claimed):.3f}",
        f"{np.mean(covered):.3f}",
        f"{np.mean(worth):.1f}",
    )
    claims = (
        ("as near as all calls as bare wins", near >= plain - (0.005 if k == _ALL else _TOLERANCE)),
        ("reliability within .03 of r²", bool(abs(np.mean(claimed) - np.mean(real)) <= 0.03)),
        ("coverage 87 to 93%", bool(0.87 <= np.mean(covered) <= 0.93)),
    )
    return Row(case=f"{says}, k = {k}", figures=figures, claims=claims)
