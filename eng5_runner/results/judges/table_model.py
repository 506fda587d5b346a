"""The model of a table: one kind of judges, or people and models, each as what they are."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass

from eng5_runner.measure.model.bradley_terry import Fit
from eng5_runner.measure.model.comparisons import Comparisons, merged
from eng5_runner.measure.model.dependence import Dependence, dependence, weighed
from eng5_runner.measure.model.soft import soft_from
from eng5_runner.measure.model.soft_choice import SoftChoice, choose
from eng5_runner.measure.quality.taste import Taste, taste
from eng5_runner.results.artefact.human_scale import HumanScale
from eng5_runner.results.artefact.measurement import JudgementDependence
from eng5_runner.results.comparison_table import ComparisonTable, are_confounded
from eng5_runner.results.fitted_study import dependence_facts
from eng5_runner.results.judges.human_scale import human_scale
from eng5_runner.results.judges.judge_fits import JudgeFit, judge_fits


@dataclass(frozen=True, slots=True, kw_only=True)
class KindOfJudges:
    """Judges that are fitted together.

    Attributes:
        judges: the comparisons of each; empty if the table names no judges.
        asked: all of them.
        dependent: how far a judge's judgements of the same pair repeat each other; None where each counts in full.
        choice: their fit.
    """

    judges: Mapping[str, Comparisons]
    asked: Comparisons
    dependent: Dependence | None
    choice: SoftChoice

    @classmethod
    def of(
        cls,
        table: ComparisonTable,
        judges: Collection[str] | None = None,
        *,
        in_full: bool,
        prior_sd: float | None,
        position_effect: bool,
    ) -> KindOfJudges:
        """Fit some judges of a table; None for all."""
        own = {name: data for name, data in table.judges.items() if judges is None or name in judges}
        parts = tuple(own.values()) or table.by_judge
        asked = merged(parts)
        said = [row for row in table.said if judges is None or row.judge in judges]
        estimated = position_effect and table.places in {"known", "confounded"} and not are_confounded(asked)
        dependent = None
        if not in_full:
            dependent = dependence(parts, position_effect=estimated)
        data = asked if dependent is None else weighed(parts, dependent)
        choice = choose(data, soft_from(data, said), prior_sd=prior_sd, position_effect=estimated)
        return cls(judges=own, asked=asked, dependent=dependent, choice=choice)

    @property
    def dependence(self) -> JudgementDependence | None:
        """How far judgements of the same pair repeat each other; None where that is not measured."""
        return dependence_facts(self.dependent, asked=self.asked, counted=self.choice.fitted.comparisons)

    @property
    def taste(self) -> Taste | None:
        """How far the judges differ in which items they like; None where that cannot be measured."""
        parts = self.judges.values()
        counted = parts if self.dependent is None else [weighed([part], self.dependent) for part in parts]
        return taste(self.choice.fitted.by_wins, counted)

    def fits(self) -> Iterator[JudgeFit]:
        """Each judge against the others of this kind."""
        yield from judge_fits(self.judges, model=self.choice.fitted, own_effects=self.choice.own)


@dataclass(frozen=True, slots=True, kw_only=True)
class TableModel:
    """The model of a table.

    Attributes:
        fitted: the positions; on the people's scale where people and models judged.
        kinds: all judges; people, then models, where there are both.
        human: what people and models have in common; None for one kind.
    """

    fitted: Fit
    kinds: tuple[KindOfJudges, ...]
    human: HumanScale | None = None


def model_of(
    table: ComparisonTable,
    *,
    in_full: bool,
    prior_sd: float | None,
    position_effect: bool,
) -> TableModel:
    """Fit a table.

    Args:
        table: the comparisons.
        in_full: whether each judgement counts in full, also where it repeats another.
        prior_sd: as for `fit`.
        position_effect: whether to estimate the advantage of being shown first, for each kind of judges whose places
            can tell it.
    """
    machines, people = table.models, table.judges.keys() - table.models
    if not (machines and people):
        kind = KindOfJudges.of(table, in_full=in_full, prior_sd=prior_sd, position_effect=position_effect)
        return TableModel(fitted=kind.choice.fitted, kinds=(kind,))
    kinds = tuple(
        KindOfJudges.of(table, judges, in_full=in_full, prior_sd=prior_sd, position_effect=position_effect)
        for judges in (people, machines)
    )
    human, fitted = human_scale(
        kinds[0].judges,
        of_people=kinds[0].choice.fitted,
        models=kinds[1].choice.fitted,
        model_judgements=float(kinds[1].asked.weight.sum()),
    )
    return TableModel(fitted=fitted, kinds=kinds, human=human)
