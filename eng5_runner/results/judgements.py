"""What came back for a run: each comparison as the artefact's row, and the service's result.

The ledger is read once: each event is folded, and what it brought is kept.

evidence = gather_evidence(inputs, events, state=RunState())
evidence.judged[0].winner_id      one of the run's essay ids
evidence.failed[0].failure_code   such as LLM_PROVIDER_TIMEOUT
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Literal, TypedDict, final
from uuid import UUID

from eng5_runner.contracts.callbacks import AssessmentResult, Callback, ComparisonMetadata, LLMComparisonResult
from eng5_runner.contracts.flaws import NO_HASH, receive_comparison
from eng5_runner.contracts.messages import parse_callback
from eng5_runner.contracts.plain import PlainComparison, PlainMetadata, plain_comparison
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import CallbackAccepted, Event, RequestPrepared
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import essay_names
from eng5_runner.core.rounding import usable
from eng5_runner.core.state import ImpossibleLedgerError, RunState
from eng5_runner.results.artefact.stored_rows import ByteStore, MemoryBytes, RowStore
from eng5_runner.results.artefact.study import Comparison, FailedComparison, Replayed, ReplayedUnknown
from eng5_runner.results.served import ServedVersions, Spending

_LONGEST_REASON = 500
_STORED_AT_ONCE = 1 << 16  # bytes
_PLAIN_UUID = re.compile("[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}")


@dataclass(slots=True)
class PromptSources:
    """Texts of the prompts that were not the runner's own, by hash, as far as the services say.

    Attributes:
        store: a place for the hashes of the prompts, which take 32 MB for a million judgements.
        systems: SHA-256 of each system prompt.
        templates: name and SHA-256 of each template that came with the service.
        forms: provider, model and form of the answer, where a model was asked for a weaker form than a schema.
    """

    store: ByteStore = field(default_factory=MemoryBytes)
    systems: set[str] = field(default_factory=set)
    templates: set[tuple[str, str]] = field(default_factory=set)
    forms: set[tuple[str, str, str]] = field(default_factory=set)
    _stored: int = 0
    _waiting: bytearray = field(default_factory=bytearray)

    def note(self, result: LLMComparisonResult | PlainComparison) -> None:
        """Add what one call says."""
        metadata = result.request_metadata
        if metadata.answer_form:
            self.forms.add((result.provider, result.model, metadata.answer_form))
        self.note_texts(metadata)

    def note_prompt(self, prompt_hash: str) -> None:
        """Add the prompt of one judgement."""
        if prompt_hash != NO_HASH:
            self._waiting += bytes.fromhex(prompt_hash)
            if len(self._waiting) > _STORED_AT_ONCE:
                self._flush()

    def prompts(self) -> bytes:
        """The SHA-256 of the prompt of each judgement, 32 bytes each; without those that stated none."""
        self._flush()
        return self.store.read(0, self._stored)

    def _flush(self) -> None:
        self.store.append(bytes(self._waiting))
        self._stored += len(self._waiting)
        self._waiting.clear()

    def note_texts(self, metadata: ComparisonMetadata | PlainMetadata) -> None:
        """Add the texts that one call says it was made with."""
        if metadata.system_prompt_sha256:
            self.systems.add(metadata.system_prompt_sha256)
        if metadata.prompt_templates:
            self.templates.update(metadata.prompt_templates.items())


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that came back, in an order that does not depend on the order of arrival.

    Attributes:
        judged: comparisons with a winner, numbered in the order in which they were asked.
        failed: comparisons with an error instead, numbered in the same way.
        sources: of their prompts.
        spending: what all of them took.
        versions: which versions of the models judged.
        result: the service's own figures, if they came. Of several requests each has its own, which cover its own
            comparisons only; then it is None.
        names: the essays' names on the wire.
    """

    judged: Sequence[Comparison]
    failed: Sequence[FailedComparison]
    sources: PromptSources
    spending: Spending
    versions: ServedVersions
    result: AssessmentResult | None
    names: EssayNames


