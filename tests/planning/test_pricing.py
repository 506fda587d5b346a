"""What comparisons take, by hand: each figure of an estimate from round numbers."""

from __future__ import annotations

from dataclasses import replace
from datetime import date

import pytest

from eng5_runner.contracts.request import Language, LLMConfigOverrides, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.manifest import Limits, Price, Rates
from eng5_runner.planning.batches import batch_estimate, in_batches
from eng5_runner.planning.pricing import Estimate, Interval, ModelPricing, PromptSize, Workload, estimate

# English has 2.7 to 4.7 characters a token, so these make whole numbers of tokens at both ends.
UNIT = 2.7 * 4.7
SIZE = PromptSize(
    prefix=int(1000 * UNIT), rest=0, form=0, essays=2000 * UNIT, longest=int(4000 * UNIT), longest_bytes=60_000
)
PREFIX_LOW, PREFIX_HIGH = 2700.0, 4700.0
PROMPT_LOW, PROMPT_HIGH = 3 * 2700.0, 3 * 4700.0
RATES = Rates(input="0.001", output="0.01")


def model(
    rates: Rates = RATES, *, thinks: bool = False, max_tokens: int | None = 1000, **limits: object
) -> ModelPricing:
    """A model at these rates; `context` and `long` stand among the limits."""
    context, long = limits.pop("context", None), limits.pop("long", None)
    price = Price(
        **rates.model_dump(),
        looked_up=date(2026, 11, 22),
        source="a page",
        long_prompt_above=10_000 if long else None,
        long_prompt=long,
    )
    entry = ModelEntry(
        model_id="m",
        provider="openai",
        max_tokens=5000,
        context_window=context,
        capabilities={
            "reasoning_efforts": ["none", "low", "medium", "high"] if thinks else [],
            "highest_cost_per_1k": price.highest(),
        },
        cost_per_1k_input_tokens=float(price.input),
        cost_per_1k_output_tokens=float(price.output),
    )
    return ModelPricing(entry=entry, max_tokens=max_tokens, price=price, limits=Limits.model_validate(limits))


def asked(pricing: ModelPricing, *, comparisons: int = 10, at_once: int = 5, **work: object) -> Estimate:
    workload = Workload(comparisons=comparisons, at_once=at_once, **work)
    return estimate(pricing, SIZE, work=workload, language=Language.ENGLISH)


