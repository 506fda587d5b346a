"""How pairs were chosen and what ended the study, in the service's own figures."""

from __future__ import annotations

import pytest

from tests.support.results import at, plain, service_says, stopping_of

LOOK = {
    "round": 1,
    "comparisons": 30,
    "judgements": 28.1234567,
    "fewest": 8.7654321,
    "components": 1,
    "reliability": 0.71234567,
    "standard_error_90": 0.812345678,
    "verdict": "go on",
}
COST_STOP = {
    "max_cost_usd": 1.0,
    "spent_usd": 0.99,
    "next_at_most_usd": 0.02,
    "comparisons": 20,
    "comparisons_wanted": 30,
}


def test_what_was_asked_for_is_stated():
    block = stopping_of(
        None, design="adaptive", swap="audit", repeats=2, target_reliability=0.8, target_se=0.5, max_cost_usd=3.0
    )
    stated = plain(block)
    assert stated["ended_by"] is None, "the service has not said"
    assert (stated["design"], stated["swap"], stated["repeats"], stated["named_pairs"]) == ("adaptive", "audit", 2, 0)
    assert (stated["target_reliability"], stated["target_standard_error"], stated["max_cost_usd"]) == (0.8, 0.5, 3.0)
    assert list(stated["looks"]) == [] and stated["cost_stop"] is None


def test_the_pairs_of_a_boundary_study_are_counted():
    assert at(stopping_of(None, design="boundary", pairs=(("a", "b"), ("b", "c"))), "named_pairs") == 2


@pytest.mark.parametrize(
    ("verdicts", "stop", "ended_by"),
    [
        ((), None, "all comparisons asked for"),
        (("go on",), None, "all comparisons asked for"),
        (("go on", "precise enough"), None, "look 2: precise enough"),
        (("precise enough", "budget spent"), None, "all comparisons asked for"),  # it is the last look that ends it
        (("go on", "precise enough"), COST_STOP, "the cost limit"),
    ],
)
def test_what_ended_a_study(verdicts, stop, ended_by):
    result = service_says(looks=[LOOK | {"verdict": verdict} for verdict in verdicts], cost_stop=stop)
    block = stopping_of(result)
    assert at(block, "ended_by") == ended_by
    assert [at(look, "verdict") for look in at(block, "looks")] == list(verdicts)
    assert plain(at(block, "cost_stop")) == stop


@pytest.mark.parametrize(
    ("ends", "interval"),
    [
        ({"reliability_low": 0.61234567, "reliability_high": 0.8}, [0.612346, 0.8]),
        ({"reliability_low": 0.6}, None),
        ({"reliability_high": 0.8}, None),
        ({}, None),
    ],
)
def test_a_look_has_an_interval_only_where_it_was_drawn(ends, interval):
    (look,) = at(stopping_of(service_says(looks=[LOOK | ends])), "looks")
    stated = plain(look)
    assert stated["reliability_interval_90"] == interval
    assert (stated["reliability"], stated["standard_error_90"]) == (0.712346, 0.812346)
    assert (stated["round"], stated["comparisons"], stated["judgements"]) == (1, 30, 28.123457)
    assert (stated["fewest_judgements"], stated["components"]) == (8.765432, 1)
