"""What came back for a run, read from the ledger once: every judgement with its raw message's figures."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from math import inf
from uuid import UUID

from eng5_runner.contracts.callbacks import AssessmentResult, Callback, LLMComparisonResult
from eng5_runner.contracts.topics import Topic, parse_callback
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import CallbackAccepted, Event
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import essay_names
from eng5_runner.core.state import ImpossibleLedgerError, RunState


@dataclass(frozen=True, slots=True)
class Judgement:
    """One comparison under our essay ids; `first` was shown first."""

    first: str
    second: str
    result: LLMComparisonResult

    @property
    def first_won(self) -> bool:
        """Whether the essay shown first won."""
        return self.result.winner == "Essay A"

    @property
    def winner(self) -> str:
        """The essay that won."""
        return self.first if self.first_won else self.second

    @property
    def loser(self) -> str:
        """The essay that lost."""
        return self.second if self.first_won else self.first


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """All that came back, in an order that does not depend on the order of arrival.

    Attributes:
        judged: comparisons with a winner.
        failed: comparisons with an error instead.
        result: the service's own figures, if they came.
        names: wire name → our essay id.
    """

    judged: tuple[Judgement, ...]
    failed: tuple[Judgement, ...]
    result: AssessmentResult | None
    names: EssayNames


def gather_evidence(inputs: Inputs, events: Iterable[Event], *, state: RunState) -> Evidence:
    """Read the accepted callbacks.

    Raises:
        ImpossibleLedgerError: an accepted message is not what its event says.
    """
    names = essay_names(state, inputs)
    comparisons: list[Judgement] = []
    result: AssessmentResult | None = None
    reach = 0.0  # the last result is the one without a cost limit, or with the highest
    for event in events:
        if isinstance(event, CallbackAccepted) and event.kind in ("comparison", "result"):
            callback = _callback(event, run=state.spec.correlation_id)
            if isinstance(callback, LLMComparisonResult):
                comparisons.append(_judged(callback, names))
            elif isinstance(callback, AssessmentResult) and (event.limit_usd or inf) >= reach:
                result, reach = callback, event.limit_usd or inf
    comparisons.sort(key=lambda one: (one.result.requested_at, one.result.request_id))
    return Evidence(
        judged=tuple(one for one in comparisons if one.result.winner is not None),
        failed=tuple(one for one in comparisons if one.result.winner is None),
        result=result,
        names=names,
    )


def _callback(event: CallbackAccepted, *, run: UUID) -> Callback:
    try:
        envelope = parse_callback(Topic(event.position.topic), event.raw.encode())
    except ValueError:
        raise ImpossibleLedgerError(f"the accepted message {event.key} is not one") from None
    if not isinstance(envelope.data, LLMComparisonResult):
        return envelope.data
    trace = _trace(envelope.data, otherwise=envelope.correlation_id or run)
    return envelope.data.model_copy(update={"correlation_id": trace})


def _trace(result: LLMComparisonResult, *, otherwise: UUID) -> str:
    """The pair's correlation id; where that is no UUID, the envelope's or the run's, which always are."""
    try:
        return str(UUID(result.correlation_id or ""))
    except ValueError:
        return str(otherwise)


def _judged(result: LLMComparisonResult, names: EssayNames) -> Judgement:
    first = names.our_id(result.request_metadata.essay_a_id)
    second = names.our_id(result.request_metadata.essay_b_id)
    if first is None or second is None:
        raise ImpossibleLedgerError(f"the accepted comparison {result.request_id} names a stranger")
    return Judgement(first, second, result)
