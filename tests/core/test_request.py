"""The request's metadata: the total that a cost limit pays for, and the options beyond the contract."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from eng5_runner.core.events import AnchorRow, PreflightPassed
from eng5_runner.core.needs import judge_overrides
from eng5_runner.core.request import (
    affordable,
    build_request,
    comparisons_asked,
    comparisons_requested,
)
from eng5_runner.core.spec import Budget
from eng5_runner.core.study_size import comparisons_wanted
from tests.support.run.runs import ASSIGNED, make_inputs, make_spec

AT = datetime(2027, 3, 2, tzinfo=UTC)
INPUTS, _ = make_inputs()


def passed(at_most_usd: float | None) -> PreflightPassed:
    rows = (AnchorRow(row_id=7, anchor_id="anchor-a1"),)
    return PreflightPassed(at=AT, checks=(), anchor_rows=rows, comparison_at_most_usd=at_most_usd)


TARGET = Budget(target_reliability=0.8)
TOTALS = [
    (Budget(), None, 60),
    (Budget(max_comparisons=9), None, 9),
    (Budget(comparisons_per_essay=4), None, 12),
    (TARGET, None, comparisons_wanted(TARGET, essays=6)[0]),
    (Budget(max_cost_usd=1.0), None, 60),
    (Budget(max_cost_usd=1.0), 0.3, 3),
    (Budget(max_cost_usd=1.0, max_comparisons=2), 0.3, 2),
    (Budget(max_cost_usd=1000.0), 0.3, 60),
    (Budget(max_comparisons=9), 0.3, 9),
]


@pytest.mark.parametrize(("budget", "at_most_usd", "total"), TOTALS)
def test_the_total_is_what_was_chosen_and_what_the_limit_pays_for(
    budget: Budget, at_most_usd: float | None, total: int
) -> None:
    """Preflight gives the highest price of a comparison only where the service does not enforce the limit."""
    assert comparisons_requested(budget, INPUTS, passed=passed(at_most_usd)) == total


@pytest.mark.parametrize(("top_up", "asked"), [(False, 3), (True, 60)])
def test_a_run_that_sends_further_requests_asks_for_all_that_is_wanted(top_up: bool, asked: int) -> None:
    """Comparisons can turn out cheaper than they may be."""
    budget = Budget(max_cost_usd=1.0, top_up=top_up)
    assert comparisons_asked(budget, INPUTS, passed=passed(0.3)) == asked


def test_a_limit_pays_for_whole_comparisons() -> None:
    assert (affordable(1.0, each=0.25), affordable(1.0, each=0.26), affordable(0.2, each=0.25)) == (4, 3, 0)


def test_options_beyond_the_contract_are_in_the_metadata_with_names_of_the_wire() -> None:
    pairs = (("anchor-a1", "birk"), ("nobody", "no-other"))
    budget = Budget(design="boundary", pairs=pairs, repeats=2, swap="all", target_se=0.5)
    request = build_request(make_spec(budget=budget, **ASSIGNED), INPUTS, storage_ids={}, at=AT, passed=passed(None))
    assert request.metadata == {
        "runner_mode": "execute",
        "batch_label": "a label",
        "reads_to_end": True,
        "max_comparisons": 8,
        "design": "boundary",
        "pairs": [["ANCHOR_7", "1-essay-c0ffee00"], ["nobody", "no-other"]],
        "repeats": 2,
        "swap": "all",
        "target_se": 0.5,
    }


def test_a_text_without_a_storage_id_is_named_by_its_digest() -> None:
    request = build_request(make_spec(), INPUTS, storage_ids={}, at=AT)
    ids = {essay.text_storage_id for essay in request.data.essays_for_cj}
    assert ids == {f"sha256:{essay.text_sha256}" for essay in (*INPUTS.students, *INPUTS.anchors)}


def test_a_run_with_an_assignment_overrides_nothing_by_itself() -> None:
    assert judge_overrides(make_spec(**ASSIGNED), INPUTS) is None
    guest = judge_overrides(make_spec(), INPUTS)
    assert guest is not None
    assert guest.judge_rubric_override == INPUTS.instructions.text
