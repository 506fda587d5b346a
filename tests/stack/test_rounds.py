"""The course of one batch, with a record and a provider in memory: what is on record is not decided again."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import Sequence
from dataclasses import replace
from datetime import UTC, datetime
from hashlib import sha256
from itertools import groupby
from uuid import UUID

import pytest

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.request import BatchingMode, LLMConfigOverrides
from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.contracts.stopping import DecidedPairs
from eng5_runner.contracts.study_options import StudyOptions
from eng5_runner.stack.cj.batch_runner import BatchRun
from eng5_runner.stack.cj.outcome import Outcome
from eng5_runner.stack.cj.plan import BatchPlan, PlannedEssay
from eng5_runner.stack.cj.repository import Batch, PairAttempt
from eng5_runner.stack.llm.providers.entries import offline_baseline
from tests.support.run.messages import comparison_message

BATCH_ID = "c0ffee00-1111-4222-8333-444455556666"
ESSAYS = tuple(f"student_{number:02}" for number in range(14))
SIZE = 7  # pairs of a wave
MANY = tuple(PlannedEssay(essay_id=f"student_{number:03}", storage_id="0" * 32) for number in range(404))
PLAN = BatchPlan(
    batch_id=BATCH_ID,
    correlation_id=UUID(BATCH_ID),
    assignment_id=None,
    course_code="ENG5",
    user_id="tester",
    grade_scale=None,
    essays=tuple(PlannedEssay(essay_id=name, storage_id="0" * 32) for name in ESSAYS),
    seed=1,
    budget=len(ESSAYS) // 2 * 13,
    wishes=StudyOptions(target_se=5.0),
    task=None,
    criteria=None,
    overrides=LLMConfigOverrides(),
    accepted_at=datetime(2027, 3, 2, tzinfo=UTC),
)
"""Any standard error will do, so the study is precise enough as soon as each essay has its ten judgements."""


class Record:
    """What was written down, in memory."""

    def __init__(self) -> None:
        self.asked: list[PairAttempt] = []

    async def add(self, number: int, asked: Sequence[PairAttempt]) -> None:
        self.asked += asked


class Provider:
    """An LLM provider that answers at once: the essay with the lower number wins."""

    def __init__(self) -> None:
        self.asked: list[str] = []
        self.run: BatchRun | None = None

    async def ask_all(self, bodies: Sequence[ComparisonBody]) -> None:
        for body in bodies:
            await self.ask(body)

    async def ask(self, body: ComparisonBody) -> None:
        assert self.run is not None
        self.asked.append(body.correlation_id)
        self.run.deliver(answer(body))


def message(correlation_id: str, pair: tuple[str, str]) -> dict[str, object]:
    told = comparison_message(UUID(BATCH_ID), 0, pair, winner="Essay A" if pair[0] < pair[1] else "Essay B")
    told["data"] |= {"request_id": correlation_id, "correlation_id": correlation_id}
    return told


def answer(body: ComparisonBody) -> LLMComparisonResult:
    pair = str(body.metadata["essay_a_id"]), str(body.metadata["essay_b_id"])
    return LLMComparisonResult.model_validate_json(json.dumps(message(body.correlation_id, pair)["data"]))


def answered(asked: PairAttempt) -> PairAttempt:
    """The same with its answer on record."""
    told = message(asked.correlation_id, (asked.essay_a_id, asked.essay_b_id))
    return replace(asked, raw=json.dumps(told).encode())


async def work(
    earlier: Sequence[PairAttempt] = (), *, plan: BatchPlan = PLAN, provider: Provider | None = None
) -> tuple[Outcome, Record, Provider]:
    record, provider = Record(), provider or Provider()
    batch = Batch(number=1, request_sha256="0" * 64, plan=plan)
    provider.run = BatchRun(batch=batch, repository=record, provider=provider)
    outcome = await provider.run.run(
        earlier, {name: f"The text of {name}." for name in [essay.essay_id for essay in plan.essays]}
    )
    return outcome, record, provider


async def test_a_study_that_is_precise_enough_ends_one_wave_later_as_that_is_under_way():
    outcome, record, _ = await work()
    assert [look.verdict for look in outcome.looks] == ["go on"] * 9 + ["precise enough"]
    assert outcome.looks[-1].comparisons == 70
    assert outcome.wanted == len(outcome.results) == len(record.asked) == 77


async def test_a_large_wave_is_under_way_whole_when_the_wave_before_is_looked_at():
    plan = PLAN.model_copy(update={"essays": MANY, "budget": 202 * 12})
    outcome, record, _ = await work(plan=plan)
    assert outcome.looks[-1].comparisons == 2020
    assert outcome.wanted == len(outcome.results) == len(record.asked) == 2222
    again, more, _ = await work([*map(answered, record.asked)], plan=plan)
    assert more.asked == [] and again.results == outcome.results, "after a kill, too"


async def test_waves_on_record_are_asked_to_their_end_though_the_study_was_precise_enough_before():
    """A session that decided otherwise wrote them down; whoever goes on asks what stands there and decides no more."""
    _, first, _ = await work()
    _, longer, _ = await work(plan=PLAN.model_copy(update={"study_options": StudyOptions()}))
    on_record = sorted(longer.asked, key=lambda each: (each.wave, each.place))[: 77 + 7]  # one wave more
    assert on_record[:77] == first.asked
    outcome, record, provider = await work(on_record)
    assert len(provider.asked) == outcome.wanted == len(outcome.results) == 84
    assert record.asked == [], "nothing new was decided"
    assert [look.verdict for look in outcome.looks[9:]] == ["precise enough"] * 2


async def test_what_has_an_answer_on_record_is_not_asked_again():
    whole, first, provider = await work()
    on_record = [*map(answered, first.asked[:19]), *first.asked[19:21]]
    outcome, record, again = await work(on_record)
    assert again.asked == provider.asked[19:], "two questions of the third wave, under their old ids, and the rest"
    assert record.asked == first.asked[21:]
    assert outcome.results == whole.results


async def test_answers_to_the_last_wave_decide_nothing_though_they_are_on_record():
    """While the study ran, they were still awaited when the next wave was chosen."""
    plan = PLAN.model_copy(update={"study_options": StudyOptions(design="adaptive")})
    _, whole, _ = await work(plan=plan)
    for waves in range(3, 13):
        _, rest, _ = await work([*map(answered, whole.asked[: waves * SIZE])], plan=plan)
        assert rest.asked == whole.asked[waves * SIZE :]


@pytest.mark.parametrize("seed", [1, 2])
async def test_the_same_plan_asks_the_same_questions(seed):
    plan = PLAN.model_copy(update={"seed": seed})
    assert (await work(plan=plan))[1].asked == (await work(plan=plan))[1].asked


async def test_a_callback_that_cannot_be_delivered_ends_its_batch_and_not_its_reader():
    class Broken:
        """An answer with a bug in it."""

        winner = "Essay A"

        def __init__(self, body: ComparisonBody) -> None:
            self.correlation_id = body.correlation_id

        @property
        def cost_estimate(self) -> float:
            raise ZeroDivisionError

    class BuggyProvider(Provider):
        async def ask(self, body: ComparisonBody) -> None:
            self.run.deliver(Broken(body))

    plan = PLAN.model_copy(update={"study_options": StudyOptions(max_cost_usd=1.0)})
    batch = Batch(number=1, request_sha256="0" * 64, plan=plan)
    provider = BuggyProvider()
    provider.run = BatchRun(batch=batch, repository=Record(), provider=provider, model=offline_baseline().model)

    with pytest.raises(ZeroDivisionError):
        await provider.run.run((), {name: f"The text of {name}." for name in ESSAYS})


FREE = PLAN.model_copy(update={"study_options": StudyOptions()})


@pytest.mark.parametrize("plan", [FREE, FREE.model_copy(update={"essays": MANY, "budget": 202 * 6})])
async def test_where_no_pair_depends_on_an_answer_nobody_waits_for_one(plan):
    """The first answer comes after the last question but one; a wave has seven pairs, or 202."""

    class Withholding(Provider):
        first: ComparisonBody | None = None

        async def ask(self, body: ComparisonBody) -> None:
            if self.first is None:
                self.first = body
                self.asked.append(body.correlation_id)
                return
            await super().ask(body)
            if len(self.asked) == plan.budget - 1:
                self.run.deliver(answer(self.first))

    outcome, provider = await run_with(Withholding(), plan=plan)
    assert len(outcome.results) == len(set(provider.asked)) == len(provider.asked) == plan.budget


class Naming(Provider):
    """Keeps the first essays in the order in which they were asked."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs: list[tuple[str, str]] = []

    async def ask(self, body: ComparisonBody) -> None:
        self.pairs.append((str(body.metadata["essay_a_id"]), str(body.metadata["essay_b_id"])))
        await super().ask(body)


