"""The judge's quality card: what the judgements say of whoever made them.

Each figure comes with an interval and with what a judge of the fitted model would show. A figure that the design cannot
give is not made up: it says what to ask for instead.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Sequence

from eng5_runner.canonical import Json
from eng5_runner.core.rounding import ends, figure, rounded
from eng5_runner.measure.model.comparisons import comparisons_from
from eng5_runner.measure.quality.inversions import wilson
from eng5_runner.measure.quality.lapse import MOST_ITEMS, lapse_rate
from eng5_runner.measure.quality.length import length_effect, longer_wins
from eng5_runner.measure.quality.misfit import (
    Consistency,
    misfit,
    position_effect,
    repeat_consistency,
    swap_consistency,
)
from eng5_runner.measure.quality.triads import circular_triads
from eng5_runner.results.fitted_study import JudgedStudy
from eng5_runner.results.judgements import Judgement

# The number of triads grows with the cube of an essay's judgements.
_TRIADS_UP_TO = 1_500
# A lapse rate is known to no more than this.
_LAPSE_DECIMALS = 2


def judge_quality(study: JudgedStudy) -> dict[str, Json]:
    """The block of the artefact."""
    return {
        "level": 0.9,
        "position_effect": _position(study),
        "swap": _consistency(
            swap_consistency(study.fitted, study.asked), lacking="no pair was asked in both orders: use --swap audit"
        ),
        "repeats": _consistency(
            repeat_consistency(study.fitted, study.asked),
            lacking="no question was asked twice: use --repeats 2",
        ),
        "circular_triads": _triads(study),
        "lapse": _lapse(study),
        "length": _length(study),
        "failures": _failures(study),
        "misfit": _misfit(study),
        "price": _price([*study.judged, *study.failed], judgements=len(study.judged)),
        "judges": _judges(study),
    }


def not_measured(reason: str) -> Json:
    """In place of a figure."""
    return {"not_measured": reason}


def _position(study: JudgedStudy) -> Json:
    effect = position_effect(study.fitted)
    if effect is None:
        return not_measured("the position was not part of the fit")
    won = sum(one.first_won for one in study.judged)
    return {
        "estimate": rounded(effect.estimate),
        "interval_90": ends(effect.interval),
        "first_wins_of_equals": rounded(effect.first_wins),
        "first_won": won,
        "judgements": len(study.judged),
        "first_won_interval_90": ends(wilson(won, len(study.judged))),
    }


def _consistency(found: Consistency, *, lacking: str) -> Json:
    if not found.asked:
        return not_measured(lacking)
    share = found.agreed / found.asked
    return {
        "compared": rounded(found.asked),
        "pairs": found.pairs,
        "agreed": rounded(found.agreed),
        "share": rounded(share),
        # Judgements of one pair depend on each other: each pair counts as one case.
        "interval_90": ends(wilson(share * found.pairs, found.pairs)),
        "expected_share": rounded(found.expected / found.asked),
    }


def _triads(study: JudgedStudy) -> Json:
    if len(study.fitted.items) > _TRIADS_UP_TO:
        return not_measured(f"more than {_TRIADS_UP_TO} essays")
    found = circular_triads(study.fitted)
    if not found.complete:
        return not_measured("no three essays were all compared with each other: ask for more judgements an essay")
    return {
        "complete": found.complete,
        "circular": found.circular,
        "expected": rounded(found.expected),
        "zeta": figure(found.zeta),
    }


def _lapse(study: JudgedStudy) -> Json:
    found = lapse_rate(study.fitted)
    if found is None:
        return not_measured(f"more than {MOST_ITEMS} essays: see a run of the anchors alone (--mode anchor-align)")
    low, high = found.interval
    if (low, high) == (0.0, 0.5):
        return not_measured("the judgements leave any rate open: ask for more judgements an essay")
    return {"rate": round(found.rate, _LAPSE_DECIMALS) + 0.0, "interval_90": [low, high]}


def _length(study: JudgedStudy) -> Json:
    words = {item: count for item, count in study.words.items() if count > 0}
    grades = {item: grade for item, grade in study.grades.items() if item in words}
    effect = length_effect(study.fitted, grades=grades, words=words)
    share = longer_wins(study.asked, grades=grades, words=words)
    if effect is None or not share.judged:
        return not_measured("it takes six anchors, of differing grades and lengths, that were compared")
    return {
        "logits_a_doubling": rounded(effect.estimate),
        "interval_90": ends(effect.interval),
        "anchors": effect.essays,
        "judgements": rounded(share.judged),
        "longer_won": rounded(share.won),
        "longer_won_by_grades": rounded(share.by_grades),
    }


def _failures(study: JudgedStudy) -> Json:
    calls = len(study.judged) + len(study.failed)
    codes = Counter(one.result.error_detail.error_code for one in study.failed if one.result.error_detail)
    return {
        "calls": calls,
        "failed": len(study.failed),
        "interval_90": ends(wilson(len(study.failed), calls)),
        "by_code": dict(sorted(codes.items())),
    }


def _misfit(study: JudgedStudy) -> Json:
    found = misfit(study.fitted)
    return {"infit": figure(found.infit_overall), "outfit": figure(found.outfit_overall)}


def _price(calls: Sequence[Judgement], *, judgements: int) -> Json:
    """What a judgement cost, failed calls included in the sum."""
    spent = sum(sorted(one.result.cost_estimate for one in calls))
    return {"usd": round(spent, 9), "judgements": judgements, "usd_a_judgement": round(spent / judgements, 9)}


def _judges(study: JudgedStudy) -> list[Json]:
    """Each model against the scale that all made together."""
    own: defaultdict[tuple[str, str], list[Judgement]] = defaultdict(list)
    for one in study.judged:
        own[one.result.provider, one.result.model].append(one)
    told: list[Json] = []
    for (provider, model), judged in sorted(own.items()):
        rows = [(one.first, one.second, 1.0 if one.first_won else 0.0) for one in judged]
        found = misfit(study.fitted, comparisons_from(study.fitted.items, rows))
        told.append(
            {
                "provider": provider,
                "model": model,
                "judgements": len(judged),
                "infit": figure(found.infit_overall),
                "outfit": figure(found.outfit_overall),
            }
        )
    return told
