"""The provider's messages: one comparison's verdict or failure, as LLMComparisonResultV1 in its envelope."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import TypeAlias, TypeGuard
from uuid import UUID, uuid4

import orjson
from pydantic import JsonValue, ValidationError

from eng5_runner.contracts.base import describe
from eng5_runner.contracts.callbacks import IS_INTERRUPTED, IS_RETRYABLE
from eng5_runner.contracts.messages import ComparisonEnvelope
from eng5_runner.contracts.published import (
    PublishedComparison,
    PublishedComparisonMetadata,
    PublishedErrorDetail,
    PublishedTokenUsage,
)
from eng5_runner.contracts.request import BATCHING_MODE, BatchingMode, Provider, batching_mode
from eng5_runner.contracts.services import ComparisonBody, ModelEntry
from eng5_runner.judges.cost_bound import call_at_most_usd, prompt_bytes
from eng5_runner.judges.prompts import prompt_text
from eng5_runner.judges.templates import templates_in, text_sha256
from eng5_runner.stack.llm.judge import AnswerChance, JudgeFailed, Question, Served, Spent, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.queue import Entry
from eng5_runner.stack.platform.web import invalid


def repeat_index(body: ComparisonBody) -> int:
    """How often the pair was compared before in this order; 0 if the client does not say.

    Raises:
        RequestRefused: 400: it is not a whole number from 0.
    """
    index = body.metadata.get("repeat_index", 0)
    if not _is_index(index):
        raise invalid("metadata.repeat_index must be a whole number from 0")
    return index


def question_of(entry: Entry) -> Question:
    """The question for the judge."""
    body = entry.body
    return Question(
        prompt=body.user_prompt,
        blocks=tuple(block.content for block in body.prompt_blocks or ()) or (body.user_prompt,),
        shared=_shared(body),
        overrides=body.llm_config_overrides,
        repeat_index=repeat_index(body),
        request_id=entry.queue_id,
        was_begun=entry.was_begun,
        wants_probability=body.metadata.get("soft_judgements") == "auto",
    )


def _shared(body: ComparisonBody) -> tuple[int, ...]:
    """Where the parts of the prompt end that other questions begin with: the task, and in a serial bundle essay A.

    The others of a serial bundle follow at once, so it pays to keep essay A in the provider's cache.
    """
    blocks = body.prompt_blocks or ()
    bundled = batching_mode(body.metadata.get(BATCHING_MODE)) is BatchingMode.SERIAL_BUNDLE
    if not blocks or not blocks[0].cacheable:
        return ()
    begins = [prompt_text(blocks[:count]) for count in ((1, 2) if bundled else (1,))]
    return tuple(len(begin) for begin in begins if body.user_prompt.startswith(begin))


def metadata_of(judge: JudgeEntry, question: Question) -> Metadata:
    """The result's metadata about the texts that the judge is shown."""
    system = judge.system(question)
    templates: dict[str, JsonValue] = {
        template.name: template.sha256 for template in templates_in(question.prompt, system or "")
    }
    hashes: Metadata = {} if system is None else {"system_prompt_sha256": text_sha256(system)}
    return hashes | {"prompt_templates": templates}


def _is_index(value: JsonValue) -> TypeGuard[int]:
    return isinstance(value, int) and not isinstance(value, bool) and value >= 0


SERVICE = "llm_provider_service"
_JUSTIFICATION_LENGTH = 500
# By default a broker accepts messages of up to 1 MiB.
_LONGEST_METADATA_BYTES = 512 * 1024
# Keys that only this service may set.
_OURS = frozenset(
    (
        *("system_prompt_sha256", "cassette", "replay_of", "cost_known"),
        *("served_model", "system_fingerprint", "answer_form", "probability_a", "probability_is_bound"),
        *("cached_tokens", "batched"),
    )
)
Metadata: TypeAlias = "dict[str, JsonValue]"


def unanswerable(entry: Entry) -> str | None:
    """Why no valid result can be written for a comparison; None if one can.

    The metadata, the client's own, decides that: everything else in a result is ours. The correlation id has to be a
    UUID.
    """
    try:
        about = _hashed(entry)
        written = orjson.dumps(entry.body.metadata)
    except ValidationError as error:
        return f"metadata: {describe(error)}"
    except TypeError as error:  # orjson's: an integer that has more than 64 bits
        return f"metadata: {error}"
    if about.essay_a_id == about.essay_b_id:
        return "metadata: an essay is compared with itself"
    return "metadata: too long to be returned" if len(written) > _LONGEST_METADATA_BYTES else None


def success(entry: Entry, *, model: ModelEntry, verdict: Verdict, response_seconds: float, metadata: Metadata) -> bytes:
    """The message of a verdict.

    Raises:
        pydantic.ValidationError, TypeError: the comparison is unanswerable.
    """
    result = PublishedComparison(
        request_id=entry.queue_id,
        correlation_id=entry.body.correlation_id,
        winner=verdict.winner,
        justification=verdict.justification[:_JUSTIFICATION_LENGTH],
        confidence=verdict.confidence,
        provider=model.provider,
        model=model.model_id,
        response_time_ms=round(1000 * response_seconds),
        token_usage=_usage(verdict),
        cost_estimate=_cost(entry, model, cost=verdict.cost),
        requested_at=entry.requested_at,
        completed_at=datetime.now(UTC),
        request_metadata=_hashed(entry),
    )
    replayed: Metadata = {}
    if verdict.replay_of is not None:
        replayed = {"cassette": True, "replay_of": verdict.replay_of.model_dump(mode="json")}
    form: Metadata = {} if verdict.fallback is None else {"answer_form": verdict.fallback}
    metadata = _took(verdict) | metadata | replayed | form | _served(verdict.served) | _chance(verdict.chance)
    return _message(entry, result, metadata=metadata)