async def pairs_of(**changes: object) -> list[tuple[str, str]]:
    provider = Naming()
    await run_with(provider, plan=FREE.model_copy(update=changes))
    return provider.pairs


async def test_pairs_that_share_their_first_essay_follow_each_other_after_one_of_each_essay():
    pairs = await pairs_of(budget=70)
    firsts = [first for first, _ in pairs]
    every = len(set(firsts))
    assert len({*firsts[:every]}) == every, "one of each comes first: its answer fills the cache"
    assert len([*groupby(firsts[every:])]) == len({*firsts[every:]}) == every
    in_waves = await pairs_of(budget=70, overrides=LLMConfigOverrides(provider_override="mock"))
    assert sorted(in_waves) == sorted(pairs) and in_waves != pairs, "the same pairs in the same places"


@pytest.mark.parametrize(
    "changes",
    [
        {"batching_mode": BatchingMode.SERIAL_BUNDLE},
        {"batching_mode": BatchingMode.PROVIDER_BATCH_API},
        {"study_options": StudyOptions(target_se=0.01)},
        {"study_options": StudyOptions(design="adaptive")},
    ],
)
async def test_where_something_else_decides_on_the_order_it_is_that_of_the_waves(changes):
    record = Record()
    await run_with(Provider(), plan=FREE.model_copy(update={"budget": 70} | changes), record=record)
    waves = [each.wave for each in record.asked]
    assert waves == sorted(waves) and len(waves) == 70


