"""What a plan says of precision, money and time: intervals that hold, bounds that bound, nothing made up."""

from __future__ import annotations

import math
from dataclasses import fields, replace
from datetime import date
from decimal import Decimal

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.contracts.request import Language, LLMConfigOverrides, Provider, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.core.spec import Budget
from eng5_runner.core.study_size import asked_per_pair, comparisons_wanted
from eng5_runner.errors import InputsInvalid
from eng5_runner.judges.catalogue import baseline_model
from eng5_runner.judges.manifest import Limits, Model, Price, Rates, Usage, built_in
from eng5_runner.measure.design.designs import audit_round
from eng5_runner.measure.design.pairing import Pair
from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.measure.quality.inversions import wilson
from eng5_runner.planning.candidates import Candidates, lengths_of
from eng5_runner.planning.measured import Pilot
from eng5_runner.planning.pilot import read_pilot
from eng5_runner.planning.plan import Plan, make_plan, seconds_by_one_answer
from eng5_runner.planning.precision import AssumedAgreement, GradeAims
from eng5_runner.planning.pricing import Interval, ModelPricing, PromptSize, Workload, estimate
from eng5_runner.reports.terminal.plan import price_in_words
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import (
    GradeCentre,
    GradesAvailable,
    GradesUnavailable,
    SoftUse,
    TeacherAgreement,
)
from eng5_runner.results.artefact.study import (
    BASELINE_KIND,
    MODEL_KIND,
    Comparison,
    ComparisonCall,
    FailedComparison,
    JudgeIdentity,
    ReplayedUnknown,
)
from tests.support.artefacts import artefact, comparison, entry, metadata, model
from tests.support.run.runs import make_inputs, make_spec
from tests.support.studies import balanced_study, normal_truth

INPUTS, TEXTS = make_inputs()
SIZE = PromptSize(prefix=3000, rest=400, form=300, essays=2400.0, longest=4000, longest_bytes=4900)
LIMITS = Limits(concurrency=4)
PRICE = Price(
    input="0.001",
    output="0.004",
    cached_input="0.0001",
    cache_write="0.00125",
    looked_up=date(2026, 11, 22),
    source="invented",
)


def pricing(*, thinks: bool = True, price: Price | None = PRICE, limits: Limits = LIMITS, **fields) -> ModelPricing:
    """A model of the manifest as a plan sees it."""
    efforts = tuple(ReasoningEffort) if thinks else ()
    model = Model(id="some-model", provider="openai", price=price, reasoning_efforts=efforts, **fields)
    return ModelPricing(entry=model.entry(attempts=6), max_tokens=model.max_tokens, price=price, limits=limits)


PRICED = pricing(max_tokens=2000)
BATCHED = pricing(max_tokens=2000, price=PRICE.model_copy(update={"batch_factor": Decimal("0.5")}))
NO_AIMS = GradeAims()
UNPRICED = ModelPricing(entry=ModelEntry(model_id="unknown", provider="openrouter"))


def both(interval: Interval | None) -> tuple[float, float]:
    assert interval is not None
    return interval.low, interval.high


def plan_of(
    *,
    chosen: ModelPricing | None = None,
    pilot: Pilot | None = None,
    own_prompt: bool = False,
    aims: GradeAims = NO_AIMS,
    further: tuple[ModelPricing, ...] = (),
    **budget: object,
) -> Plan:
    spec = make_spec(budget=Budget(**budget))
    candidates = Candidates(
        chosen=chosen, others=(), size=SIZE, pilot=pilot, own_prompt=own_prompt, aims=aims, further=further
    )
    return make_plan(spec, INPUTS, lengths=lengths_of(TEXTS), cached={}, candidates=candidates)


def priced(model: ModelPricing = PRICED, *, comparisons: int = 100, **work: object):
    asked = Workload(comparisons=comparisons, at_once=20, **work)
    return estimate(model, SIZE, work=asked, language=Language.ENGLISH)


