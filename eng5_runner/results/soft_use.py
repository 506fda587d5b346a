"""What a fit used besides who won, as the artefact and `fit` state it."""

from __future__ import annotations

from eng5_runner.core.rounding import ends, rounded
from eng5_runner.measure.model.soft_choice import SoftChoice
from eng5_runner.results.artefact.measurement import SoftCandidate, SoftJudge, SoftUse


def soft_use(choice: SoftChoice) -> SoftUse | None:
    """None where no judge said more than who won, or too few judgements did."""
    if not choice.judges:
        return None
    return SoftUse(
        worth=rounded(choice.worth),
        worth_interval_90=None if choice.worth_interval is None else ends(choice.worth_interval),
        judges=tuple(
            SoftJudge(
                judge=judge.judge or None,
                judgements=rounded(judge.judgements),
                used=judge.reading.scale,
                parameters=tuple(map(rounded, judge.reading.parameters)) or None,
                tried=tuple(
                    SoftCandidate(scale=scale, gain=rounded(gain), standard_error=rounded(error))
                    for scale, (gain, error) in judge.gains.items()
                ),
            )
            for judge in choice.judges
        ),
    )
