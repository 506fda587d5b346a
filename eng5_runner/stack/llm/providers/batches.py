"""The protocol between the service and a provider's batch API: many questions in one batch, answers within hours.

A batch has an id of our own, and each question in it has its queue id. So a batch that was made while the service ended
is found again, and answers can come in any order, twice, or not at all.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator, Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Protocol, TypeAlias

from eng5_runner.canonical import Json
from eng5_runner.stack.llm.judge import Question, Verdict
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Call, ProviderError, Reply, Retry, by_status
from eng5_runner.stack.llm.providers.replies import field

_ID = re.compile(r"[A-Za-z0-9_-]{1,200}")
_PAGES_AT_MOST = 50
# A provider's clock, which dates its batches, may differ from ours.
CLOCKS_DIFFER_SECONDS = 3600.0


class BatchStatus(Enum):
    """How far a provider is with a batch. A refused batch was not worked on, and costs nothing."""

    RUNNING = "running"
    ENDED = "ended"
    REFUSED = "refused"


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchState:
    """What a provider says of a batch.

    Attributes:
        answered: how many questions it answered; None if it does not say.
        reason: the provider's short name for why it refused the batch; empty without one.
        places: where its results are, in the API's own terms.
    """

    status: BatchStatus
    answered: int | None = None
    reason: str = ""
    places: tuple[str, ...] = ()

    @property
    def is_over_quota(self) -> bool:
        """Whether it was refused because too many tokens wait in batches; a smaller or later one can be taken."""
        return self.status is BatchStatus.REFUSED and self.reason in ("token_limit_exceeded", "rate_limit_exceeded")


@dataclass(frozen=True, slots=True, kw_only=True)
class OwnBatch:
    """A batch of ours, as it is looked for at the provider.

    Attributes:
        own_id: our id.
        queue_ids: of its questions.
        since: when its making was begun, in seconds since 1970.
    """

    own_id: str
    queue_ids: frozenset[str]
    since: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Unanswered:
    """A question of a batch that got no answer, which costs nothing.

    Attributes:
        error_code: the contract's.
        message: for people, without text of the provider.
        is_final: whether the same question would fail again.
    """

    error_code: str
    message: str
    is_final: bool = False


class Search(Enum):
    """A batch that is not found, or that cannot be told from others before they have ended."""

    MISSING = "missing"
    UNDECIDED = "undecided"


Answer: TypeAlias = Reply | Unanswered
EXPIRED = Unanswered(
    error_code="LLM_PROVIDER_TIMEOUT", message="the provider did not come to it before its batch expired"
)
CANCELLED = Unanswered(error_code="LLM_PROVIDER_UNAVAILABLE", message="its batch was cancelled before its turn")
LEFT_OUT = Unanswered(error_code="LLM_PROVIDER_API_ERROR", message="the results of its batch do not name it")


class BatchApi(Protocol):
    """A client of a provider's batch API. All its requests raise `AttemptFailed` where there is no answer.

    Attributes:
        most_requests: questions that one batch takes.
        most_bytes: bytes that one batch takes.
    """

    most_requests: int
    most_bytes: int

    def line(self, queue_id: str, call: Call) -> bytes:
        """A question as a batch has it, in one line of JSON."""
        ...

    async def prepare(self, own_id: str, lines: Sequence[bytes]) -> bytes:
        """Do all that costs nothing before a batch is made; returns what `create` needs."""
        ...

    async def create(self, own_id: str, prepared: bytes) -> str:
        """Make the batch; returns the provider's id for it."""
        ...

    async def find(self, batch: OwnBatch) -> str | Search:
        """Look for a batch that may have been made; returns the provider's id for it."""
        ...

    async def look(self, provider_id: str) -> BatchState:
        """How far a batch is."""
        ...

    def results(self, provider_id: str, state: BatchState) -> AsyncIterator[tuple[str, Answer]]:
        """The results of a batch that has ended, each with its queue id, in any order."""
        ...

    async def cancel(self, provider_id: str) -> None:
        """Ask the provider to work on no more questions of a batch; what it has answered is paid."""
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


@dataclass(frozen=True, slots=True, kw_only=True)
class BatchLimits:
    """What a service keeps to with a batch API; see `manifest.Limits`."""

    requests: int
    size: int
    collect_seconds: float
    poll_seconds: float
    settle_seconds: float


class BatchJudge(Protocol):
    """A model that is asked in batches.

    Attributes:
        api: of its provider.
        limits: of its batches.
    """

    api: BatchApi
    limits: BatchLimits

    def line(self, question: Question) -> bytes:
        """A question as a batch has it."""
        ...

    async def recalled(self, question: Question) -> Verdict | None:
        """The verdict on the same question from the cache; None if it has to be asked.

        Raises:
            JudgeFailed: the model cannot be asked it.
        """
        ...

    async def verdict(self, question: Question, answer: Answer) -> Verdict:
        """The verdict in an answer, which is kept in the cache, at the price of a batch.

        Raises:
            JudgeFailed: there is none.
        """
        ...


def id_in(body: Json, *, name: str = "id") -> str:
    """A provider's id, which becomes part of an address.

    Raises:
        AttemptFailed: it is missing, or is none; what was asked for may have been made.
    """
    value = field(body, name)
    if not isinstance(value, str) or not _ID.fullmatch(value):
        raise AttemptFailed("LLM_PROVIDER_API_ERROR", "the answer has no usable id", retry=Retry.CLIENT)
    return value


def count_in(counts: Json, *names: str) -> int | None:
    """The sum of some counts of a batch; None if one is missing."""
    values = [field(counts, name) for name in names]
    whole = [value for value in values if isinstance(value, int) and not isinstance(value, bool)]
    return sum(whole) if len(whole) == len(names) else None


def refused(status: int, body: Json) -> Unanswered:
    """A question that the provider refused with an HTTP status."""
    failed = by_status(status, {}, error=ProviderError.of(body))
    return Unanswered(error_code=failed.error_code, message=failed.message, is_final=failed.retry is Retry.NEVER)


def pages() -> range:
    """The pages of a list of batches that are read at most."""
    return range(_PAGES_AT_MOST)
