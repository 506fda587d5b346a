"""People's judgements beside models', in sentences that all views share."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import islice

from eng5_runner.phrases import counted
from eng5_runner.reports.figures import number, span
from eng5_runner.results.artefact.human_scale import AgreementShare, HumanScale

_SHOWN = 10


def human_scale_lines(scale: HumanScale) -> Iterator[str]:
    """How far people and models agree, and what that does to the scale."""
    who = counted(scale.people, "person", plural="people") if scale.people else "people"
    whose = "" if scale.undefined is not None else ": the scale is the humans'"
    yield f"{counted(scale.judgements, 'judgement')} of {who} and {scale.model_judgements} of models{whose}"
    if scale.agreement is not None:
        yield f"the models' order agrees with {_share(scale.agreement, of='human judgement')}"
        needed = scale.agreement.judgements_needed
        more = needed - scale.agreement.judgements
        yield f"about {counted(needed, 'human judgement')} settle that to ±5 points" + (
            f": {more} more" if more > 0 else ""
        )
    if scale.agreement_among_people is not None:
        among = _share(scale.agreement_among_people, of="judgement")
        yield f"among people, each against the order of all others: {among}"
    if scale.same_pair is not None:
        asked, agreed = scale.same_pair.asked, scale.same_pair.agreed
        yield f"where two people judged the same pair, {agreed / asked:.0%} of {asked} agree"
    if scale.reliability is not None:
        low, high = scale.reliability.interval_90
        yield (
            f"reliability of the order on the humans' scale: {number(scale.reliability.value)} "
            f"(90% interval {number(low)} to {number(high)})"
        )
    if scale.undefined is not None:
        yield f"the models cannot be put on the humans' scale: {scale.undefined}"
    if scale.correlation is not None and scale.correlation_interval_90 is not None:
        yield (
            f"the true orders of people and models correlate r = {number(scale.correlation)} "
            f"({span(scale.correlation_interval_90)})"
        )
    if scale.log_loss_alone is not None and scale.log_loss_joint is not None:
        verdict = "what the models agree is used" if scale.uses_models else "the models add nothing and are not used"
        yield (
            f"{verdict}: log loss of human judgements that were held out {number(scale.log_loss_joint, 3)} with the "
            f"models, {number(scale.log_loss_alone, 3)} without (a coin: .693)"
        )
    if scale.human_position_effect is not None and scale.model_position_effect is not None:
        yield (
            f"advantage of being shown first: {scale.human_position_effect:+.2f} logits among people, "
            f"{scale.model_position_effect:+.2f} among models"
        )


def disagreement_lines(scale: HumanScale) -> Iterator[str]:
    """The largest disagreements, for a person to read."""
    if not scale.disagreements:
        return
    yield (
        f"{counted(len(scale.disagreements), 'human choice goes', plural='human choices go')} against the models' "
        "order; the largest, in logits:"
    )
    for one in islice(scale.disagreements, _SHOWN):
        who = one.judge or "a person"
        times = "" if one.judgements == 1 else f", {one.judgements} times"
        yield f"  {who} chose {one.winner}; the models place {one.loser} {number(one.difference)} higher{times}"


def _share(agreement: AgreementShare, *, of: str) -> str:
    low, high = agreement.interval_90
    return f"{agreement.share:.0%} ({low:.0%} to {high:.0%}) of {counted(agreement.judgements, of)}"
