"""What a request says beside its data: mode and label, the budget, and what is asked beyond the contract."""

from __future__ import annotations

import math
from collections.abc import Mapping

from pydantic import JsonValue

from eng5_runner.contracts.study_options import StudyOptions
from eng5_runner.core.events import PreflightPassed
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import Budget, RunSpec
from eng5_runner.core.study_size import comparisons_wanted


def request_metadata(
    spec: RunSpec, inputs: Inputs, *, names: Mapping[str, str], passed: PreflightPassed | None
) -> dict[str, JsonValue]:
    """The metadata; what is not asked for is left out.

    Args:
        spec: of the run, with the cost limit as it is now.
        inputs: of the run.
        names: essay id → name on the wire, of the essays in the request.
        passed: what the services said beforehand, if they were asked.
    """
    optional: dict[str, JsonValue] = {
        "max_comparisons": comparisons_asked(spec.budget, inputs, passed=passed),
        "llm_batching_mode_hint": spec.budget.batching_mode,
        "seed": spec.budget.seed,
    }
    return {
        "runner_mode": spec.mode.value,
        "batch_label": spec.label,
        **{key: value for key, value in optional.items() if value is not None},
        **study_options(spec, {**_named_by_row(passed), **names}).told(),
    }


def comparisons_asked(budget: Budget, inputs: Inputs, *, passed: PreflightPassed | None) -> int | None:
    """The total that goes on the wire; None leaves it to the service.

    Where the service keeps to no cost limit itself it is at most what the limit pays at the highest price.
    """
    wanted, _ = comparisons_wanted(budget, essays=len(inputs.students) + len(inputs.anchors))
    given = (budget.max_comparisons, budget.comparisons_per_essay, budget.target_se, budget.target_reliability)
    each = passed.comparison_at_most_usd if passed else None
    if each and budget.max_cost_usd is not None:
        return min(wanted, affordable(budget.max_cost_usd, each=each))
    return wanted if any(value is not None for value in given) else None


def affordable(limit_usd: float, *, each: float) -> int:
    """How many comparisons a limit pays if each costs `each` USD, above 0."""
    return math.floor(limit_usd / each)


def _named_by_row(passed: PreflightPassed | None) -> dict[str, str]:
    """Our anchor id → what the service is told of an anchor that it adds itself."""
    return {row.anchor_id: f"ANCHOR_{row.row_id}" for row in passed.anchor_rows} if passed else {}


def study_options(spec: RunSpec, names: Mapping[str, str]) -> StudyOptions:
    """What the run asks for beyond the contract, its pairs under the names of the wire."""
    budget = spec.budget
    return StudyOptions(
        design=budget.design,
        pairs=tuple((names.get(a, a), names.get(b, b)) for a, b in budget.pairs),
        repeats=budget.repeats,
        swap=budget.swap,
        target_se=budget.target_se,
        target_reliability=budget.target_reliability,
        max_cost_usd=budget.max_cost_usd,
    )
