"""What came back for a run: each comparison as the artefact's row, and the service's result.

The ledger is read once: each event is folded, and what it brought is kept.

evidence = gather_evidence(inputs, events, state=RunState())
evidence.judged[0].winner_id      one of the run's essay ids
evidence.failed[0].failure_code   such as LLM_PROVIDER_TIMEOUT
"""

from __future__ import annotations

import re
from collections import defaultdict
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
from eng5_runner.results.artefact.part import ROWS_AT_ONCE
from eng5_runner.results.artefact.plain_rows import cached_of, flagged_of, plain_rows, stranger
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

    def note(self, results: Iterable[LLMComparisonResult | PlainComparison]) -> None:
        """Add what calls say of the texts that they were made with."""
        for result in results:
            metadata = result.request_metadata
            if metadata.answer_form:
                self.forms.add((result.provider, result.model, metadata.answer_form))
            self.note_texts(metadata)

    def note_texts(self, metadata: ComparisonMetadata | PlainMetadata) -> None:
        """Add the texts that one call says it was made with."""
        if metadata.system_prompt_sha256:
            self.systems.add(metadata.system_prompt_sha256)
        if metadata.prompt_templates:
            self.templates.update(metadata.prompt_templates.items())

    def note_prompts(self, prompt_hashes: Sequence[str]) -> None:
        """Add the prompts of judgements."""
        known = [prompt_hash for prompt_hash in prompt_hashes if prompt_hash != NO_HASH]
        self._waiting += bytes.fromhex("".join(known))
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
    gathering = _Gathering(
        inputs, state, judged=RowStore(Comparison, store()), failed=RowStore(FailedComparison, store()), store=store()
    )
    for event in events:
        state.advance(event)
        if isinstance(event, CallbackAccepted):
            gathering.take(event)
        elif isinstance(event, RequestPrepared):
            gathering.end_of_names()
    return gathering.evidence()


