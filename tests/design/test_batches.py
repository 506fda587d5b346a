"""Designs, repeats and targets in use: what the CJ service asks for, seen on the wire."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

from eng5_runner.contracts.topics import Topic
from eng5_runner.measure.design.adaptive import BALANCED_ROUNDS
from eng5_runner.stack.llm.judge import Question, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry, offline_baseline
from tests.support.stack.driver import Batch, Client, RecordingJudge, batch_id_of, request, running
from tests.support.studies import balanced_rounds

ESSAYS = 8
SIZE = ESSAYS // 2
IDS = [f"student_{number:02}" for number in range(ESSAYS)]


def asked(batch: Batch) -> list[list[tuple[str, str]]]:
    """The ordered pairs, wave by wave, each in no order; a result that was published again after a cut counts once."""
    waves: dict[int, list[tuple[str, str]]] = {}
    for one in {one.correlation_id: one for one in batch.comparisons}.values():
        about = one.request_metadata
        waves.setdefault(about.comparison_iteration or 0, []).append((about.essay_a_id, about.essay_b_id))
    return [sorted(waves[number]) for number in sorted(waves)]


def pairs(batch: Batch) -> Counter[tuple[str, str]]:
    return Counter(pair for wave in asked(batch) for pair in wave)


async def run(stack: Client, **metadata: object) -> Batch:
    return await stack.run(request(await stack.essays(ESSAYS), metadata={"seed": 3} | metadata))


async def test_a_plain_request_is_paired_as_it_always_was(stack: Client) -> None:
    batch = await run(stack, max_comparisons=30)

    rounds = balanced_rounds(IDS, rounds=8, seed=3)
    wanted = [sorted((pair.first, pair.second) for pair in wave) for wave in rounds]
    assert asked(batch)[:7] == wanted[:7]
    assert set(asked(batch)[7]) <= set(wanted[7]) and len(asked(batch)[7]) == 2


async def test_an_adaptive_study_begins_balanced_and_then_follows_what_it_learns(stack: Client) -> None:
    batch = await run(stack, design="adaptive", max_comparisons=9 * SIZE)

    balanced = [sorted((pair.first, pair.second) for pair in wave) for wave in balanced_rounds(IDS, rounds=9, seed=3)]
    waves = asked(batch)
    assert waves[:BALANCED_ROUNDS] == balanced[:BALANCED_ROUNDS]
    assert waves[BALANCED_ROUNDS:] != balanced[BALANCED_ROUNDS:]
    for wave in waves:
        assert len(wave) == SIZE
        assert max(Counter(essay for pair in wave for essay in pair).values()) <= 2


@pytest.mark.parametrize("stop_after", [10, 27, 31])
async def test_a_study_that_is_cut_off_decides_as_if_it_had_not_been(tmp_path: Path, stop_after: int) -> None:
    wanted = {"seed": 3, "design": "adaptive", "swap": "audit", "max_comparisons": 48}
    async with running(tmp_path / "whole", judge=RecordingJudge()) as stack:
        whole = await stack.run(request(await stack.essays(ESSAYS), metadata=wanted))
    judge = RecordingJudge(stop_after=stop_after)
    async with running(tmp_path / "cut", judge=judge) as stack:
        raw = request(await stack.essays(ESSAYS), metadata=wanted)
        await stack.publish(raw)
        async with asyncio.timeout(60):
            await judge.reached.wait()
    async with running(tmp_path / "cut", judge=judge) as stack:
        again = await stack.run(raw)

    assert asked(again) == asked(whole)
    assert len(judge.prompts) == 48


async def test_a_boundary_study_asks_its_pairs_in_both_orders_and_nothing_else(stack: Client) -> None:
    named = [["student_00", "student_05"], ["student_02", "student_03"], ["student_05", "student_02"]]
    batch = await run(stack, design="boundary", pairs=named, repeats=3)

    assert pairs(batch) == Counter({order: 3 for a, b in named for order in ((a, b), (b, a))})
    assert repeats(batch) == {order: [0, 1, 2] for a, b in named for order in ((a, b), (b, a))}


def repeats(batch: Batch) -> dict[tuple[str, str], list[int]]:
    """The repeat indexes of each ordered pair, as they stand on the wire."""
    found: dict[tuple[str, str], list[int]] = {}
    for raw in batch.raw(Topic.COMPARISON):
        about = json.loads(raw)["data"]["request_metadata"]
        found.setdefault((about["essay_a_id"], about["essay_b_id"]), []).append(about["repeat_index"])
    return {pair: sorted(indexes) for pair, indexes in found.items()}


async def test_each_pair_is_repeated_in_its_order(stack: Client) -> None:
    batch = await run(stack, repeats=3, max_comparisons=3 * 5 * SIZE)

    assert set(pairs(batch).values()) == {3} and len(pairs(batch)) == 5 * SIZE
    assert set(map(tuple, repeats(batch).values())) == {(0, 1, 2)}


async def test_a_retry_keeps_the_repeat_index(tmp_path: Path) -> None:
    async with running(tmp_path, judge=RecordingJudge(failures=1)) as stack:
        batch = await run(stack, max_comparisons=8)

    assert set(map(tuple, repeats(batch).values())) == {(0, 0)}, "each pair failed once and was asked again"


async def test_every_pair_is_turned_round_where_that_is_wished(stack: Client) -> None:
    batch = await run(stack, swap="all", max_comparisons=2 * 6 * SIZE)

    assert len(pairs(batch)) == 2 * 6 * SIZE
    assert all(pairs(batch)[b, a] == 1 for a, b in pairs(batch))


async def test_an_audit_turns_one_pair_in_ten_and_repeats_one_in_twenty(stack: Client) -> None:
    batch = await run(stack, swap="audit", max_comparisons=24 + 3 + 2)

    counts = pairs(batch)
    turned = [pair for pair in counts if pair[::-1] in counts]
    assert len({frozenset(pair) for pair in counts}) == 24
    assert len(turned) == 2 * 3
    assert sorted(counts.values()) == [1] * (24 + 3 - 2) + [2, 2]


@pytest.mark.parametrize("wanted", [7, 29, 41])
async def test_totals_stay_exact_with_repeats_and_turns(stack: Client, wanted: int) -> None:
    batch = await run(stack, swap="all", repeats=2, max_comparisons=wanted)

    assert len(batch.comparisons) == wanted


async def test_a_study_ends_when_it_is_precise_enough_and_every_look_is_told(stack: Client) -> None:
    batch = await run(stack, target_reliability=0.3, target_se=1.5, max_comparisons=400)

    assert batch.rich.assessment_metadata is not None
    looks = batch.rich.assessment_metadata.stopping_looks
    assert looks is not None
    last = looks[-1]
    assert len(batch.comparisons) == last.comparisons + SIZE < 400, "the next round was under way"
    assert [look.round for look in looks] == list(range(1, len(looks) + 1))
    assert {look.verdict for look in looks[:-1]} == {"go on"}
    assert last.verdict == "precise enough"
    assert last.reliability_low is not None and last.reliability_low >= 0.3
    assert last.standard_error_90 <= 1.5 and last.fewest >= 10 and last.components == 1


async def test_a_target_out_of_reach_ends_at_the_ceiling(stack: Client) -> None:
    batch = await run(stack, target_se=0.01, max_comparisons=22)

    assert batch.rich.assessment_metadata is not None
    looks = batch.rich.assessment_metadata.stopping_looks
    assert looks is not None and [look.verdict for look in looks] == ["go on"] * 5 + ["budget spent"]
    assert batch.thin.status == "completed_successfully" and len(batch.comparisons) == 22


@pytest.mark.parametrize(
    ("metadata", "told"),
    [
        ({"design": "swiss"}, "design"),
        ({"design": "boundary"}, "pairs"),
        ({"pairs": [["student_00", "student_01"]]}, "boundary"),
        ({"design": "boundary", "pairs": [["student_00", "nobody"]]}, "nobody"),
        ({"design": "boundary", "pairs": [["student_00", "student_01"], ["student_01", "student_00"]]}, "twice"),
        ({"repeats": 0}, "repeats"),
        ({"target_reliability": 1}, "target_reliability"),
        ({"max_cost_usd": -1}, "max_cost_usd"),
    ],
)
async def test_a_wish_that_cannot_be_ends_the_batch_at_once(stack: Client, metadata: dict, told: str) -> None:
    batch = await run(stack, **metadata)

    assert told in batch.failed.reason and not batch.comparisons


class PricedJudge(RecordingJudge):
    """The baseline at a price: a thousandth of a dollar for each answer."""

    def __init__(self, **told: object) -> None:
        super().__init__()
        self.told = told

    async def __call__(self, question: Question) -> Verdict:
        return replace(await super().__call__(question), cost=0.001)

    def entry(self) -> JudgeEntry:
        return JudgeEntry(offline_baseline().model.model_copy(update=self.told), self)


PRICE = {"cost_per_1k_input_tokens": 0.001, "cost_per_1k_output_tokens": 0.0}


async def test_a_cost_limit_needs_a_price(tmp_path: Path) -> None:
    judge = PricedJudge(cost_per_1k_output_tokens=None)
    async with running(tmp_path, judge=judge) as stack:
        batch = await run(stack, max_cost_usd=5)

    assert "price is known" in batch.failed.reason and not judge.prompts


async def test_what_costs_nothing_meets_no_limit(stack: Client) -> None:
    batch = await run(stack, max_cost_usd=0.01, max_comparisons=20)

    assert batch.thin.status == "completed_successfully" and len(batch.comparisons) == 20


async def test_at_its_limit_a_batch_says_where_it_stands(tmp_path: Path) -> None:
    judge = PricedJudge(**PRICE)
    async with running(tmp_path, judge=judge) as stack:
        batch = await run(stack, max_comparisons=30, max_cost_usd=0.02)

    stop = batch.thin.cost_stop
    assert stop is not None and batch.rich.assessment_metadata is not None
    assert batch.rich.assessment_metadata.cost_stop == stop
    assert (stop.max_cost_usd, stop.comparisons, stop.comparisons_wanted) == (0.02, len(judge.prompts), 30)
    assert stop.spent_usd == pytest.approx(0.001 * len(judge.prompts))
    assert stop.spent_usd <= 0.02 < stop.spent_usd + stop.next_at_most_usd


async def test_a_limit_below_one_comparison_asks_nothing(tmp_path: Path) -> None:
    judge = PricedJudge(**PRICE)
    async with running(tmp_path, judge=judge) as stack:
        batch = await run(stack, max_comparisons=30, max_cost_usd=0.001)

    assert batch.thin.cost_stop is not None and not judge.prompts and len(batch.rich.essay_results) == ESSAYS


async def test_a_higher_limit_that_comes_while_the_batch_is_at_work_is_not_lost(tmp_path: Path) -> None:
    judge = PricedJudge(**PRICE)
    async with running(tmp_path, judge=judge) as stack:
        told = json.loads(request(await stack.essays(ESSAYS), metadata={"max_comparisons": 12, "max_cost_usd": 0.006}))
        higher = told | {"metadata": told["metadata"] | {"max_cost_usd": 1.0}}
        await stack.publish(json.dumps(told).encode())
        await stack.publish(json.dumps(higher).encode())
        batch = await stack.until(batch_id_of(json.dumps(told).encode()), 1)
        async with asyncio.timeout(60):
            while len({one.correlation_id for one in batch.comparisons}) < 12:  # answers before the limit come again
                batch = await stack.until(batch.batch_id, len(batch.comparisons) + 1)

    assert len(judge.prompts) == 12
