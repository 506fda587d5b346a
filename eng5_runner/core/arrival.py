"""A comparison result as it arrives: what a run reads in it, whichever of the two readers can read it.

    >>> arrived(b"{}")  # doctest: +IGNORE_EXCEPTION_DETAIL
    Traceback (most recent call last):
    ...
    pydantic_core._pydantic_core.ValidationError: ...

Nearly all messages have the plain form, which `contracts.plain` reads in a third of the time. `contracts.flaws` reads
the rest. Both give the same arrival.
"""

from __future__ import annotations

from datetime import datetime

import msgspec
from msgspec.structs import replace

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.flaws import hash_flaws, receive_comparison
from eng5_runner.contracts.plain import PlainArrival, plain_arrival


class Arrival(msgspec.Struct, frozen=True, gc=False):
    """What a run reads in a comparison result when it arrives.

    Attributes:
        request_id: the provider's queue id.
        batch: the UUID of its batch, as it is written.
        first: the wire's name of the essay shown first.
        second: of the other essay.
        winner: `Essay A` is the first; None where the judge failed.
        error_code: why it failed; empty otherwise.
        provider: of the judge.
        model: of the judge.
        repeat: how often the pair was compared before in this order; None where the service does not number them.
        usage: the tokens, as fingerprints name them.
        cost_usd: what counts as the cost.
        requested_at: when the judge was asked (UTC).
        completed_at: when its answer was complete (UTC).
        stamped_at: when the message was made, by its own clock; None if it does not say so.
        flaws: one sentence for each value that made no sense.
    """

    request_id: str
    batch: str | None
    first: str
    second: str
    winner: str | None
    error_code: str
    provider: str
    model: str
    repeat: int | None
    usage: str
    cost_usd: float
    requested_at: datetime
    completed_at: datetime
    stamped_at: datetime | None
    flaws: tuple[str, ...] = ()


def arrived(raw: bytes, *, at_most_usd: float | None = None) -> Arrival:
    """Read a comparison result.

    Args:
        raw: the message.
        at_most_usd: the most that a call can cost, which stands for a cost that is not known; None if that is not
            known either.

    Raises:
        pydantic.ValidationError: it is no comparison result, or lacks what a run needs.
        ValueError: the same.
    """
    plain = plain_arrival(raw)
    if plain is not None and (plain.data.cost_estimate or not at_most_usd):
        return of_plain(plain)
    received, flaws = receive_comparison(raw, at_most_usd=at_most_usd)
    arrival = of_result(received.data, stamped_at=received.event_timestamp, flaws=flaws)
    is_unknown = received.data.request_metadata.cost_known is False and not arrival.cost_usd
    return replace(arrival, cost_usd=at_most_usd) if is_unknown and at_most_usd else arrival


def of_result(result: LLMComparisonResult, *, stamped_at: datetime | None, flaws: tuple[str, ...] = ()) -> Arrival:
    """The arrival of a message that the careful reader has read."""
    metadata, usage = result.request_metadata, result.token_usage
    return Arrival(
        request_id=result.request_id,
        batch=metadata.batch,
        first=metadata.essay_a_id,
        second=metadata.essay_b_id,
        winner=result.winner,
        error_code=result.error_detail.error_code if result.error_detail else "",
        provider=result.provider,
        model=result.model,
        repeat=metadata.repeat_index,
        usage=_usage(usage.prompt_tokens, usage.completion_tokens, total=usage.total_tokens),
        cost_usd=result.cost_estimate,
        requested_at=result.requested_at,
        completed_at=result.completed_at,
        stamped_at=stamped_at,
        flaws=flaws,
    )


def of_plain(plain: PlainArrival) -> Arrival:
    """The arrival of a message in the plain form."""
    result = plain.data
    metadata, usage = result.request_metadata, result.token_usage
    return Arrival(  # by place: names take as long again, and nearly every message of a run comes through here
        result.request_id,
        metadata.bos_batch_id or metadata.batch_id,
        metadata.essay_a_id,
        metadata.essay_b_id,
        result.winner,
        "",
        result.provider,
        result.model,
        metadata.repeat_index,
        _usage(usage.prompt_tokens, usage.completion_tokens, total=usage.total_tokens),
        result.cost_estimate,
        plain.requested_at,
        plain.completed_at,
        plain.stamped_at,
        hash_flaws(metadata.prompt_sha256),
    )


def _usage(prompt: int, completion: int, *, total: int | None) -> str:
    return f"TokenUsage(prompt_tokens={prompt}, completion_tokens={completion}, total_tokens={total})"
