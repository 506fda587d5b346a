"""The process's exit code of a run, by the table in the README. Errors have theirs in `errors`."""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:  # `--help` needs the numbers alone
    from eng5_runner.core.state import RunState

COMPLETE = 0
PARTIAL = 3
BUDGET = 4
UNAVAILABLE = 69
BUG = 70
TEMPORARY = 75
# The reader of our output has gone: 128 and the number of SIGPIPE, as shells have it.
BROKEN_PIPE = 141


def exit_code(state: RunState) -> int:
    """The exit code of a run, closed or left open."""
    closed = state.closed
    if closed is None or closed.outcome == "interrupted":
        return TEMPORARY
    if closed.outcome in ("complete", "not-sent", "not-awaited"):
        return COMPLETE
    if closed.outcome == "budget":
        return BUDGET
    if state.judged or (closed.outcome == "partial" and state.lost):  # `resume` cannot recover lost records
        return PARTIAL
    return UNAVAILABLE if closed.outcome == "failed" else TEMPORARY
