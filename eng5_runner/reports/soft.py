"""What the judges' confidence and probabilities added, in sentences that all views share."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType

from eng5_runner.reports.figures import log_loss, number, span
from eng5_runner.results.artefact.measurement import SoftJudge, SoftUse

_WORDS: Mapping[str, str] = MappingProxyType({"confidence": "confidence", "probability": "probability of its answer"})


def soft_lines(use: SoftUse | None) -> Iterator[str]:
    """What one judgement was worth, and what of each judge's answers was used."""
    if use is None:
        return
    if all(judge.used == "wins" for judge in use.judges):
        yield f"judgements count as bare wins: {'; '.join(map(_why_not, use.judges))}"
        return
    yield f"one judgement was worth {_worth(use)}"
    yield from map(_of_judge, use.judges)


def soft_method(use: SoftUse | None) -> Iterator[str]:
    """The sentence of a paper's method; none where only wins count."""
    used = () if use is None else tuple(dict.fromkeys(judge.used for judge in use.judges if judge.used != "wins"))
    if use is None or not used:
        return
    what = " and ".join(_WORDS[scale] for scale in used)
    yield (
        f"Besides who won, the judge's {what} counts, because it predicts held-out judgements better; one "
        f"judgement was worth {_worth(use)}."
    )


def _worth(use: SoftUse) -> str:
    interval = "" if use.worth_interval_90 is None else f" (90% interval {span(use.worth_interval_90)})"
    return f"{number(use.worth)} bare wins{interval}"


def _of_judge(judge: SoftJudge) -> str:
    name = judge.judge or "judges without a name or with few judgements"
    if judge.used == "wins":
        return f"{name}: wins only; {_why_not(judge)}"
    gain = next(tried for tried in judge.tried if tried.scale == judge.used)
    return (
        f"{name}: its {_WORDS[judge.used]} is used, because it predicts held-out judgements better than wins alone "
        f"{log_loss(gain.gain, error=gain.standard_error)}"
    )


def _why_not(judge: SoftJudge) -> str:
    tried = " and ".join(_WORDS[candidate.scale] for candidate in judge.tried)
    return f"the judge's {tried} does not predict held-out judgements better than wins alone"
