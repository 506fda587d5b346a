"""What a run does next, and how it ended: questions to the state, answered without any effect."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from eng5_runner.core.events import Outcome
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.state import RunState

Step = Literal["preflight", "upload", "prepare", "publish", "gather", "close"]
COMPLETED_STATUS = "completed_successfully"
SILENCE = (
    "nothing at all came: the CJ service was not listening, could not read the essays, "
    "or did not get through to its LLM provider; its log says which"
)
# A sum of a million floats is off by less.
_ROUNDING = 1.0 + 1e-9


def texts_to_store(inputs: Inputs, *, with_anchors: bool) -> tuple[str, ...]:
    """The sha256 of each text that the services must be able to fetch, once each, in a fixed order."""
    wanted = {inputs.prompt.text_sha256, *(student.text_sha256 for student in inputs.students)}
    if with_anchors:
        wanted |= {anchor.text_sha256 for anchor in inputs.anchors}
    return tuple(sorted(wanted))


def missing_uploads(state: RunState, inputs: Inputs) -> tuple[str, ...]:
    """The texts that are not with the Content Service yet."""
    if not state.spec.uploads:
        return ()
    wanted = texts_to_store(inputs, with_anchors=state.spec.study.assignment_id is None)
    return tuple(sha256 for sha256 in wanted if sha256 not in state.storage_ids)


def next_step(state: RunState, inputs: Inputs) -> Step | None:
    """The step that is due, or None if the session has ended."""
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
    """Whether the callbacks are gathered: as the run was asked to, and always when a person resumes it for them."""
    return state.spec.patience.await_completion or state.left_unawaited


def verdict(state: RunState) -> tuple[Outcome, tuple[str, ...]]:
    """How a session ended that was not interrupted, and every reason why it is not complete."""
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
    yield from _about_money(state)
    if state.completed not in (None, COMPLETED_STATUS):
        yield f"the CJ service completed with the status {state.completed}"
    if state.completed is not None and not state.judged:
        yield "the CJ service completed, and no comparison with a winner came"
    yield from _waited(state)
    for count, told in (
        (state.rejected, "messages of this run could not be used"),
        (state.conflicts, "messages contradict an earlier one with the same id"),
        (state.lost, "records were dropped by the broker before they were read"),
    ):
        if count:
            yield f"{count} {told}"


def _waited(state: RunState) -> Iterable[str]:
    for deadline in state.deadlines:
        if not (deadline.kind == "result" and state.has_result):  # it came after all
            yield f"{deadline.kind} deadline after {deadline.waited:.0f} s"
    if state.deadlines and state.heard_nothing:
        yield SILENCE


def _about_money(state: RunState) -> Iterable[str]:
    limit = state.spec.budget.max_cost_usd
    if state.at_limit and state.completed is None:
        yield f"the cost limit of {limit} USD is reached: the next comparison may cost more than is left"
    if is_overspent(state):
        yield f"{state.cost_usd:.6f} USD were spent, more than the cost limit of {limit} USD"


def is_overspent(state: RunState) -> bool:
    """Whether more was spent than the run allows; a service that keeps to the limit never lets it come to that."""
    limit = state.spec.budget.max_cost_usd
    return limit is not None and state.cost_usd > limit * _ROUNDING


def exit_code(state: RunState) -> int:
    """The process exit code of a closed run, by the table in the README."""
    closed = state.closed
    if closed is None or closed.outcome == "interrupted":
        return 75
    if closed.outcome in ("complete", "not-sent", "not-awaited"):
        return 0
    if closed.outcome == "budget":
        return 4
    if state.judged or (closed.outcome == "partial" and state.lost):  # what is lost no `resume` brings back
        return 3
    return 69 if closed.outcome == "failed" else 75
