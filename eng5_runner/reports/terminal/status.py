"""Where a run stands, and what a person does next about it, in words.

for line in status_sentences(status):
    console.print(line, markup=False)
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from types import MappingProxyType

from eng5_runner.core.next_step import is_at_cost_limit
from eng5_runner.core.run_status import RunStatus
from eng5_runner.core.state import RunState
from eng5_runner.core.top_up import goes_on, would_follow
from eng5_runner.errors import command
from eng5_runner.phrases import counted
from eng5_runner.reports.figures import in_time, spent

# A run that is silent for longer says so (seconds).
_SILENT_SECONDS = 10.0
_STAGES: Mapping[str, str] = MappingProxyType({
    "started": "checking the services", "cleared": "storing texts", "listening": "about to send the request",
    "prepared": "sending the request", "gathering": "waiting for comparisons",
    "raised": "sending the request with its new cost limit",
})  # fmt: skip


def status_sentences(status: RunStatus) -> Iterator[str]:
    """Where a run stands, in words."""
    yield f"{status.label}: {status.mode}, run {status.run}"
    judged = f"{status.comparisons_judged} of {counted(status.comparisons_asked, 'comparison')} judged"
    failed = f", {status.comparisons_failed} failed" if status.comparisons_failed else ""
    is_open = status.outcome == "open"
    missing = "" if is_open or not status.comparisons_missing else f", {status.comparisons_missing} missing"
    yield f"{_at_work(status)}: {judged}{failed}{missing}{_pace(status)}"
    if status.requests > 1:
        yield f"{status.requests} requests were made"
    yield from (f"  {reason}" for reason in status.reasons)
    if status.uploads_left:
        yield f"{counted(status.texts_stored, 'text')} stored, {status.uploads_left} to store"
    limit = "" if status.max_cost_usd is None else f" of at most {status.max_cost_usd:g}"
    yield f"spent: {spent(status.cost_usd, unpriced=status.unpriced)}{limit}"
    odd = [
        (status.duplicates, "came more than once"),
        (status.rejected, "could not be used"),
        (status.flawed, "count although a value in them makes no sense"),
        (sum(status.doubtful.values()), "cannot come from the requests"),
    ]
    if any(count for count, _ in odd):
        yield f"messages: {', '.join(f'{count} {what}' for count, what in odd if count)}"


def _at_work(status: RunStatus) -> str:
    if status.outcome != "open":
        return status.outcome
    return f"running, {_STAGES[status.stage]}" if status.is_running else "stopped without an end, nothing works on it"


def _pace(status: RunStatus) -> str:
    """The rate, and while it runs the time left, or how long nothing has come."""
    if status.comparisons_per_second is None:
        return ""
    if not status.is_running:
        return f", {_rate(status.comparisons_per_second)}"
    silent = f"; nothing for {status.silent_seconds:.0f} s" if status.silent_seconds > _SILENT_SECONDS else ""
    return f", {_rate(status.comparisons_per_second)}, about {in_time(status.seconds_left or 0.0)} left{silent}"


def _rate(per_second: float) -> str:
    return f"{per_second:.0f} a second" if per_second >= 1 else f"{per_second * 60:.1f} a minute"


def next_steps(state: RunState, run_directory: Path, *, is_written: bool = True) -> Iterator[str]:
    """What a person does next about a run that is not complete, or whose outputs are not written."""
    outcome = state.closed.outcome if state.closed else "open"
    resume, request = command("resume", run_directory), state.request
    if outcome in ("complete", "not-sent"):
        if not is_written:
            yield f"{command('hydrate', run_directory)} (writes the outputs, before which the last session ended)"
        return
    if goes_on(state) or (outcome == "failed" and would_follow(state)):
        yield f"fix the problem that the CJ service reported, then {resume}"
    elif outcome == "failed":
        yield (
            "fix the problem that the CJ service reported, then start a new run; "
            f"the results so far are kept in {run_directory}"
        )
    elif outcome == "budget":
        yield f"{resume} --max-cost USD"
    elif request is None or not (request.is_lost or request.is_over or request.failure):
        yield resume
    elif would_follow(state):
        left = counted(state.missing or 0, "comparison that is", plural="comparisons that are")
        yield f"{resume} (asks for the {left} missing)"
    elif request.is_over and not request.has_result:
        yield f"{resume} (waits for the service's result once more; the runner's own results are complete)"
    else:
        written = f"{command('hydrate', run_directory)} writes the outputs of what came"
        if state.closed is not None:
            written = "the outputs hold what came"
        yield f"nothing more will come for this run; {written}. For the rest, start a new run"


def why_nothing_is_left(state: RunState, run_directory: Path) -> Iterator[str]:
    """Why `resume` has nothing to do."""
    if is_at_cost_limit(state):
        yield f"the budget of {run_directory} is spent: {state.cost_usd:.4f} of {state.spec.budget.max_cost_usd} USD;"
        yield "the next comparison may cost more than is left"
    else:
        yield f"{run_directory} is {state.closed and state.closed.outcome}; there is nothing to resume"
