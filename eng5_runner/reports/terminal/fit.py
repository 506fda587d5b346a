"""The fit of a table of comparisons as a person reads it: the items in order, then how far the order can be trusted."""

from __future__ import annotations

from collections.abc import Iterator

from rich.console import Console

from eng5_runner.core.rounding import ranks_of
from eng5_runner.measure.model.davidson import MOST_ITEMS
from eng5_runner.measure.quality.misfit import Consistency
from eng5_runner.phrases import counted
from eng5_runner.reports.grade_check import grade_check_lines
from eng5_runner.reports.human_scale import disagreement_lines, human_scale_lines
from eng5_runner.reports.judge_card import effects_line, facts_of_judge
from eng5_runner.reports.reliability import dependence_line
from eng5_runner.reports.soft import soft_lines
from eng5_runner.reports.terminal.table import show_named
from eng5_runner.results.doubts import oddity
from eng5_runner.results.fit import FitResult

# A table may have a thousand; those who are not like the others go first.
_MOST_JUDGES = 20
# Independent judgements give about 1, two that always agree √2.
_DEPENDENT = 1.2


def show_fit(console: Console, result: FitResult) -> None:
    """Print the items, the highest first, and a few lines on the whole."""
    headings = ("rank", "item", "θ ± SE", "judged", "won", "infit", "grade", "P", "")
    show_named(console, headings, rows=_rows(result), title="Items", whole="--out FILE writes all")
    for lines in (_whole, _reliability, _consistency, _judges, _grades, _ties):
        for line in lines(result):
            console.print(line, markup=False)


def _rows(result: FitResult) -> Iterator[tuple[str, ...]]:
    for rank, item in zip(ranks_of([item.theta for item in result.items]), result.items, strict=True):
        probability = None if item.grade_probabilities is None else item.grade_probabilities[item.grade or ""]
        yield (
            str(rank),
            item.item,
            f"{item.theta:+.2f} ± {item.se:.2f}",
            str(item.comparisons),
            f"{item.wins:g}",
            "" if item.infit is None else f"{item.infit:.2f}",
            item.grade or "",
            "" if probability is None else f"{probability:.2f}",
            ", ".join(item.flags).replace("_", " "),
        )


def _whole(result: FitResult) -> Iterator[str]:
    table, model = result.table, result.model
    comparisons = counted(round(table.comparisons.weight.sum()), "comparison")
    origin = "estimated" if model.prior_sd_estimated else "as given"
    yield f"read {table.columns}"
    yield (
        f"{comparisons} of {counted(len(result.items), 'item')}, {table.missing} missing; "
        f"prior sd {model.prior_sd:.2f} logits ({origin})"
    )
    if model.components > 1:
        yield (
            f"the comparisons fall into {model.components} parts that nothing links; "
            "items of different parts are placed against each other by the prior alone"
        )
    if not model.converged:
        yield "the fit has not converged; do not use it"
    if table.with_itself:
        yield f"left out: {counted(table.with_itself, 'row')} with the same item on both sides"
    if result.repeats_left_out:
        yield (
            f"{result.repeats_left_out} of {comparisons} repeat a question and "
            "always agree: each question counts once (--keep-repeats counts all)"
        )
    if result.position_effect_left_out is not None:
        yield f"no advantage of being shown first is estimated: {result.position_effect_left_out}"
    effect = result.position_effect
    if effect is not None:
        low, high = effect.interval
        yield (
            f"advantage of being shown first: {effect.estimate:+.2f} logits (90% interval {low:+.2f} to {high:+.2f}): "
            f"of two equal items the first wins {effect.first_wins:.0%}"
        )


def _reliability(result: FitResult) -> Iterator[str]:
    stated = result.reliability
    if stated.interval is None:
        yield f"reliability: not defined; {stated.undefined}"
    else:
        low, high = stated.interval
        yield f"reliability: {stated.eb:.2f} (90% interval {low:.2f} to {high:.2f}), of {_whose(result)}"
    if stated.other_judges is not None and stated.eb is not None:
        differ = "differ in taste" if stated.other_judges < stated.eb else "show no taste of their own"
        yield f"reliability for other judges like these: {stated.other_judges:.2f}; the judges {differ}"
    if result.kinds[0].dependent is None:
        yield "every judgement counts in full, also where it repeats another (--keep-repeats)"
    else:
        yield from map(dependence_line, result.dependence or (None,))
    yield from soft_lines(result.soft)
    if result.agreement is not None:
        low, high = result.agreement.interval
        share = "" if result.share_reproduced is None else f"; reliability × r² = {result.share_reproduced:.2f}"
        yield (
            f"agreement with the teachers' grades: r = {result.agreement.correlation:.2f} ({low:.2f} to {high:.2f}) "
            f"among the {result.agreement.among}{share}"
        )
    figure = "not defined here" if stated.ssr is None else f"{stated.ssr:.2f}"
    yield f"scale separation reliability, to compare with other studies: {figure}; inflated where pairing was adaptive"
    if stated.spread_at_limit == "upper":
        yield (
            "the spread of the items is at its limit: the comparisons never contradict the order, so they do not "
            "say how far apart the items are"
        )
    if stated.spread_at_limit == "lower":
        yield "the spread of the items is at its limit: the comparisons show no difference between them"


