"""What a CJ service does not heed is refused beforehand; a cost limit is then kept by the number of comparisons."""

from __future__ import annotations

import json

import pytest

from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.events import PreflightPassed, RequestPrepared
from eng5_runner.core.request import names_sent
from eng5_runner.core.spec import Budget
from eng5_runner.errors import ConfigurationError
from tests.support.run.assignments import WIRE, assigned
from tests.support.run.runs import Run, make_spec
from tests.support.run.world import World


def run_with(directory, *, supports=(), model: int = 1, **budget) -> Run:
    world = World()
    world.cj.supports = frozenset(supports)
    judge = LLMConfigOverrides(provider_override=Provider.MOCK, model_override=f"invented-judge-{model}")
    return Run(directory / "run", world, make_spec(budget=Budget(**budget), judge=judge))


def sent(run: Run) -> dict:
    (prepared,) = [event for event in run.events if isinstance(event, RequestPrepared)]
    return json.loads(prepared.payload)["metadata"]


@pytest.mark.parametrize(
    ("budget", "option"),
    [
        ({"design": "adaptive"}, "--design"),
        ({"repeats": 2}, "--repeats"),
        ({"swap": "all"}, "--swap"),
        ({"target_se": 0.5}, "--target-se"),
        ({"target_reliability": 0.8}, "--target-reliability"),
        ({"design": "boundary", "pairs": (("birk", "cleo"),)}, "--design, --pairs"),
    ],
)
def test_a_service_that_does_not_know_a_wish_is_not_asked(budget, option, tmp_path):
    run = run_with(tmp_path, **budget)
    with pytest.raises(ConfigurationError) as refused:
        run.start()
    assert option in refused.value.message
    assert not run.world.cluster.requests


def test_a_service_that_knows_it_is_asked(tmp_path):
    run = run_with(tmp_path, supports=["design", "swap"], design="adaptive", swap="audit", max_comparisons=15)
    assert exit_code(run.start()) == 0
    told = {"max_comparisons": 15, "design": "adaptive", "swap": "audit"}
    assert sent(run) == {"runner_mode": "execute", "batch_label": "a label", "reads_to_end": True} | told


def test_nothing_is_asked_where_nothing_is_wished(tmp_path):
    run = run_with(tmp_path, max_comparisons=15)
    assert exit_code(run.start()) == 0
    assert sent(run) == {
        "runner_mode": "execute",
        "batch_label": "a label",
        "reads_to_end": True,
        "max_comparisons": 15,
    }


def test_judgements_an_essay_are_a_total_on_the_wire(tmp_path):
    run = run_with(tmp_path, comparisons_per_essay=5)
    run.start()
    assert sent(run)["max_comparisons"] == 15


def test_a_cost_limit_that_is_not_heeded_is_kept_by_the_number_of_comparisons(tmp_path):
    run = run_with(tmp_path, max_cost_usd=0.1)
    run.start()
    (passed,) = [event for event in run.events if isinstance(event, PreflightPassed)]
    each = passed.comparison_at_most_usd
    assert each is not None and each > 0.001 * 4 + 0.002
    assert sent(run)["max_comparisons"] == int(0.1 / each) < 20 * 6 / 2
    assert any("does not support a cost limit" in warning for warning in passed.warnings)


def test_a_cost_limit_that_pays_all_of_it_still_makes_the_total_explicit(tmp_path):
    run = run_with(tmp_path, max_cost_usd=1000.0)
    run.start()
    assert sent(run)["max_comparisons"] == 60


def test_a_cost_limit_that_is_heeded_caps_nothing(tmp_path):
    run = run_with(tmp_path, supports=["max_cost_usd"], max_cost_usd=0.01)
    run.start()
    assert (sent(run)["max_cost_usd"], sent(run)["max_comparisons"]) == (0.01, 60)


@pytest.mark.parametrize("supports", [(), ("max_cost_usd",)])
def test_a_cost_limit_needs_a_price(supports, tmp_path):
    run = run_with(tmp_path, supports=supports, model=2, max_cost_usd=1.0)
    with pytest.raises(ConfigurationError, match="price of invented-judge-2"):
        run.start()


def test_a_cost_limit_below_one_comparison_is_refused(tmp_path):
    run = run_with(tmp_path, max_cost_usd=0.0001)
    with pytest.raises(ConfigurationError, match="One comparison may cost"):
        run.start()


def test_anchors_that_the_service_adds_are_named_by_their_rows(tmp_path):
    run = assigned(tmp_path, budget=Budget(design="boundary", pairs=(("birk", "anchor-e1"),)))
    run.world.cj.supports = frozenset({"design", "pairs"})
    run.start()
    assert sent(run)["pairs"] == [[names_sent(run.spec, run.inputs)["birk"], "ANCHOR_13"]]
    assert WIRE["anchor-e1"].startswith("ANCHOR_13_")