class _Gathering:
    """What came back so far. Comparisons in the plain form wait until some hundred can be read together."""

    def __init__(
        self,
        inputs: Inputs,
        state: RunState,
        *,
        judged: RowStore[Comparison],
        failed: RowStore[FailedComparison],
        store: ByteStore,
    ) -> None:
        self._inputs, self._state, self._judged, self._failed = inputs, state, judged, failed
        self._sources, self._spending, self._versions = PromptSources(store), Spending(), ServedVersions()
        self._flagged = frozenset(flag.essay_id for flag in inputs.flags)
        self._names: EssayNames | None = None
        self._plain: list[PlainComparison] = []
        self._plain_usd: list[float] = []
        self._plain_unpriced: list[bool] = []
        self._result: AssessmentResult | None = None
        self._highest_limit = 0.0  # the result that counts is that without a cost limit, or with the highest

    def take(self, event: CallbackAccepted) -> None:
        """Add an accepted message.

        Raises:
            ImpossibleLedgerError: it is not what its event says, or a message before it was not.
        """
        if event.kind == "comparison":
            plain = None if event.is_left_out else plain_comparison(event.raw)
            if plain is None:
                self._read_plain()
                self._take_comparison(event)
                return
            self._plain.append(plain)
            self._plain_usd.append(event.cost_usd)
            self._plain_unpriced.append(event.is_unpriced)
            if len(self._plain) == ROWS_AT_ONCE:
                self._read_plain()
        elif event.kind == "result":
            result, _ = _callback(event)
            if isinstance(result, AssessmentResult) and (event.limit_usd or inf) >= self._highest_limit:
                self._result, self._highest_limit = result, event.limit_usd or inf

    def end_of_names(self) -> None:
        """Take notice of a further request, which may have other names."""
        self._read_plain()
        self._names = None

    def evidence(self) -> Evidence:
        """All that came back."""
        self._read_plain()
        return Evidence(
            judged=self._judged.in_order(),
            failed=self._failed.in_order(),
            sources=self._sources,
            spending=self._spending,
            versions=self._versions,
            result=self._result if len(self._state.requests) == 1 else None,
            names=essay_names(self._state, self._inputs),
        )

    def _named(self) -> EssayNames:
        self._names = self._names or essay_names(self._state, self._inputs)
        return self._names

    def _take_comparison(self, event: CallbackAccepted) -> None:
        result, envelope_id = _callback(event)
        if not isinstance(result, LLMComparisonResult):
            return
        otherwise = envelope_id or self._state.spec.correlation_id
        row = comparison_fields(
            result, self._named(), cost_usd=event.cost_usd, otherwise=otherwise, flagged=self._flagged
        )
        judge = row["provider"], row["model"]
        tokens = row["tokens_prompt"], row["tokens_completion"], row["tokens_cached"] or 0
        unpriced = int(event.is_unpriced)
        self._spending.note(judge, tokens=tokens, usd=[row["cost_usd"]], unpriced=unpriced, replayed=row["replayed"])
        if event.is_left_out:
            return
        self._sources.note([result])
        columns = {name: [value] for name, value in row.items()}
        if "winner_id" in row:
            self._sources.note_prompts([row["prompt_hash"]])
            self._versions.note(judge, (row["served_model"], row["system_fingerprint"]), started=[row["started_at"]])
            self._judged.add(columns)
        else:
            self._failed.add(columns)

    def _read_plain(self) -> None:
        """Add the comparisons that wait.

        Raises:
            ImpossibleLedgerError: one is of an essay that the run does not have.
        """
        results, usd = self._plain, self._plain_usd
        if not results:
            return
        self._judged.add(plain_rows(results, self._named(), usd=usd, flagged=self._flagged))
        self._sources.note(results)
        self._sources.note_prompts([result.request_metadata.prompt_sha256 for result in results])
        by_version: defaultdict[tuple[str, str, str | None, str | None], list[int]] = defaultdict(list)
        for place, result in enumerate(results):
            metadata = result.request_metadata
            by_version[result.provider, result.model, metadata.served_model, metadata.system_fingerprint].append(place)
        for (provider, model, *version), places in by_version.items():
            same = [results[place] for place in places]
            tokens = (
                sum(result.token_usage.prompt_tokens for result in same),
                sum(result.token_usage.completion_tokens for result in same),
                sum(cached_of(result) or 0 for result in same),
            )
            judge, served = (provider, model), (version[0], version[1])
            unpriced = sum(self._plain_unpriced[place] for place in places)
            self._spending.note(judge, tokens=tokens, usd=[usd[place] for place in places], unpriced=unpriced)
            self._versions.note(judge, served, started=[result.requested_at for result in same])
        self._plain, self._plain_usd, self._plain_unpriced = [], [], []


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
    result: LLMComparisonResult,
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
        otherwise: the correlation id where the pair's own is no UUID.
        flagged: the ids of the essays with flags.

    Raises:
        ImpossibleLedgerError: it is of an essay that the run does not have.
    """
    metadata = result.request_metadata
    first, second = names.our_id(metadata.essay_a_id), names.our_id(metadata.essay_b_id)
    if first is None or second is None:
        raise stranger(result.request_id)
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
        "flagged": flagged_of(first, second, flagged=flagged),
        "batched": metadata.batched or None,
        "tokens_cached": cached_of(result),
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


def instant(when: datetime) -> str:
    """RFC 3339 in UTC with microseconds; also before the year 1000, which `strftime` writes without zeros."""
    return f"{when.replace(tzinfo=None).isoformat(timespec='microseconds')}Z"


def _callback(event: CallbackAccepted) -> tuple[Callback, UUID | None]:
    """The message, and its envelope's correlation id."""
    try:
        if event.kind == "comparison":
            comparison, _ = receive_comparison(event.raw.encode())
            return comparison.data, comparison.correlation_id
        envelope = parse_callback(Topic(event.position.topic), event.raw.encode())
    except ValueError:
        raise ImpossibleLedgerError(f"the accepted message {event.key} is not one") from None
    return envelope.data, envelope.correlation_id


def _trace(result: LLMComparisonResult, *, otherwise: UUID | None) -> str:
    """The pair's correlation id; where that is no UUID, the envelope's or the run's, which always are."""
    given = result.correlation_id or ""
    if _PLAIN_UUID.fullmatch(given):
        return given
    try:
        return str(UUID(given))
    except ValueError:
        return str(otherwise)


def _replayed(metadata: ComparisonMetadata) -> Replayed | ReplayedUnknown | None:
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