def _whose(result: FitResult) -> str:
    return "the judges' own order" if result.human is None else "the order on the humans' scale"


def _consistency(result: FitResult) -> Iterator[str]:
    for name, consistency in (
        ("same pair in the same order", result.repeats),
        ("same pair in the other order", result.swaps),
    ):
        if consistency.asked:
            yield f"{name}: {_share(consistency)} of {consistency.asked:.0f} agree"
    if result.clustered_error_ratio is not None:
        ratio = result.clustered_error_ratio
        yield f"clustered by pair, the standard errors are {ratio:.2f} times as large"
        if ratio > _DEPENDENT:
            yield (
                "judgements of the same pair depend on each other: the standard errors above are too small and the "
                "reliability too high"
            )
    triads = result.triads
    if triads is not None and triads.complete:
        yield (
            f"circular triads: {triads.circular} of {triads.complete}, {triads.expected:.0f} expected by the positions"
        )


def _share(consistency: Consistency) -> str:
    return f"{consistency.agreed / consistency.asked:.0%} ({consistency.expected / consistency.asked:.0%} expected)"


def _judges(result: FitResult) -> Iterator[str]:
    if result.human is not None:
        yield from human_scale_lines(result.human)
        yield from disagreement_lines(result.human)
    for kind in result.kinds:
        judges = [judge for judge in result.judges if judge.judge in kind.judges]
        odd = {
            judge.judge: text
            for judge in judges
            if (text := oddity(judge, name=judge.judge or "(not named)", judges=len(judges))) is not None
        }
        usual = [judge.judge for judge in judges if judge.judge not in odd]
        shown = {*[*odd][:_MOST_JUDGES], *usual[:_MOST_JUDGES]}
        for judge in judges:
            if judge.judge in shown:
                facts = facts_of_judge(judge, judgements=counted(judge.comparisons, "comparison"), judges=len(judges))
                yield f"judge {judge.judge or '(not named)'}: {facts}"
        yield from (text for judge, text in odd.items() if judge in shown)
        for names, what in ((usual, "like the others"), (odd, "who disagree or go by the place")):
            if (more := len(names) - _MOST_JUDGES) > 0:
                yield f"and {counted(more, 'more judge')} {what}: --json has all"
        if kind.choice.own is not None:
            gain, error = kind.choice.own.gain
            yield effects_line(is_used=kind.choice.own.is_used, gain=gain, error=error)


def _grades(result: FitResult) -> Iterator[str]:
    if result.grades_refused is not None:
        yield f"no grades are projected: {result.grades_refused}"
    for anchor in result.doubtful:
        own, others = result.outcomes[anchor.expert], result.outcomes[anchor.by_others]
        yield f"{anchor.item}: {own} by its label, {others} by the others; check it"
    known = result.grade_check
    if known is not None:
        yield from grade_check_lines(
            students=known.students,
            within_one=known.within_one,
            shift=known.shift,
            interval=known.interval,
            is_shifted=known.is_shifted,
        )
    check = result.check
    if check is not None:
        low, high = check.interval
        yield (
            f"{check.within_one} of {counted(check.anchors, 'anchor')} came within one step when the others graded "
            "them "
            f"(90% interval of the share {low:.2f} to {high:.2f})"
        )


def _ties(result: FitResult) -> Iterator[str]:
    """How ties were counted, what that does to the standard errors, and Davidson's model."""
    if not result.table.ties:
        return
    yield (
        f"{counted(result.table.ties, 'tie counts', plural='ties count')} half a win for each side; the standard "
        "errors above are then "
        "quasi-likelihood, too large with many ties"
    )
    tied = result.ties_model
    if tied is None:
        yield f"Davidson's model, with ties as answers of their own, takes at most {MOST_ITEMS} items, not all tied"
        return
    yield (
        f"with ties as answers of their own (Davidson): two equals tie {tied.equals_tie:.0%} of the time, mean "
        f"standard error {tied.standard_errors.mean():.2f} at a spread of {tied.theta.std():.2f} logits; "
        "--out has them all"
    )