@pytest.mark.parametrize("options", [StudyOptions(target_se=0.01), StudyOptions(design="adaptive")])
async def test_the_next_wave_is_asked_while_answers_to_the_last_one_are_awaited(options):
    """The provider answers to a wave only when the next one has been asked."""

    class OneWaveBehind(Provider):
        def __init__(self) -> None:
            super().__init__()
            self.held: list[ComparisonBody] = []

        async def ask(self, body: ComparisonBody) -> None:
            self.asked.append(body.correlation_id)
            self.held.append(body)
            left = PLAN.budget - len(self.asked)
            while self.held and (len(self.held) > SIZE or not left):
                self.run.deliver(answer(self.held.pop(0)))

    outcome, provider = await run_with(OneWaveBehind(), plan=PLAN.model_copy(update={"study_options": options}))
    assert len(outcome.results) == len(provider.asked) == PLAN.budget


class Late(Provider):
    """Answers in an order that chance decides; every ninth pair fails once, every twentieth for good."""

    def __init__(self, chance: random.Random) -> None:
        super().__init__()
        self.chance = chance
        self.tasks: list[asyncio.Task[None]] = []
        self.said: dict[str, bytes] = {}

    async def ask(self, body: ComparisonBody) -> None:
        self.asked.append(body.correlation_id)
        self.tasks.append(asyncio.create_task(self.answer(body)))

    async def answer(self, body: ComparisonBody) -> None:
        for _ in range(self.chance.randrange(60)):
            await asyncio.sleep(0)
        pair = sha256(f"{body.metadata['essay_a_id']}{body.metadata['essay_b_id']}".encode()).digest()[0]
        again = body.metadata["cj_request_type"] == "cj_retry"
        told = message(body.correlation_id, (str(body.metadata["essay_a_id"]), str(body.metadata["essay_b_id"])))
        told["data"]["cost_estimate"] = COST
        if pair % 20 == 0 or (pair % 9 == 0 and not again):
            failed = comparison_message(UUID(BATCH_ID), 0, ("a", "b"), winner=None)["data"]
            told["data"] |= {"winner": None, "justification": None, "error_detail": failed["error_detail"]}
        self.said[body.correlation_id] = json.dumps(told).encode()
        self.run.deliver(LLMComparisonResult.model_validate(told["data"], extra="ignore"))


