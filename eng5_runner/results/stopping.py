"""How pairs were chosen and why the study ended: the artefact's `stopping`."""

from __future__ import annotations

from collections.abc import Sequence

from eng5_runner.contracts.callbacks import AssessmentMetadata
from eng5_runner.contracts.stopping import PRECISE_ENOUGH, Look
from eng5_runner.core.rounding import rounded
from eng5_runner.core.state import RunState
from eng5_runner.results.artefact.record import CostLimitReached, LookRecord, PairsDecided, Stopping
from eng5_runner.results.judgements import Evidence


def stopping(state: RunState, evidence: Evidence) -> Stopping:
    """What was asked for, every look that the service took at whether the study may end, and what ended it."""
    budget = state.spec.budget
    metadata = evidence.result.assessment_metadata if evidence.result else None
    stop, decided = (metadata.cost_stop, metadata.decided) if metadata else (None, None)
    return Stopping(
        design=budget.design,
        swap=budget.swap,
        repeats=budget.repeats,
        named_pairs=len(budget.pairs),
        target_reliability=budget.target_reliability,
        target_standard_error=budget.target_se,
        max_cost_usd=budget.max_cost_usd,
        looks=tuple(_look(look) for look in _looks(metadata)),
        ended_by=_ended_by(state, evidence, metadata=metadata),
        cost_stop=None if stop is None else CostLimitReached(**stop.model_dump()),
        decided=None if decided is None else PairsDecided(**decided.model_dump()),
    )


def _looks(metadata: AssessmentMetadata | None) -> Sequence[Look]:
    return (metadata and metadata.stopping_looks) or ()


def _ended_by(state: RunState, evidence: Evidence, *, metadata: AssessmentMetadata | None) -> str | None:
    """In words; None while the service has not said."""
    looks = _looks(metadata)
    request = state.request
    if request is None or (evidence.result is None and (len(state.requests) == 1 or not request.is_over)):
        return None
    if (metadata and metadata.cost_stop is not None) or (request.at_limit and request.completed is None):
        return "the cost limit"
    if looks and looks[-1].verdict == PRECISE_ENOUGH:
        return f"look {len(looks)}: precise enough"
    if metadata and metadata.decided is not None:
        return "all pairs asked to the end or decided"
    if request.target_reached:
        return "the last request's look: precise enough"
    return "the service, before all comparisons asked for were made" if state.missing else "all comparisons asked for"


def _look(look: Look) -> LookRecord:
    interval = None
    if look.reliability_low is not None and look.reliability_high is not None:
        interval = (rounded(look.reliability_low), rounded(look.reliability_high))
    return LookRecord(
        round=look.round,
        comparisons=look.comparisons,
        judgements=rounded(look.judgements),
        fewest_judgements=rounded(look.fewest),
        components=look.components,
        reliability=rounded(look.reliability),
        reliability_interval_90=interval,
        standard_error_90=rounded(look.standard_error_90),
        verdict=look.verdict,
    )