def test_the_price_is_the_one_that_the_provider_service_bills():
    """The ends of the interval, put to the service's own rule as an answer's tokens."""
    model = next(one for one in built_in().models if one.price and one.price.cache_write and one.price.cached_input)
    entry = model.entry(attempts=1)
    found = priced(ModelPricing(entry=entry, max_tokens=900, price=model.price), comparisons=1)
    low, high = found.prompt_tokens, found.completion_tokens
    share = SIZE.prefix / (SIZE.prefix + SIZE.rest + SIZE.essays)
    cached = round(low.low * share)
    least = Usage(prompt=round(low.low), completion=round(high.low), cached=cached)
    most = Usage(prompt=round(low.high), completion=round(high.high), cache_written=round(low.high))
    assert found.usd is not None
    assert Decimal(found.usd.low) == pytest.approx(model.cost(least), rel=Decimal("0.01"))
    assert Decimal(found.usd.high) == pytest.approx(model.cost(most), rel=Decimal("0.01"))


def test_a_price_that_is_not_known_is_not_zero():
    found = priced(UNPRICED, limit=5.0)
    assert (found.usd, found.usd_at_most, found.within_limit, found.within_limit_at_least) == (None,) * 4


@given(
    limit=st.floats(0.001, 1000),
    effort=st.sampled_from([None, *ReasoningEffort]),
    thinks=st.booleans(),
    most=st.integers(1, 50_000),
)
def test_the_bound_is_above_the_likely_and_a_limit_is_kept(limit, effort, thinks, most):
    judge = LLMConfigOverrides(reasoning_effort=effort)
    found = priced(pricing(thinks=thinks, max_tokens=most), limit=limit, judge=judge)
    assert found.usd is not None and found.usd_at_most is not None
    assert 0 < found.usd.low <= found.usd.high <= found.usd_at_most
    assert found.within_limit is not None and found.within_limit_at_least is not None
    assert found.within_limit_at_least <= found.within_limit.low <= found.within_limit.high
    assert found.within_limit_at_least * found.usd_at_most / 100 <= limit * (1 + 1e-9)
    assert found.completion_tokens.high <= most


def test_several_judges_share_comparisons_price_and_limit():
    free = ModelPricing(entry=baseline_model())
    plan = plan_of(chosen=PRICED, further=(BATCHED, free), own_prompt=True, max_comparisons=100, max_cost_usd=0.2)
    assert [judge.comparisons for judge in plan.judges] == [34, 33, 33]
    one = plan_of(chosen=PRICED, own_prompt=True, max_comparisons=100)
    assert plan.usd.high == pytest.approx(one.usd.high * 67 / 100)
    assert one.usd.low * 67 / 100 < plan.usd.low < plan.usd.high, "each finds less in its provider's cache"
    assert plan.usd_at_most == pytest.approx(one.usd_at_most * 67 / 100)
    assert not plan.costs_nothing and plan.batches is None
    bought = plan.within_max_cost
    assert bought.likely[0] == 33 + sum(math.floor(judge.within_limit.low) for judge in plan.judges[:2])
    assert plan.judge.within_limit.high < plan_of(chosen=PRICED, max_cost_usd=0.2).judge.within_limit.high
    assert "100 comparisons and 2 test answers for" in price_in_words(plan)
    assert plan_of(chosen=PRICED, further=(UNPRICED,), max_comparisons=100).usd is None, "not the price of one of them"


def test_swedish_takes_more_tokens_than_english():
    asked = Workload(comparisons=10, at_once=5)
    english, swedish = (estimate(PRICED, SIZE, work=asked, language=each).prompt_tokens for each in Language)
    assert swedish.low > english.low and swedish.high > english.high


def test_the_time_is_that_of_the_narrowest_limit():
    free = priced().seconds
    slow = priced(pricing(limits=Limits(requests_per_minute=6, concurrency=4))).seconds
    assert slow.low == 1000.0, "100 questions, six a minute"
    thirsty = priced(pricing(limits=Limits(tokens_per_minute=100, concurrency=4))).seconds
    assert thirsty.low > slow.low > free.low
    waiting = priced(pause=300.0).seconds
    assert (waiting.low, waiting.high) == (free.low, free.high + 5 * 300.0), "five waves, five minutes each"


