"""People's judgements that were added to a run, beside its models'."""

from __future__ import annotations

from itertools import combinations

import pytest

from eng5_runner.core.events import HumanJudgement, HumanJudgementsAdded
from eng5_runner.core.rounding import ends, rounded
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.comparisons import Comparisons, comparisons_counted, merged
from eng5_runner.measure.model.two_kinds import fit_two_kinds
from eng5_runner.measure.quality.reliability import own_order
from eng5_runner.reports.human_scale import human_scale_lines
from eng5_runner.results.artefact.human_scale import HumanReliability
from eng5_runner.results.judges.human_scale import human_scale, human_scale_of_run
from tests.support.run.events import AT

ORDER = ("ann", "bob", "cyd", "dia", "eve", "fay", "gus")
PAIRS = list(combinations(ORDER, 2))


def models(order: tuple[str, ...] = ORDER) -> Fit:
    """Models that see this order, with an upset."""
    place = {name: number for number, name in enumerate(order)}
    rows = [(a, b, float(place[a] < place[b]), 1) for a, b in PAIRS] + [
        (b, a, float(place[b] < place[a]), 1) for a, b in PAIRS
    ]
    return fit(comparisons_counted(ORDER, [*rows, ("bob", "ann", 1.0, 1)]))


def added(*rows: HumanJudgement, in_order: bool = True) -> HumanJudgementsAdded:
    return HumanJudgementsAdded(at=AT, file_name="t.csv", sha256="0" * 64, shown_in_order=in_order, judgements=rows)


def judged(judge: str, first: str, second: str, winner: str = "first", count: int = 1) -> HumanJudgement:
    return HumanJudgement.model_validate(
        {"judge": judge, "first": first, "second": second, "winner": winner, "count": count}
    )


def of_all(judge: str, *, turned: bool = False) -> list[HumanJudgement]:
    return [judged(judge, *((b, a) if turned else (a, b)), "second" if turned else "first") for a, b in PAIRS]


def test_without_peoples_judgements_there_is_no_scale() -> None:
    assert human_scale_of_run(models(), [], model_judgements=3.0) is None
    assert human_scale_of_run(models(), [added()], model_judgements=3.0) is None


def test_people_and_models_are_counted_and_each_essay_has_its_place() -> None:
    teachers = [added(*of_all("t1"), *of_all("t2", turned=True)), added(*of_all("t3"), judged("t3", "bob", "ann"))]
    scale = human_scale_of_run(models(), teachers, model_judgements=43.4)
    assert scale is not None
    assert (scale.people, scale.judgements, scale.model_judgements) == (3, 64, 43)
    assert scale.undefined is None
    assert scale.positions is not None
    assert [place.essay_id for place in scale.positions] == list(ORDER)
    assert [place.judgements for place in scale.positions] == [19, 19, 18, 18, 18, 18, 18]
    thetas = [place.theta for place in scale.positions]
    assert sum(thetas) == pytest.approx(0.0, abs=1e-5)
    assert thetas == sorted(thetas, reverse=True)
    assert all(place.standard_error > 0.0 for place in scale.positions)
    assert scale.same_pair is not None
    assert (scale.same_pair.asked, scale.same_pair.agreed) == (66, 63)
    assert scale.agreement is not None
    assert (scale.agreement.judgements, scale.agreement.share) == (64, 0.984375)


def test_judgements_that_the_models_contradict_are_named_the_largest_difference_first() -> None:
    rows = [
        *of_all("t1"),
        judged("t2", "gus", "ann", count=2),
        judged("t2", "cyd", "dia", "tie"),
        judged("t2", "bob", "dia", "second"),
        judged("", "gus", "ann"),
    ]
    found = models()
    scale = human_scale_of_run(found, [added(*rows)], model_judgements=43.0)
    assert scale is not None
    theta = dict(zip(found.items, found.posterior_mean.tolist(), strict=True))
    assert [(one.judge, one.winner, one.loser, one.judgements) for one in scale.disagreements] == [
        (None, "gus", "ann", 1),
        ("t2", "gus", "ann", 2),
        ("t2", "dia", "bob", 1),
    ]
    assert scale.disagreements[2].difference == pytest.approx(theta["bob"] - theta["dia"], abs=1e-5)


def test_too_little_for_a_scale_says_why_and_has_no_places() -> None:
    scale = human_scale_of_run(models(), [added(judged("t1", "ann", "bob"))], model_judgements=43.0)
    assert scale is not None
    assert scale.undefined
    assert (scale.positions, scale.correlation, scale.uses_models, scale.reliability) == (None, None, None, None)
    assert (scale.people, scale.judgements) == (1, 1)
    assert next(human_scale_lines(scale)) == "1 judgement of 1 person and 43 of models"


def test_nobody_named_is_no_person() -> None:
    scale = human_scale_of_run(models(), [added(judged("", "ann", "bob", "tie"))], model_judgements=1.0)
    assert scale is not None
    assert (scale.people, scale.agreement, scale.agreement_among_people, scale.same_pair) == (0, None, None, None)


def test_the_place_is_estimated_only_where_it_was_recorded() -> None:
    """An advantage that nobody can know is no figure."""
    rows = [*of_all("t1"), *of_all("t2", turned=True)]
    known = human_scale_of_run(models(), [added(*rows)], model_judgements=43.0)
    unknown = human_scale_of_run(models(), [added(*rows), added(rows[0], in_order=False)], model_judgements=43.0)
    assert known is not None
    assert unknown is not None
    assert known.human_position_effect is not None
    assert unknown.human_position_effect is None
    assert known.model_position_effect == unknown.model_position_effect


def of_people(people: int) -> tuple[dict[str, Comparisons], Fit]:
    """So many people who agree with each other, and the fit of all."""
    rows = {f"t{n}": of_all(f"t{n}", turned=bool(n % 2)) for n in range(people)}
    parts = {
        judge: comparisons_counted(
            ORDER, [(row.first, row.second, float(row.winner == "first"), row.count) for row in judged]
        )
        for judge, judged in rows.items()
    }
    return parts, fit(merged(tuple(parts.values())))


def test_where_models_help_all_figures_are_those_of_both_kinds() -> None:
    parts, people = of_people(2)
    kinds = fit_two_kinds(people, models())
    scale, fitted = human_scale(parts, of_people=people, models=models(), model_judgements=43.0)
    assert kinds.uses_models
    assert scale.uses_models is True
    assert scale.reliability == HumanReliability(
        value=rounded(kinds.reliability), interval_90=ends(kinds.reliability_interval)
    )
    assert scale.correlation == rounded(kinds.correlation)
    assert scale.correlation_interval_90 == ends(kinds.correlation_interval)
    assert (scale.log_loss_alone, scale.log_loss_joint) == (rounded(kinds.loss_alone), rounded(kinds.loss_joint))
    assert fitted.theta.tolist() == kinds.fitted.theta.tolist()


def test_where_models_do_not_help_the_reliability_is_that_of_people_alone() -> None:
    parts, people = of_people(3)
    others = models(("gus", "ann", "dia", "fay", "cyd", "eve", "bob"))
    scale, fitted = human_scale(parts, of_people=people, models=others, model_judgements=43.0)
    own = own_order(people)
    assert scale.uses_models is False
    assert own.value is not None
    assert own.interval is not None
    assert scale.reliability == HumanReliability(value=rounded(own.value), interval_90=ends(own.interval))
    assert fitted.theta.tolist() == people.theta.tolist()