def gather_evidence(
    inputs: Inputs, events: Iterable[Event], *, state: RunState, store: Callable[[], ByteStore] = MemoryBytes
) -> Evidence:
    """Fold all events, and read the accepted callbacks.

    Args:
        inputs: of the run.
        events: its whole ledger; read once.
        state: of a run without events; the events advance it.
        store: makes a place for the rows.

    Raises:
        ImpossibleLedgerError: the events contradict each other, or an accepted message is not what its event says.
    """
    judged, failed = RowStore(Comparison, store()), RowStore(FailedComparison, store())
    sources, spending, versions = PromptSources(store()), Spending(), ServedVersions()
    flagged = frozenset(flag.essay_id for flag in inputs.flags)
    names: EssayNames | None = None
    result: AssessmentResult | None = None
    highest_limit = 0.0  # the result that counts is that without a cost limit, or with the highest
    for event in events:
        state.advance(event)
        if not isinstance(event, CallbackAccepted) or event.kind not in ("comparison", "result"):
            if isinstance(event, RequestPrepared):
                names = None  # a further request may have other names
            continue
        callback, envelope_id = _callback(event)
        if isinstance(callback, LLMComparisonResult | PlainComparison):
            names = names or essay_names(state, inputs)
            otherwise = None if isinstance(callback, PlainComparison) else envelope_id or state.spec.correlation_id
            row = comparison_fields(callback, names, cost_usd=event.cost_usd, otherwise=otherwise, flagged=flagged)
            judge = row["provider"], row["model"]
            tokens = row["tokens_prompt"], row["tokens_completion"], row["tokens_cached"] or 0
            spending.note(judge, tokens=tokens, usd=row["cost_usd"], replayed=row["replayed"])
            if event.is_left_out:
                continue
            sources.note(callback)
            if "winner_id" in row:
                sources.note_prompt(row["prompt_hash"])
                versions.note(judge, (row["served_model"], row["system_fingerprint"]), started_at=row["started_at"])
                judged.add(row)
            else:
                failed.add(row)
        elif isinstance(callback, AssessmentResult) and (event.limit_usd or inf) >= highest_limit:
            result, highest_limit = callback, event.limit_usd or inf
    return Evidence(
        judged=judged.in_order(),
        failed=failed.in_order(),
        sources=sources,
        spending=spending,
        versions=versions,
        result=result if len(state.requests) == 1 else None,
        names=essay_names(state, inputs),
    )


class _Call(TypedDict):
    """What both kinds of rows have."""

    request_id: str
    correlation_id: str
    essay_a_id: str
    essay_b_id: str
    provider: str
    model: str
    tokens_prompt: int
    tokens_completion: int
    cost_usd: float
    started_at: str
    completed_at: str
    response_time_ms: int | None
    request_type: str | None
    iteration: int | None
    repeat_index: int | None
    replayed: Replayed | ReplayedUnknown | None
    served_model: str | None
    system_fingerprint: str | None
    flagged: Literal["A", "B", "both"] | None
    tokens_cached: int | None
    batched: bool | None


@final
class JudgedFields(_Call):
    """The fields of a `Comparison` that does not have its number yet."""

    winner_id: str
    loser_id: str
    winner_position: Literal["A", "B"]
    prompt_hash: str
    confidence: float | None
    probability_a: float | None
    probability_is_bound: bool | None
    justification: str | None


@final
class FailedFields(_Call):
    """The fields of a `FailedComparison` that does not have its number yet."""

    failure_code: str
    failure_reason: str
    prompt_hash: str | None


