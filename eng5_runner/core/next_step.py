"""Which step a run needs next, and how a session ended. Pure functions of the state."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from eng5_runner.core.events import OBJECTIONS, Outcome
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import texts_to_store
from eng5_runner.core.state import RunState
from eng5_runner.core.study_size import ASSUMED_SPREADS, asked_per_pair
from eng5_runner.core.top_up import ended_short, hindrance, is_out_of_money
from eng5_runner.measure.design.planning import expected_precision
from eng5_runner.phrases import counted

Step = Literal["preflight", "upload", "prepare", "publish", "gather", "close"]
COMPLETED_STATUS = "completed_successfully"
SILENCE = (
    "no message arrived: the CJ service was not listening, could not read the essays, "
    "or could not reach its LLM provider; its log says which"
)
# The rounding error of a sum of a million floats is smaller than this.
_ROUNDING = 1.0 + 1e-9


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
    request = state.request
    if request is None:
        raise AssertionError("a run that awaits answers has sent a request")
    if request.failure is not None:
        # What earlier requests brought is a study, if a smaller one.
        return ("partial" if state.judged > request.judged else "failed"), reasons
    if is_at_cost_limit(state):
        return "budget", reasons
    return ("partial", reasons) if reasons else ("complete", ())


def _shortcomings(state: RunState) -> Iterable[str]:
    yield from _endings(state)
    yield from _cost_shortcomings(state)
    for deadline in state.deadlines:
        # A result can arrive after its deadline.
        if not (deadline.kind == "result" and state.request and state.request.has_result):
            yield f"{deadline.kind} deadline after {deadline.waited:.0f} s"
    if state.deadlines and state.heard_nothing:
        yield SILENCE
    yield from _missing_comparisons(state)
    for objection, what in OBJECTIONS.items():
        if count := state.objections[objection]:
            yield f"{what}: {count}"
    if state.rejected:
        yield f"{counted(state.rejected, 'message')} of this run could not be used"
    if state.conflicts:
        yield counted(
            state.conflicts,
            "message contradicts an earlier one with the same id",
            plural="messages contradict an earlier one with the same id",
        )
    if state.lost:
        yield f"{counted(state.lost, 'record was', plural='records were')} dropped by the broker before they were read"


def _endings(state: RunState) -> Iterable[str]:
    """What the service said at the end of the requests, if that is not that all is well."""
    if state.failure is not None:
        yield f"the CJ service reported a failure: {state.failure}"
    for status in sorted({request.completed for request in state.requests if request.completed is not None}):
        if status != COMPLETED_STATUS:
            yield f"the CJ service completed with the status {status}"
    if state.request and state.request.completed is not None and not state.judged:
        yield "the CJ service completed, but no comparison with a winner arrived"


def _missing_comparisons(state: RunState) -> Iterable[str]:
    """That fewer comparisons came than were asked for, what is known about the reason, and why no more are asked."""
    request = state.request
    if request is None or not (state.missing and state.judged):
        return  # a run of which nothing came says why in other words
    how = "" if request.failure is not None or request.at_limit else f": {ending(state)}"
    yield (
        f"{state.missing} of the {counted(state.asked or 0, 'comparison')} asked for "
        f"{'is' if state.missing == 1 else 'are'} missing{how}"
    )
    if ended_short(state) and (why := hindrance(state)) is not None:
        yield f"no further request was sent: {why}"


def ending(state: RunState) -> str:
    """How the present request ended although comparisons are missing, as far as the messages tell."""
    request = state.request
    if request is None:
        raise AssertionError("only a request that was sent can end")
    if request.is_lost:
        return "the service has lost this batch: it was silent in two sessions"
    if request.failure is not None:
        return "the service failed the batch"
    if request.completed is None:
        return "the service has not ended the batch"
    if request.counted is not None and request.counted > request.judged:
        return f"the service counts {request.counted} in its batch, so callbacks were lost on their way"
    if state.lost or state.rejected:
        return "the service ended the batch, and callbacks were lost or could not be used"
    if request.counted is not None:
        return f"the service ended the batch after {request.counted}, by a rule of its own"
    return (
        f"the service ended the batch after {request.answered}, by a rule of its own as it seems: all that is in Kafka "
        "was read"
    )


def worth_of_a_part(state: RunState, *, essays: int) -> tuple[str, ...]:
    """What the comparisons that came are expected to buy, beside all; nothing if none is missing.

    Args:
        state: of a run.
        essays: number of compared essays, anchors included.
    """
    budget = state.spec.budget
    if not (state.missing and state.asked and state.judged) or budget.design == "boundary":
        return ()

    def reliability(comparisons: int) -> str:
        pairs, adaptive = comparisons / asked_per_pair(budget), budget.design == "adaptive"
        low, high = (
            expected_precision(essays=essays, comparisons=pairs, spread=spread, adaptive=adaptive).reliability
            for spread in (ASSUMED_SPREADS[0], ASSUMED_SPREADS[-1])
        )
        return f"{low:.2f} to {high:.2f}"

    part, whole = reliability(state.judged), reliability(state.asked)
    spread = f"if the essays' spread is {ASSUMED_SPREADS[0]:g} to {ASSUMED_SPREADS[-1]:g} logits"
    buy = counted(state.judged, "comparison buys", plural="comparisons buy")
    return (f"{buy} a reliability of {part}, {spread}; {state.asked} would buy {whole}",)


def _cost_shortcomings(state: RunState) -> Iterable[str]:
    limit = state.spec.budget.max_cost_usd
    if is_at_cost_limit(state):
        yield f"the cost limit of {limit} USD is reached: the next comparison may cost more than is left"
    if is_overspent(state):
        yield f"{state.cost_usd:.6f} USD were spent, more than the cost limit of {limit} USD"


def is_at_cost_limit(state: RunState) -> bool:
    """Whether the service stopped at the cost limit, or the run itself has no money for a further request."""
    request = state.request
    at_limit = request is not None and request.at_limit and request.completed is None
    return (at_limit and not state.unasked_judges) or (ended_short(state) and is_out_of_money(state))


def is_overspent(state: RunState) -> bool:
    """Whether the run has cost more than its limit. A service that enforces the limit never lets this happen."""
    limit = state.spec.budget.max_cost_usd
    return limit is not None and state.cost_usd > limit * _ROUNDING
