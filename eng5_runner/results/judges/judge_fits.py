"""Each judge of a table beside the others: how well it fits, how often it agrees, and what is its own."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass

from eng5_runner.canonical import Json
from eng5_runner.core.rounding import figure
from eng5_runner.measure.model.bradley_terry import Fit
from eng5_runner.measure.model.comparisons import Comparisons
from eng5_runner.measure.model.own_effects import OwnEffects
from eng5_runner.measure.quality.misfit import misfit
from eng5_runner.measure.quality.places import CONFOUNDED, NEARLY_ALWAYS, confounding, share_of_first
from eng5_runner.measure.quality.standing import Standing, standings


@dataclass(frozen=True, slots=True, kw_only=True)
class JudgeFit:
    """How well one judge's comparisons agree with those of the others.

    Attributes:
        judge: its name; empty for rows that name none.
        comparisons: their number.
        infit: mean squared surprise by its expected value, 1 where it judges as the others do; None if not defined.
        outfit: the same with every comparison at equal weight; None if not defined.
        agreed: the share of its judgements whose winner is the one that the others place higher; None where nobody
            else judged.
        expected: the share that is expected of a judge like the others; None where `agreed` is.
        disagrees: whether it agrees so much less often that chance does not explain it.
        first_won: how many of its comparisons the item shown first won; None where nobody else judged, where no effect
            of the place is estimated, and where nearly all went to one place that the items explain as well.
        slope: how strongly it tells items apart, as a multiple of the judges' mean; None with few judgements.
        slope_se: the standard error of `slope`.
        position_effect: by how much it favours the item shown first, in logits; None with few judgements, and where no
            such effect is estimated.
        position_effect_se: the standard error of `position_effect`.
    """

    judge: str
    comparisons: int
    infit: float | None
    outfit: float | None
    agreed: float | None = None
    expected: float | None = None
    disagrees: bool = False
    first_won: int | None = None
    slope: float | None = None
    slope_se: float | None = None
    position_effect: float | None = None
    position_effect_se: float | None = None

    def to_json(self) -> dict[str, Json]:
        """The figures by name, without those that are not defined."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def judge_fits(judges: Mapping[str, Comparisons], *, model: Fit, own_effects: OwnEffects | None) -> Iterator[JudgeFit]:
    """The judges of one kind, each against all.

    Args:
        judges: the judgements of each.
        model: the fit of all of them.
        own_effects: what is each judge's own; None where that was not estimated.
    """
    effects = {effect.judge: effect for effect in (own_effects.judges if own_effects else ()) if effect.judge}
    among: dict[str, Standing] = {}
    if len(judges) > 1:
        estimated = model.position_effect_se is not None
        stated = standings(judges, prior_sd=model.by_wins.prior_sd, position_effect=estimated)
        among = {one.judge: one for one in stated}
    for name, comparisons in judges.items():
        if not comparisons.weight.size:
            continue
        surprise, standing, own = misfit(model, comparisons), among.get(name), effects.get(name)
        yield JudgeFit(
            judge=name,
            comparisons=round(float(comparisons.weight.sum())),
            infit=figure(surprise.infit_overall),
            outfit=figure(surprise.outfit_overall),
            agreed=figure(standing.agreed) if standing else None,
            expected=figure(standing.expected) if standing else None,
            disagrees=standing is not None and standing.disagrees,
            first_won=_first_won(comparisons) if standing and model.position_effect_se is not None else None,
            slope=figure(own.slope) if own else None,
            slope_se=figure(own.slope_se) if own else None,
            position_effect=figure(own.position_effect) if own else None,
            position_effect_se=figure(own.position_effect_se) if own else None,
        )


def _first_won(comparisons: Comparisons) -> int | None:
    share = share_of_first(comparisons)
    if share is not None and max(share, 1.0 - share) >= NEARLY_ALWAYS and confounding(comparisons) >= CONFOUNDED:
        return None
    return round(float((comparisons.weight * comparisons.outcome).sum()))
