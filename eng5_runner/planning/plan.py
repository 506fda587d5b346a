"""What a run would do, cost and be worth, before anything is sent."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import reduce

from eng5_runner.contracts.request import BatchingMode, LLMConfigOverrides, batching_mode
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import judge_overrides, texts_to_store
from eng5_runner.core.spec import Budget, RunSpec
from eng5_runner.core.study_size import asked_per_pair, comparisons_under_cap, comparisons_wanted
from eng5_runner.judges.prompts import EssayLength
from eng5_runner.measure.design.deciding import fewest_to_decide
from eng5_runner.measure.design.planning import BALANCED_ROUNDS, FEWEST_OF_AN_ITEM, expected_precision
from eng5_runner.planning.batches import BatchEstimate, batch_estimate, in_batches
from eng5_runner.planning.candidates import Candidates
from eng5_runner.planning.measured import Pilot, measured_estimate
from eng5_runner.planning.precision import (
    AssumedAgreement,
    PrecisionForecast,
    assumed_agreement,
    forecasts,
    pair_margin,
)
from eng5_runner.planning.pricing import (
    Estimate,
    Interval,
    ModelPricing,
    Workload,
    estimate,
    study_seconds,
    trial_estimate,
)
from eng5_runner.planning.prompt_cache import Order

# Seconds that a remote CJ service may be silent after a wave: the time between two rounds of its monitor.
MONITOR_ROUND = 300.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Bought:
    """What a cost limit pays for, never more than the run asks for.

    Attributes:
        surely: comparisons in the worst case; None if no bound is known.
        likely: comparisons, from a low to a high end.
        reliability: at both ends of `likely`, for each spread of the plan.
    """

    usd: float
    surely: int | None
    likely: tuple[int, int]
    reliability: tuple[tuple[float, float], ...]


# A pilot is worth its price where the highest likely price is more than this many times the lowest.
_WIDE = 3
_MOST_OF_PILOT = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class PilotRun:
    """A small first run, whose figures take the place of the plan's assumptions.

    Attributes:
        usd: its likely price.
    """

    comparisons: int
    usd: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class SoftSaving:
    """What it saves that judgements say more than who won.

    Attributes:
        worth: how many bare wins one judgement of the pilot's judge was worth.
        comparisons: how many comparisons are then as precise as all of the plan would be as bare wins.
    """

    worth: Interval
    comparisons: Interval


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do.

    Attributes:
        essays: compared essays, anchors included.
        comparisons: in all.
        comparisons_at_least: the smallest number that a boundary design can end with, where decided pairs are left out;
            None in every other design.
        under_cap: how many of them come if the given service caps its requests as the field's does; None where all
            can come.
        chosen_by: where that number comes from.
        per_pair: how often each pair is judged on average, repeats and swaps included.
        waves: the number of waves in which the pairs are judged.
        precision: what the comparisons buy, for each of several spreads; empty in a boundary design.
        soft: what the confidence or the probabilities of the pilot's judge save; None without such a pilot, with
            another judge, and in a boundary design.
        agreement: r of judge and teachers that the chances of grades assume; None in a boundary design.
        pair_margin: of a boundary design: half the 90% interval of how often one essay of a pair wins, if they are
            about equal and all judgements are independent.
        judge: what the comparisons take with the run's judge; None where only the service knows it. Of several judges,
            what its share takes.
        further: the same for the shares of the models that judge too.
        batches: what they take in the batches of the only judge's provider, if it has some.
        test_answer: USD of the one answer that each judge's provider is asked for beforehand; None if none is.
        candidates: what the comparisons would take with other judges.
        within_max_cost: what the cost limit pays for; None without a limit or a known price.
        to_upload: texts to upload, `upload_bytes` in all.
        cached: texts that the Content Service is known to hold.
    """

    students: int
    anchors: int
    essays: int
    comparisons: int
    comparisons_at_least: int | None
    under_cap: int | None
    chosen_by: str
    per_pair: float
    waves: int
    precision: tuple[PrecisionForecast, ...]
    soft: SoftSaving | None
    agreement: AssumedAgreement | None
    pair_margin: float | None
    judge: Estimate | None
    further: tuple[Estimate, ...]
    batches: BatchEstimate | None
    test_answer: Interval | None
    candidates: tuple[Estimate, ...]
    max_cost_usd: float | None
    within_max_cost: Bought | None
    own_prompt: bool
    pilot: Pilot | None
    to_upload: int
    upload_bytes: int
    cached: int

    @property
    def pilot_run(self) -> PilotRun | None:
        """A small first run that narrows the price's range; None where the range is narrow, known or without a price.

        It judges each essay at least once, up to four times.
        """
        judge = self.judge
        if judge is None or judge.usd is None or judge.measured or self.further:
            return None
        if judge.usd.high <= _WIDE * judge.usd.low:
            return None
        comparisons = max(self.essays // 2, min(2 * self.essays, _MOST_OF_PILOT))
        if self.precision == () or comparisons * _WIDE > self.comparisons:
            return None
        return PilotRun(comparisons=comparisons, usd=judge.usd.times(comparisons / self.comparisons))

    @property
    def judges(self) -> tuple[Estimate, ...]:
        """What each judge's share takes; none where only the service knows its judge."""
        return () if self.judge is None else (self.judge, *self.further)

    @property
    def usd(self) -> Interval | None:
        """USD of all comparisons; None if a price is unknown."""
        prices = [one.usd for one in self.judges if one.usd is not None]
        if not prices or len(prices) < len(self.judges):
            return None
        return reduce(Interval.plus, prices)

    @property
    def usd_at_most(self) -> float | None:
        """USD of all comparisons if each call costs the most that it can; None if that is unknown."""
        most = [one.usd_at_most for one in self.judges if one.usd_at_most is not None]
        return sum(most) if most and len(most) == len(self.judges) else None

    @property
    def costs_nothing(self) -> bool:
        """Whether it is known that the price is 0: by our own judges, or by what the given service says."""
        usd = self.usd
        if usd is None or not all(self.own_prompt or one.pricing.from_service for one in self.judges):
            return False
        return usd.high == 0.0


def make_plan(
    spec: RunSpec,
    inputs: Inputs,
    *,
    lengths: Mapping[str, EssayLength],
    cached: Mapping[str, str],
    candidates: Candidates,
) -> Plan:
    """Plan a run.

    Args:
        spec: of the run.
        inputs: of the run.
        lengths: of the texts, by their SHA-256.
        cached: sha256 → storage id of what was uploaded before.
        candidates: who could judge, and at what price.
    """
    essays = len(inputs.students) + len(inputs.anchors)
    comparisons, chosen_by = comparisons_wanted(spec.budget, essays=essays)
    under_cap = comparisons_under_cap(spec.budget, comparisons)
    wanted = texts_to_store(inputs, with_anchors=spec.study.assignment_id is None)
    left = [sha256 for sha256 in wanted if sha256 not in cached]
    work = _work(spec, inputs, comparisons=comparisons, own_prompt=candidates.own_prompt)
    precision = tuple(
        forecasts(spec.budget, inputs, comparisons=comparisons, pilot=candidates.pilot, aims=candidates.aims)
    )
    judges = list(_judging(candidates, spec=spec, work=work))
    judge, batches, _ = judges[0] if judges else (None, None, None)
    trials = [trial for _, _, trial in judges if trial is not None] if spec.judge_check else []
    return Plan(
        students=len(inputs.students),
        anchors=len(inputs.anchors),
        essays=essays,
        comparisons=comparisons,
        comparisons_at_least=_at_least(spec.budget),
        under_cap=under_cap if under_cap < comparisons and not candidates.own_prompt else None,
        chosen_by=chosen_by,
        per_pair=asked_per_pair(spec.budget),
        waves=work.waves,
        precision=precision,
        soft=_soft(candidates, spec=spec, essays=essays, comparisons=comparisons),
        agreement=assumed_agreement(candidates.aims, candidates.pilot) if precision else None,
        pair_margin=pair_margin(2 * spec.budget.repeats) if spec.budget.design == "boundary" else None,
        judge=judge,
        further=tuple(one for one, _, _ in judges[1:]),
        batches=None if candidates.further else batches,
        test_answer=reduce(Interval.plus, trials) if trials and candidates.own_prompt else None,
        candidates=tuple(_priced(other, candidates=candidates, spec=spec, work=work) for other in candidates.others),
        max_cost_usd=spec.budget.max_cost_usd,
        within_max_cost=_bought([one for one, _, _ in judges], budget=spec.budget, essays=essays, precision=precision),
        own_prompt=candidates.own_prompt,
        pilot=candidates.pilot,
        to_upload=len(left),
        upload_bytes=sum(lengths[sha256].stored for sha256 in left),
        cached=len(wanted) - len(left),
    )


def _judging(
    candidates: Candidates, *, spec: RunSpec, work: Workload
) -> Iterator[tuple[Estimate, BatchEstimate | None, Interval | None]]:
    """What each judge's share of the work takes, with its provider's batches and its test answer."""
    if candidates.chosen is None:
        return
    is_batched = batching_mode(spec.budget.batching_mode) is BatchingMode.PROVIDER_BATCH_API
    judges = [candidates.chosen, *candidates.further]
    for place, pricing in enumerate(judges):
        share = work.comparisons // len(judges) + (place < work.comparisons % len(judges))
        own = replace(work, comparisons=share, limit=None if work.limit is None else work.limit / len(judges))
        single = _priced(pricing, candidates=candidates, spec=spec, work=own)
        batches = batch_estimate(single, work=own, is_chosen=is_batched)
        judge = in_batches(single, batches)
        yield judge, batches, trial_estimate(judge, work=own)


def _at_least(budget: Budget) -> int | None:
    """If every pair were decided at the first look: a cycle of both orders is asked while its answers come."""
    if not budget.stop_decided:
        return None
    return len(budget.pairs) * min(fewest_to_decide(budget.repeats) + 2, 2 * budget.repeats)


def _soft(candidates: Candidates, *, spec: RunSpec, essays: int, comparisons: int) -> SoftSaving | None:
    pilot, chosen = candidates.pilot, candidates.chosen
    if pilot is None or pilot.worth_90 is None or spec.budget.soft_judgements == "off":
        return None
    if spec.budget.design == "boundary" or chosen is None or not _is_of(pilot, chosen):
        return None
    least = min(comparisons, math.ceil(essays * FEWEST_OF_AN_ITEM / 2))
    low, high = (max(least, math.ceil(comparisons / worth)) for worth in (pilot.worth_90.high, pilot.worth_90.low))
    return SoftSaving(worth=pilot.worth_90, comparisons=Interval(low=low, high=high))


def _is_of(pilot: Pilot, pricing: ModelPricing) -> bool:
    return pilot.judge == (pricing.entry.provider, pricing.entry.model_id)


def _bought(
    judges: Sequence[Estimate], *, budget: Budget, essays: int, precision: tuple[PrecisionForecast, ...]
) -> Bought | None:
    """What the limit pays for: of several judges each has an equal part of it, and one that is free all it is asked."""
    limit = budget.max_cost_usd
    if not judges or limit is None:
        return None
    paid = [one for one in judges if one.usd is None or one.usd.high > 0.0]
    free = sum(one.comparisons for one in judges if one not in paid)
    within = [(one.within_limit, one.comparisons) for one in paid if one.within_limit is not None]
    at_least = [(one.within_limit_at_least, one.comparisons) for one in paid if one.within_limit_at_least is not None]
    if not paid or len(within) < len(paid):
        return None
    low = free + sum(min(math.floor(bought.low), share) for bought, share in within)
    high = free + sum(min(math.floor(bought.high), share) for bought, share in within)

    def reliability(asked: int, spread: float) -> float:
        pairs = asked / asked_per_pair(budget)  # repeats and swaps tell nothing of the positions
        adaptive = budget.design == "adaptive"
        return expected_precision(essays=essays, comparisons=pairs, spread=spread, adaptive=adaptive).reliability

    return Bought(
        usd=limit,
        surely=free + sum(map(min, at_least)) if len(at_least) == len(paid) else None,
        likely=(low, high),
        reliability=tuple((reliability(low, row.spread), reliability(high, row.spread)) for row in precision),
    )


def _work(spec: RunSpec, inputs: Inputs, *, comparisons: int, own_prompt: bool) -> Workload:
    boundary = spec.budget.design == "boundary"
    essays = len(inputs.students) + len(inputs.anchors)
    size = len(spec.budget.pairs) * (1 + spec.budget.stop_decided) if boundary else essays // 2
    return Workload(
        comparisons=comparisons,
        at_once=max(size, 1),
        free_waves=_free_waves(spec.budget) if own_prompt else None,
        pause=0.0 if own_prompt else MONITOR_ROUND,
        judge=judge_overrides(spec, inputs) or LLMConfigOverrides(),
        limit=spec.budget.max_cost_usd,
        essays=essays,
        order=_order(spec.budget),
    )


def seconds_by_one_answer(spec: RunSpec, inputs: Inputs, *, pricing: ModelPricing, seconds: float) -> Interval:
    """Seconds of a run on an embedded stack whose judge took so many seconds for one short answer.

    One answer says of the mean no more than that it lies between half and twice as much. Where the file of models
    states the mean, that counts.
    """
    comparisons, _ = comparisons_wanted(spec.budget, essays=len(inputs.students) + len(inputs.anchors))
    work = _work(spec, inputs, comparisons=comparisons, own_prompt=True)
    answer = pricing.stated_answer or Interval(low=seconds / 2, high=seconds * 2)
    return study_seconds(pricing, answer=answer, work=work)


def _order(budget: Budget) -> Order:
    """In which order an embedded stack asks."""
    match batching_mode(budget.batching_mode):
        case BatchingMode.PROVIDER_BATCH_API:
            return Order.UNKNOWN
        case BatchingMode.SERIAL_BUNDLE:
            return Order.ONE_BY_ONE
        case BatchingMode.PER_REQUEST | None:
            if math.isfinite(_free_waves(budget)):
                return Order.ROUNDS
            return Order.BY_FIRST_ESSAY if budget.max_cost_usd is None else Order.WITHIN_LIMIT


def _has_target(budget: Budget) -> bool:
    return budget.target_se is not None or budget.target_reliability is not None


def _free_waves(budget: Budget) -> float:
    """How many waves follow from no answers on an embedded stack."""
    if _has_target(budget):
        return 0.0
    if budget.stop_decided:
        return 2.0
    return BALANCED_ROUNDS if budget.design == "adaptive" else math.inf


def _priced(pricing: ModelPricing, *, candidates: Candidates, spec: RunSpec, work: Workload) -> Estimate:
    assumed = estimate(pricing, candidates.size, work=work, language=spec.study.language)
    pilot = candidates.pilot
    if pilot is None or not _is_of(pilot, pricing):
        return assumed
    return measured_estimate(assumed, pilot.measured, work=work)