def both(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


def near(*ends: float) -> object:
    return pytest.approx(ends, rel=1e-3)


def test_a_prompt_is_as_many_tokens_as_its_characters_make():
    assert both(asked(model()).prompt_tokens) == near(PROMPT_LOW, PROMPT_HIGH)
    form = PromptSize(prefix=0, rest=0, form=int(1000 * UNIT), essays=0.0, longest=0, longest_bytes=0)
    found = estimate(model(), form, work=Workload(comparisons=1, at_once=1), language=Language.ENGLISH)
    assert both(found.prompt_tokens) == near(0.0, 4700.0), "some providers count the answer's schema, some do not"


@pytest.mark.parametrize(
    ("effort", "written"),
    [
        (ReasoningEffort.NONE, (40.0, 200.0)),
        (ReasoningEffort.LOW, (40.0, 1200.0)),
        (ReasoningEffort.MEDIUM, (240.0, 3200.0)),
        (ReasoningEffort.HIGH, (540.0, 8200.0)),
        (None, (40.0, 3200.0)),
    ],
)
def test_a_model_that_thinks_writes_more(effort, written):
    judge = LLMConfigOverrides(reasoning_effort=effort)
    assert both(asked(model(thinks=True, max_tokens=None), judge=judge).completion_tokens) == written
    assert both(asked(model(max_tokens=None), judge=judge).completion_tokens) == (40.0, 200.0), "if it thinks at all"


def test_no_answer_is_longer_than_it_may_be():
    assert both(asked(model(thinks=True, max_tokens=100)).completion_tokens) == (40.0, 100.0)
    assert both(asked(model(max_tokens=30)).completion_tokens) == (30.0, 30.0)


def test_money_is_tokens_at_their_rates():
    low = (PROMPT_LOW * 0.001 + 40 * 0.01) / 1000
    high = (PROMPT_HIGH * 0.001 + 200 * 0.01) / 1000
    assert both(asked(model()).usd) == near(10 * low, 10 * high)


def test_at_best_the_prefix_comes_from_the_cache_and_at_worst_all_goes_into_it_each_time():
    rates = Rates(input="0.001", output="0.01", cached_input="0.0001", cache_write="0.002")
    low = (PREFIX_LOW * 0.0001 + (PROMPT_LOW - PREFIX_LOW) * 0.001 + 40 * 0.01) / 1000
    high = (PROMPT_HIGH * 0.002 + 200 * 0.01) / 1000
    assert both(asked(model(rates)).usd) == near(10 * low, 10 * high)


def test_a_cache_that_costs_more_to_read_is_not_read():
    rates = Rates(input="0.001", output="0.01", cached_input="0.005", cache_write="0.0001")
    assert both(asked(model(rates)).usd) == near(*both(asked(model()).usd))


def test_a_prompt_that_may_be_long_costs_the_long_rates_at_worst():
    """The lower end, 8,100 tokens, stays below the mark of 10,000."""
    long = Rates(input="0.002", output="0.02")
    found = asked(model(long=long))
    high = (PROMPT_HIGH * 0.002 + 200 * 0.02) / 1000
    assert both(found.usd) == near(both(asked(model()).usd)[0], 10 * high)


def test_the_worst_case_is_three_calls_that_cost_all_they_can():
    """60,000 bytes of prompt and 4,000 tokens around it, 5,000 tokens of answer."""
    call = (64_000 * 0.001 + 5_000 * 0.01) / 1000
    found = asked(model())
    assert found.call_at_most_usd == pytest.approx(call)
    assert found.usd_at_most == pytest.approx(3 * 10 * call)


def test_a_limit_pays_for_whole_comparisons():
    low, high = ((PROMPT_LOW * 0.001 + 0.4) / 1000, (PROMPT_HIGH * 0.001 + 2.0) / 1000)
    found = asked(model(), limit=0.5)
    assert both(found.within_limit) == (0.5 // high, 0.5 // low)
    assert found.within_limit_at_least == 1, "0.342 USD each in the worst case"
    assert asked(model()).within_limit is asked(model()).within_limit_at_least is None


@pytest.mark.parametrize(("comparisons", "at_once", "waves"), [(10, 5, 2), (11, 5, 3), (1, 5, 1), (5, 5, 1)])
def test_waves_are_whole(comparisons, at_once, waves):
    assert Workload(comparisons=comparisons, at_once=at_once).waves == waves


@pytest.mark.parametrize(
    ("limits", "seconds"),
    [
        # An answer comes after 1 second and 40 tokens at 150 a second, or after 4 seconds and 200 tokens at 30.
        ({"concurrency": 5}, (2 * (1 + 40 / 150), 2 * (4 + 200 / 30))),
        ({"concurrency": 2}, (2 * 3 * (1 + 40 / 150), 2 * 3 * (4 + 200 / 30))),  # five pairs of a wave in three turns
        ({"concurrency": 5, "requests_per_minute": 1}, (600.0, 600.0)),
        ({"concurrency": 5, "tokens_per_minute": 1000}, (60 * 10 * 8.14, 60 * 10 * 14.3)),
    ],
)
def test_time_is_that_of_the_slowest_of_waves_requests_and_tokens(limits, seconds):
    assert both(asked(model(**limits)).seconds) == near(*seconds)


def test_a_service_that_pauses_between_waves_may_take_so_much_longer():
    plain, paused = both(asked(model()).seconds), both(asked(model(), pause=300.0).seconds)
    assert paused == near(plain[0], plain[1] + 2 * 300.0)


@pytest.mark.parametrize(("context", "too_long"), [(None, False), (100_000, False), (20_000, True)])
def test_the_longest_pair_must_fit_into_the_models_context(context, too_long):
    """5,000 units of text are 23,500 tokens at worst."""
    assert asked(model(context=context)).too_long is too_long


def test_no_language_model_costs_nothing_and_answers_at_once():
    entry = ModelEntry(model_id="baseline", provider="mock", capabilities={"language_model": False})
    found = asked(ModelPricing(entry=entry), limit=1.0)
    assert both(found.usd) == (0.0, 0.0)
    assert both(found.seconds) == near(0.02, 0.2)
    assert found.within_limit is None, "no number of them reaches a limit"


HOUR = 3600.0


def batched(factor: float | None = 0.5) -> ModelPricing:
    plain = model()
    capabilities = dict(plain.entry.capabilities or {}) | {"batch_api": True, "batch_factor": factor}
    return replace(plain, entry=plain.entry.model_copy(update={"capabilities": capabilities}))


def single(work: Workload) -> Estimate:
    return asked(batched(), comparisons=work.comparisons, at_once=work.at_once, limit=work.limit)


def test_without_a_batch_api_or_its_price_there_is_no_estimate():
    work = Workload(comparisons=10, at_once=5, free_waves=9)
    for pricing in (model(), batched(None)):
        assert batch_estimate(asked(pricing), work=work, is_chosen=True) is None


def test_a_balanced_study_is_one_batch_for_half_the_price():
    work = Workload(comparisons=10, at_once=5, free_waves=9)
    plain = single(work)
    found = batch_estimate(plain, work=work, is_chosen=True)
    assert found is not None
    assert found.usd_single == plain.usd
    assert found.usd == plain.usd.times(0.5)
    assert (found.rounds, found.seconds) == (1, Interval(low=HOUR, high=24 * HOUR))
    chosen = in_batches(plain, found)
    assert (chosen.usd, chosen.seconds) == (found.usd, found.seconds)
    assert chosen.call_at_most_usd == pytest.approx(plain.call_at_most_usd / 2)
    assert in_batches(plain, replace(found, is_chosen=False)) is plain


def test_rounds_that_follow_from_answers_wait_for_each_other():
    work = Workload(comparisons=20, at_once=5, free_waves=2)
    found = batch_estimate(single(work), work=work, is_chosen=False)
    assert found is not None
    assert found.rounds == 3
    assert found.seconds == Interval(low=3 * HOUR, high=72 * HOUR)


def test_a_cost_limit_pays_for_a_batch_after_the_other():
    work = Workload(comparisons=10, at_once=5, free_waves=9)
    plain = single(work)
    tight = replace(work, limit=plain.call_at_most_usd)  # two at half the price
    found = batch_estimate(plain, work=tight, is_chosen=True)
    assert found is not None
    assert found.rounds > 3
