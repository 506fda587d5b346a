"""The judge's quality card: what the judgements say of the model that made them.

Each figure comes with an interval and with what a judge of the fitted model would show. A figure that the design cannot
give is replaced by what to ask for: `NotMeasured(not_measured="no question was asked twice: use --repeats 2")`.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Iterator
from statistics import NormalDist

import numpy as np

from eng5_runner.core.rounding import ends, figure, rounded, usd
from eng5_runner.measure.model.bradley_terry import Fit
from eng5_runner.measure.model.comparisons import Comparisons
from eng5_runner.measure.quality.inversions import wilson
from eng5_runner.measure.quality.lapse import MOST_ITEMS, lapse_rate
from eng5_runner.measure.quality.length import length_effect, longer_wins
from eng5_runner.measure.quality.misfit import (
    Consistency,
    position_effect,
    repeat_consistency,
    swap_consistency,
)
from eng5_runner.measure.quality.triads import circular_triads
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
    OwnEffectsUse,
)
from eng5_runner.results.fitted_study import JudgedStudy
from eng5_runner.results.judges.judge_fits import judge_fits

# The number of triads grows with the cube of an essay's judgements.
_TRIADS_UP_TO = 1_500
# A lapse rate is known to no more than this.
_LARGE_LENGTH_EFFECT = 1.0  # in logits a doubling; an interval wider than ± this says nothing
_LAPSE_DECIMALS = 2


def judge_quality(study: JudgedStudy) -> JudgeQuality:
    """The block of the artefact."""
    return JudgeQuality(
        position_effect=_position(study),
        swap=_consistency(
            _of_each_judge(study, swap_consistency),
            otherwise="no pair was asked in both orders: use --swap audit",
        ),
        repeats=_consistency(
            _of_each_judge(study, repeat_consistency), otherwise="no question was asked twice: use --repeats 2"
        ),
        circular_triads=_triads(study),
        lapse=_lapse(study),
        length=_length(study),
        flagged=_flagged(study),
        failures=_failures(study),
        misfit=_misfit(study),
        price=_price(study),
        own_effects=_own_effects(study),
        judges=tuple(_judges(study)),
    )


def _position(study: JudgedStudy) -> FirstPositionAdvantage | NotMeasured:
    effect = position_effect(study.fitted)
    if effect is None:
        return NotMeasured(not_measured="the position was not part of the fit")
    won = int(study.judged.first_won.sum())
    return FirstPositionAdvantage(
        estimate=rounded(effect.estimate),
        interval_90=ends(effect.interval),
        first_wins_of_equals=rounded(effect.first_wins),
        first_won=won,
        judgements=len(study.judged),
        first_won_interval_90=ends(wilson(won, len(study.judged))),
    )


def _of_each_judge(study: JudgedStudy, count: Callable[[Fit, Comparisons], Consistency]) -> Consistency:
    """How often each judge agrees with itself; what two judges say of one question is no change of mind."""
    each = [count(study.fitted, asked) for asked in study.judged.by_judge.values()]
    return Consistency(
        asked=sum(one.asked for one in each),
        agreed=sum(one.agreed for one in each),
        expected=sum(one.expected for one in each),
        pairs=sum(one.pairs for one in each),
    )


def _consistency(counted: Consistency, *, otherwise: str) -> JudgeConsistency | NotMeasured:
    if not counted.asked:
        return NotMeasured(not_measured=otherwise)
    share = counted.agreed / counted.asked
    return JudgeConsistency(
        compared=rounded(counted.asked),
        pairs=counted.pairs,
        agreed=rounded(counted.agreed),
        share=rounded(share),
        # Judgements of one pair depend on each other: each pair counts as one case.
        interval_90=ends(wilson(share * counted.pairs, counted.pairs)),
        expected_share=rounded(counted.expected / counted.asked),
    )


def _triads(study: JudgedStudy) -> CircularTriads | NotMeasured:
    if len(study.fitted.items) > _TRIADS_UP_TO:
        return NotMeasured(not_measured=f"more than {_TRIADS_UP_TO} essays")
    triads = circular_triads(study.fitted)
    if not triads.complete:
        return NotMeasured(
            not_measured="no three essays were all compared with each other: ask for more judgements an essay"
        )
    return CircularTriads(
        complete=triads.complete,
        circular=triads.circular,
        expected=rounded(triads.expected),
        zeta=figure(triads.zeta),
    )


def _lapse(study: JudgedStudy) -> LapseRate | NotMeasured:
    lapse = lapse_rate(study.fitted)
    if lapse is None:
        return NotMeasured(
            not_measured=f"more than {MOST_ITEMS} essays: see a run of the anchors alone (--mode anchor-align)"
        )
    if lapse.interval == (0.0, 0.5):
        return NotMeasured(not_measured="the judgements leave any rate open: ask for more judgements an essay")
    return LapseRate(rate=round(lapse.rate, _LAPSE_DECIMALS) + 0.0, interval_90=lapse.interval)


def _length(study: JudgedStudy) -> LengthBias | NotMeasured:
    words = {item: count for item, count in study.words.items() if count > 0}
    grades = {item: grade for item, grade in study.grades.items() if item in words}
    effect = length_effect(study.fitted, grades=grades, words=words)
    share = longer_wins(study.asked, grades=grades, words=words)
    if effect is None or not share.judged:
        return NotMeasured(not_measured="it takes six anchors, of differing grades and lengths, that were compared")
    low, high = effect.interval
    if low < 0.0 < high and high - low > 2.0 * _LARGE_LENGTH_EFFECT:
        return NotMeasured(
            not_measured="the anchors are too alike in length: even an effect of one logit a doubling would not show"
        )
    return LengthBias(
        logits_a_doubling=rounded(effect.estimate),
        interval_90=ends(effect.interval),
        anchors=effect.essays,
        judgements=rounded(share.judged),
        longer_won=rounded(share.won),
        longer_won_by_grades=rounded(share.by_grades),
    )


def _flagged(study: JudgedStudy) -> FlaggedAdvantage | NotMeasured | None:
    """Flagged essays against their twins, by their positions: both may have had other opponents."""
    if not study.flags:
        return None
    pairs = [(flag.essay_id, flag.twin) for flag in study.flags if flag.twin is not None]
    if not pairs:
        return NotMeasured(
            not_measured="no flagged essay has a twin: put the same text without the passage into the folder too"
        )
    index = {item: place for place, item in enumerate(study.fitted.items)}
    contrast = np.zeros(len(index))
    for flagged, twin in pairs:
        contrast[index[flagged]] += 1.0 / len(pairs)
        contrast[index[twin]] -= 1.0 / len(pairs)
    advantage = float(contrast @ study.fitted.theta)
    reach = NormalDist().inv_cdf(0.95) * math.sqrt(max(float(study.fitted.covariance_of(contrast[:, None])[0, 0]), 0.0))
    (judged, won), (twins_judged, twins_won) = (
        _judged_and_won(study, frozenset(names)) for names in zip(*pairs, strict=True)
    )
    return FlaggedAdvantage(
        pairs=len(pairs),
        advantage=rounded(advantage),
        interval_90=ends((advantage - reach, advantage + reach)),
        judgements=judged,
        won=won,
        twins_judgements=twins_judged,
        twins_won=twins_won,
    )


def _judged_and_won(study: JudgedStudy, essays: frozenset[str]) -> tuple[int, int]:
    """In how many places of judgements these essays were, and how many they won."""
    places = [place for place, item in enumerate(study.asked.items) if item in essays]
    return int(study.asked.counts[places].sum()), int(study.asked.wins[places].sum())


def _failures(study: JudgedStudy) -> CallFailures:
    calls = len(study.judged) + len(study.failed)
    return CallFailures(
        calls=calls,
        failed=len(study.failed),
        interval_90=ends(wilson(len(study.failed), calls)),
        by_code=dict(sorted(Counter(row.failure_code for row in study.failed).items())),
    )


def _misfit(study: JudgedStudy) -> MisfitFigures:
    return MisfitFigures(infit=figure(study.surprise.infit_overall), outfit=figure(study.surprise.outfit_overall))


def _price(study: JudgedStudy) -> JudgementPrice:
    """What a judgement cost, failed calls included in the sum."""
    spent = sum(sorted([*study.judged.cost_usd.tolist(), *(row.cost_usd for row in study.failed)]))
    return JudgementPrice(usd=usd(spent), judgements=len(study.judged), usd_a_judgement=usd(spent / len(study.judged)))


def _own_effects(study: JudgedStudy) -> OwnEffectsUse | None:
    if study.own is None:
        return None
    gain, error = study.own.gain
    return OwnEffectsUse(is_used=study.own.is_used, gain=rounded(gain), standard_error=rounded(error))


def _judges(study: JudgedStudy) -> Iterator[JudgeFigures]:
    """Each model against the scale that all made together, and against the other models."""
    fits = judge_fits(study.judged.by_judge, model=study.fitted, own_effects=study.own)
    for (provider, model), own in zip(sorted(study.judged.judges), fits, strict=True):
        yield JudgeFigures(
            provider=provider,
            model=model,
            judgements=own.comparisons,
            infit=own.infit,
            outfit=own.outfit,
            agreed=own.agreed,
            expected=own.expected,
            disagrees=None if own.agreed is None else own.disagrees,
            first_won=own.first_won,
            slope=own.slope,
            slope_se=own.slope_se,
            position_effect=own.position_effect,
            position_effect_se=own.position_effect_se,
        )