PRICED = offline_baseline().model.model_copy(update={"cost_per_1k_input_tokens": 0.001})
COST, MOST = 0.001, 0.005
"""USD of a call of `Late`, and a little more than the most that one of `PRICED` can cost."""


async def run_with(
    provider: Provider, *, plan: BatchPlan, record: Record | None = None, earlier: Sequence[PairAttempt] = ()
) -> tuple[Outcome, Provider]:
    batch = Batch(number=1, request_sha256="0" * 64, plan=plan)
    provider.run = BatchRun(batch=batch, repository=record or Record(), provider=provider, model=PRICED)
    async with asyncio.timeout(100):
        outcome = await provider.run.run(
            earlier, {name: f"The text of {name}." for name in (one.essay_id for one in plan.essays)}
        )
    return outcome, provider


class Groups(Record):
    """Notes which waves were asked together, and how many attempts were stored before them."""

    def __init__(self) -> None:
        super().__init__()
        self.groups: list[list[int]] = []
        self.sizes: list[int] = []

    async def add(self, number: int, asked: Sequence[PairAttempt]) -> None:
        await super().add(number, asked)
        if asked[0].attempt == 0:
            self.sizes.append(len(self.asked) - len(asked))
            self.groups.append(sorted({each.wave for each in asked}))


def limited(usd: float, **changes: object) -> BatchPlan:
    return FREE.model_copy(update={"study_options": StudyOptions(max_cost_usd=usd)} | changes)


async def test_a_limit_that_surely_pays_for_all_changes_nothing():
    free, tight, ample = Groups(), Groups(), Groups()
    for record, plan in ((free, FREE), (tight, limited(91 * MOST / 2)), (ample, limited(91 * MOST))):
        await run_with(Late(random.Random(1)), plan=plan, record=record)
    assert free.groups == ample.groups == [[*range(10)], [10, 11, 12]]
    assert tight.groups == [[*range(6)], *([wave] for wave in range(6, 13))], "as many as it surely pays for"
    assert free.asked == ample.asked


LARGE = {"essays": MANY, "budget": 202 * 12}
"""Twelve waves of 202 pairs; with the calls that fail they cost 2.9 USD."""


async def test_waves_that_a_limit_is_expected_to_pay_for_are_asked_together():
    """What is expected follows from answers to waves 1,000 pairs before; there are none before the seventh."""
    record = Groups()
    outcome, _ = await run_with(Late(random.Random(1)), plan=limited(3.4, **LARGE), record=record)
    assert record.groups == [[0, 1, 2], [3], [4], [5], [*range(6, 11)], [11]]
    assert outcome.cost_stop is None and len(outcome.results) == LARGE["budget"]


async def test_a_study_that_a_limit_ends_is_balanced_and_the_costs_alone_decide_where_it_ends():
    outcomes, records = [], []
    for seed in range(2):
        record = Groups()
        outcomes.append((await run_with(Late(random.Random(seed)), plan=limited(2.4, **LARGE), record=record))[0])
        records.append(record)
    assert records[0].groups == [[0, 1], [2], [3], [4], [5], [6, 7], [8], [9], [10]]
    assert records[0].asked == records[1].asked
    assert outcomes[0] == outcomes[1]
    stop = outcomes[0].cost_stop
    assert stop is not None and 2.4 - MOST < stop.spent_usd <= 2.4
    shown = Counter(
        name
        for each in outcomes[0].results
        for name in (each.request_metadata.essay_a_id, each.request_metadata.essay_b_id)
    )
    assert max(shown.values()) - min(shown.values()) == 1


