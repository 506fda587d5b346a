"""The judge's card: each figure with what a judge of the fitted model would show, and a sentence on what that means.

    for row in judge_card(artefact):
        print(row.name, row.found, row.says)

The Markdown report and the page show the same rows.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import pairwise
from math import isnan
from typing import TypeVar

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import between, log_loss, number, percent
from eng5_runner.reports.verdict import Level
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import (
    CallFailures,
    CircularTriads,
    FirstPositionAdvantage,
    FlaggedAdvantage,
    JudgeConsistency,
    JudgeFigures,
    JudgementPrice,
    JudgeQuality,
    LapseRate,
    LengthBias,
    MisfitFigures,
    NotMeasured,
)
from eng5_runner.results.doubts import oddity
from eng5_runner.results.judges.judge_fits import JudgeFit

_NOTHING_EXPECTED = "0"
Figures = TypeVar("Figures")
# Of two equal essays the first wins so much more than half the time: the fit removes it, but a judge should not.
_SLIGHT, _STRONG = 0.05, 0.1
_SOME_FAIL, _MANY_FAIL = 0.02, 0.1
_REGULAR, _NOISY = 0.7, 1.3
_MANY_LAPSES = 0.1
_FEWEST_OF_A_CONFIDENCE = 10
_TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class CardRow:
    """A figure of the judge.

    Attributes:
        name: what is measured.
        found: the figure with its interval.
        expected: of a judge of the fitted model; empty where nothing is.
        level: good, fair or bad; none where it was not measured.
        says: what that means, as a sentence.
    """

    name: str
    found: str
    expected: str
    level: Level
    says: str


def judge_card(quality: JudgeQuality, *, unpriced: int = 0) -> Iterator[CardRow]:
    """Each figure of the artefact's card; the price only where every call has a known one."""
    yield _row("advantage of being shown first, in logits", quality.position_effect, show=_position)
    yield _row("flips when the order of a pair is swapped", quality.swap, show=_flips)
    yield _row("same question again: same winner", quality.repeats, show=_repeats)
    yield _row("circular triads", quality.circular_triads, show=_triads)
    yield _row("lapses (answers without looking)", quality.lapse, show=_lapse)
    yield _row("a doubling of the words at one grade, in logits", quality.length, show=_doubling)
    yield _row("the longer of two essays won", quality.length, show=_longer)
    if quality.flagged is not None:
        yield _row("flagged essays above the same texts without the passage, in logits", quality.flagged, show=_flagged)
    yield _row("failed calls", quality.failures, show=_failures)
    yield _row("misfit, infit and outfit", quality.misfit, show=_misfit)
    price = NotMeasured(not_measured="a model's price is not known") if unpriced else quality.price
    yield _row("price of a judgement, USD", price, show=_price)


MODELS_HEADING = (
    *("model", "judgements", "infit", "outfit", "agrees with the others", "expected"),
    *("discrimination", "shown first, in logits"),
)


def model_rows(quality: JudgeQuality) -> Iterator[tuple[str, ...]]:
    """Several models beside each other, under `MODELS_HEADING`; nothing for a single one."""
    for judge in quality.judges if len(quality.judges) > 1 else ():
        yield (
            f"{judge.provider} {judge.model}",
            *(f"{judge.judgements:,}", number(judge.infit), number(judge.outfit)),
            *(percent(judge.agreed), percent(judge.expected)),
            *(_with_error(judge.slope, judge.slope_se), _with_error(judge.position_effect, judge.position_effect_se)),
        )


def model_lines(quality: JudgeQuality) -> Iterator[str]:
    """The models that are not as the others, and whether each counts for what it is; nothing for a single model."""
    judges = quality.judges
    for judge in judges:
        if (text := oddity(judge, name=f"{judge.provider} {judge.model}", judges=len(judges))) is not None:
            yield text
    yield from own_effects_lines(quality)


def own_effects_lines(quality: JudgeQuality) -> Iterator[str]:
    """Whether each model counts for what it is; nothing for a single model, and where only wins count."""
    own = quality.own_effects
    if own is not None:
        yield effects_line(is_used=own.is_used, gain=own.gain, error=own.standard_error)


def facts_of_judge(judge: JudgeFit | JudgeFigures, *, judgements: str, judges: int) -> str:
    """One of several judges in a line: its fit, how often it agrees, and what is its own."""
    others = "the other" if judges == _TWO else "the others"
    facts = [judgements]
    if judge.infit is not None and judge.outfit is not None:
        facts.append(f"infit {judge.infit:.2f}, outfit {judge.outfit:.2f}")
    if judge.agreed is not None and judge.expected is not None:
        facts.append(f"agrees with {others} in {percent(judge.agreed)} ({percent(judge.expected)} expected)")
    if judge.slope is not None:
        facts.append(f"discrimination {_with_error(judge.slope, judge.slope_se)}")
    if judge.position_effect is not None:
        facts.append(f"shown first {judge.position_effect:+.2f} ± {judge.position_effect_se or 0.0:.2f} logits")
    return ", ".join(facts)


