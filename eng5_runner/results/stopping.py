"""How pairs were chosen and why the study ended: the artefact's `stopping`."""

from __future__ import annotations

from typing import TypeAlias

from eng5_runner.canonical import Json
from eng5_runner.contracts.stopping import CostStop, Look
from eng5_runner.core.spec import RunSpec
from eng5_runner.results.judgements import Evidence

DECIMALS = 6
_Object: TypeAlias = "dict[str, Json]"


def stopping(spec: RunSpec, evidence: Evidence) -> _Object:
    """What was asked for, every look that the service took at whether the study may end, and what ended it."""
    budget = spec.budget
    about = evidence.result.assessment_metadata if evidence.result else None
    looks = tuple(about.stopping_looks or ()) if about else ()
    stop = about.cost_stop if about else None
    return {
        "design": budget.design,
        "swap": budget.swap,
        "repeats": budget.repeats,
        "named_pairs": len(budget.pairs),
        "target_reliability": budget.target_reliability,
        "target_standard_error": budget.target_se,
        "max_cost_usd": budget.max_cost_usd,
        "looks": [_look(one) for one in looks],
        "ended_by": _ended_by(evidence, looks=looks, stop=stop),
        "cost_stop": None if stop is None else stop.model_dump(mode="json"),
    }


def _ended_by(evidence: Evidence, *, looks: tuple[Look, ...], stop: CostStop | None) -> str | None:
    """In words; None while the service has not said."""
    if evidence.result is None:
        return None
    if stop is not None:
        return "the cost limit"
    if looks and looks[-1].verdict == "precise enough":
        return f"look {len(looks)}: precise enough"
    return "all comparisons asked for"


def _look(one: Look) -> _Object:
    interval: list[Json] | None = None
    if one.reliability_low is not None and one.reliability_high is not None:
        interval = [round(one.reliability_low, DECIMALS), round(one.reliability_high, DECIMALS)]
    return {
        "round": one.round,
        "comparisons": one.comparisons,
        "judgements": round(one.judgements, DECIMALS),
        "fewest_judgements": round(one.fewest, DECIMALS),
        "components": one.components,
        "reliability": round(one.reliability, DECIMALS),
        "reliability_interval_90": interval,
        "standard_error_90": round(one.standard_error_90, DECIMALS),
        "verdict": one.verdict,
    }
