"""Where a run stands, from its state and what a clock and a lock say.

status_of(state, inputs, rate=2.0, is_running=True, now=now).seconds_left
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime

from eng5_runner.core.inputs import Inputs
from eng5_runner.core.next_step import missing_uploads, next_step
from eng5_runner.core.state import RunState
from eng5_runner.core.study_size import comparisons_wanted


@dataclass(frozen=True, slots=True, kw_only=True)
class RunStatus:
    """Where a run stands.

    Attributes:
        run: its id.
        sessions: the number of times that somebody worked on it.
        texts_stored: the number of texts that the Content Service holds.
        comparisons_asked: the number of comparisons that the run asks for; where that is not on record yet, or was not
            by an older version, the number that it is made for.
        comparisons_missing: how many of them have not come back; None before the request is sent, and in old runs.
        requests: the number of requests that were made.
        cost_usd: spent so far.
        unpriced: the number of calls whose price is not known: `cost_usd` lacks them.
        max_cost_usd: the cost limit; None without one.
        duplicates: the number of callbacks that came more than once.
        rejected: the number of callbacks that could not be used.
        flawed: the number of comparisons that count although a value in their message makes no sense.
        doubtful: what speaks against comparisons that the requests cannot have caused → how many of them.
        completed: the status in which the CJ service completed the last request; None before.
        result: whether the CJ service's result of the last request came.
        uploads_left: the number of texts to store.
        next: the step that is due; None if the session has ended.
        is_running: whether a process works on it now.
        comparisons_per_second: in the last session; None while all have come at one time.
        seconds_left: until all comparisons are there, at this rate; None where no process works on it, or no rate is
            known.
        silent_seconds: since the last event.
        is_written: whether the outputs on the disk are those of the whole ledger.
    """

    run: str
    label: str
    mode: str
    stage: str
    outcome: str
    reasons: tuple[str, ...]
    sessions: int
    texts_stored: int
    comparisons_asked: int
    comparisons_judged: int
    comparisons_failed: int
    comparisons_missing: int | None
    requests: int
    cost_usd: float
    max_cost_usd: float | None
    duplicates: int
    rejected: int
    completed: str | None
    result: bool
    uploads_left: int
    next: str | None
    is_running: bool
    comparisons_per_second: float | None
    seconds_left: float | None
    silent_seconds: float
    unpriced: int = 0
    flawed: int = 0
    doubtful: Mapping[str, int] = field(default_factory=dict)
    is_written: bool = True


def status_of(
    state: RunState, inputs: Inputs, *, rate: float | None, is_running: bool, now: datetime, is_written: bool = True
) -> RunStatus:
    """Where a run stands.

    Args:
        state: after all events of its ledger.
        inputs: what it is about.
        rate: comparisons a second in its last session; None where that is not known.
        is_running: whether a process works on it.
        now: this moment.
        is_written: whether its outputs are those of the whole ledger.
    """
    spec, closed = state.spec, state.closed
    wanted, _ = comparisons_wanted(spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    asked = wanted if state.asked is None else state.asked
    left = max(asked - state.judged - state.failed, 0)
    return RunStatus(
        run=str(spec.run_id),
        label=spec.label,
        mode=spec.mode.value,
        stage=state.stage,
        outcome=closed.outcome if closed else "open",
        reasons=closed.reasons if closed else (),
        sessions=state.sessions,
        texts_stored=len(state.storage_ids),
        comparisons_asked=asked,
        comparisons_judged=state.judged,
        comparisons_failed=state.failed,
        comparisons_missing=state.missing,
        requests=len(state.requests),
        cost_usd=round(state.cost_usd, 6),
        unpriced=state.unpriced,
        max_cost_usd=spec.budget.max_cost_usd,
        duplicates=state.repeated,
        rejected=state.rejected,
        flawed=state.flawed,
        doubtful=dict(sorted(state.objections.items())),
        completed=state.request.completed if state.request else None,
        result=state.request is not None and state.request.has_result,
        uploads_left=len(missing_uploads(state, inputs)),
        next=next_step(state, inputs),
        is_running=is_running,
        comparisons_per_second=rate and round(rate, 3),
        seconds_left=round(left / rate, 1) if is_running and rate else None,
        silent_seconds=round(max((now - (state.last_at or now)).total_seconds(), 0.0), 1),
        is_written=is_written,
    )
