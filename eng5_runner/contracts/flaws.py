"""Comparison results with a flaw that does not make them unusable: a judgement that was paid for is kept.

    received, flaws = receive_comparison(raw)
    received.data.winner    # "Essay A"
    flaws                   # ("prompt_sha256 is no SHA-256: 64 zeros stand for it",)

Of a comparison a run needs the batch, two of its essays, and either a winner or an error. Any other field that is
missing or makes no sense gets a neutral value, and the flaw says so. A message without a flaw is read as it is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import datetime
from typing import Annotated, NamedTuple, TypeAlias

from pydantic import Field, JsonValue, TypeAdapter, ValidationError

from eng5_runner.contracts.base import Instant
from eng5_runner.contracts.callbacks import LLMComparisonResult, Sha256, Tokens, Usd
from eng5_runner.contracts.envelope import Received
from eng5_runner.contracts.messages import parse_callback
from eng5_runner.contracts.topics import Topic

NO_HASH = "0" * 64
UNKNOWN = "unknown"
UNKNOWN_ERROR = "UNKNOWN"
# No call uses so many tokens or USD, or takes a day.
MOST_TOKENS, MOST_USD, MOST_MS = 10**8, 10**4, 86_400_000

_TEXT = TypeAdapter(Annotated[str, Field(min_length=1)])
_INSTANT = TypeAdapter(Instant)
_HASH = TypeAdapter(Sha256)
_TOKENS = TypeAdapter(Annotated[Tokens, Field(le=MOST_TOKENS)])
_USD = TypeAdapter(Annotated[Usd, Field(le=MOST_USD)])
_Object: TypeAlias = dict[str, JsonValue]
_Sound: TypeAlias = TypeAdapter[str] | TypeAdapter[int] | TypeAdapter[float] | TypeAdapter[datetime]


class _Fallback(NamedTuple):
    """What stands for a field whose value is missing or makes no sense."""

    field: str
    sound: _Sound
    value: JsonValue


_USAGE = (_Fallback("prompt_tokens", _TOKENS, 0), _Fallback("completion_tokens", _TOKENS, 0))
_NAMES = (_Fallback("provider", _TEXT, UNKNOWN), _Fallback("model", _TEXT, UNKNOWN))


def receive_comparison(
    raw: bytes, *, at_most_usd: float | None = None
) -> tuple[Received[LLMComparisonResult], tuple[str, ...]]:
    """Parse a comparison result, and say which flaws it was accepted with.

    Args:
        raw: the message.
        at_most_usd: the most that a call can cost, which stands for a cost that is missing or makes no sense; None if
            it is not known, and then 0 stands for it.

    Returns:
        The message, with neutral values where its own make no sense, and one sentence for each flaw. No flaw shows a
        value of the message.

    Raises:
        pydantic.ValidationError: it is no comparison result, or lacks what a run needs.
        ValueError: the same.
    """
    try:
        received = _strict(raw)
    except ValidationError as error:
        message, data = _json(raw, error)
    else:
        if _is_sound(received.data):
            return received, hash_flaws(received.data.request_metadata.prompt_sha256)
        message, data = _json(raw, None)
    flaws = tuple(_repair(message, data, at_most_usd=at_most_usd))
    return _strict(json.dumps(message).encode()), flaws


def _strict(raw: bytes) -> Received[LLMComparisonResult]:
    received = parse_callback(Topic.COMPARISON, raw)
    assert isinstance(received.data, LLMComparisonResult)
    return received


def _is_sound(result: LLMComparisonResult) -> bool:
    """Whether the values that the wire's model admits make sense too."""
    usage = result.token_usage
    named = result.provider and result.model and (result.error_detail is None or result.error_detail.error_code)
    return (
        bool(named)
        and max(usage.prompt_tokens, usage.completion_tokens) <= MOST_TOKENS
        and result.cost_estimate <= MOST_USD
        and result.response_time_ms is not None  # if it is negative it counts as missing
        and result.response_time_ms <= MOST_MS
    )


def hash_flaws(sha256: str | None) -> tuple[str, ...]:
    """A hash with one digit throughout has the right form, and no prompt has it. It is kept as it is."""
    is_odd = sha256 is not None and sha256 == sha256[0] * len(sha256)
    return ("prompt_sha256 is one digit repeated, which is the hash of no prompt",) if is_odd else ()


def _json(raw: bytes, error: ValidationError | None) -> tuple[_Object, _Object]:
    """The message and its data, to be repaired in place."""
    try:
        message = json.loads(raw.decode())
    except (ValueError, RecursionError):
        raise error or ValueError("it cannot be read as JSON") from None
    data = message.get("data") if isinstance(message, dict) else None
    if not isinstance(data, dict):
        raise error or ValueError("it has no data")
    return message, data


def _repair(message: _Object, data: _Object, *, at_most_usd: float | None) -> Iterator[str]:
    """Replace in place what makes no sense, and say so. Nothing that a run needs is made up."""
    yield from _replace(data, (_Fallback("request_id", _TEXT, message.get("event_id")),), instead="the event's id")
    yield from _replace(data, (*_NAMES, _Fallback("cost_estimate", _USD, at_most_usd or 0.0)))
    if not isinstance(data.get("token_usage"), dict):
        data["token_usage"] = {}
    yield from _replace(data["token_usage"], _USAGE)
    for field, other in (("requested_at", "completed_at"), ("completed_at", "requested_at")):
        known = next(
            (time for time in (data.get(other), message.get("event_timestamp")) if _fits(_INSTANT, time)),
            None,
        )
        yield from _replace(data, (_Fallback(field, _INSTANT, known),), instead="another time of the message")
    took = data.get("response_time_ms")
    if isinstance(took, int | float) and not 0 <= took <= MOST_MS:
        data["response_time_ms"] = None
        yield "response_time_ms does not make sense: none stands for it"
    error = data.get("error_detail")
    if data.get("winner") is None and (error or isinstance(error, dict)):
        if not isinstance(error, dict):
            error = data["error_detail"] = {}
        yield from _replace(error, (_Fallback("error_code", _TEXT, UNKNOWN_ERROR),))
    metadata = data.get("request_metadata")
    if isinstance(metadata, dict):
        yield from _repair_hash(metadata, is_needed=data.get("winner") is not None)


def _repair_hash(metadata: _Object, *, is_needed: bool) -> Iterator[str]:
    """An error needs no hash of its prompt."""
    sha256 = metadata.get("prompt_sha256")
    if isinstance(sha256, str) and _fits(_HASH, sha256):
        yield from hash_flaws(sha256)
    elif is_needed:
        metadata["prompt_sha256"] = NO_HASH
        yield "prompt_sha256 is no SHA-256: 64 zeros stand for it"


def _replace(place: JsonValue, fallbacks: tuple[_Fallback, ...], *, instead: str | None = None) -> Iterator[str]:
    assert isinstance(place, dict)
    for field, sound, value in fallbacks:
        if value is not None and not _fits(sound, place.get(field)):
            state = "does not make sense" if place.get(field) is not None else "is missing"
            place[field] = value
            yield f"{field} {state}: {instead or json.dumps(value)} stands for it"


def _fits(sound: _Sound, value: JsonValue) -> bool:
    try:
        sound.validate_python(value)
    except ValidationError:
        return False
    return True