def test_the_time_of_an_answer_that_the_models_file_states_is_that_of_the_plan():
    stated = pricing(limits=Limits(concurrency=4))
    stated = replace(stated, answer_seconds=2.0)
    found = priced(stated, free_waves=math.inf)
    assert found.answer_seconds is not None and found.answer_seconds.high < 1.4 * found.answer_seconds.low
    assert found.seconds.low < 1.1 * 100 / 4 * 2.0 < found.seconds.high, "the last answers leave places empty"
    waits = priced(stated, free_waves=0).seconds
    assert waits.low >= found.seconds.low


def test_the_mean_that_the_models_file_states_counts_more_than_one_answer():
    spec, own = make_spec(budget=Budget(max_comparisons=440)), pricing(limits=Limits(concurrency=32))
    one = seconds_by_one_answer(spec, INPUTS, pricing=own, seconds=5.0)
    assert one.high == pytest.approx(4 * one.low)
    stated = replace(own, answer_seconds=2.0)
    assert (
        seconds_by_one_answer(spec, INPUTS, pricing=stated, seconds=5.0)
        == plan_of(chosen=stated, own_prompt=True, max_comparisons=440).judge.seconds
    )


def test_what_makes_comparisons_wait_is_foretold():
    stated = replace(pricing(max_tokens=2000, limits=Limits(concurrency=200)), answer_seconds=2.0)
    free = plan_of(chosen=stated, own_prompt=True, max_comparisons=440).judge.seconds
    bundled = plan_of(chosen=stated, own_prompt=True, max_comparisons=440, batching_mode="serial_bundle")
    assert bundled.judge.seconds.low > 1.3 * free.low
    bound = bundled.judge.call_at_most_usd
    limited = plan_of(chosen=stated, own_prompt=True, max_comparisons=440, max_cost_usd=20 * bound)
    assert limited.judge.seconds.low > 1.3 * free.low
    few = replace(stated, limits=Limits(concurrency=200, requests_per_minute=600))
    assert 44 < plan_of(chosen=few, own_prompt=True, max_comparisons=440).judge.seconds.low < 50


def test_a_long_prompt_costs_what_long_prompts_cost():
    dear = Rates(input="0.01", output="0.04")
    long = pricing(max_tokens=9, price=PRICE.model_copy(update={"long_prompt_above": 500, "long_prompt": dear}))
    plain = pricing(max_tokens=9)
    assert priced(long).usd.high > 5 * priced(plain).usd.high
    assert priced(long).usd_at_most > 5 * priced(plain).usd_at_most


def test_repeats_and_swaps_are_counted_and_buy_no_precision():
    once, twice = plan_of(max_comparisons=60), plan_of(max_comparisons=120, repeats=2)
    both = plan_of(max_comparisons=120, swap="all")
    for plan in (twice, both):
        assert [one.reliability for one in plan.precision] == [one.reliability for one in once.precision]
        assert plan.per_pair == 2.0
    target = {"target_reliability": 0.8}
    assert comparisons_wanted(Budget(**target, repeats=3), essays=6)[0] == (
        3 * comparisons_wanted(Budget(**target), essays=6)[0]
    )


def test_the_audits_share_is_the_one_that_the_design_swaps():
    pairs = [Pair(first=f"a{number}", second=f"b{number}") for number in range(100)]
    swapped = sum(pair not in pairs for pair in audit_round(pairs, before=0, seed=1))
    assert asked_per_pair(Budget(swap="audit")) == 1.0 + swapped / 100


def test_a_target_is_reached_with_the_comparisons_that_its_goal_names():
    plan = plan_of(target_reliability=0.85, target_se=0.6)
    for outlook in plan.precision:
        reliability, se, within_one = outlook.targets
        assert (reliability.of, se.of, within_one.of) == ("reliability", "standard error", "grade within one step")
        reached = plan_of(max_comparisons=reliability.comparisons).precision
        assert next(one for one in reached if one.spread == outlook.spread).reliability >= 0.85
        closer = plan_of(max_comparisons=se.comparisons).precision
        assert next(one for one in closer if one.spread == outlook.spread).se <= 0.6
    # The upper limit covers spreads up to 3 logits; a plan shows some up to 6.
    up_to = {one.spread: max(goal.comparisons for goal in one.targets[:2]) for one in plan.precision}
    assert max(up_to[1.0], up_to[2.0]) <= plan.comparisons < up_to[4.0]


