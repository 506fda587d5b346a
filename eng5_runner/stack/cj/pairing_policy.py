"""The pairing policy: which pairs are compared next, and whether the study is precise enough to end.

Every decision follows from the plan, the waves so far and their results. So a batch that was interrupted makes the same
decisions again; waves that are stored are not decided again at all.

A wave is one round of ⌊n/2⌋ pairs, followed by their swaps and repeats. In a boundary study a wave has each of the
named pairs once. Where decided pairs are left out, it has each of the others in both orders.

A language model's provider may keep the beginning of a prompt, the first essay included, in a cache for some minutes.
So where nothing else decides on the order, some waves are asked together, and pairs that share their first essay
follow each other. While one is under way there is nothing in the cache yet: as many calls are made at once, one pair
of each of many essays comes first, and then the rest of each.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import islice

from eng5_runner.contracts.callbacks import LLMComparisonResult
from eng5_runner.contracts.request import BatchingMode, Provider
from eng5_runner.contracts.stopping import DecidedPairs, Look
from eng5_runner.measure.design.adaptive import BALANCED_ROUNDS, adaptive_round
from eng5_runner.measure.design.deciding import is_decided
from eng5_runner.measure.design.designs import audit_round, boundary_round
from eng5_runner.measure.design.pairing import Pair, nth_round
from eng5_runner.measure.design.stopping import Rule, look
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import comparisons_from
from eng5_runner.measure.model.dependence import dependence, weighed
from eng5_runner.measure.model.soft import Said, soft_from
from eng5_runner.measure.model.soft_choice import choose
from eng5_runner.stack.cj.plan import BatchPlan

# In simulations with 12 to 1,000 essays and 1 to 200 calls at once, no others read much more from a cache of 5 minutes.
# A study that is interrupted has judged its essays equally often, but for the waves that are asked together.
WAVES_TOGETHER, _ESSAYS_TOGETHER = 10, 128
# The first waves of a boundary study that leaves out decided pairs: they are asked before any answers are known.
_FREE_CYCLES = 2


def fitted_to(plan: BatchPlan, results: Iterable[LLMComparisonResult]) -> Fit:
    """The essays' positions by all results with a winner; a model's results that repeat each other count for less.

    Where the batch allows it, the judge's confidence and the probability of its answer count, too.
    """
    judged = [result for result in results if result.winner is not None]
    ids = [essay.essay_id for essay in plan.essays]
    rows: dict[str, list[tuple[str, str, float]]] = {}
    for result in judged:
        shown, outcome = result.request_metadata, 1.0 if result.winner == "Essay A" else 0.0
        rows.setdefault(_judge_of(result), []).append((shown.essay_a_id, shown.essay_b_id, outcome))
    by_judge = [comparisons_from(ids, rows[judge]) for judge in sorted(rows)] or [comparisons_from(ids, [])]
    counted = weighed(by_judge, dependence(by_judge))
    if plan.study_options.soft_judgements == "off":
        return fit(counted)
    return choose(counted, soft_from(counted, map(_said, judged))).fitted


def _said(result: LLMComparisonResult) -> Said:
    shown = result.request_metadata
    return Said(
        shown.essay_a_id,
        shown.essay_b_id,
        1.0 if result.winner == "Essay A" else 0.0,
        judge=_judge_of(result),
        confidence=result.confidence,
        probability=shown.probability_a,
        is_bound=shown.probability_is_bound or False,
    )


def _judge_of(result: LLMComparisonResult) -> str:
    return f"{result.provider}/{result.model}"


def depends_on_answers(plan: BatchPlan, *, wave: int) -> bool:
    """Whether the answers to earlier waves decide on a wave's pairs, or on whether they are compared at all."""
    options = plan.study_options
    return (
        plan.has_target
        or (options.design == "adaptive" and wave >= BALANCED_ROUNDS)
        or (options.stop_decided and wave >= _FREE_CYCLES)
    )


def waves_together(plan: BatchPlan) -> int:
    """How many waves may be asked in the order of the first essays; 1 where the order is that of the waves.

    In a serial bundle and in a provider's batch, pairs that share their first essay follow each other anyway.
    """
    grouped = plan.batching_mode not in (None, BatchingMode.PER_REQUEST)
    if grouped or plan.overrides.provider_override is Provider.MOCK:
        return 1
    return 1 if depends_on_answers(plan, wave=BALANCED_ROUNDS) else WAVES_TOGETHER


def by_first_essay(waves: Mapping[int, Sequence[Pair]]) -> Iterator[tuple[int, int]]:
    """The order in which the pairs of these waves are asked, as wave and place; one wave keeps its order.

    >>> ab, cd = Pair(first="a", second="b"), Pair(first="c", second="d")
    >>> list(by_first_essay({0: [ab, cd], 1: [ab, cd], 2: [cd, ab]}))
    [(0, 0), (0, 1), (1, 0), (2, 1), (1, 1), (2, 0)]
    """
    if len(waves) == 1:
        ((wave, pairs),) = waves.items()
        yield from ((wave, place) for place in range(len(pairs)))
        return
    groups: dict[str, list[tuple[int, int]]] = {}
    for wave, pairs in waves.items():
        for place, pair in enumerate(pairs):
            groups.setdefault(pair.first, []).append((wave, place))
    rest = iter(groups.values())
    while some := list(islice(rest, _ESSAYS_TOGETHER)):
        yield from (group[0] for group in some)
        for group in some:
            yield from group[1:]


