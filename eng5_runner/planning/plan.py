"""What a run would do, cost and be worth, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass

from eng5_runner.core.inputs import Inputs
from eng5_runner.core.next_step import texts_to_store
from eng5_runner.core.spec import Budget, RunSpec
from eng5_runner.core.study_size import asked_per_pair, comparisons_wanted
from eng5_runner.measure.design.planning import expected_precision
from eng5_runner.planning.pilot import Pilot
from eng5_runner.planning.precision import PrecisionForecast, forecasts, pair_margin
from eng5_runner.planning.pricing import Estimate, ModelPricing, PromptSize, Workload, estimate, measured_estimate

# Seconds that a given CJ service may be silent when a wave is done: its monitor's rounds.
MONITOR_ROUND = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What a cost limit is enough for, never more than the run asks for.

    Attributes:
        surely: comparisons, whatever happens; None where no bound is known.
        likely: comparisons.
        reliability: at the ends of `likely`, for each spread of the plan.
    """

    usd: float
    surely: int | None
    likely: tuple[int, int]
    reliability: tuple[tuple[float, float], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Candidates:
    """Who could judge, and how they are asked.

    Attributes:
        chosen: the run's judge; None where only the service knows it.
        others: candidates to compare, where none was chosen.
        size: of the prompts.
        own_prompt: whether the services, and so the prompts and prices, are ours; given ones have their own.
        pilot: an earlier run.
        within_one: the share of grades within one step that is asked about.
    """

    chosen: ModelPricing | None
    others: tuple[ModelPricing, ...]
    size: PromptSize
    own_prompt: bool = True
    pilot: Pilot | None = None
    within_one: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do.

    Attributes:
        essays: that are compared, anchors among them.
        comparisons: in all.
        chosen_by: where that number comes from.
        per_pair: how often each pair is asked on average, repeats and swaps together.
        waves: in which the pairs are asked.
        precision: what the comparisons buy, for each of several spreads; none in a boundary design.
        pair_margin: of a boundary design: half the 90% interval of how often one essay of a pair wins, if they are
            about equal and each judgement is a new one.
        judge: what they take with the run's judge; None where only the service knows it.
        candidates: what they would take with other judges.
        within_max_cost: what the cost limit is enough for; None without one, and where the price is not known.
        to_upload: texts, with how many bytes.
        cached: texts that a Content Service is known to hold.
    """

    students: int
    anchors: int
    essays: int
    comparisons: int
    chosen_by: str
    per_pair: float
    waves: int
    precision: tuple[PrecisionForecast, ...]
    pair_margin: float | None
    judge: Estimate | None
    candidates: tuple[Estimate, ...]
    max_cost_usd: float | None
    within_max_cost: Bought | None
    prompt_characters: PromptSize
    own_prompt: bool
    pilot: Pilot | None
    to_upload: int
    upload_bytes: int
    cached: int


def make_plan(
    spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes], cached: Mapping[str, str], market: Candidates
) -> Plan:
    """Plan a run.

    Args:
        spec: what is asked.
        inputs: what there is.
        texts: sha256 → bytes.
        cached: sha256 → storage id of what was uploaded before.
        market: who could judge, and at what price.
    """
    essays = len(inputs.students) + len(inputs.anchors)
    comparisons, chosen_by = comparisons_wanted(spec.budget, essays=essays)
    wanted = texts_to_store(inputs, with_anchors=spec.study.assignment_id is None)
    left = [sha256 for sha256 in wanted if sha256 not in cached]
    work = _work(spec, comparisons=comparisons, essays=essays, own_prompt=market.own_prompt)
    precision = tuple(
        forecasts(spec.budget, inputs, comparisons=comparisons, pilot=market.pilot, within_one=market.within_one)
    )
    judge = None if market.chosen is None else _priced(market.chosen, market=market, spec=spec, work=work)
    return Plan(
        students=len(inputs.students),
        anchors=len(inputs.anchors),
        essays=essays,
        comparisons=comparisons,
        chosen_by=chosen_by,
        per_pair=asked_per_pair(spec.budget),
        waves=work.waves,
        precision=precision,
        pair_margin=pair_margin(2 * spec.budget.repeats) if spec.budget.design == "boundary" else None,
        judge=judge,
        candidates=tuple(_priced(one, market=market, spec=spec, work=work) for one in market.others),
        max_cost_usd=spec.budget.max_cost_usd,
        within_max_cost=_bought(judge, budget=spec.budget, essays=essays, comparisons=comparisons, precision=precision),
        prompt_characters=market.size,
        own_prompt=market.own_prompt,
        pilot=market.pilot,
        to_upload=len(left),
        upload_bytes=sum(len(texts[sha256]) for sha256 in left),
        cached=len(wanted) - len(left),
    )


def _bought(
    judge: Estimate | None, *, budget: Budget, essays: int, comparisons: int, precision: tuple[PrecisionForecast, ...]
) -> Bought | None:
    if judge is None or judge.within_limit is None or budget.max_cost_usd is None:
        return None
    within, surely = judge.within_limit, judge.within_limit_at_least
    low, high = (min(math.floor(end), comparisons) for end in (within.low, within.high))

    def reliability(asked: int, spread: float) -> float:
        telling = asked / asked_per_pair(budget)
        adaptive = budget.design == "adaptive"
        return expected_precision(essays=essays, comparisons=telling, spread=spread, adaptive=adaptive).reliability

    return Bought(
        usd=budget.max_cost_usd,
        surely=None if surely is None else min(surely, comparisons),
        likely=(low, high),
        reliability=tuple((reliability(low, one.spread), reliability(high, one.spread)) for one in precision),
    )


def _work(spec: RunSpec, *, comparisons: int, essays: int, own_prompt: bool) -> Workload:
    boundary = spec.budget.design == "boundary"
    return Workload(
        comparisons=comparisons,
        at_once=max(len(spec.budget.pairs) if boundary else essays // 2, 1),
        pause=0.0 if own_prompt else MONITOR_ROUND,
        effort=spec.judge.reasoning_effort if spec.judge else None,
        limit=spec.budget.max_cost_usd,
    )


def _priced(tariff: ModelPricing, *, market: Candidates, spec: RunSpec, work: Workload) -> Estimate:
    assumed = estimate(tariff, market.size, work=work, language=spec.study.language)
    pilot = market.pilot
    if pilot is None or pilot.judge != (tariff.provider, tariff.model):
        return assumed
    return measured_estimate(
        assumed,
        prompt=pilot.prompt_tokens,
        written=pilot.completion_tokens,
        usd=pilot.usd,
        seconds=pilot.seconds,
        work=work,
    )
