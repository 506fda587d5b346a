"""Ties as an answer of their own (Davidson 1970), for tables whose judges may say "equal".

P(first), P(tie), P(second) stand as e^{η/2} : ν : e^{−η/2} with η = θ_first − θ_second + δ: with π = e^θ, as π_first, ν
√(π_first π_second) and π_second. Counting a tie as half a win for each side gives nearly the same order, but standard
errors that are those of no model (a quasi-likelihood): it takes a tie for two contradicting halves, where it says that
the two are close. The log posterior is concave; solved densely, so for some hundred items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.comparisons import Comparisons

_Floats: TypeAlias = "NDArray[np.float64]"

MOST_ITEMS = 300
_TIE = 0.5
_FREE_PRECISION, _FIXED_PRECISION = 1e-6, 1e12
_MOST_STEPS = 100
_STEP_TOLERANCE = 1e-9
_LOG_SD_REACH = (math.log(0.05), math.log(30.0))
_TYPICAL_LOG_SD, _LOG_SD_SPREAD = math.log(1.5), 0.5  # the same hyperprior as that of `bradley_terry.fit`


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiedFit:
    """The posterior mode and its Laplace approximation.

    Attributes:
        items: in the order of the arrays.
        theta: shape (n,), in logits, centred on zero.
        standard_errors: of it, against the mean of all.
        position_effect: δ; 0 if it was not estimated.
        log_ties: log ν; two equals tie with probability ν/(2 + ν).
        log_ties_se: its standard error.
        log_likelihood: without the priors.
        prior_sd: σ of the prior on each position.
    """

    items: tuple[str, ...]
    theta: _Floats
    standard_errors: _Floats
    position_effect: float
    log_ties: float
    log_ties_se: float
    log_likelihood: float
    prior_sd: float

    @property
    def equals_tie(self) -> float:
        """The probability that two equal items tie."""
        return math.exp(self.log_ties) / (2.0 + math.exp(self.log_ties))


def fit_ties(
    comparisons: Comparisons, *, prior_sd: float | None = None, position_effect: bool = True
) -> TiedFit | None:
    """The most probable positions where ties are answers.

    Args:
        comparisons: with outcomes 1, .5 for a tie, and 0; not collapsed.
        prior_sd: σ in logits. None takes the maximum of its Laplace-approximated marginal likelihood.
        position_effect: whether to estimate δ.

    Returns:
        None without ties or without anything else, where ν has no estimate; and beyond 300 items.

    Raises:
        ValueError: an outcome is none of the three.
    """
    if not np.isin(comparisons.outcome, (0.0, _TIE, 1.0)).all():
        raise ValueError("an outcome is 1, .5 or 0")
    ties = float(comparisons.weight[comparisons.outcome == _TIE].sum())
    if len(comparisons.items) > MOST_ITEMS or not 0.0 < ties < float(comparisons.weight.sum()):
        return None
    model = _Model.of(comparisons, position_effect=position_effect)
    log_sd = model.likeliest_log_sd() if prior_sd is None else math.log(prior_sd)
    x, information = model.top(log_sd)
    return _told(model, x, information=information, prior_sd=math.exp(log_sd))


def _told(model: _Model, x: _Floats, *, information: _Floats, prior_sd: float) -> TiedFit:
    n = len(model.items)
    covariance = np.linalg.inv(information)
    centring = np.eye(n) - 1.0 / n
    centred = centring @ covariance[:n, :n] @ centring
    return TiedFit(
        items=model.items,
        theta=x[:n] - x[:n].mean(),
        standard_errors=np.sqrt(np.maximum(np.diag(centred), 0.0)),
        position_effect=float(x[n]),
        log_ties=float(x[n + 1]),
        log_ties_se=math.sqrt(float(covariance[n + 1, n + 1])),
        log_likelihood=model.log_likelihood(x),
        prior_sd=prior_sd,
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """The judgements with x = (θ, δ, log ν); η = design · (θ, δ)."""

    items: tuple[str, ...]
    design: _Floats
    outcome: _Floats
    weight: _Floats
    position_precision: float

    @classmethod
    def of(cls, data: Comparisons, *, position_effect: bool) -> _Model:
        """The model of a table's judgements."""
        rows = np.arange(data.first.size)
        design = np.zeros((rows.size, len(data.items) + 1))
        design[rows, data.first], design[rows, data.second], design[:, -1] = 1.0, -1.0, 1.0
        decided = data.weight[data.outcome != _TIE], data.outcome[data.outcome != _TIE]
        first_won = float((decided[0] * decided[1]).sum())
        one_sided = not 0.0 < first_won < float(decided[0].sum())
        precision = 1.0 if one_sided else _FREE_PRECISION
        return cls(
            items=data.items,
            design=design,
            outcome=data.outcome,
            weight=data.weight,
            position_precision=precision if position_effect else _FIXED_PRECISION,
        )

    def log_likelihood(self, x: _Floats) -> float:
        """Without the priors."""
        eta, log_ties = self.design @ x[:-1], float(x[-1])
        log_sum = np.logaddexp(np.logaddexp(eta / 2.0, -eta / 2.0), log_ties)
        told = (self.outcome - _TIE) * eta + (self.outcome == _TIE) * log_ties - log_sum
        return float((self.weight * told).sum())

    def prior(self, log_sd: float) -> _Floats:
        """The precisions of x."""
        n = len(self.items)
        return np.concatenate([np.full(n, math.exp(-2.0 * log_sd)), [self.position_precision, _FREE_PRECISION]])

    def top(self, log_sd: float) -> tuple[_Floats, _Floats]:
        """The mode for one σ and the information there, by Newton's method."""
        prior, x = self.prior(log_sd), np.zeros(len(self.items) + 2)
        value = self._log_posterior(x, prior)
        for _ in range(_MOST_STEPS):
            gradient, information = self._bend(x, prior)
            step = np.linalg.solve(information, gradient)
            while (ahead := self._log_posterior(x + step, prior)) < value and np.abs(step).max() > _STEP_TOLERANCE:
                step = step / 2.0
            x, value = x + step, ahead
            if float(np.abs(step).max()) < _STEP_TOLERANCE:
                break
        return x, self._bend(x, prior)[1]

    def likeliest_log_sd(self) -> float:
        """The log σ of the highest marginal likelihood, with the hyperprior."""

        def cost(log_sd: float) -> float:
            x, information = self.top(log_sd)
            value = self._log_posterior(x, self.prior(log_sd)) - len(self.items) * log_sd
            value -= 0.5 * float(np.linalg.slogdet(information)[1])
            return 0.5 * ((log_sd - _TYPICAL_LOG_SD) / _LOG_SD_SPREAD) ** 2 - value

        found = minimize_scalar(cost, bounds=_LOG_SD_REACH, method="bounded", options={"xatol": 1e-4})
        return float(found.x)

    def _log_posterior(self, x: _Floats, prior: _Floats) -> float:
        return self.log_likelihood(x) - 0.5 * float((prior * x * x).sum())

    def _bend(self, x: _Floats, prior: _Floats) -> tuple[_Floats, _Floats]:
        """The gradient and the negative Hessian of the log posterior."""
        eta, log_ties = self.design @ x[:-1], float(x[-1])
        log_sum = np.logaddexp(np.logaddexp(eta / 2.0, -eta / 2.0), log_ties)
        first, tie = np.exp(eta / 2.0 - log_sum), np.exp(log_ties - log_sum)
        mean = first + tie / 2.0
        on_eta = self.weight * (self.outcome - mean)
        on_ties = float((self.weight * ((self.outcome == _TIE) - tie)).sum())
        gradient = np.append(self.design.T @ on_eta, on_ties) - prior * x
        information = np.diag(prior)
        by_row = self.weight * (first + tie / 4.0 - mean**2)
        information[:-1, :-1] += self.design.T @ (by_row[:, None] * self.design)
        across = self.design.T @ (self.weight * tie * (_TIE - mean))
        information[:-1, -1] += across
        information[-1, :-1] += across
        information[-1, -1] += float((self.weight * tie * (1.0 - tie)).sum())
        return gradient, information
