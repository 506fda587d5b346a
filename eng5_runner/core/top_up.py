"""The further requests of a run: for its other judges, and where the service ended before all comparisons were made.

The field's CJ service caps each request and ends early when its scores are stable; a service can also lose a batch, and
callbacks can be lost. So a run may consist of several requests for the same texts. Each has a batch of its own, asks
only for what is missing, and has only the money that is left. Their comparisons are one ledger and one study.

A request names one model. So a study of several judges has a request for each, one after the other, with equal shares
of comparisons and of the cost limit; top-ups follow, for the judge that lacks most.
"""

from __future__ import annotations

from collections.abc import Sequence

from eng5_runner.contracts.stopping import PROCESSING_FAILED
from eng5_runner.core.sent_request import SentRequest
from eng5_runner.core.spec import Budget, RunSpec
from eng5_runner.core.state import RunState


def is_due(state: RunState) -> bool:
    """Whether a further request follows now."""
    return ended_short(state) and hindrance(state) is None


def would_follow(state: RunState) -> bool:
    """Whether a later session would send a further request, as far as is known now."""
    return ended_short(state) and hindrance(state, session=state.sessions + 1) is None


def ended_short(state: RunState) -> bool:
    """Whether comparisons are missing and the present request will bring no more of them."""
    request = state.request
    if request is None or not state.missing:
        return False
    is_at_its_share = request.at_limit and state.unasked_judges > 0
    return request.completed is not None or request.failure is not None or request.is_lost or is_at_its_share


def goes_on(state: RunState) -> bool:
    """Whether the failed batch goes on when a later session sends its request again, as embedded services get it.

    They keep its comparisons that wait, and judge them: a further request would pay for these a second time.
    """
    request = state.request
    if request is None or state.spec.target.stack != "embedded" or not request.answered:
        return False
    return (request.failure or "").startswith(PROCESSING_FAILED)


def hindrance(state: RunState, *, session: int | None = None) -> str | None:
    """Why no further request follows although comparisons are missing, or None.

    Where messages came that the requests cannot have caused, nothing tells what is missing and what is paid for.
    After a failure, or a request that brought nothing, only a person sends another request, by resuming the run: the
    next answer would most likely be the same.

    Args:
        state: of a run that has sent a request.
        session: the number of the session that would send it; the present one if it is not given.
    """
    budget, request = state.spec.budget, state.request
    if request is None:
        raise AssertionError("comparisons are missing only if a request was sent")
    ended_now = request.ended_in == (session or state.sessions)
    for hinders, why in (
        (not budget.top_up and not state.unasked_judges, "further requests are off (--no-top-up)"),
        (budget.design == "boundary", "a boundary design cannot be limited to the pairs that are missing"),
        (bool(state.objections), "messages came that the requests cannot have caused"),
        (goes_on(state), "the services go on with the last one when the run is resumed"),
        (is_out_of_money(state), "what is left of the cost limit may not pay for one more comparison"),
        (request.failure is not None and (ended_now or not state.judged), "the service failed the last one"),
        (ended_now and not request.answered, "the last one brought no comparison"),
        (
            len(state.requests) >= budget.max_requests,
            f"{len(state.requests)} were sent, as many as --max-requests allows",
        ),
    ):
        if hinders:
            return why
    return None


def is_out_of_money(state: RunState) -> bool:
    """Whether the rest of the cost limit may be less than one comparison costs: at most, or as the dearest so far."""
    left = state.limit_left()
    if left is None:
        return False
    at_most = state.preflight.comparison_at_most_usd if state.preflight else None
    return left <= 0.0 or left < (at_most or state.dearest_usd)


def whole_budget(state: RunState) -> Budget:
    """The budget of all requests together, less what judge checks cost."""
    budget = state.spec.budget
    if state.judge_check is None:
        return budget
    return budget.model_copy(update={"max_cost_usd": state.limit_left(besides=state.request)})


def judge_of(state: RunState, number: int, *, asked: int) -> int:
    """Which of the run's judges a request is for; `number` and `asked` as for `request_spec`."""
    if number <= len(state.requests):
        return state.requests[number - 1].prepared.judge
    judges = range(len(state.spec.judges))
    if number <= len(judges):
        return number - 1
    return max(judges, key=lambda judge: _missing_of(state.requests, judge, judges=len(judges), asked=asked))


def _missing_of(requests: Sequence[SentRequest], judge: int, *, judges: int, asked: int) -> int:
    """How many comparisons of its share a judge has not brought; the first ones get what cannot be divided."""
    share = asked // judges + (judge < asked % judges)
    return share - sum(request.answered for request in requests if request.prepared.judge == judge)


def request_spec(state: RunState, number: int, *, asked: int) -> RunSpec:
    """The run's spec as it is for one of its requests; that of the only judge's first one is the run's own.

    A further request has its own batch, from which its ids and its essays' names on the wire follow. It asks for what
    the other requests did not bring, with the money that they left, and with another seed, so that a service that
    supports seeds does not ask the same pairs again.

    Args:
        state: of the run.
        number: of the request; the present one or the next one.
        asked: the number of comparisons that the run as a whole asks for.
    """
    spec, judges = state.spec, state.spec.judges
    if number == 1 and len(judges) == 1:
        return spec.model_copy(update={"budget": whole_budget(state)})
    judge = judge_of(state, number, asked=asked)
    missing = _missing_of(state.requests[: number - 1], judge, judges=len(judges), asked=asked)
    budget = spec.budget.model_copy(
        update={
            "max_comparisons": max(missing, 1),
            "comparisons_per_essay": None,
            "max_cost_usd": state.limit_of(number),
            "seed": None if spec.budget.seed is None else spec.budget.seed + number - 1,
        }
    )
    only = {"judge": judges[judge], "further_models": ()}
    return spec.model_copy(update={"run_id": spec.batch_id(number), "budget": budget} | only)
