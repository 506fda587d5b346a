"""What an earlier, smaller run tells about the next one: how far essays lie apart, and what a comparison takes."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime

from eng5_runner.canonical import Json
from eng5_runner.errors import InputsInvalid
from eng5_runner.planning.pricing import Interval

_NINETY = 1.645  # standard errors of a 90% interval
_FEWEST = 3
_LEAST_RELIABILITY = 0.2  # below it the interval would be wider than anything that is known beforehand


@dataclass(frozen=True, slots=True, kw_only=True)
class Pilot:
    """A run's figures. Tokens, money and time are for one comparison with a winner, failed ones paid for by these.

    Attributes:
        comparisons: with a winner.
        failed: without.
        essays: that were compared.
        spread: σ̂ of the judge's positions, in logits.
        spread_90: its 90% interval.
        step: between two grades, in logits; None where no grades were projected.
        judge: provider and model; None where there were several, or where nearly all was a replay, so that the figures
            tell nothing.
        usd: None where a language model cost nothing, which means that its price was not known.
        seconds: of the whole run's pace.
    """

    label: str
    comparisons: int
    failed: int
    essays: int
    spread: float
    spread_90: Interval
    step: float | None
    judge: tuple[str, str] | None
    prompt_tokens: Interval
    completion_tokens: Interval
    usd: Interval | None
    seconds: Interval


def read_pilot(artefact: Mapping[str, Json]) -> Pilot:
    """What a run's artefact tells.

    Raises:
        InputsInvalid: it has too few judgements to tell anything, or is no artefact.
    """
    try:
        return _read(artefact)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        raise InputsInvalid(
            f"--pilot: the artefact does not tell what a plan needs ({type(error).__name__}: {error}).",
            remedy="Name a run that has been closed with judgements; `hydrate` writes its artefact anew.",
        ) from None


def _read(artefact: Mapping[str, Json]) -> Pilot:
    judged, failed = _rows(artefact["llm_comparisons"]), _rows(artefact["failed_comparisons"])
    positions = _rows(artefact["bt_summary"])
    if len(judged) < _FEWEST or len(positions) < _FEWEST:
        raise ValueError(f"{len(judged)} judgements of {len(positions)} essays")
    spread, interval = _spread(_object(artefact["bt_model"]), positions)
    models = sorted({(str(one["provider"]), str(one["model"])) for one in judged})
    asked = [one for one in judged if "replayed" not in one]  # a replay takes nothing: it would make the next run cheap
    new = len(asked) >= _FEWEST
    paid = asked if new else judged
    calls = [*paid, *failed]
    each = len(calls) / len(paid)
    usd = _mean([_figure(one["cost_usd"]) for one in calls]).times(each)
    baseline = any("not a language model" in str(one["kind"]) for one in _rows(_object(artefact["metadata"])["judges"]))
    return Pilot(
        label=str(_object(artefact["metadata"])["batch_label"]),
        comparisons=len(judged),
        failed=len(failed),
        essays=len(positions),
        spread=spread,
        spread_90=interval,
        step=_step(_object(artefact["grade_model"])),
        judge=models[0] if len(models) == 1 and new else None,
        prompt_tokens=_mean([_figure(one["tokens_prompt"]) for one in calls]).times(each),
        completion_tokens=_mean([_figure(one["tokens_completion"]) for one in calls]).times(each),
        usd=usd if usd.high > 0.0 or baseline else None,
        seconds=_pace(calls, judged=len(paid)),
    )


def _spread(model: Mapping[str, Json], positions: Sequence[Mapping[str, Json]]) -> tuple[float, Interval]:
    """σ̂ and its 90% interval.

    Where σ was set beforehand it is estimated here: the variance of the positions and their mean squared standard
    error together. With n essays of reliability ρ the standard error of log σ̂ is 1/(ρ √(2(n − 1))), that of a standard
    deviation of which only the share ρ of the variance is seen.
    """
    thetas = [_figure(one["theta"]) for one in positions]
    squares = math.fsum(_figure(one["standard_error"]) ** 2 for one in positions) / len(positions)
    mean = math.fsum(thetas) / len(thetas)
    own = math.sqrt(math.fsum((theta - mean) ** 2 for theta in thetas) / (len(thetas) - 1) + squares)
    spread = _figure(model["prior_sd"]) if model["prior_sd_estimated"] is True else own
    if not spread > 0.0:
        raise ValueError("the essays do not lie apart")
    reliability = max(1.0 - squares / spread**2, _LEAST_RELIABILITY)
    factor = math.exp(_NINETY / (reliability * math.sqrt(2.0 * (len(thetas) - 1))))
    return spread, Interval(low=spread / factor, high=spread * factor)


def _step(model: Mapping[str, Json]) -> float | None:
    """The mean distance of neighbouring grades' centres."""
    centres = model.get("centres")
    if model["available"] is not True or not isinstance(centres, Mapping):
        return None
    thetas = sorted(_figure(_object(centre)["theta"]) for centre in centres.values())
    step = (thetas[-1] - thetas[0]) / (len(thetas) - 1)
    return step if step > 0.0 else None


def _mean(figures: Sequence[float]) -> Interval:
    """The 90% interval of the mean, never below 0."""
    n = len(figures)
    mean = math.fsum(figures) / n
    error = math.sqrt(math.fsum((figure - mean) ** 2 for figure in figures) / (n - 1) / n)
    return Interval(low=max(mean - _NINETY * error, 0.0), high=mean + _NINETY * error)


def _pace(calls: Sequence[Mapping[str, Json]], *, judged: int) -> Interval:
    """Seconds a comparison, from the first question to the last answer; the same again if the provider is as busy.

    A run's pace cannot be told apart from its chance by one run: the interval is half as long again and as short.
    """
    begun = min(datetime.fromisoformat(str(one["started_at"])) for one in calls)
    ended = max(datetime.fromisoformat(str(one["completed_at"])) for one in calls)
    each = max((ended - begun).total_seconds(), 0.0) / judged
    return Interval(low=each / 1.5, high=each * 1.5)


def _rows(value: Json) -> list[Mapping[str, Json]]:
    if not isinstance(value, Sequence) or isinstance(value, str):
        raise TypeError("an array was expected")
    return [_object(row) for row in value]


def _object(value: Json) -> Mapping[str, Json]:
    if not isinstance(value, Mapping):
        raise TypeError("an object was expected")
    return value


def _figure(value: Json) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise TypeError("a number was expected")
    return float(value)