def next_wave(
    plan: BatchPlan, waves: Sequence[Sequence[Pair]], *, results: Sequence[LLMComparisonResult]
) -> Sequence[Pair]:
    """The pairs of the next wave; none when the study has all its comparisons.

    Takes about half a second for 1,000 essays in an adaptive design: call it in a thread.

    Args:
        plan: of the batch.
        waves: all waves so far, as this function returned them.
        results: each pair's last result in all waves but the last one; an adaptive design uses them.
    """
    left = plan.budget - sum(len(wave) for wave in waves)
    return _whole_wave(plan, waves, results=results)[:left] if left > 0 else ()


def _whole_wave(
    plan: BatchPlan, waves: Sequence[Sequence[Pair]], *, results: Sequence[LLMComparisonResult]
) -> Sequence[Pair]:
    options = plan.study_options
    if options.design == "boundary":
        if options.stop_decided:
            return _undecided(plan, waves, results=results)
        return _of_boundary(plan, len(waves))
    ids = [essay.essay_id for essay in plan.essays]
    size = len(ids) // 2
    if options.design == "adaptive":
        history = [pair for wave in waves for pair in wave[:size]]
        fitted = fitted_to(plan, results) if len(waves) >= BALANCED_ROUNDS else None
        target = options.target_reliability
        pairs = adaptive_round(
            ids,
            history=history,
            fitted=fitted,
            seed=plan.seed,
            grades=plan.known_grades if target is None else None,
            target_se=options.target_se,
            waiting=size,
        )
    else:
        pairs = nth_round(ids, len(waves), seed=plan.seed)
    return (*pairs, *_besides(plan, pairs, before=size * len(waves)))


def _of_boundary(plan: BatchPlan, number: int) -> Sequence[Pair]:
    """A round of a boundary study; none beyond its last one."""
    options = plan.study_options
    return boundary_round(options.pairs, number, seed=plan.seed) if number < 2 * options.repeats else ()


def _undecided(
    plan: BatchPlan, waves: Sequence[Sequence[Pair]], *, results: Sequence[LLMComparisonResult]
) -> Sequence[Pair]:
    """The next two rounds without the pairs that are decided; a pair that was left out once stays out."""
    number = len(waves)
    cycle = [*_of_boundary(plan, 2 * number), *_of_boundary(plan, 2 * number + 1)]
    if number < _FREE_CYCLES:
        return cycle
    answers, won = Counter(map(_essays_of, results)), _wins(results)
    left = set()
    for pair in waves[-1]:
        essays, most = frozenset((pair.first, pair.second)), 2 * plan.study_options.repeats
        wins = (won[essays, essay] for essay in (pair.first, pair.second))
        if not is_decided(*wins, left=most - answers[essays]):
            left.add(essays)
    return [pair for pair in cycle if frozenset((pair.first, pair.second)) in left]


def _wins(results: Iterable[LLMComparisonResult]) -> Counter[tuple[frozenset[str], str]]:
    """How often each essay of each pair won, in both orders."""
    won: Counter[tuple[frozenset[str], str]] = Counter()
    for result in results:
        shown = result.request_metadata
        if result.winner is not None:
            won[_essays_of(result), shown.essay_a_id if result.winner == "Essay A" else shown.essay_b_id] += 1
    return won


def _essays_of(result: LLMComparisonResult) -> frozenset[str]:
    return frozenset((result.request_metadata.essay_a_id, result.request_metadata.essay_b_id))


def decided_pairs(plan: BatchPlan, results: Sequence[LLMComparisonResult]) -> DecidedPairs:
    """What it saved that decided pairs were left out.

    Args:
        plan: of a boundary study that leaves them out.
        results: each comparison's last result, when the study has ended.
    """
    asked, won, most = Counter(map(_essays_of, results)), _wins(results), 2 * plan.study_options.repeats
    # A request of another client can allow fewer comparisons, which cut off pairs that are not decided.
    is_cut = len(results) >= plan.budget

    def is_left_out(pair: tuple[str, str]) -> bool:
        essays = frozenset(pair)
        left = most - asked[essays]
        return left > 0 and (not is_cut or is_decided(won[essays, pair[0]], won[essays, pair[1]], left=left))

    return DecidedPairs(
        pairs=sum(map(is_left_out, plan.study_options.pairs)),
        comparisons=len(results),
        comparisons_wanted=plan.budget,
    )


def _besides(plan: BatchPlan, pairs: Sequence[Pair], *, before: int) -> Sequence[Pair]:
    """The swaps and repeats of a round's pairs."""
    options = plan.study_options
    turned = [Pair(first=pair.second, second=pair.first) for pair in pairs] if options.swap == "all" else []
    audited = audit_round(pairs, before=before, seed=plan.seed) if options.swap == "audit" else []
    return [*turned, *[*pairs, *turned] * (options.repeats - 1), *audited]


def look_at(plan: BatchPlan, results: Sequence[LLMComparisonResult], *, wave: int, asked: int) -> Look:
    """Whether a study with a target precision may end after a whole wave.

    Takes as long as two fits, and at the end of the study as long as five: call it in a thread.

    Args:
        plan: of the batch.
        results: each pair's last result.
        wave: its number, from 0.
        asked: the number of pairs in all waves so far.
    """
    options = plan.study_options
    rule = Rule(
        reliability=options.target_reliability,
        se=options.target_se,
        budget=plan.budget,
    )
    seen = look(fitted_to(plan, results), rule=rule, round_number=wave + 1, asked=asked)
    return Look(
        round=seen.round,
        comparisons=asked,
        judgements=seen.judgements,
        fewest=seen.fewest,
        components=seen.components,
        reliability=seen.reliability,
        reliability_low=seen.interval[0] if seen.interval else None,
        reliability_high=seen.interval[1] if seen.interval else None,
        standard_error_90=seen.se,
        verdict=seen.verdict,
    )