def effects_line(*, is_used: bool, gain: float, error: float) -> str:
    """Whether the judges' own discriminations and position effects are used."""
    figures = log_loss(gain, error=error)
    if is_used:
        return (
            "each judge counts with its own discrimination and position effect, because they predict held-out "
            f"judgements better {figures}"
        )
    return f"all judges count alike: their own figures do not predict held-out judgements better {figures}"


def _with_error(value: float | None, error: float | None) -> str:
    return number(value) if value is None else f"{number(value)} ± {number(error)}"


_Shown = tuple[str, str, Level, str]


def _row(name: str, figures: Figures | NotMeasured, *, show: Callable[[Figures], _Shown]) -> CardRow:
    """Name, figure and expectation; or why the figure was not measured."""
    if isinstance(figures, NotMeasured):
        found = f"not measured: {figures.not_measured}"
        return CardRow(name=name, found=found, expected="", level="none", says="Nothing can be said.")
    found, expected, level, says = show(figures)
    return CardRow(name=name, found=found, expected=expected, level=level, says=says)


def _position(advantage: FirstPositionAdvantage) -> _Shown:
    effect = f"{number(advantage.estimate, sign=True)} {between(advantage.interval_90)}"
    equals = f"of two equals the first wins {percent(advantage.first_wins_of_equals)}"
    won = f"{advantage.first_won} of {advantage.judgements} were won by the first"
    low, high = advantage.interval_90
    favoured = "first" if advantage.estimate > 0.0 else "second"
    level: Level = "good"
    says = "Good: no place is favoured."
    if not low <= 0.0 <= high:
        excess = abs(advantage.first_wins_of_equals - 0.5)
        level = "bad" if excess > _STRONG else "fair"
        size = "Slight" if excess <= _SLIGHT else "Clear" if level == "fair" else "Not good: strong"
        says = f"{size} favour for the essay that is shown {favoured}. The positions allow for it; ask in both orders."
    return f"{effect}; {equals}; {won}", _NOTHING_EXPECTED, level, says


def _repeats(measured: JudgeConsistency) -> _Shown:
    of = f"{number(measured.compared, 0)} {between(measured.interval_90)}, {counted(measured.pairs, 'pair')}"
    level, says = _as_expected(
        measured,
        good="Good: asked again it gives the same answer at least as often as its scale lets expect.",
        bad="Not good: asked again it changes its answer more often than its scale lets expect.",
    )
    return f"{percent(measured.share)} of {of}", percent(measured.expected_share), level, says


def _flips(measured: JudgeConsistency) -> _Shown:
    low, high = measured.interval_90
    of = f"{number(measured.compared, 0)} {between((1.0 - high, 1.0 - low))}, {counted(measured.pairs, 'pair')}"
    level, says = _as_expected(
        measured,
        good="Good: the order of showing decides no more than close pairs let expect.",
        bad="Not good: the order of showing decides more pairs than it should. Ask each pair in both orders.",
    )
    return f"{percent(1.0 - measured.share)} of {of}", percent(1.0 - measured.expected_share), level, says


def _as_expected(measured: JudgeConsistency, *, good: str, bad: str) -> tuple[Level, str]:
    return ("good", good) if measured.interval_90[1] >= measured.expected_share else ("bad", bad)


def _triads(triads: CircularTriads) -> _Shown:
    zeta = "" if triads.zeta is None else f", consistence ζ {number(triads.zeta)}"
    # Counts of rare things vary by about their root.
    is_usual = triads.circular <= triads.expected + 2.0 * max(triads.expected, 1.0) ** 0.5
    level: Level = "good" if is_usual else "bad"
    says = (
        "Good: no more contradictions among threes than chance explains."
        if is_usual
        else "Not good: A beats B beats C beats A too often. It may go by more than one standard."
    )
    return f"{triads.circular} of {triads.complete}{zeta}", number(triads.expected, 1), level, says


def _lapse(lapse: LapseRate) -> _Shown:
    found = f"{number(lapse.rate)} {between(lapse.interval_90)}"
    if lapse.interval_90[0] <= 0.0:
        return found, _NOTHING_EXPECTED, "good", "Good: no sign of answers by the toss of a coin."
    level: Level = "bad" if lapse.rate > _MANY_LAPSES else "fair"
    says = f"Not good: about {percent(lapse.rate)} of the answers look like the toss of a coin."
    return found, _NOTHING_EXPECTED, level, says


