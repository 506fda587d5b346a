"""What an earlier, smaller run says about the next one: how far essays lie apart, and what a comparison takes.

pilot = read_pilot(load_artefact(Path("runs/latest")))
pilot.spread, pilot.spread_90    1.8, Interval(low=1.4, high=2.3)
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from datetime import datetime

from eng5_runner.errors import InputsInvalid
from eng5_runner.measure.design.planning import spread_error
from eng5_runner.phrases import counted
from eng5_runner.planning.measured import Pilot, PilotMeasures
from eng5_runner.planning.pricing import Interval
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import BTEntry, BTModel, GradeModel, GradesAvailable, SoftUse
from eng5_runner.results.artefact.study import ComparisonCall

_NINETY = 1.645  # standard errors of a 90% interval
_FEWEST = 3
_LEAST_RELIABILITY = 0.2  # below it the interval would be wider than anything that is known beforehand
_ANSWERS_VARY_BY = 1.1
_PACE_VARIES_BY = 1.5  # one run cannot separate the provider's speed from luck


def read_pilot(artefact: Artefact) -> Pilot:
    """What a run's artefact says about the next run.

    Raises:
        InputsInvalid: it has too few judgements, or the essays do not differ.
    """
    judged, failed = artefact.llm_comparisons, artefact.failed_comparisons
    entries, model = artefact.bt_summary, artefact.bt_model
    if model is None or len(judged) < _FEWEST or len(entries) < _FEWEST:
        raise _unusable(
            f"{counted(len(judged), 'judgement')} of {counted(len(entries), 'essay')}; it takes at least {_FEWEST} "
            "of both"
        )
    spread, interval = _spread(model, entries)
    models = sorted({(row.provider, row.model) for row in judged})
    asked = [row for row in judged if row.replayed is None]  # a replay takes nothing: it would make the next run cheap
    enough = len(asked) >= _FEWEST
    paid = asked if enough else judged
    calls = [*paid, *failed]
    calls_per_judgement = len(calls) / len(paid)
    usd = _mean([call.cost_usd for call in calls]).times(calls_per_judgement)
    baseline = any(judge.is_baseline for judge in artefact.metadata.judges)
    return Pilot(
        label=artefact.metadata.batch_label,
        comparisons=len(judged),
        failed=len(failed),
        essays=len(entries),
        spread=spread,
        spread_90=interval,
        step=_step(artefact.grade_model),
        judge=models[0] if len(models) == 1 and enough else None,
        measured=PilotMeasures(
            prompt_tokens=_mean([call.tokens_prompt for call in calls]).times(calls_per_judgement),
            completion_tokens=_mean([call.tokens_completion for call in calls]).times(calls_per_judgement),
            usd=usd if (usd.high > 0.0 and not artefact.costs.unpriced) or baseline else None,
            seconds=_pace(calls, judged=len(paid)),
            answer_seconds=_answer_seconds(paid),
            cached=_cached(calls),
            batched=all(call.batched for call in paid),
        ),
        worth_90=_worth(model.soft_judgements),
        agreement=_agreement(artefact.grade_model),
    )


def _unusable(why: str) -> InputsInvalid:
    return InputsInvalid(
        f"--pilot: the run does not say what a plan needs ({why}).", remedy="Name a run with more judgements."
    )


def _spread(model: BTModel, entries: Sequence[BTEntry]) -> tuple[float, Interval]:
    """σ̂ and its 90% interval.

    Where σ was set beforehand it is estimated here: the variance of the positions and their mean squared standard
    error together.
    """
    thetas = [entry.theta for entry in entries]
    squares = math.fsum(entry.standard_error**2 for entry in entries) / len(entries)
    mean = math.fsum(thetas) / len(thetas)
    from_positions = math.sqrt(math.fsum((theta - mean) ** 2 for theta in thetas) / (len(thetas) - 1) + squares)
    spread = model.prior_sd if model.prior_sd_estimated else from_positions
    if not 0.0 < spread < math.inf:
        raise _unusable("the essays do not lie apart")
    reliability = max(1.0 - squares / spread**2, _LEAST_RELIABILITY)
    judged = math.fsum(entry.comparison_count for entry in entries) / 2.0
    error = spread_error(essays=len(thetas), comparisons=judged, spread=spread, reliability=reliability)
    factor = math.exp(_NINETY * error)
    return spread, Interval(low=spread / factor, high=spread * factor)


def _step(model: GradeModel) -> float | None:
    """The mean distance of neighbouring grades' centres."""
    if not isinstance(model, GradesAvailable):
        return None
    thetas = sorted(centre.theta for centre in model.centres.values())
    step = (thetas[-1] - thetas[0]) / (len(thetas) - 1)
    return step if step > 0.0 else None


def _agreement(model: GradeModel) -> float | None:
    if not isinstance(model, GradesAvailable) or model.agreement_with_teachers is None:
        return None
    return model.agreement_with_teachers.correlation or None


def _worth(use: SoftUse | None) -> Interval | None:
    if use is None or use.worth_interval_90 is None:
        return None
    low, high = use.worth_interval_90
    return Interval(low=max(low, 1.0), high=max(high, 1.0))  # where it helps nothing, wins are counted


def _mean(figures: Sequence[float]) -> Interval:
    """The 90% interval of the mean, never below 0."""
    n = len(figures)
    mean = math.fsum(figures) / n
    error = math.sqrt(math.fsum((figure - mean) ** 2 for figure in figures) / (n - 1) / n)
    return Interval(low=max(mean - _NINETY * error, 0.0), high=mean + _NINETY * error)


def _cached(calls: Sequence[ComparisonCall]) -> float:
    """The share of the tokens read that came from the provider's cache."""
    read = sum(call.tokens_prompt for call in calls)
    return sum(call.tokens_cached or 0 for call in calls) / read if read else 0.0


def _answer_seconds(calls: Sequence[ComparisonCall]) -> Interval | None:
    """The mean time of an answer, where all calls say theirs."""
    times = [call.response_time_ms for call in calls if call.response_time_ms is not None]
    if len(times) < len(calls):
        return None
    mean = _mean([milliseconds / 1000 for milliseconds in times])
    return Interval(low=mean.low / _ANSWERS_VARY_BY, high=mean.high * _ANSWERS_VARY_BY)


def _pace(calls: Sequence[ComparisonCall], *, judged: int) -> Interval:
    """Seconds a comparison, from the first question to the last answer, if the provider is as busy again."""
    started = min(datetime.fromisoformat(call.started_at) for call in calls)
    ended = max(datetime.fromisoformat(call.completed_at) for call in calls)
    each = max((ended - started).total_seconds(), 0.0) / judged
    return Interval(low=each / _PACE_VARIES_BY, high=each * _PACE_VARIES_BY)