@pytest.mark.parametrize("groups", [1, 6, 8])
async def test_a_limited_study_goes_on_after_a_kill_as_if_there_had_been_none(groups):
    whole, rest, plan = Groups(), Groups(), limited(2.4, **LARGE)
    outcome, before = await run_with(Late(random.Random(1)), plan=plan, record=whole)
    asked = whole.sizes[groups]
    earlier = [replace(each, raw=before.said[each.correlation_id]) for each in whole.asked[:asked]]
    earlier[-50:] = whole.asked[asked - 50 : asked]  # these have no answers yet
    again, provider = await run_with(Late(random.Random(2)), plan=plan, record=rest, earlier=earlier)
    assert rest.asked == whole.asked[asked:] and again == outcome
    answered = {each.correlation_id for each in earlier if each.raw}
    assert sorted(provider.asked) == sorted({*before.asked} - answered), "and nothing is asked twice"


@pytest.mark.parametrize(
    "options",
    [
        StudyOptions(),
        StudyOptions(target_se=5.0),
        StudyOptions(design="adaptive"),
        StudyOptions(design="adaptive", target_se=5.0),
    ],
)
async def test_what_is_asked_follows_from_seed_and_answers_and_not_from_their_times(options):
    plan = PLAN.model_copy(update={"study_options": options})
    records = [Record(), Record()]
    outcomes = [
        (await run_with(Late(random.Random(seed)), plan=plan, record=record))[0] for seed, record in enumerate(records)
    ]
    assert records[0].asked == records[1].asked
    assert outcomes[0].results == outcomes[1].results
    tries = Counter((each.wave, each.place) for each in records[0].asked)
    assert set(tries.values()) == {1, 2, 3}
    assert len(outcomes[0].failed) == sum(number == 3 for number in tries.values())


NAMED = PLAN.model_copy(
    update={
        "budget": 20,
        "study_options": StudyOptions(design="boundary", pairs=(ESSAYS[:2], ESSAYS[2:4]), repeats=5, stop_decided=True),
    }
)


class Undecided(Provider):
    """Sees the first pair as all do, and in the second the essay that is shown first."""

    async def ask(self, body: ComparisonBody) -> None:
        assert self.run is not None
        self.asked.append(body.correlation_id)
        told = answer(body)
        is_second = body.metadata["essay_a_id"] in ESSAYS[2:4]
        self.run.deliver(told.model_copy(update={"winner": "Essay A"}) if is_second else told)


async def test_a_decided_pair_is_left_out_and_the_others_go_on_in_both_orders():
    outcome, record, _ = await work(plan=NAMED, provider=Undecided())
    asked = [Counter(each.essay_a_id for each in record.asked if each.wave == wave) for wave in range(5)]
    assert asked == [Counter(ESSAYS[:4])] * 3 + [Counter(ESSAYS[2:4])] * 2, "decided by 4 to 0, and 2 were under way"
    assert outcome.decided == DecidedPairs(pairs=1, comparisons=16, comparisons_wanted=20)
    assert outcome.wanted == 16


async def test_a_pair_that_a_smaller_total_cuts_off_is_not_decided():
    outcome, _, _ = await work(plan=NAMED.model_copy(update={"budget": 14}), provider=Undecided())
    assert outcome.decided == DecidedPairs(pairs=1, comparisons=14, comparisons_wanted=14)


async def test_decided_pairs_are_not_asked_after_a_kill_either():
    _, record, _ = await work(plan=NAMED, provider=Undecided())
    for kept in range(len(record.asked)):
        earlier = [*map(answered, record.asked[:kept])]
        outcome, more, _ = await work(earlier, plan=NAMED)
        assert outcome.decided is not None
        assert outcome.wanted == len(earlier) + len(more.asked) <= 16


async def test_where_nothing_was_asked_of_decided_pairs_every_pair_is_judged_to_the_end():
    plan = NAMED.model_copy(update={"study_options": NAMED.study_options.model_copy(update={"stop_decided": False})})
    outcome, record, _ = await work(plan=plan)
    assert (len(record.asked), outcome.decided) == (20, None)
