"""One request of a run, and what came back for it."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import datetime
from uuid import UUID

from eng5_runner.contracts.stopping import PAIRS_DECIDED, PRECISE_ENOUGH
from eng5_runner.core.events import CallbackAccepted, RequestPrepared, RequestPublished


@dataclass(slots=True, kw_only=True)
class SentRequest:
    """A request from the moment when its bytes are fixed. `core.state` changes it.

    Attributes:
        batch_id: None for the first request, whose batch has the run's id.
        begun_at: when its bytes were first fixed.
        limit_usd: the cost limit in it.
        published: where it lies in the topic; None while that is not known.
        first_sent_at: when it was first sent.
        is_repeated: whether it was sent again to a broker that had lost it, so that a service may answer it again.
        completed: the status with which the service completed the batch, or None.
        completed_at: when it did, by its own clock; None if it does not say.
        failure_note: the reason in the failed event, or None.
        failed_before: the reason of a failure before it was sent again, or None.
        at_limit: whether the service stopped at the present cost limit; it continues only with a higher one.
        target_reached: whether the service said that the study is precise enough, or that its pairs are decided.
        counted: how many comparisons with a winner the service counts.
        judged: number of comparisons with a winner.
        won: the comparisons with a winner: the hash of each `CallbackAccepted.about`, since 8 bytes take a third of the
            memory of the text, and a run can have a million.
        failed: the comparisons that have failed attempts and no winner.
        heard: number of its messages that arrived, usable or not.
        silences: number of sessions in a row that waited for it in vain.
        ended_in: the number of the session in which it ended or failed; 0 before.
    """

    batch_id: UUID | None
    prepared: RequestPrepared
    begun_at: datetime
    limit_usd: float | None
    published: RequestPublished | None = None
    first_sent_at: datetime | None = None
    is_repeated: bool = False
    completed: str | None = None
    completed_at: datetime | None = None
    failure_note: str | None = None
    failed_before: str | None = None
    at_limit: bool = False
    has_result: bool = False
    target_reached: bool = False
    counted: int | None = None
    judged: int = 0
    won: set[int] = field(default_factory=set)
    failed: set[str] = field(default_factory=set)
    cost_usd: float = 0.0
    heard: int = 0
    silences: int = 0
    ended_in: int = 0

    @property
    def is_over(self) -> bool:
        """Whether the service has said that it is finished."""
        return self.completed is not None or self.at_limit

    @property
    def failure(self) -> str | None:
        """The reason with which the service failed the batch, or None.

        A completion outweighs a failed event, in whatever order they arrive: only the service that did the comparisons
        can complete the batch, and another service on the same Kafka can fail it by mistake.
        """
        return None if self.is_over else self.failure_note

    @property
    def is_lost(self) -> bool:
        """Whether the service has lost the batch: one session waited in vain, and another one after it."""
        return self.silences > 1 and not self.is_over and self.failure is None

    @property
    def answered(self) -> int:
        """Number of comparisons that came back, with a winner or without.

        An attempt that failed and was made again is none: it would stand for a comparison that is missing.
        """
        return self.judged + len(self.failed)

    def accept(self, event: CallbackAccepted, *, session: int) -> None:
        """Count a callback that arrived for the first time."""
        self.silences = 0
        if event.kind != "comparison":
            self.ended_in = session
        match event.kind:
            case "comparison":
                self.cost_usd += event.cost_usd
                if not event.is_left_out:
                    self.judged += event.judged
                    self._count(event.about or event.key, judged=event.judged)
            case "completed" if event.limit_usd is None:
                self.completed, self.completed_at = event.note, event.happened_at
            case "completed":
                self.at_limit = self.at_limit or self._is_current(event.limit_usd)
            case "failed":
                self.failure_note = event.note
            case "result":
                self.has_result = self.has_result or self._is_current(event.limit_usd)
                self.target_reached = self.target_reached or event.note in (PRECISE_ENOUGH, PAIRS_DECIDED)
                self.counted = event.counted

    def _count(self, about: str, *, judged: bool) -> None:
        """Note a comparison. Its attempts can arrive in any order, because they lie in several partitions."""
        if judged:
            self.won.add(hash(about))
            self.failed.discard(about)
        elif not self.has_winner(about):
            self.failed.add(about)

    def has_winner(self, about: str) -> bool:
        """Whether a comparison came with a winner, as `CallbackAccepted.about` names it."""
        return hash(about) in self.won

    def lose(self) -> None:
        """The broker has lost it: it is sent again, and the service there may do what failed before."""
        self.is_repeated |= self.published is not None
        self.published = None
        self.failed_before, self.failure_note = self.failure_note or self.failed_before, None

    def hear_again(self, key: str) -> None:
        """A callback came that had come before: of a request that was sent again, perhaps that it has failed for good.

        A person has resumed the run since it failed first, so a further request may follow.
        """
        if key == ("failed" if self.batch_id is None else f"failed:{self.batch_id}"):
            self.failure_note = self.failure_note or self.failed_before

    def raise_limit(self) -> None:
        """Take back the stop at the limit: the request is prepared again with a higher one."""
        self.at_limit = False
        self.has_result = self.has_result and self.completed is not None
        self.published = None

    def _is_current(self, limit_usd: float | None) -> bool:
        """Whether a stop at this limit, or at none, is final; one at a lower limit was before the limit was raised."""
        return limit_usd is None or limit_usd >= (self.limit_usd or 0.0)