def _doubling(length: LengthBias) -> _Shown:
    found = f"{number(length.logits_a_doubling, sign=True)} {between(length.interval_90)}"
    low, high = length.interval_90
    if low <= 0.0 <= high:
        return found, _NOTHING_EXPECTED, "good", "Good: length is not favoured beyond what the grades explain."
    favoured = "longer" if length.logits_a_doubling > 0.0 else "shorter"
    says = f"Not good: of two essays of one grade the {favoured} one wins too often."
    return found, _NOTHING_EXPECTED, "bad", says


def _longer(length: LengthBias) -> _Shown:
    by_grades = f"{number(length.longer_won_by_grades, 1)} by the experts' grades"
    found = f"{number(length.longer_won, 0)} of {number(length.judgements, 0)}"
    return found, by_grades, "none", "The counts behind the figure above."


def _flagged(measured: FlaggedAdvantage) -> _Shown:
    effect = f"{number(measured.advantage, sign=True)} {between(measured.interval_90)}, mean of {measured.pairs}"
    won = f"won {measured.won} of {counted(measured.judgements, 'judgement')}"
    found = f"{effect}; {won}, the same texts {measured.twins_won} of {measured.twins_judgements}"
    low, high = measured.interval_90
    if low > 0.0:
        return found, _NOTHING_EXPECTED, "bad", "Passages for the judge, or that nobody sees, sway it."
    if high < 0.0:
        return found, _NOTHING_EXPECTED, "fair", "Such passages count against an essay."
    return found, _NOTHING_EXPECTED, "good", "No effect of such passages shows."


def _failures(failures: CallFailures) -> _Shown:
    codes = ", ".join(f"{code} {count}" for code, count in failures.by_code.items())
    share = f"{failures.failed} of {failures.calls} {between(failures.interval_90)}"
    failed = failures.failed / failures.calls
    level: Level = "good" if failed <= _SOME_FAIL else "fair" if failed <= _MANY_FAIL else "bad"
    says = {
        "good": "Good: nearly every call gave an answer.",
        "fair": "Some calls gave no answer; the others are enough if they are spread evenly.",
        "bad": "Not good: many calls gave no answer. Look at the codes before you trust the rest.",
    }[level]
    return f"{share}{'; ' if codes else ''}{codes}", _NOTHING_EXPECTED, level, says


def _misfit(misfit: MisfitFigures) -> _Shown:
    found, infit = f"{number(misfit.infit)}, {number(misfit.outfit)}", misfit.infit
    if infit is None:
        return found, "about 1", "none", "Nothing can be said."
    if infit > _NOISY:
        return found, "about 1", "bad", "Not good: more contradictions than one scale explains."
    if infit < _REGULAR:
        says = "More regular than chance allows: repeated or dependent answers make the errors too small."
        return found, "about 1", "fair", says
    return found, "about 1", "good", "Good: the judgements fit one scale."


def _price(price: JudgementPrice) -> _Shown:
    whole = f"({number(price.usd, 4)} in all, failed calls included)"
    says = f"A hundred judgements cost {number(price.usd_a_judgement * 100.0)} USD."
    return f"{number(price.usd_a_judgement, 6)} {whole}", "", "none", says


def confidence_row(artefact: Artefact) -> CardRow | None:
    """Whether the judge is right more often when it is surer; None where it gave no confidence.

    Right means here: as the final order has it.
    """
    ranks = [entry.rank for entry in artefact.bt_summary]
    columns, counts, held = artefact.columns, Counter[int](), Counter[int]()
    rows = zip(columns.confidence, columns.first, columns.second, columns.first_won, strict=True)
    for given, first, second, first_won in rows:
        if not isnan(given) and ranks[first] != ranks[second]:
            confidence = round(given)
            counts[confidence] += 1
            held[confidence] += (ranks[first] < ranks[second]) == first_won
    shares = {
        confidence: held[confidence] / count
        for confidence, count in sorted(counts.items())
        if count >= _FEWEST_OF_A_CONFIDENCE
    }
    if not shares:
        return None
    found = ", ".join(f"{confidence}: {percent(share)} of {counts[confidence]}" for confidence, share in shares.items())
    name, expected = "confidence, and how often the order agrees", "rising"
    steps = list(shares.values())
    if len(steps) == 1:
        return CardRow(
            name=name, found=found, expected=expected, level="none", says="It always gives the same confidence."
        )
    rises = all(lower <= higher + _SLIGHT for lower, higher in pairwise(steps)) and steps[-1] > steps[0]
    return CardRow(
        name=name,
        found=found,
        expected=expected,
        level="good" if rises else "fair",
        says="Good: where it is surer, it is in line with the order more often."
        if rises
        else "Its confidence says little: it is not in line with the order more often where it is surer.",
    )