def test_a_boundary_design_claims_no_positions():
    plan = plan_of(design="boundary", pairs=(("birk", "cleo"), ("birk", "dag")), repeats=3)
    assert (plan.precision, plan.comparisons, plan.waves) == ((), 12, 6)
    low, high = wilson(3, 6)
    assert plan.pair_margin == pytest.approx((high - low) / 2, rel=1e-3)


@pytest.mark.parametrize(("repeats", "fewest"), [(1, 4), (2, 8), (3, 12), (5, 12)])
def test_where_decided_pairs_are_left_out_the_plan_has_a_range(repeats, fewest):
    """Four judgements decide at the earliest, and two more are under way then."""
    pairs = (("birk", "cleo"), ("birk", "dag"))
    plan = plan_of(design="boundary", pairs=pairs, repeats=repeats, stop_decided=True)
    assert (plan.comparisons_at_least, plan.comparisons) == (fewest, 4 * repeats)
    assert plan_of(design="boundary", pairs=pairs, repeats=repeats).comparisons_at_least is None


def test_a_cost_limit_says_how_far_it_goes_and_what_that_buys():
    plan = plan_of(chosen=PRICED, max_comparisons=1000, max_cost_usd=1.0)
    bought = plan.within_max_cost
    assert bought is not None and bought.surely is not None
    assert 0 < bought.surely <= bought.likely[0] <= bought.likely[1] <= 1000
    assert all(low <= high for low, high in bought.reliability)
    assert plan_of(chosen=UNPRICED, max_cost_usd=1.0).within_max_cost is None


def call(number: int, **changes: object) -> Comparison:
    """A comparison that cost 0.002 USD; all of a run take half a minute together."""
    given = {"tokens_prompt": 1000, "tokens_completion": 50, "cost_usd": 0.002, "model": "some-model"} | changes
    times = {"started_at": "2026-11-22T10:00:00.000000Z", "completed_at": "2026-11-22T10:00:30.000000Z"}
    return comparison("birk", "cleo", "birk", sequence=number, **times, **given)


def failed_call(**changes: object) -> FailedComparison:
    row = call(1, **changes)
    shared = {field.name: getattr(row, field.name) for field in fields(ComparisonCall)}
    return FailedComparison(**shared, failure_code="TIMEOUT", failure_reason="TIMEOUT: no answer")


MODEL = (JudgeIdentity(provider="openai", model="some-model", kind=MODEL_KIND),)
BASELINE = (JudgeIdentity(provider="mock", model="some-model", kind=BASELINE_KIND),)
CENTRES = {
    grade: GradeCentre(theta=theta, standard_deviation=0.2)
    for grade, theta in zip("EDC", (-1.0, 0.0, 2.0), strict=True)
}


def judged_artefact(**changes: object) -> Artefact:
    """A run of five essays: twenty comparisons with a winner, and one without."""
    blocks: dict[str, object] = {
        "metadata": metadata(batch_label="pilot", judges=MODEL),
        "llm_comparisons": tuple(call(number) for number in range(1, 21)),
        "failed_comparisons": (failed_call(),),
        "bt_summary": tuple(entry(f"essay-{n}", theta=n - 2.0, se=0.5, rank=5 - n) for n in range(5)),
        "bt_model": model(prior_sd=1.5),
        "grade_model": GradesAvailable(
            method="any", within_grade_sd=1.0, centres=CENTRES, inversion_probabilities=(0.1, 0.1)
        ),
    }
    return artefact(**blocks | changes)