def failure(entry: Entry, failed: JudgeFailed, *, metadata: Metadata, model: ModelEntry | None = None) -> bytes:
    """The message of a comparison that could not be made.

    Args:
        entry: the comparison.
        failed: why, and what it cost.
        metadata: about the texts that the judge was shown.
        model: the model that was asked; None if none was.

    Raises:
        pydantic.ValidationError, TypeError: the comparison is unanswerable.
    """
    now = datetime.now(UTC)
    overrides = entry.body.llm_config_overrides
    detail = PublishedErrorDetail(
        error_code=failed.error_code,
        message=failed.message,
        correlation_id=entry.body.correlation_id,
        timestamp=now,
        service=SERVICE,
        operation="comparison",
        details={
            **({IS_RETRYABLE: False} if failed.is_final else {}),
            **({IS_INTERRUPTED: True} if failed.is_interrupted else {}),
        },
    )
    result = PublishedComparison(
        request_id=entry.queue_id,
        correlation_id=entry.body.correlation_id,
        error_detail=detail,
        provider=(overrides.provider_override or Provider.MOCK).value,
        model=overrides.model_override or "unknown",
        # The clock may have been set back since the request.
        response_time_ms=max(0, round(1000 * (now - entry.requested_at).total_seconds())),
        token_usage=_usage(failed.spent),
        cost_estimate=_cost(entry, model, cost=failed.spent.cost),
        requested_at=entry.requested_at,
        completed_at=now,
        request_metadata=_hashed(entry),
    )
    return _message(entry, result, metadata=_took(failed.spent) | metadata)


def refused_by_broker(entry: Entry, raw: bytes, *, reason: str) -> bytes:
    """The message of a comparison whose result the broker does not take; it costs what the result says."""
    told = ComparisonEnvelope.model_validate_json(raw, extra="ignore").data
    spent = Spent(
        prompt_tokens=told.token_usage.prompt_tokens,
        completion_tokens=told.token_usage.completion_tokens,
        cached_tokens=told.request_metadata.cached_tokens or 0,
        cost=told.cost_estimate,
    )
    metadata: Metadata = {} if told.request_metadata.cost_known is None else {"cost_known": False}
    # The same result would come again.
    return failure(entry, JudgeFailed("LLM_CONTENT_TOO_LONG", reason, spent=spent, is_final=True), metadata=metadata)


def _cost(entry: Entry, model: ModelEntry | None, *, cost: float | None) -> float:
    """USD; the most that the call can have cost if its cost is not known, and 0 if not even that is."""
    if cost is not None or model is None:
        return cost or 0.0
    body = entry.body
    size, overrides = prompt_bytes(body.user_prompt), body.llm_config_overrides
    most = call_at_most_usd(model, prompt_bytes=size, overrides=overrides, batched=entry.is_batched)
    return float(most or 0)


def _usage(spent: Verdict | Spent) -> PublishedTokenUsage:
    return PublishedTokenUsage(
        prompt_tokens=spent.prompt_tokens,
        completion_tokens=spent.completion_tokens,
        total_tokens=spent.prompt_tokens + spent.completion_tokens,
    )


def _hashed(entry: Entry) -> PublishedComparisonMetadata:
    about = dict(entry.body.metadata) | {"prompt_sha256": entry.prompt_sha256}
    return PublishedComparisonMetadata.model_validate(about, extra="ignore")


def _took(spent: Verdict | Spent) -> Metadata:
    """What the contract has no place for: tokens from the provider's cache, and that a cost is not known."""
    cached: Metadata = {"cached_tokens": spent.cached_tokens} if spent.cached_tokens else {}
    return cached if spent.cost is not None else cached | {"cost_known": False}


def _served(served: Served | None) -> Metadata:
    names = {} if served is None else {"served_model": served.model, "system_fingerprint": served.fingerprint}
    return {key: name for key, name in names.items() if name is not None}


def _chance(chance: AnswerChance | None) -> Metadata:
    if chance is None:
        return {}
    bound: Metadata = {"probability_is_bound": True} if chance.is_bound else {}
    return {"probability_a": chance.probability_a} | bound


def _message(entry: Entry, result: PublishedComparison, *, metadata: Metadata) -> bytes:
    envelope = ComparisonEnvelope(
        event_id=uuid4(),
        event_type=entry.body.callback_topic,
        event_timestamp=result.completed_at,
        source_service=SERVICE,
        correlation_id=UUID(entry.body.correlation_id),
        data=result,
    )
    message = envelope.model_dump(mode="json")
    # The metadata is the client's: all of it is returned, also keys that this service does not know.
    echoed: Metadata = {
        **{name: value for name, value in entry.body.metadata.items() if name not in _OURS},
        "prompt_sha256": entry.prompt_sha256,
        "resolved_provider": result.provider,
        "resolved_model": result.model,
        **({"batched": True} if entry.is_batched else {}),
        **metadata,
    }
    message["data"]["request_metadata"] = echoed
    return orjson.dumps(message)
