"""The new cost limit of a run that goes on: refused where it could change nothing."""

from __future__ import annotations

import math

from eng5_runner.core.state import RunState
from eng5_runner.errors import UsageError


def new_limit(state: RunState, wanted: float | None) -> float | None:
    """The limit to be raised to, in USD; None where it is as it was.

    The present one once more is no mistake while it is not reached: the command that raised it may have been cut off.

    Args:
        state: of the run.
        wanted: as it was given, if it was.

    Raises:
        UsageError: it is not higher, or there is nothing that it could limit.
    """
    if wanted is None:
        return None
    limit = state.spec.budget.max_cost_usd
    if limit is None:
        raise UsageError("This run has no cost limit to raise.", remedy="Resume it without --max-cost.")
    if state.closed is not None and state.closed.outcome in ("complete", "not-sent"):
        raise UsageError(
            f"This run is {state.closed.outcome}: there is nothing to spend more on.", remedy="Start a new run."
        )
    if wanted == limit and not state.at_limit:
        return None
    if not math.isfinite(wanted) or wanted <= limit:
        raise UsageError(
            f"--max-cost {wanted:g} is not higher than the present limit of {limit:g} USD.",
            remedy=f"{state.cost_usd:.4f} USD are spent; give a higher limit.",
        )
    if state.prepared is not None and state.preflight and state.preflight.comparison_at_most_usd is not None:
        raise UsageError(
            "The CJ service of this run keeps to no cost limit, so its number of comparisons was settled at the start.",
            remedy="Resume it without --max-cost, or start a new run with a higher limit.",
        )
    return wanted