def test_a_pilots_figures_take_the_place_of_assumptions():
    pilot = read_pilot(judged_artefact())
    assert (pilot.spread, pilot.step) == (1.5, 1.5)
    plan = plan_of(chosen=PRICED, pilot=pilot, max_comparisons=100)
    assert [one.origin for one in plan.precision] == ["low", "estimate", "high"]
    assert plan.precision[0].spread < 1.5 < plan.precision[2].spread
    judge = plan.judge
    assert judge is not None and judge.measured and judge.usd is not None
    assert judge.usd.low == judge.usd.high == pytest.approx(0.21), "failed ones are paid for too"
    assert judge.seconds.low < 150.0 < judge.seconds.high, "a given service: 20 in half a minute"
    timed = tuple(replace(call(number), response_time_ms=250) for number in range(1, 21))
    pilot = read_pilot(judged_artefact(llm_comparisons=timed))
    own = plan_of(chosen=PRICED, pilot=pilot, own_prompt=True, max_comparisons=100).judge
    assert own is not None and own.answer_seconds is not None
    assert own.answer_seconds.low <= 0.25 <= own.answer_seconds.high, "seconds of an answer"
    assert 80 / 4 * own.answer_seconds.low <= own.seconds.low < own.seconds.high < 1.3 * own.seconds.low


def test_a_pilot_in_batches_halves_the_price_once_and_says_nothing_of_the_time_of_single_calls():
    slow = {"batched": True, "response_time_ms": 3_600_000, "cost_usd": 0.001}
    made = tuple(call(number, **slow) for number in range(1, 21))
    failed = (failed_call(**slow),)
    pilot = read_pilot(judged_artefact(llm_comparisons=made, failed_comparisons=failed))
    judged = {"chosen": BATCHED, "pilot": pilot, "own_prompt": True, "max_comparisons": 100}
    single = plan_of(**judged)
    batched = plan_of(**judged, batching_mode="provider_batch_api")
    assert single.batches is not None and single.judge is not None and batched.judge is not None
    assert single.judge.usd == single.batches.usd_single and both(single.judge.usd) == pytest.approx((0.21, 0.21))
    assert batched.judge.usd == single.batches.usd and both(batched.judge.usd) == pytest.approx((0.105, 0.105))
    assumed = plan_of(chosen=BATCHED, own_prompt=True, max_comparisons=100).judge
    assert assumed is not None and single.judge.seconds == assumed.seconds and single.judge.measured
    equal = plan_of(**judged | {"chosen": PRICED}).judge
    assert equal is not None and both(equal.usd) == pytest.approx((0.105, 0.105)), "a batch that is not cheaper"


def test_the_agreement_with_teachers_is_given_measured_or_assumed():
    agreed = TeacherAgreement(correlation=0.75, interval_90=(0.5, 0.9), among="anchors")
    measured = judged_artefact().grade_model.model_copy(update={"agreement_with_teachers": agreed})
    pilot = read_pilot(judged_artefact(grade_model=measured))
    assert plan_of().agreement == AssumedAgreement(r=0.96, origin="assumed")
    assert plan_of(pilot=read_pilot(judged_artefact())).agreement == AssumedAgreement(r=0.96, origin="assumed")
    assert plan_of(pilot=pilot).agreement == AssumedAgreement(r=0.75, origin="pilot")
    given = plan_of(pilot=pilot, aims=GradeAims(agreement=0.9))
    assert given.agreement == AssumedAgreement(r=0.9, origin="given")
    chances = [one.precision[1].within_one for one in (plan_of(pilot=pilot), given)]
    assert chances[0] < chances[1]
    assert plan_of(design="boundary", pairs=(("a", "b"),)).agreement is None


def test_a_pilots_confidence_says_how_few_comparisons_are_as_precise():
    used = SoftUse(worth=2.0, worth_interval_90=(0.8, 3.2), judges=())
    pilot = read_pilot(judged_artefact(bt_model=model(prior_sd=1.5).model_copy(update={"soft_judgements": used})))
    plan = plan_of(chosen=PRICED, pilot=pilot, max_comparisons=100, soft_judgements="auto")
    assert plan.soft is not None
    assert (plan.soft.worth.low, plan.soft.worth.high) == (1.0, 3.2), "where it helps nothing, wins count"
    assert plan.soft.comparisons == Interval(low=max(32, plan.essays * 5), high=100)
    few = plan_of(chosen=PRICED, pilot=pilot, max_comparisons=20 * plan.essays, soft_judgements="auto").soft
    assert few is not None and few.comparisons.low == max(5 * plan.essays, math.ceil(20 * plan.essays / 3.2))
    least = plan_of(chosen=PRICED, pilot=pilot, max_comparisons=6 * plan.essays, soft_judgements="auto").soft
    assert least is not None and least.comparisons.low == 5 * plan.essays, "a target asks for ten judgements an essay"
    assert plan_of(chosen=PRICED, pilot=pilot, max_comparisons=100).soft is None
    assert plan_of(chosen=UNPRICED, pilot=pilot, soft_judgements="auto").soft is None
    assert plan_of(chosen=PRICED, pilot=read_pilot(judged_artefact()), soft_judgements="auto").soft is None


