"""What a plan says of the provider's cache holds in simulations of what the stack asks."""

from __future__ import annotations

import heapq
import random
from dataclasses import replace

import pytest

from eng5_runner.contracts.request import Language
from eng5_runner.judges.manifest import Limits, built_in
from eng5_runner.measure.design.pairing import Pair, next_round
from eng5_runner.planning.measured import PilotMeasures, measured_estimate
from eng5_runner.planning.pricing import (
    Interval,
    ModelPricing,
    PromptSize,
    Workload,
    estimate,
)
from eng5_runner.planning.prompt_cache import Asking, Order, hits_of_first_essay, hits_of_task
from eng5_runner.stack.cj.pairing_policy import WAVES_TOGETHER, by_first_essay

KEPT_SECONDS = 300.0
ROUNDS = 20


def asked(essays: int, order: Order) -> list[str]:
    """The first essays in the order in which the stack asks."""
    names = [f"essay-{number:03}" for number in range(essays)]
    rounds: list[list[Pair]] = []
    for _ in range(ROUNDS):
        rounds.append(next_round(names, history=[pair for each in rounds for pair in each], seed=1))
    together = 1 if order is Order.ROUNDS else WAVES_TOGETHER
    parts = [range(begin, begin + together) for begin in range(0, ROUNDS, together)]
    if order is Order.WITHIN_LIMIT:  # which pays for the rounds in the middle
        parts = [range(1), range(1, 2), *(range(begin, begin + 6) for begin in (2, 8, 14))]
    return [rounds[wave][place].first for part in parts for wave, place in by_first_essay({w: rounds[w] for w in part})]


def found(firsts: list[str], *, concurrency: int, seconds: float) -> float:
    """The share of calls whose first essay was in the cache when they began."""
    chance, free, hits = random.Random(1), [0.0] * concurrency, 0
    kept: dict[str, list[float]] = {}
    for first in firsts:
        begin = heapq.heappop(free)
        end = begin + seconds * chance.lognormvariate(-0.245, 0.7)
        heapq.heappush(free, end)
        hits += any(begin - KEPT_SECONDS <= answered <= begin for answered in kept.get(first, ()))
        kept.setdefault(first, []).append(end)
    return hits / len(firsts)


@pytest.mark.parametrize("order", [Order.ROUNDS, Order.BY_FIRST_ESSAY, Order.WITHIN_LIMIT])
@pytest.mark.parametrize("essays", [12, 44, 130])
def test_the_share_of_known_first_essays_lies_in_its_range(essays: int, order: Order) -> None:
    firsts = asked(essays, order)
    for concurrency in (1, 8, 64, 200):
        for seconds in (1.0, 2.0, 16.0):
            asking = Asking(
                comparisons=len(firsts),
                essays=essays,
                concurrency=concurrency,
                answer_seconds=seconds,
                order=order,
            )
            low, high = hits_of_first_essay(asking)
            assert low <= found(firsts, concurrency=concurrency, seconds=seconds) <= high, (concurrency, seconds)


ASKING = Asking(comparisons=440, essays=44, concurrency=64, answer_seconds=2.0, order=Order.ONE_BY_ONE)


def test_asked_one_by_one_an_essay_is_read_once_and_in_a_batch_nobody_knows() -> None:
    assert hits_of_first_essay(ASKING) == (0.9, 0.9)
    assert hits_of_first_essay(replace(ASKING, order=Order.UNKNOWN)) == (0.0, 0.9)
    assert hits_of_first_essay(replace(ASKING, comparisons=20)) == (0.0, 0.0)
    slow = replace(ASKING, concurrency=1, answer_seconds=8.0)
    assert hits_of_first_essay(slow) == (0.0, 0.9), "it may be forgotten before it is first again"


def test_calls_that_are_made_at_once_at_the_beginning_do_not_find_the_task() -> None:
    assert hits_of_task(ASKING) == (376 / 440, 439 / 440)
    assert hits_of_task(replace(ASKING, concurrency=500))[0] == 0.0


SIZE = PromptSize(prefix=5000, rest=1000, form=0, essays=4000.0, longest=5000, longest_bytes=12000)


def share(model_id: str, **work: object) -> Interval:
    """Of a study of 440 comparisons."""
    (model,) = (each for each in built_in().models if each.id == model_id)
    pricing = ModelPricing(
        entry=model.entry(attempts=1), max_tokens=900, price=model.price, limits=Limits(), cache_from=model.cache_from
    )
    asked_for = Workload(comparisons=440, at_once=22, free_waves=100.0, **{"essays": 44} | work)
    cached = estimate(pricing, SIZE, work=asked_for, language=Language.ENGLISH).cached
    assert cached is not None
    return cached


def test_what_a_provider_keeps_decides_on_the_share() -> None:
    openai, google = share("gpt-5.1"), share("gemini-3.8-flash")
    assert openai == Interval(low=0.0, high=pytest.approx(0.9 * 0.7 + (439 / 440 - 0.9) * 0.5)), "task and essay"
    assert google == Interval(low=0.0, high=0.0), "too short for its cache"
    marked = share("claude-haiku-5-5", order=Order.BY_FIRST_ESSAY)
    assert marked == Interval(low=0.0, high=pytest.approx(439 / 440 * 0.5)), "the task alone is marked"
    bundled = share("claude-haiku-5-5", order=Order.ONE_BY_ONE)
    assert bundled.high == pytest.approx(openai.high)


def test_a_larger_study_finds_no_less_in_the_cache_than_its_pilot() -> None:
    (model,) = (each for each in built_in().models if each.id == "gpt-5.1")
    pricing = ModelPricing(entry=model.entry(attempts=1), price=model.price, cache_from=1024)
    work = Workload(comparisons=440, at_once=22, free_waves=100.0, essays=44)
    assumed = estimate(pricing, SIZE, work=work, language=Language.ENGLISH)
    one = Interval(low=1.0, high=1.0)
    pilot = PilotMeasures(prompt_tokens=one, completion_tokens=one, usd=one, seconds=one, cached=0.4)
    measured, batched = (measured_estimate(assumed, each, work=work) for each in (pilot, replace(pilot, batched=True)))
    assert measured.cached is not None and assumed.cached is not None
    assert (measured.cached.low, measured.cached.high) == (0.4, assumed.cached.high)
    assert batched.cached == assumed.cached
