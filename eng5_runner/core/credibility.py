"""What speaks against a message that can be read: could the request have caused it?

Anybody can write to a Kafka without authentication. A message that the request cannot have caused is recorded with an
`Objection`, and the run is partial.

    objection   to                                                                 the judgement
    unasked     a pair that the design does not have                               is left out
    surplus     a comparison that came before, or more than the request asks for   is left out
    time        a call made before the request, or after its own answer            is left out
    judge       another provider or model than the request names                   counts
    late        a call made after the service had completed the batch              counts

The design has no place for what is left out; the ledger keeps it. What counts can be real: a service with another model
has done the work, and after a late comparison it is the completion that is doubtful.

The field's services may ask a pair again, answer after the completion, have a wrong clock, run in mock mode, and name
the dated version of a model. So times are only compared within a message, and a comparison can come twice only where
the service numbers them.
"""

from __future__ import annotations

import re
from collections import defaultdict
from datetime import datetime, timedelta
from functools import cache
from uuid import UUID

from eng5_runner.contracts.choices import Provider
from eng5_runner.core.arrival import Arrival
from eng5_runner.core.events import LEFT_OUT, Objection
from eng5_runner.core.sent_request import SentRequest
from eng5_runner.core.state import RunState

# A queue can be slow to stamp its messages; and a clock can be set back by a day while a model answers.
_EARLY, _AHEAD = timedelta(hours=1), timedelta(hours=25)
# By so much the clocks of two services may differ before preflight warns.
_SKEW = timedelta(seconds=5)
# What providers append to the name of a model: a version's date or number, a tag.
_VERSION = re.compile(r"(?:[-@](?:latest|preview|exp|0|\d{3,}|\d{2,4}-\d{2}(?:-\d{2,4})?))+$")


class Credibility:
    """What a run knows about its requests, for the messages that are read together.

    Attributes:
        knows_pairs: whether the run itself chose the pairs.
    """

    def __init__(self, state: RunState, *, at: datetime) -> None:
        """Take what the state has; `at` is the present instant (UTC)."""
        self._spec = state.spec
        self._judges = state.spec.judges
        self._at = at
        self._requests = {request.batch_id: request for request in state.requests}
        # How long a call can have taken at most: as long as its request has been out, by a clock that may be set.
        self._longest = {
            request.batch_id: max(at - request.begun_at, timedelta(0)) + _EARLY for request in state.requests
        }
        self._pairs: frozenset[frozenset[str | None]] = frozenset(map(frozenset, state.spec.budget.pairs))
        self.knows_pairs = bool(self._pairs)
        # The state does not know the messages that are read together with this one.
        self._won: defaultdict[UUID | None, set[str]] = defaultdict(set)
        self._judged: defaultdict[UUID | None, int] = defaultdict(int)
        # Nearly all of them name the same model. Kept no longer than they are: a message can name what it likes.
        self._without_version = cache(without_version)

    def objection(
        self,
        arrival: Arrival,
        *,
        pair: tuple[str | None, str | None] | None,
        about: str | None,
        batch: UUID | None,
    ) -> Objection | None:
        """What speaks against a comparison that has not come before; None if nothing does.

        Args:
            arrival: the message.
            pair: our ids of its essays; not needed where the run does not know its pairs.
            about: which comparison of the batch it is, as `CallbackAccepted.about` says.
            batch: that it belongs to, as the events name it: None for that of the first request.
        """
        request, about = self._requests[batch], about or ""
        found = self._first(arrival, request, pair=pair, about=about)
        if found not in LEFT_OUT and arrival.winner is not None:
            self._judged[batch] += 1
            self._won[batch].add(about)
        return found or ("late" if self._is_late(arrival, request) else None)

    def _first(
        self, arrival: Arrival, request: SentRequest, *, pair: tuple[str | None, str | None] | None, about: str
    ) -> Objection | None:
        repeat = arrival.repeat
        if self.knows_pairs and frozenset(pair or ()) not in self._pairs:
            return "unasked"
        if arrival.winner is None:
            return None  # attempts may fail as often as the service tries, and many name no model
        if self._is_out_of_time(arrival, request):
            return "time"
        if self.knows_pairs and (repeat or 0) >= self._spec.budget.repeats:
            return "surplus"
        if self._is_surplus(request, about=about, is_numbered=repeat is not None):
            return "surplus"
        return None if self._is_by_the_judge(arrival, request) else "judge"

    def _is_out_of_time(self, arrival: Arrival, request: SentRequest) -> bool:
        """Whether the call was made before the request, or ended after its message was made.

        By the clock that stamped the message. It may differ from ours; how long the request has been out does not.
        """
        stamped_at = arrival.stamped_at or arrival.completed_at
        taken = stamped_at - arrival.requested_at
        if stamped_at - self._at > _EARLY:  # perhaps by a clock that was ahead only then, and is set back now
            taken = min(taken, abs(self._at - arrival.requested_at))
        return taken > self._longest[request.batch_id] or (
            max(arrival.requested_at, arrival.completed_at) - stamped_at > _AHEAD
        )

    def _is_surplus(self, request: SentRequest, *, about: str, is_numbered: bool) -> bool:
        if request.is_repeated:
            return False
        most = request.prepared.comparisons
        if most is not None and request.judged + self._judged[request.batch_id] >= most:
            return True
        return is_numbered and (request.has_winner(about) or about in self._won[request.batch_id])

    def _is_late(self, arrival: Arrival, request: SentRequest) -> bool:
        """Whether the call was made after the completion. One in our future came by a clock that was ahead then."""
        if request.completed_at is None or arrival.requested_at - self._at > _EARLY:
            return False
        return arrival.requested_at - request.completed_at > _SKEW

    def _is_by_the_judge(self, arrival: Arrival, request: SentRequest) -> bool:
        """Whether the request names this one, or none. Services in mock mode answer for every provider and say so."""
        named = self._judges[request.prepared.judge]
        if named is None or arrival.provider == Provider.MOCK.value:
            return True
        provider, model = named.provider_override, named.model_override
        return (provider is None or provider.value == arrival.provider.lower()) and (
            model is None or self._without_version(model) == self._without_version(arrival.model)
        )


def without_version(model: str) -> str:
    """The name of a model as providers differ in writing it: without vendor, tag and version.

    >>> without_version("openai/gpt-4o-2024-08-06") == without_version("gpt-4o")
    True
    >>> len({without_version(model) for model in ("gpt-5", "gpt-5.1", "gpt-5-mini")})
    3
    """
    return _VERSION.sub("", model.lower().rpartition("/")[2].partition(":")[0])