def test_another_judge_than_the_pilots_takes_its_spread_alone():
    other = plan_of(chosen=UNPRICED, pilot=read_pilot(judged_artefact())).judge
    assert other is not None and not other.measured and other.usd is None


def test_a_pilot_whose_language_model_cost_nothing_had_no_price():
    calls = {
        "llm_comparisons": tuple(call(number, cost_usd=0.0) for number in range(1, 21)),
        "failed_comparisons": (failed_call(cost_usd=0.0),),
    }
    assert read_pilot(judged_artefact(**calls)).measured.usd is None
    assert read_pilot(judged_artefact(**calls, metadata=metadata(judges=BASELINE))).measured.usd is not None


def test_a_replay_makes_no_comparison_cheap():
    free = {"cost_usd": 0.0, "tokens_prompt": 0, "tokens_completion": 0, "replayed": ReplayedUnknown()}
    replays = tuple(call(number, **free) for number in range(21, 61))
    again = judged_artefact(llm_comparisons=(*judged_artefact().llm_comparisons, *replays))
    assert read_pilot(again).measured.usd == read_pilot(judged_artefact()).measured.usd
    assert read_pilot(judged_artefact(llm_comparisons=replays)).judge is None


@pytest.mark.parametrize(
    "poor",
    [
        {"llm_comparisons": (call(1), call(2))},
        {"bt_model": None},
        {"bt_summary": (entry("birk"), entry("cleo"))},
        {
            "bt_summary": tuple(entry(name, se=1e-200) for name in ("birk", "cleo", "dag")),
            "bt_model": model().model_copy(update={"prior_sd_estimated": False}),
        },
    ],
)
def test_a_pilot_that_says_too_little_is_refused(poor):
    with pytest.raises(InputsInvalid, match="--pilot"):
        read_pilot(judged_artefact(**poor))


def test_a_pilot_without_grades_has_no_step():
    assert read_pilot(judged_artefact(grade_model=GradesUnavailable(reason="too few anchors"))).step is None


@pytest.mark.parametrize(("spread", "k"), [(1.0, 12), (1.8, 8), (4.0, 14)])
def test_the_pilots_interval_holds_the_true_spread(spread, k):
    """In 48 small studies; nominally nine in ten."""
    held = 0
    for seed in range(48):
        fitted = fit(balanced_study(normal_truth(30, spread=spread, seed=700 + seed), rounds=k, seed=seed))
        entries = tuple(
            entry(f"essay-{n}", theta=float(theta), se=float(se)).model_copy(update={"comparison_count": k})
            for n, (theta, se) in enumerate(zip(fitted.theta, fitted.standard_errors, strict=True))
        )
        whole = model(prior_sd=float(fitted.prior_sd)).model_copy(
            update={"prior_sd_estimated": fitted.prior_sd_estimated}
        )
        pilot = read_pilot(judged_artefact(bt_summary=entries, bt_model=whole))
        held += pilot.spread_90.low <= spread <= pilot.spread_90.high
    assert held / 48 == pytest.approx(0.9, abs=0.1)


def test_thinking_is_planned_for_where_it_is_asked_for():
    spec = make_spec(judge=LLMConfigOverrides(provider_override=Provider.OPENAI, reasoning_effort=ReasoningEffort.HIGH))
    candidates = Candidates(chosen=PRICED, others=(), size=SIZE)
    deep = make_plan(spec, INPUTS, lengths=lengths_of(TEXTS), cached={}, candidates=candidates).judge
    assert deep is not None
    assert deep.completion_tokens.high == PRICED.max_tokens
    assert deep.completion_tokens.low >= 500, "thought before the answer"
