"""The new cost limit of a resumed run; one that would change nothing is refused."""

from __future__ import annotations

import math

from eng5_runner.core.state import RunState
from eng5_runner.errors import UsageError


def new_limit(state: RunState, wanted: float | None) -> float | None:
    """The limit to raise to, in USD; None if the limit stays as it is.

    The present limit may be given again while it is not reached: the command that raised it may have been interrupted.

    Args:
        state: the run.
        wanted: `--max-cost`, if it was given.

    Raises:
        UsageError: it is not above the present limit, or the run has nothing left that it could limit.
    """
    if wanted is None:
        return None
    limit = state.spec.budget.max_cost_usd
    if limit is None:
        raise UsageError("This run has no cost limit.", remedy="Resume it without --max-cost.")
    if state.closed is not None and state.closed.outcome in ("complete", "not-sent"):
        raise UsageError(
            f"This run is {state.closed.outcome}: nothing is left to spend money on.", remedy="Start a new run."
        )
    if wanted == limit and not state.at_limit:
        return None
    if not math.isfinite(wanted) or wanted <= limit:
        raise UsageError(
            f"--max-cost {wanted:g} is not above the present limit of {limit:g} USD.",
            remedy=f"{state.cost_usd:.4f} USD are spent; give a higher limit.",
        )
    if state.prepared is not None and state.preflight and state.preflight.comparison_at_most_usd is not None:
        raise UsageError(
            "The CJ service of this run supports no cost limit, so the number of comparisons was fixed at the start.",
            remedy="Resume it without --max-cost, or start a new run with a higher limit.",
        )
    return wanted
