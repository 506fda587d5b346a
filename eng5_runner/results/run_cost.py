"""What a run took, and what it paid for its agreement with the experts."""

from __future__ import annotations

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.core.rounding import usd
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.part import AtLeastOne, Count, Nullable, Part


class RunCost(Part):
    """What a run took."""

    judged: Count
    """Comparisons with a winner."""
    failed: Count
    """Comparisons without."""
    usd: Nullable[float]
    """All calls in USD; None where the price of one is not known."""
    usd_per_comparison: Nullable[float]
    """`usd` over `judged`; None where nothing was judged."""
    usd_per_agreement: Nullable[float]
    """`usd` over Kendall's τ-b of the shared anchors: what agreement cost. None where τ-b is absent or not above 0."""
    prompt_tokens: Count
    """Tokens read."""
    completion_tokens: Count
    """Tokens written."""
    cached_tokens: AtLeastOne | None = None
    """The part of `prompt_tokens` that came from the provider's cache; absent where none is known to be."""


def perhaps_charged(artefact: Artefact) -> int:
    """Calls that were sent and whose answers were not recorded, as when a service was killed meanwhile."""
    return sum(row.failure_reason.endswith(MAY_BE_CHARGED) for row in artefact.failed_comparisons)


def cost_of(artefact: Artefact, *, tau_b: float | None) -> RunCost:
    """The cost of a run whose order of the anchors has this τ-b with the grades."""
    costs, judged = artefact.costs, len(artefact.llm_comparisons)
    spent = None if costs.unpriced else costs.total_usd
    return RunCost(
        judged=judged,
        failed=artefact.runner_status.comparisons.failed,
        usd=spent,
        usd_per_comparison=usd(spent / judged) if judged and spent is not None else None,
        usd_per_agreement=usd(spent / tau_b) if tau_b and tau_b > 0 and spent is not None else None,
        prompt_tokens=sum(row.prompt_tokens for row in costs.token_counts),
        completion_tokens=sum(row.completion_tokens for row in costs.token_counts),
        cached_tokens=costs.cached_tokens or None,
    )
