"""A plan as a person reads it, and as JSON."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import asdict, replace
from types import MappingProxyType

from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.core.inputs import Finding, Inputs
from eng5_runner.core.spec import RunSpec
from eng5_runner.core.study_size import FIELD_CAP
from eng5_runner.judges.cost_bound import ATTEMPTS
from eng5_runner.measure.design.planning import FEWEST_OF_AN_ITEM
from eng5_runner.measure.quality.needed import judgements_needed
from eng5_runner.phrases import counted
from eng5_runner.planning.plan import Plan
from eng5_runner.planning.precision import AssumedAgreement, PrecisionTarget, what_no_grades_follow_from
from eng5_runner.planning.pricing import Estimate, Interval
from eng5_runner.reports.figures import UNKNOWN, in_range, in_time, in_usd
from eng5_runner.reports.terminal.table import plain_table

_THOUSAND, _MILLION = 1_000, 1_000_000
_ORIGINS: Mapping[str, str] = MappingProxyType(
    {"assumed": "", "estimate": " (pilot)", "low": " (low)", "high": " (high)"}
)


def plan_facts(plan: Plan) -> dict[str, object]:
    """The plan for programs: all of it, nothing rounded."""
    facts = asdict(replace(plan, precision=(), judge=None, further=(), candidates=())) | {
        "precision": [_renamed(asdict(row), targets="goals") for row in plan.precision],
        "judge": plan.judge and _estimate_facts(plan.judge),
        "further": [_estimate_facts(judge) for judge in plan.further],
        "candidates": [_estimate_facts(candidate) for candidate in plan.candidates],
    }
    return facts if plan.further else {key: value for key, value in facts.items() if key != "further"}


def _estimate_facts(estimate: Estimate) -> dict[str, object]:
    return _renamed(asdict(estimate), pricing="tariff") | {"tariff": estimate.pricing.facts()}


def _renamed(facts: dict[str, object], **keys: str) -> dict[str, object]:
    """The facts with some fields under the keys that programs know them by."""
    return {keys.get(field, field): value for field, value in facts.items()}


def show_plan(console: Console, plan: Plan, *, inputs: Inputs, spec: RunSpec) -> None:
    """What would be done, what it buys, what it takes."""
    students = "" if spec.mode.anchors_only else f"{counted(plan.students, 'student')} and "
    console.print(f"{students}{counted(plan.anchors, 'anchor')} on the scale {inputs.grade_scale}; {_kind(spec)}")
    cached = f"; {plan.cached} are there already" if plan.cached else ""
    console.print(f"to upload: {counted(plan.to_upload, 'text')}, {counted(plan.upload_bytes, 'byte')}{cached}")
    waves = counted(plan.waves, "wave")
    console.print(f"comparisons: {plan.comparisons} in {waves} ({plan.chosen_by})", style="bold")
    for line in _design(plan, spec):
        console.print(line)
    if plan.precision:
        console.print(_precision(plan, other="balanced" if spec.budget.design == "adaptive" else "adaptive"))
        console.print(_assumptions(plan), style="dim", soft_wrap=False)
    lacking = None if spec.mode.anchors_only or spec.study.assignment_id else what_no_grades_follow_from(inputs)
    if lacking is not None:
        console.print(f"no grades will be projected: {lacking}", style="bold yellow", soft_wrap=False)
    if plan.soft is not None:
        worth, needed = plan.soft.worth, plan.soft.comparisons
        console.print(
            f"As in the pilot run, one judgement is worth {worth.low:.1f} to {worth.high:.1f} bare wins: with a "
            f"target, the same precision takes {in_range(needed, lambda number: f'{number:,.0f}')} comparisons, with "
            f"at least {FEWEST_OF_AN_ITEM:.0f} judgements an essay.",
            style="bold",
            soft_wrap=False,
        )
    most, likely = (judgements_needed(share) for share in (0.5, 0.8))
    console.print(
        f"How often people agree with the judge is settled to ±5 points by {most} human judgements at most "
        f"({likely} if they agree in 80%); hydrate RUN --human-judgements FILE adds them.",
        style="dim",
        soft_wrap=False,
    )
    _judge(console, plan, spec=spec)
    shown = [*(one for one in plan.judges if not one.pricing.offline), *plan.candidates]
    if shown:
        console.print(_prices(plan, shown))
        for line in _caveats(plan, shown):
            console.print(line, style="dim", soft_wrap=False)
    for line in _batches(plan):
        console.print(line, style="bold")
    for line in _limit(plan):
        console.print(line, style="bold")
    if plan.test_answer is not None:
        price = in_range(plan.test_answer, in_usd)
        who = "each judge" if plan.further else "the judge"
        console.print(f"Beforehand {who} gives one test answer, for {price} USD; --no-judge-check leaves it out.")


def _judge(console: Console, plan: Plan, *, spec: RunSpec) -> None:
    if plan.judge is None:
        console.print("judge: the service's own; its price is not known here")
    if plan.further:
        shares = ", ".join(f"{escape(one.pricing.entry.model_id)} {one.comparisons}" for one in plan.judges)
        console.print(f"judges, one after the other, each in a request of its own: {shares} comparisons")
    for judge in plan.judges:
        if judge.pricing.offline:
            name, by = escape(judge.pricing.entry.model_id), " (the service's own)" * judge.pricing.from_service
            console.print(
                f"judge: {name}, not a language model; price: 0 USD{by}, time: {in_range(judge.seconds, in_time)}"
            )
    if plan.judges and all(judge.pricing.offline for judge in plan.judges):
        return
    if spec.judge is None or spec.judge.system_prompt_override is None:
        whose = (
            "the one that comes with this program" if plan.own_prompt else "the service's own, which is not seen here"
        )
        console.print(f"system prompt: {whose}; --system-prompt FILE replaces it")


def price_in_words(plan: Plan) -> str:
    """For the question before the money is spent."""
    number = counted(plan.comparisons, "comparison")
    if plan.under_cap is not None:
        number += f" ({plan.under_cap} if the service caps its requests)"
    usd, most = plan.usd, plan.usd_at_most
    if usd is None:
        return f"{number} at an unknown price"
    if all(judge.pricing.offline for judge in plan.judges):
        return f"{number} for 0 USD"
    if plan.test_answer is not None:
        # The worst case of a comparison counts more tokens around its prompt than the whole test question has.
        usd = usd.plus(plan.test_answer)
        asked = sum(not one.pricing.offline for one in plan.judges)
        number += " and a test answer" if asked == 1 else f" and {asked} test answers"
        most = None if most is None else most + sum(one.call_at_most_usd or 0.0 for one in plan.judges)
    at_most = "" if most is None else f", at most {in_usd(most)}"
    by = " at the service's own prices" if any(one.pricing.from_service for one in plan.judges) else ""
    return f"{number} for {in_range(usd, in_usd)} USD{at_most}{by}"


def pilot_in_words(plan: Plan, command: str) -> Iterator[str]:
    """That a small first run narrows the price, with its command and its price; nothing where none is worth it."""
    pilot = plan.pilot_run
    if pilot is not None:
        yield (
            f"A pilot narrows this range: {counted(pilot.comparisons, 'comparison')} for "
            f"{in_range(pilot.usd, in_usd)} USD; "
            "then plan again with --pilot runs/latest."
        )
        yield f"  {command}"


def _design(plan: Plan, spec: RunSpec) -> Iterator[str]:
    budget = spec.budget
    if plan.under_cap is not None:
        most = counted(budget.max_requests, "request") if budget.top_up else "one request, as --no-top-up has it"
        yield (
            f"a given service may make at most {FIELD_CAP} comparisons a request unless its operator raised that: "
            f"with {most}, {plan.under_cap} of the {plan.comparisons} come"
        )
    if plan.per_pair > 1.0 and budget.design != "boundary":
        yield (
            f"each pair is asked {plan.per_pair:g} times (repeats, other order): that shows how consistent the judge "
            "is, and counts once below"
        )
    if budget.design == "boundary":
        margin = "" if plan.pair_margin is None else f"; how often one wins is found to ± {plan.pair_margin:.2f} (90%)"
        most = "at most " if budget.stop_decided else ""
        yield f"a boundary design judges the named pairs only, {most}{2 * budget.repeats} times each{margin}"
    if plan.comparisons_at_least is not None:
        yield (
            f"decided pairs are left out: {plan.comparisons_at_least} to {plan.comparisons} comparisons. Of the pairs "
            "that are left out, at most 5% would have changed their side, on average over all chances to win"
        )
    if budget.design == "adaptive":
        worths = ", ".join(f"{one.adaptive_worth:.2f} at σ {one.spread:.1f}" for one in plan.precision)
        yield f"after three balanced rounds an adaptive judgement counts for more than a balanced one: {worths}"


def _precision(plan: Plan, *, other: str) -> Table:
    heads = [f"σ {one.spread:.1f}{_ORIGINS[one.origin]}" for one in plan.precision]
    table = plain_table(
        "spread of the essays",
        *heads,
        title=f"What {counted(plan.comparisons, 'comparison buys', plural='comparisons buy')}",
    )
    for column in table.columns[1:]:
        column.justify = "right"
    table.add_row("judgements an essay", *(f"{one.per_essay:.1f}" for one in plan.precision))
    table.add_row("standard error of θ", *(f"± {one.se:.2f}" for one in plan.precision))
    table.add_row("reliability", *(f"{one.reliability:.2f}" for one in plan.precision))
    table.add_row("grade right", *(_chance(one.exact) for one in plan.precision))
    table.add_row("grade within one step", *(_chance(one.within_one) for one in plan.precision), end_section=True)
    for rows in zip(*(one.targets for one in plan.precision), strict=True):
        table.add_row(f"comparisons for {_target(rows[0])}", *(_needed(target) for target in rows))
    table.add_row(
        f"as precise with --design {other}, ± 10%",
        *(f"{one.in_other_design:,} ({one.in_other_design / plan.comparisons - 1.0:+.0%})" for one in plan.precision),
    )
    return table


def _target(target: PrecisionTarget) -> str:
    if target.of == "standard error":
        return f"a standard error of {target.value:g}"
    return f"reliability {target.value:g}" if target.of == "reliability" else f"{target.value:.0%} within one step"


def _needed(target: PrecisionTarget) -> str:
    return "out of reach" if target.comparisons is None else f"{target.comparisons:,}"


def _chance(share: float | None) -> str:
    return "–" if share is None else f"{share:.0%}"


def _assumptions(plan: Plan) -> str:
    pilot = plan.pilot
    if pilot is None:
        return (
            "σ (in logits) is not known before a run: 1 is a homogeneous class, 6 a decisive model. A small run tells: "
            f"--pilot RUN. Grades: if students spread over the whole scale{_agreement(plan.agreement)}."
        )
    step = "" if pilot.step is None else f" and the step between grades ({pilot.step:.2f} logits)"
    return (
        f"σ{step} as measured in the run {escape(pilot.label)}: {pilot.comparisons} comparisons of {pilot.essays} "
        f"essays; the ends are those of a 90% interval. Grades{_agreement(plan.agreement)}."
    )


def _agreement(assumed: AssumedAgreement | None) -> str:
    if assumed is None:
        return ""
    if assumed.origin == "assumed":
        return f" and the judge agrees with teachers by r = {assumed.r:.2f} (--judge-agreement changes that)"
    found = " as in that run" if assumed.origin == "pilot" else ""
    return f" if the judge agrees with teachers by r = {assumed.r:.2f}{found}"


def _kind(spec: RunSpec) -> str:
    if spec.mode.anchors_only:
        return "anchors only, as a guest run without an assignment"
    return (
        "guest run: anchors go along as essays" if spec.study.assignment_id is None else "the service adds its anchors"
    )


def _prices(plan: Plan, shown: list[Estimate]) -> Table:
    takes = "would take" if plan.candidates else "takes" if plan.comparisons == 1 else "take"
    table = plain_table("judge", "tokens read", "written", "USD, likely", "at most", "time")
    table.pad_edge, table.collapse_padding = False, True
    table.title = f"What {counted(plan.comparisons, 'comparison')} {takes}"
    for column in table.columns[1:]:
        column.justify = "right"
    for one in shown:
        table.add_row(*_price_cells(one))
    return table


def _price_cells(one: Estimate) -> tuple[str, ...]:
    return (
        escape(one.pricing.entry.model_id) + (" (pilot)" if one.measured else ""),
        in_range(one.prompt_tokens.times(one.comparisons), _count),
        in_range(one.completion_tokens.times(one.comparisons), _count),
        UNKNOWN if one.usd is None else in_range(one.usd, in_usd),
        UNKNOWN if one.usd_at_most is None else in_usd(one.usd_at_most),
        in_range(one.seconds, in_time),
    )


def _caveats(plan: Plan, shown: list[Estimate]) -> Iterator[str]:
    dates = sorted({one.pricing.price.looked_up.isoformat() for one in shown if one.pricing.price})
    of = f"Prices of {' to '.join(dict.fromkeys((dates[0], dates[-1])))}. " if dates else ""
    guess = " and thinking as guessed" if any(one.pricing.thinks and not one.measured for one in shown) else ""
    likely = "as the pilot run measured" if all(one.measured for one in shown) else f"one attempt each{guess}"
    yield (
        f"{of}Likely: {likely}. At most: each answer takes all the tokens that it may, each comparison "
        f"its {ATTEMPTS} attempts."
    )
    if plan.judge is not None and plan.judge.cached is not None:
        yield _cached_in_words(plan.judge, plan.judge.cached)
    if plan.own_prompt:
        yield _time_in_words(shown)
    if plan.candidates:
        keys = ", ".join(sorted({one.pricing.entry.provider for one in shown if one.pricing.ready}))
        there = f"there is one for {keys}" if keys else "none of them has one now"
        yield f"To choose: --llm-provider, --llm-model and a key (docs/judges.md); {there}."
    if plan.judge is not None and plan.judge.pricing.from_service:
        yield "Prices are the given service's own, from its /models. The prompt is assumed to be as long as ours."
    elif not plan.own_prompt:
        yield "Prices and prompt are those that come with this program; the given service may have its own."
    for one in shown:
        if one.too_long:
            yield f"{escape(one.pricing.entry.model_id)}: the longest pair may not fit into its context."


def _cached_in_words(judge: Estimate, cached: Interval) -> str:
    """The share of the tokens that the provider reads from its cache."""
    least = judge.pricing.cache_from
    from_ = "" if least is None else f"; it keeps nothing below {least:,} tokens"
    if cached.high <= 0.0:
        return f"Of the tokens read, none comes from the provider's cache{from_}."
    surely = "" if judge.pricing.caches_marked_texts else "; the provider promises none"
    share = f"{cached.low:.0%} to {cached.high:.0%}"
    return f"Of the tokens read, {share} come from the provider's cache, at a lower price{from_}{surely}."


def _time_in_words(shown: list[Estimate]) -> str:
    """What the times follow from."""
    *others, most = sorted({one.pricing.limits.concurrency for one in shown})
    calls = " or ".join([*map(str, others), counted(most, "call")])
    if len(shown) > 1 or shown[0].answer_seconds is None:
        return f"Time: with {calls} at the same time (--judge-concurrency), first token and pace as assumed."
    judge, answer = shown[0], in_range(shown[0].answer_seconds, lambda seconds: f"{seconds:.1f} s")
    stated = judge.pricing.answer_seconds is not None
    source = "as the pilot run measured" if judge.paced else "as the models file says" if stated else "as assumed"
    return f"Time: with {calls} at the same time (--judge-concurrency), {answer} for an answer, {source}."


def _batches(plan: Plan) -> Iterator[str]:
    """Both prices, and how long batches take."""
    batches = plan.batches
    if batches is None or batches.usd is None or batches.usd_single is None:
        return
    price, single = in_range(batches.usd, in_usd), in_range(batches.usd_single, in_usd)
    wait = "usually within an hour, at most 24 h"
    rounds = f", for each of {batches.rounds} rounds that follow each other" if batches.rounds > 1 else ""
    if batches.is_chosen:
        yield f"in the provider's batches: {price} USD, {wait}{rounds}; in single calls {single} USD"
    else:
        yield f"in the provider's batches (--batch): {price} USD instead of {single}, {wait}{rounds}"


def _limit(plan: Plan) -> Iterator[str]:
    limit, bought = plan.max_cost_usd, plan.within_max_cost
    if limit is None or (plan.judges and all(judge.pricing.offline for judge in plan.judges)):
        return
    if bought is None:
        yield f"--max-cost {limit:g}: how far it goes is not known, as the price is not"
        return
    low, high = bought.likely
    surely = "" if bought.surely is None else f"at least {bought.surely:,}, "
    many = f"{low:,} to {high:,}" if low < high else f"all {high:,}"
    yield (
        f"--max-cost {limit:g} is enough for {surely}likely {many} of the "
        f"{counted(plan.comparisons, 'comparison', form=',')}"
    )
    if low < plan.comparisons and bought.reliability:
        each = zip(plan.precision, bought.reliability, strict=True)
        told = ", ".join(f"{least:.2f}–{most:.2f} at σ {one.spread:.1f}" for one, (least, most) in each)
        yield f"  these buy a reliability of {told}"


def _count(tokens: float) -> str:
    if tokens >= _MILLION:
        return f"{tokens / _MILLION:.1f} M"
    return f"{tokens / _THOUSAND:.0f} k" if tokens >= _THOUSAND else f"{tokens:.0f}"


def findings_table(findings: Iterable[Finding]) -> Table:
    """What stands in the way of a run, or should be known, in the assets folder."""
    table = plain_table("", "file", "what", "remedy", title="Findings")
    table.columns[0].no_wrap = True
    for finding in findings:
        style = "red" if finding.severity == "error" else "yellow"
        table.add_row(
            finding.severity, escape(finding.file), escape(finding.message), escape(finding.remedy), style=style
        )
    return table
