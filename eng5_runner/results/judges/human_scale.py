"""People's judgements beside models': one scale, how far both agree, and where they do not.

scale, fitted = human_scale(people, of_people=fit(merged(...)), models=fit(...))
scale.agreement.share         .58
fitted.theta                  on the humans' scale
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from types import MappingProxyType

from eng5_runner.core.events import HumanJudgementsAdded
from eng5_runner.core.rounding import ends, figure, rounded
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import TIE, Comparisons, comparisons_counted, merged
from eng5_runner.measure.model.dependence import dependence, weighed
from eng5_runner.measure.model.two_kinds import TwoKinds, cannot_join, fit_two_kinds
from eng5_runner.measure.quality.misfit import position_effect
from eng5_runner.measure.quality.reliability import own_order
from eng5_runner.measure.quality.standing import (
    JudgesAgreement,
    agreed_and_expected,
    agreement_of,
    same_pair,
    standings,
)
from eng5_runner.results.artefact.human_scale import (
    AgreementShare,
    Disagreement,
    HumanPosition,
    HumanReliability,
    HumanScale,
    SamePair,
)
from eng5_runner.results.comparison_table import are_confounded

_OUTCOMES: Mapping[str, float] = MappingProxyType({"first": 1.0, "tie": TIE, "second": 0.0})


def human_scale(
    people: Mapping[str, Comparisons], *, of_people: Fit, models: Fit, model_judgements: float
) -> tuple[HumanScale, Fit]:
    """What people's judgements say beside models', and the fit on the humans' scale.

    Args:
        people: the judgements of each person as they were made; under the empty name where nobody is named.
        of_people: the fit of all of them.
        models: the fit of the models' judgements, of the same items.
        model_judgements: their number.
    """
    estimated = of_people.position_effect_se is not None
    counts = [agreed_and_expected(models, data)[:2] for data in people.values()]
    among = [
        (one.judgements, one.judgements * (one.agreed or 0.0))
        for one in standings(people, prior_sd=of_people.prior_sd, position_effect=estimated)
    ]
    asked, agreed = same_pair(merged(tuple(people.values())))
    reason = cannot_join(of_people.comparisons)
    kinds = None if reason else fit_two_kinds(of_people, models, position_effect=estimated)
    scale = HumanScale(
        people=len(people.keys() - {""}),
        judgements=round(sum(float(data.weight.sum()) for data in people.values())),
        model_judgements=round(model_judgements),
        agreement=_stated(agreement_of(counts)),
        agreement_among_people=_stated(agreement_of(among)),
        same_pair=SamePair(asked=round(asked), agreed=round(agreed)) if round(asked) else None,
        undefined=reason,
        correlation=None if kinds is None else rounded(kinds.correlation),
        correlation_interval_90=None if kinds is None else ends(kinds.correlation_interval),
        uses_models=None if kinds is None else kinds.uses_models,
        reliability=None if kinds is None else _reliability(kinds),
        log_loss_alone=None if kinds is None else rounded(kinds.loss_alone),
        log_loss_joint=None if kinds is None else rounded(kinds.loss_joint),
        human_position_effect=_position_effect(of_people),
        model_position_effect=_position_effect(models),
        disagreements=tuple(
            sorted(
                _disagreements(people, models),
                key=lambda one: (-one.difference, one.winner, one.loser, one.judge or ""),
            )
        ),
    )
    return scale, of_people if kinds is None else kinds.fitted


def human_scale_of_run(
    models: Fit, added: Iterable[HumanJudgementsAdded], *, model_judgements: float
) -> HumanScale | None:
    """People's judgements that were added to a run, beside its models'; None without any.

    Args:
        models: the fit of the run's own judgements.
        added: the files.
        model_judgements: the number of the run's own.
    """
    by_judge: dict[str, list[tuple[str, str, float, int]]] = {}
    files = list(added)
    for row in (row for file in files for row in file.judgements):
        by_judge.setdefault(row.judge, []).append((row.first, row.second, _OUTCOMES[row.winner], row.count))
    if not by_judge:
        return None
    people = {judge: comparisons_counted(models.items, by_judge[judge]) for judge in sorted(by_judge)}
    together = merged(tuple(people.values()))
    in_order = all(file.shown_in_order for file in files) and not are_confounded(together)
    parts = tuple(people.values())
    counted = weighed(parts, dependence(parts, position_effect=in_order))
    scale, fitted = human_scale(
        people,
        of_people=fit(counted, position_effect=in_order),
        models=models,
        model_judgements=model_judgements,
    )
    if scale.undefined is not None:
        return scale
    columns = (fitted.items, fitted.theta.tolist(), fitted.standard_errors.tolist(), together.counts.tolist())
    positions = [
        HumanPosition(essay_id=item, theta=rounded(theta), standard_error=rounded(error), judgements=round(count))
        for item, theta, error, count in zip(*columns, strict=True)
    ]
    positions.sort(key=lambda place: (-place.theta, place.essay_id))
    return scale.model_copy(update={"positions": tuple(positions)})


def _reliability(kinds: TwoKinds) -> HumanReliability | None:
    if kinds.uses_models:
        value, interval = kinds.reliability, kinds.reliability_interval
        return HumanReliability(value=rounded(value), interval_90=ends(interval))
    own = own_order(kinds.people)
    if own.value is None or own.interval is None:
        return None
    return HumanReliability(value=rounded(own.value), interval_90=ends(own.interval))


def _position_effect(fitted: Fit) -> float | None:
    effect = position_effect(fitted)
    return None if effect is None else figure(effect.estimate)


def _stated(agreement: JudgesAgreement | None) -> AgreementShare | None:
    if agreement is None or not round(agreement.asked):
        return None
    return AgreementShare(
        judgements=round(agreement.asked),
        share=rounded(agreement.share),
        interval_90=ends(agreement.interval),
        judgements_needed=agreement.needed,
    )


def _disagreements(people: Mapping[str, Comparisons], models: Fit) -> Iterator[Disagreement]:
    for judge, data in people.items():
        theta = models.posterior_mean
        columns = (data.first.tolist(), data.second.tolist(), data.outcome.tolist(), data.weight.tolist())
        for first, second, outcome, weight in zip(*columns, strict=True):
            winner, loser = (first, second) if outcome > TIE else (second, first)
            difference = float(theta[loser] - theta[winner])
            if outcome != TIE and difference > 0.0 and round(weight):
                yield Disagreement(
                    judge=judge or None,
                    winner=models.items[winner],
                    loser=models.items[loser],
                    difference=rounded(difference),
                    judgements=round(weight),
                )
