"""A model with ties as an answer of their own (Davidson 1970), for tables whose judges can answer "equal".

P(first), P(tie) and P(second) are in the ratio e^{η/2} : ν : e^{−η/2} with η = θ_first − θ_second + δ. Counting a tie
as half a win for both sides gives nearly the same order, but its standard errors belong to no model (they are a
quasi-likelihood's): a tie then counts as two halves that contradict each other, while it says that two items are close.
The log posterior is concave. It is solved with dense matrices, so for at most some hundred items.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TYPE_CHECKING, TypeAlias

import numpy as np
from scipy.optimize import minimize_scalar

from eng5_runner.measure.model.comparisons import TIE
from eng5_runner.measure.model.prior_scale import LOG_SD_SPREAD, TYPICAL_SD

if TYPE_CHECKING:
    from numpy.typing import NDArray

    from eng5_runner.measure.model.comparisons import Comparisons

_Floats: TypeAlias = "NDArray[np.float64]"

MOST_ITEMS = 300
_FREE_PRECISION, _FIXED_PRECISION = 1e-6, 1e12
_MOST_STEPS = 100
_STEP_TOLERANCE = 1e-9
_LOG_SD_REACH = (math.log(0.05), math.log(30.0))


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class TiedFit:
    """The posterior mode and its Laplace approximation.

    Attributes:
        items: the items in the order of the arrays.
        theta: shape (n,), the positions in logits, centred on zero.
        standard_errors: shape (n,), of the positions relative to the mean of all, in logits.
        position_effect: δ in logits; 0 if it was not estimated.
        log_ties: log ν; two equal items tie with the probability ν/(2 + ν).
        log_likelihood: of the judgements at the mode, without the priors.
        prior_sd: σ, the standard deviation of the positions' prior.
    """

    items: tuple[str, ...]
    theta: _Floats
    standard_errors: _Floats
    position_effect: float
    log_ties: float
    log_likelihood: float
    prior_sd: float

    @property
    def equals_tie(self) -> float:
        """The probability that two equal items tie."""
        return math.exp(self.log_ties) / (2.0 + math.exp(self.log_ties))


def fit_ties(
    comparisons: Comparisons, *, prior_sd: float | None = None, position_effect: bool = True
) -> TiedFit | None:
    """Find the most probable positions in the model with ties.

    Args:
        comparisons: with the outcomes 1, .5 for a tie, and 0; as they count.
        prior_sd: σ in logits. None estimates it: σ then maximises its Laplace-approximated marginal likelihood.
        position_effect: whether to estimate δ.

    Returns:
        None if no judgement or every judgement is a tie, because ν has no estimate then; None above 300 items.

    Raises:
        ValueError: an outcome is not 1, .5 or 0.
    """
    if not np.isin(comparisons.outcome, (0.0, TIE, 1.0)).all():
        raise ValueError("an outcome is 1, .5 or 0")
    ties = float(comparisons.weight[comparisons.outcome == TIE].sum())
    if len(comparisons.items) > MOST_ITEMS or not 0.0 < ties < float(comparisons.weight.sum()):
        return None
    model = _Model.of(comparisons, position_effect=position_effect)
    log_sd = model.likeliest_log_sd() if prior_sd is None else math.log(prior_sd)
    x, information = model.mode(log_sd)
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
        log_likelihood=model.log_likelihood(x),
        prior_sd=math.exp(log_sd),
    )


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class _Model:
    """The judgements as a function of x = (θ, δ, log ν), with η = design · (θ, δ)."""

    items: tuple[str, ...]
    design: _Floats
    outcome: _Floats
    weight: _Floats
    position_precision: float

    @classmethod
    def of(cls, data: Comparisons, *, position_effect: bool) -> _Model:
        """Build the model of a table's judgements."""
        rows = np.arange(data.first.size)
        design = np.zeros((rows.size, len(data.items) + 1))
        design[rows, data.first], design[rows, data.second], design[:, -1] = 1.0, -1.0, 1.0
        weight, outcome = data.weight[data.outcome != TIE], data.outcome[data.outcome != TIE]
        first_won = float((weight * outcome).sum())
        one_sided = not 0.0 < first_won < float(weight.sum())
        precision = 1.0 if one_sided else _FREE_PRECISION
        return cls(
            items=data.items,
            design=design,
            outcome=data.outcome,
            weight=data.weight,
            position_precision=precision if position_effect else _FIXED_PRECISION,
        )

    def log_likelihood(self, x: _Floats) -> float:
        """The log likelihood, without the priors."""
        eta, log_ties = self.design @ x[:-1], float(x[-1])
        log_sum = np.logaddexp(np.logaddexp(eta / 2.0, -eta / 2.0), log_ties)
        by_row = (self.outcome - TIE) * eta + (self.outcome == TIE) * log_ties - log_sum
        return float((self.weight * by_row).sum())

    def prior(self, log_sd: float) -> _Floats:
        """The precisions of the prior of x, shape (n + 2,)."""
        n = len(self.items)
        return np.concatenate([np.full(n, math.exp(-2.0 * log_sd)), [self.position_precision, _FREE_PRECISION]])

    def mode(self, log_sd: float) -> tuple[_Floats, _Floats]:
        """The mode for one σ and the information there, found by Newton's method."""
        prior, x = self.prior(log_sd), np.zeros(len(self.items) + 2)
        value = self._log_posterior(x, prior)
        for _ in range(_MOST_STEPS):
            gradient, information = self._derivatives(x, prior)
            step = np.linalg.solve(information, gradient)
            while (ahead := self._log_posterior(x + step, prior)) < value and np.abs(step).max() > _STEP_TOLERANCE:
                step = step / 2.0
            x, value = x + step, ahead
            if float(np.abs(step).max()) < _STEP_TOLERANCE:
                break
        return x, self._derivatives(x, prior)[1]

    def likeliest_log_sd(self) -> float:
        """The log σ that maximises the marginal likelihood with the hyperprior."""

        def cost(log_sd: float) -> float:
            x, information = self.mode(log_sd)
            value = self._log_posterior(x, self.prior(log_sd)) - len(self.items) * log_sd
            value -= 0.5 * float(np.linalg.slogdet(information)[1])
            return 0.5 * ((log_sd - math.log(TYPICAL_SD)) / LOG_SD_SPREAD) ** 2 - value

        minimum = minimize_scalar(cost, bounds=_LOG_SD_REACH, method="bounded", options={"xatol": 1e-4})
        return float(minimum.x)

    def _log_posterior(self, x: _Floats, prior: _Floats) -> float:
        return self.log_likelihood(x) - 0.5 * float((prior * x * x).sum())

    def _derivatives(self, x: _Floats, prior: _Floats) -> tuple[_Floats, _Floats]:
        """The gradient and the negative Hessian of the log posterior."""
        eta, log_ties = self.design @ x[:-1], float(x[-1])
        log_sum = np.logaddexp(np.logaddexp(eta / 2.0, -eta / 2.0), log_ties)
        first, tie = np.exp(eta / 2.0 - log_sum), np.exp(log_ties - log_sum)
        mean = first + tie / 2.0
        on_eta = self.weight * (self.outcome - mean)
        on_ties = float((self.weight * ((self.outcome == TIE) - tie)).sum())
        gradient = np.append(self.design.T @ on_eta, on_ties) - prior * x
        information = np.diag(prior)
        by_row = self.weight * (first + tie / 4.0 - mean**2)
        information[:-1, :-1] += self.design.T @ (by_row[:, None] * self.design)
        across = self.design.T @ (self.weight * tie * (TIE - mean))
        information[:-1, -1] += across
        information[-1, :-1] += across
        information[-1, -1] += float((self.weight * tie * (1.0 - tie)).sum())
        return gradient, information
