"""The events of a session in words, for those that come once or seldom.

for line, style in in_words(event):
    console.print(escape(line), style=style)
"""

from __future__ import annotations

from collections.abc import Iterator

from eng5_runner.core.events import (
    BudgetRaised,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    CheckGradesAdded,
    DeadlineReached,
    Event,
    HumanJudgementsAdded,
    OffsetsLost,
    PreflightPassed,
    RequestPublished,
    RunClosed,
    RunResumed,
    RunStarted,
)
from eng5_runner.phrases import counted


def in_words(event: Event) -> Iterator[tuple[str, str]]:
    """The lines that tell of an event, each with its colour; none for what comes by the hundred."""
    match event:
        case CallbackRejected():
            yield f"a message of this run cannot be used: {event.reason}", "yellow"
        case CallbackRepeated(conflict=True):
            yield f"a message contradicts an earlier one: {event.key}", "yellow"
        case OffsetsLost():
            yield f"{counted(event.count, 'record was', plural='records were')} lost before they were read", "red"
        case CallbackAccepted():
            if event.kind != "comparison":
                yield _ending(event), ""
        case _:
            yield from ((line, "") for line in _plain(event))


def _ending(event: CallbackAccepted) -> str:
    """A message about the whole batch."""
    if event.kind == "failed":
        return f"the CJ service failed: {event.note}"
    if event.kind == "result":
        return "the result is in"
    if event.limit_usd is not None:
        return f"the CJ service has stopped at the cost limit of {event.limit_usd} USD"
    return "the CJ service has completed"


def _plain(event: Event) -> Iterator[str]:
    match event:
        case RunStarted():
            yield f"run {event.spec.run_id} ({event.spec.label}), mode {event.spec.mode.value}"
        case RunResumed():
            yield "continuing where the last session ended"
        case BudgetRaised():
            yield f"the cost limit is now {event.max_cost_usd} USD"
        case HumanJudgementsAdded():
            yield f"{counted(sum(row.count for row in event.judgements), 'human judgement')} from {event.file_name}"
        case CheckGradesAdded():
            yield (
                f"teachers' grades of {counted(len(event.grades), 'student')} from {event.file_name}, for checking only"
            )
        case PreflightPassed():
            yield from event.checks
            yield from (f"warning: {warning}" for warning in event.warnings)
        case RequestPublished():
            where = f"{event.position.topic} [{event.position.partition}] @ {event.position.offset}"
            yield f"the request {'was already' if event.found else 'is'} in {where}; waiting for comparisons"
        case DeadlineReached():
            yield f"the {event.kind} deadline is reached after {event.waited:.0f} s"
        case RunClosed():
            reasons = f": {'; '.join(event.reasons)}" if event.reasons else ""
            yield f"closed, {event.outcome}{reasons}"
        case _:
            return