def comparison_fields(
    result: LLMComparisonResult | PlainComparison,
    names: EssayNames,
    *,
    cost_usd: float,
    otherwise: UUID | None = None,
    flagged: frozenset[str] = frozenset(),
) -> JudgedFields | FailedFields:
    """One comparison under the run's essay ids.

    Args:
        result: what the provider says of it.
        names: the essays' names on the wire.
        cost_usd: what counts as its cost.
        otherwise: the correlation id where the pair's own is no UUID; a plain comparison has no need of it.
        flagged: the ids of the essays with flags.

    Raises:
        ImpossibleLedgerError: it is of an essay that the run does not have.
    """
    metadata = result.request_metadata
    first, second = names.our_id(metadata.essay_a_id), names.our_id(metadata.essay_b_id)
    if first is None or second is None:
        raise ImpossibleLedgerError(f"the accepted comparison {result.request_id} names a stranger")
    call: _Call = {
        "request_id": result.request_id,
        "correlation_id": _trace(result, otherwise=otherwise),
        "essay_a_id": first,
        "essay_b_id": second,
        "provider": result.provider,
        "model": result.model,
        "tokens_prompt": result.token_usage.prompt_tokens,
        "tokens_completion": result.token_usage.completion_tokens,
        "cost_usd": cost_usd,
        "started_at": instant(result.requested_at),
        "completed_at": instant(result.completed_at),
        "response_time_ms": usable(result.response_time_ms),
        "request_type": metadata.cj_request_type,
        "iteration": usable(metadata.comparison_iteration),
        "repeat_index": usable(metadata.repeat_index),
        "replayed": _replayed(metadata),
        "served_model": metadata.served_model,
        "system_fingerprint": metadata.system_fingerprint,
        "flagged": _flagged(first, second, flagged=flagged) if flagged else None,
        "batched": metadata.batched or None,
        "tokens_cached": _cached(metadata.cached_tokens, of=result.token_usage.prompt_tokens),
    }
    error = result.error_detail
    if error is not None:
        return {
            **call,
            "failure_code": error.error_code,
            "failure_reason": names.with_our_ids(f"{error.error_code}: {error.message or 'no message'}")[
                :_LONGEST_REASON
            ],
            "prompt_hash": metadata.prompt_sha256,
        }
    if metadata.prompt_sha256 is None:
        raise AssertionError("the wire's model accepts no winner without the hash of its prompt")
    first_won = result.winner == "Essay A"
    return {
        **call,
        "winner_id": first if first_won else second,
        "loser_id": second if first_won else first,
        "winner_position": "A" if first_won else "B",
        "prompt_hash": metadata.prompt_sha256,
        "confidence": usable(result.confidence),
        "probability_a": metadata.probability_a,
        "probability_is_bound": metadata.probability_is_bound or None,
        "justification": None if result.justification is None else names.with_our_ids(result.justification),
    }


def instant(when: datetime | str) -> str:
    """RFC 3339 in UTC with microseconds; also before the year 1000, which `strftime` writes without zeros.

    A text has that form already.
    """
    if isinstance(when, str):
        return when
    return f"{when.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _callback(event: CallbackAccepted) -> tuple[Callback | PlainComparison, UUID | None]:
    """The message, and its envelope's correlation id, which a plain one has no need of."""
    try:
        if event.kind == "comparison":
            plain = plain_comparison(event.raw)
            if plain is not None:
                return plain, None
            comparison, _ = receive_comparison(event.raw.encode())
            return comparison.data, comparison.correlation_id
        envelope = parse_callback(Topic(event.position.topic), event.raw.encode())
    except ValueError:
        raise ImpossibleLedgerError(f"the accepted message {event.key} is not one") from None
    return envelope.data, envelope.correlation_id


def _trace(result: LLMComparisonResult | PlainComparison, *, otherwise: UUID | None) -> str:
    """The pair's correlation id; where that is no UUID, the envelope's or the run's, which always are."""
    given = result.correlation_id or ""
    if isinstance(result, PlainComparison) or _PLAIN_UUID.fullmatch(given):
        return given
    try:
        return str(UUID(given))
    except ValueError:
        return str(otherwise)


def _replayed(metadata: ComparisonMetadata | PlainMetadata) -> Replayed | ReplayedUnknown | None:
    if not metadata.cassette:
        return None
    was = metadata.replay_of
    if was is None:
        return ReplayedUnknown()
    return Replayed(
        request_id=was.request_id,
        recorded_at=instant(was.recorded_at),
        cost_usd=was.cost_usd,
        tokens_prompt=was.prompt_tokens,
        tokens_completion=was.completion_tokens,
    )


def _cached(tokens: int | None, *, of: int) -> int | None:
    """Tokens from the provider's cache; None where there are none, or more than were read."""
    return tokens if tokens and tokens <= of else None


def _flagged(first: str, second: str, *, flagged: frozenset[str]) -> Literal["A", "B", "both"] | None:
    """Which of the two essays has flags."""
    if first in flagged:
        return "both" if second in flagged else "A"
    return "B" if second in flagged else None
