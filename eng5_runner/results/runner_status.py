"""How complete a run is, and how it went: the artefact's `runner_status`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator

from eng5_runner.canonical import Json
from eng5_runner.contracts.stopping import COST_LIMIT
from eng5_runner.core.events import (
    CallbackRejected,
    DeadlineReached,
    Event,
    PreflightPassed,
)
from eng5_runner.core.state import RunState

_NOTHING_MISSING = ("complete", "not-sent")


def runner_status(state: RunState, events: Iterable[Event]) -> dict[str, Json]:
    """Partial or not and why, counts, and how far each topic was read."""
    closed = state.closed
    outcome = closed.outcome if closed else "open"
    counts: Counter[str] = Counter()
    rejected: list[Json] = []
    deadlines: list[Json] = []
    for event in events:
        counts[event.type] += 1
        if isinstance(event, CallbackRejected):
            rejected.append({**event.position.model_dump(), "reason": event.reason})
        elif isinstance(event, DeadlineReached):
            deadlines.append({"kind": event.kind, "waited_seconds": round(event.waited, 1)})
    return {
        "outcome": outcome,
        "partial_data": outcome not in _NOTHING_MISSING,
        "reasons": list(closed.reasons) if closed else ["the run is not closed"],
        "sessions": state.sessions,
        "event_counts": dict(sorted(counts.items())),
        "comparisons": {"judged": state.judged, "failed": state.unjudged},
        "completion_status": COST_LIMIT if state.at_limit and state.completed is None else state.completed,
        "failure": state.failure,
        "has_service_result": state.has_result,
        "duplicates": state.repeated,
        "conflicts": state.conflicts,
        "offsets_lost": state.lost,
        "rejected": rejected,
        "deadlines": deadlines,
        "preflight": _preflight(state.preflight),
        "request": _request(state),
        "offsets": list(_offsets(state)),
    }


def _preflight(passed: PreflightPassed | None) -> dict[str, Json] | None:
    return None if passed is None else {"checks": list(passed.checks), "warnings": list(passed.warnings)}


def _request(state: RunState) -> dict[str, Json] | None:
    if state.prepared is None:
        return None
    told: dict[str, Json] = {"event_id": str(state.prepared.event_id), "bytes": len(state.prepared.payload.encode())}
    if state.published is not None:
        told |= {**state.published.position.model_dump(), "found_after_a_crash": state.published.found}
    return told


def _offsets(state: RunState) -> Iterator[Json]:
    """From where to where each partition was read, on the last cluster that was listened to."""
    if state.listening is None:
        return
    read = {(p.topic, p.partition): p.offset for p in state.read_to()}
    for origin in state.listening.callback_ends:
        yield {
            "topic": origin.topic,
            "partition": origin.partition,
            "from": origin.offset,
            "to": read.get((origin.topic, origin.partition), origin.offset),
        }
