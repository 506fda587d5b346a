"""Which step a run needs next, and how a session ended. Pure functions of the state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from eng5_runner.core.events import Outcome
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import RunState

Step = Literal["preflight", "upload", "prepare", "publish", "gather", "close"]
COMPLETED_STATUS = "completed_successfully"
SILENCE = (
    "no message arrived: the CJ service was not listening, could not read the essays, "
    "or could not reach its LLM provider; its log says which"
)
# The rounding error of a sum of a million floats is smaller than this.
_ROUNDING = 1.0 + 1e-9


def texts_to_store(inputs: Inputs, *, with_anchors: bool) -> tuple[str, ...]:
    """The sha256 of each text that the services must be able to fetch, without repeats, in a fixed order."""
    texts = {inputs.prompt.text_sha256, *(student.text_sha256 for student in inputs.students)}
    if with_anchors:
        texts |= {anchor.text_sha256 for anchor in inputs.anchors}
    return tuple(sorted(texts))


def missing_uploads(state: RunState, inputs: Inputs) -> tuple[str, ...]:
    """The sha256 of each text that the Content Service does not have yet."""
    if not state.spec.uploads:
        return ()
    needed = texts_to_store(inputs, with_anchors=state.spec.study.assignment_id is None)
    return tuple(sha256 for sha256 in needed if sha256 not in state.storage_ids)


def next_step(state: RunState, inputs: Inputs) -> Step | None:
    """The step to do now, or None if the session has ended."""
    if state.closed is not None:
        return None
    spec = state.spec
    if state.stage == "started":
        return "preflight" if spec.send or spec.uploads else "prepare"
    if state.stage == "cleared":
        if missing_uploads(state, inputs):
            return "upload"
        return "publish" if spec.send else "prepare"
    if state.stage == "gathering":
        return "gather" if _awaits(state) else "close"
    return "publish" if spec.send else "close"


def _awaits(state: RunState) -> bool:
    """Whether to gather callbacks: if the spec says so, and always in a resumed run that did not wait before."""
    return state.spec.timeouts.await_completion or state.left_unawaited


def verdict(state: RunState) -> tuple[Outcome, tuple[str, ...]]:
    """How a session ended that nobody interrupted.

    Returns:
        The outcome, and each reason why the run is not complete, as a sentence.
    """
    if not state.spec.send:
        return "not-sent", ()
    if not _awaits(state):
        return "not-awaited", ()
    reasons = tuple(_shortcomings(state))
    if state.failure is not None:
        return "failed", reasons
    if state.at_limit and state.completed is None:
        return "budget", reasons
    return ("partial", reasons) if reasons else ("complete", ())


def _shortcomings(state: RunState) -> Iterable[str]:
    if state.failure is not None:
        yield f"the CJ service reported a failure: {state.failure}"
    yield from _cost_shortcomings(state)
    if state.completed not in (None, COMPLETED_STATUS):
        yield f"the CJ service completed with the status {state.completed}"
    if state.completed is not None and not state.judged:
        yield "the CJ service completed, but no comparison with a winner arrived"
    for deadline in state.deadlines:
        if not (deadline.kind == "result" and state.has_result):  # the result arrived after its deadline
            yield f"{deadline.kind} deadline after {deadline.waited:.0f} s"
    if state.deadlines and state.heard_nothing:
        yield SILENCE
    if state.rejected:
        yield f"{state.rejected} messages of this run could not be used"
    if state.conflicts:
        yield f"{state.conflicts} messages contradict an earlier one with the same id"
    if state.lost:
        yield f"{state.lost} records were dropped by the broker before they were read"


def _cost_shortcomings(state: RunState) -> Iterable[str]:
    limit = state.spec.budget.max_cost_usd
    if state.at_limit and state.completed is None:
        yield f"the cost limit of {limit} USD is reached: the next comparison may cost more than is left"
    if is_overspent(state):
        yield f"{state.cost_usd:.6f} USD were spent, more than the cost limit of {limit} USD"


def is_overspent(state: RunState) -> bool:
    """Whether the run has cost more than its limit. A service that enforces the limit never lets this happen."""
    limit = state.spec.budget.max_cost_usd
    return limit is not None and state.cost_usd > limit * _ROUNDING
