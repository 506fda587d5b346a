"""Whether the judge's order may be used at all: the rules that every view of a run goes by.

    doubts_about(artefact).place         "60 of 60 judgements were won by …": the place decides, and not the essay
    doubts_about(artefact).noise         "the reliability of the order is 0.21, …": it may hold nothing but chance
    doubts_about(artefact).disagreement  "Kendall τ-b … is 0.28, …": the anchors do not show that experts agree
    doubts_about(artefact).divided       "openai x disagrees with the other judge: …": one order cannot stand for both

A complete run says only that all judgements came. The texts are None where the data speak for the judge, and where
nothing was judged.
"""

from __future__ import annotations

from dataclasses import dataclass

from eng5_runner.measure.quality.places import NEARLY_ALWAYS
from eng5_runner.measure.quality.reliability import NO_DIFFERENCE
from eng5_runner.phrases import counted
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import FirstPositionAdvantage, JudgeFigures
from eng5_runner.results.judges.judge_fits import JudgeFit

# An interval of reliability that begins below this reaches about 0. Of 40 simulated judges who toss a coin 39 begin
# below it, of 20 usable ones with 20 judgements an essay none. With four judgements an essay a good judge can begin
# below it too: so few judgements cannot tell.
SURELY_REPEATABLE = 0.1
_FEWEST_JUDGEMENTS = 20
_TWO = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Doubts:
    """What speaks against the order.

    Attributes:
        place: that nearly every judgement was won by the essay in one place, as a sentence; None where it was not.
        noise: why the order may be no better than chance, as a sentence; None where it is better.
        disagreement: why agreement with the experts is not shown, as a sentence; None where it is, or where there are
            too few anchors to say.
        divided: which judges go by the place or disagree with the others, as a sentence, where the others are no
            majority; else None.
        outvoted: the same where most judgements are from judges who agree; else None.
    """

    place: str | None
    noise: str | None
    disagreement: str | None
    divided: str | None = None
    outvoted: str | None = None


def doubts_about(artefact: Artefact) -> Doubts:
    """What speaks against the judge's order of this run."""
    odd, is_majority = _odd_judges(artefact)
    return Doubts(
        place=_place(artefact),
        noise=_noise(artefact),
        disagreement=_disagreement(artefact),
        divided=None if is_majority else odd,
        outvoted=odd if is_majority else None,
    )


def oddity(judge: JudgeFit | JudgeFigures, *, name: str, judges: int) -> str | None:
    """That one of several judges goes by the place, or disagrees with the others; None where it does neither.

    >>> ada = JudgeFit(judge="ada", comparisons=60, infit=1, outfit=1, agreed=0.41, expected=0.78, disagrees=True)
    >>> oddity(ada, name="ada", judges=2)
    'ada disagrees with the other judge: it agrees in 41%, 78% expected'
    """
    others = "the other judge" if judges == _TWO else "the others"
    shares = ["–" if share is None else f"{share:.0%}" for share in (judge.agreed, judge.expected)]
    agreed = f"in {shares[0]}, {shares[1]} expected"
    number = judge.comparisons if isinstance(judge, JudgeFit) else judge.judgements
    if judge.first_won is not None and (place := _by_place(judge.first_won, number)) is not None:
        return f"{name} goes by the place and not by the essay: {place}; it agrees with {others} {agreed}"
    return f"{name} disagrees with {others}: it agrees {agreed}" if judge.disagrees else None


def _odd_judges(artefact: Artefact) -> tuple[str | None, bool]:
    """Which judges are not as the others, and whether these are a majority. Of two judges neither is."""
    judges = () if artefact.judge_quality is None else artefact.judge_quality.judges
    texts = ((judge, oddity(judge, name=f"{judge.provider} {judge.model}", judges=len(judges))) for judge in judges)
    odd = [(judge, text) for judge, text in texts if text is not None]
    if not odd:
        return None, False
    theirs, of_all = sum(judge.judgements for judge, _ in odd), sum(judge.judgements for judge in judges)
    return "; ".join(text for _, text in odd), len(judges) > _TWO and 2 * theirs < of_all


def _place(artefact: Artefact) -> str | None:
    """Nearly every judgement was won by the essay that was shown first, or by the one shown second."""
    shown = None if artefact.judge_quality is None else artefact.judge_quality.position_effect
    return _by_place(shown.first_won, shown.judgements) if isinstance(shown, FirstPositionAdvantage) else None


def _by_place(first_won: int, judgements: int) -> str | None:
    """That nearly every judgement was won in one place, as a sentence; None where it was not, or few can tell."""
    for place, count in {"first": first_won, "second": judgements - first_won}.items():
        if count >= NEARLY_ALWAYS * judgements and judgements >= _FEWEST_JUDGEMENTS:
            return f"{count} of {counted(judgements, 'judgement')} were won by the essay that was shown {place}"
    return None


def _noise(artefact: Artefact) -> str | None:
    """No essay differs, or the interval of the reliability reaches about 0.

    Named pairs are close by choice, so they are no test of it.
    """
    stopping, model = artefact.stopping, artefact.bt_model
    if model is None or (stopping is not None and stopping.design == "boundary"):
        return None
    reliability = model.reliability
    if reliability.undefined == NO_DIFFERENCE:
        return "the judgements show no difference between the essays"
    if reliability.empirical_bayes is None or reliability.interval_90 is None:
        return None
    low, high = reliability.interval_90
    if low >= SURELY_REPEATABLE:
        return None
    return f"the reliability of the order is {reliability.empirical_bayes:.2f}, 90% interval {low:.2f} to {high:.2f}"


def _disagreement(artefact: Artefact) -> str | None:
    """The interval of τ-b includes 0, or lies below it."""
    alignment = artefact.anchor_alignment
    intervals = None if alignment is None else alignment.intervals_90
    if alignment is None or intervals is None or intervals.kendall_tau_b is None:
        return None
    low, high = intervals.kendall_tau_b
    if low > 0.0:
        return None
    figures = f"{alignment.kendall_tau_b:.2f}, 90% interval {low:.2f} to {high:.2f}"
    return f"Kendall τ-b of the anchors' order with their grades is {figures}"
