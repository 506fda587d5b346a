"""The fit of any table of comparisons: positions, reliability, misfit and, with anchors, grades.

result = fit_comparisons(parse_comparisons([{"item_a": "x", "item_b": "y", "winner": "a"}, ...], name="judged.csv"))
result.items[0].theta  # logits; the highest item comes first
result.reliability.eb  # 0 to 1
"""

from __future__ import annotations

import csv
import math
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, field
from functools import cached_property
from io import StringIO
from typing import Literal, assert_never

from eng5_runner.canonical import Json
from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.measure.grading.check import GradeCheck, check_students
from eng5_runner.measure.grading.grades import (
    AnchorCheck,
    DoubtfulAnchor,
    JudgeAgreement,
    Refusal,
    Scale,
    StudentGrade,
    project,
)
from eng5_runner.measure.model.bradley_terry import Fit
from eng5_runner.measure.model.comparisons import TIE, Comparisons, repeats_that_agree
from eng5_runner.measure.model.davidson import TiedFit, fit_ties
from eng5_runner.measure.quality.clustered import errors_by_pair
from eng5_runner.measure.quality.misfit import (
    Consistency,
    PositionEffect,
    misfit,
    position_effect,
    repeat_consistency,
    swap_consistency,
)
from eng5_runner.measure.quality.reliability import own_order
from eng5_runner.measure.quality.triads import Triads, circular_triads
from eng5_runner.phrases import counted
from eng5_runner.results.artefact.human_scale import HumanScale
from eng5_runner.results.artefact.measurement import JudgementDependence, SoftUse
from eng5_runner.results.artefact.part import to_json
from eng5_runner.results.comparison_table import ComparisonTable
from eng5_runner.results.fitted_study import soft_use
from eng5_runner.results.judges.judge_fits import JudgeFit
from eng5_runner.results.judges.table_model import KindOfJudges, model_of
from eng5_runner.results.rows import Rows
from eng5_runner.results.tables import inert

# More than any judge is known to; the last digits of two machines may differ.
_DECIMALS = 9
# The number of triads grows with the cube of an item's comparisons.
_CLOSE_LOOK_UP_TO = 1_500
_COLUMNS = ("item", "theta", "se", "comparisons", "wins", "infit", "outfit", "flags", "grade")


@dataclass(frozen=True, slots=True, kw_only=True)
class FittedItem:
    """One item of a fit.

    Attributes:
        item: its name.
        theta: its position in logits; all positions sum to zero.
        se: the standard error of `theta` in logits.
        comparisons: the number of comparisons that it took part in.
        wins: the number that it won; a tie counts half.
        infit: mean squared surprise by its expected value, 1 where the model holds; None without comparisons.
        outfit: the same with every comparison at equal weight; None without comparisons.
        flags: what to know of it: `undefeated`, `winless`, `isolated`, `disconnected`, `quasi_likelihood_se`,
            `anchor`, `extrapolated`, `not_linked_to_anchors`.
        grade: an anchor's known grade, or the grade projected for any other item; None without grades.
        grade_probabilities: grade → probability (0 to 1) of a projected grade; None for anchors and without grades.
    """

    item: str
    theta: float
    se: float
    comparisons: int
    wins: float
    infit: float | None
    outfit: float | None
    flags: tuple[str, ...]
    grade: str | None
    grade_probabilities: Mapping[str, float] | None


@dataclass(frozen=True, slots=True, kw_only=True)
class FitReliability:
    """How far the order can be trusted.

    Attributes:
        eb: the empirical-Bayes reliability, 0 to 1; None where it is not defined.
        interval: its 90% interval, which always holds `eb`.
        ssr: the scale separation reliability, which adaptive pairing inflates; None where it is undefined.
        undefined: why `eb` is None, in words.
        other_judges: what is left of `eb` for other judges like these, where their tastes can be told from chance.
        spread_at_limit: where the comparisons alone do not bound the spread of the items: `upper` (they never
            contradict the order) or `lower` (they show no difference).
    """

    eb: float | None
    interval: tuple[float, float] | None
    ssr: float | None
    undefined: str | None
    spread_at_limit: Literal["upper", "lower"] | None
    other_judges: float | None = None

    def to_json(self) -> dict[str, Json]:
        """What is not known is null; reasons and `other_judges` are only there where they apply."""
        facts: dict[str, Json] = {
            "eb": self.eb,
            "interval": None if self.interval is None else list(self.interval),
            "ssr": self.ssr,
        }
        facts |= {} if self.other_judges is None else {"other_judges": self.other_judges}
        exceptions = {"undefined": self.undefined, "spread_at_limit": self.spread_at_limit}
        return facts | {name: reason for name, reason in exceptions.items() if reason}


@dataclass(frozen=True, kw_only=True, eq=False)  # no slots: what costs time is computed when first asked for, and kept
class FitResult:
    """The fit of a table of comparisons.

    Attributes:
        items: the highest position first.
        reliability: how far the order can be trusted.
        agreement: of the judges with the teachers' grades of the anchors; None without projected grades.
        check: how many anchors came within one step when the others graded them; None without projected grades.
        doubtful: anchors whose grade the others contradict.
        grade_check: the projected grades against teachers' grades that were given for checking only.
        outcomes: the grades that can be projected, from the lowest; empty without grades.
        grades_refused: why no grades are projected; None where they are, or where none were asked for.
        position_effect_left_out: why no advantage of being shown first was estimated, in words; otherwise None.
        soft: what was used besides who won; None if the judges say no more.
        repeats_left_out: how many comparisons count no second time: they repeat a question, and all repeats agree.
        human: what people and models that judged the same items have in common; None for one kind of judges.
        kinds: the judges that were fitted together: all, or people, then models.
        table: the comparisons, as they were read.
        model: the fitted model, with θ and its covariance as arrays.
        ties_model: Davidson's model, with ties as an outcome of their own; None without ties, or with many items.
    """

    items: Rows[FittedItem]
    reliability: FitReliability
    agreement: JudgeAgreement | None
    check: AnchorCheck | None
    doubtful: tuple[DoubtfulAnchor, ...]
    grade_check: GradeCheck | None
    outcomes: tuple[str, ...]
    grades_refused: str | None
    position_effect_left_out: str | None
    repeats_left_out: int
    soft: SoftUse | None
    human: HumanScale | None
    kinds: tuple[KindOfJudges, ...] = field(repr=False)
    table: ComparisonTable = field(repr=False)
    model: Fit = field(repr=False)
    ties_model: TiedFit | None = field(repr=False)

    def __repr__(self) -> str:
        low, high = self.reliability.interval or (None, None)
        reliability = (
            "not defined" if low is None else f"{self.reliability.eb:.2f} (90% interval {low:.2f} to {high:.2f})"
        )
        return (
            f"FitResult: {counted(len(self.items), 'item')}, "
            f"{counted(round(self.table.comparisons.weight.sum()), 'comparison')}, "
            f"reliability {reliability}"
        )

    @property
    def prior_sd(self) -> float:
        """The standard deviation of the prior on positions, in logits."""
        return self.model.prior_sd

    @cached_property
    def position_effect(self) -> PositionEffect | None:
        """The advantage of being shown first, in logits; None where it was not estimated."""
        return position_effect(self.model)

    @cached_property
    def repeats(self) -> Consistency:
        """How often the same pair in the same order got the same answer."""
        return repeat_consistency(self.model, self.kinds[0].asked)

    @cached_property
    def swaps(self) -> Consistency:
        """How often the same pair in the other order got the same answer."""
        return swap_consistency(self.model, self.kinds[0].asked)

    @property
    def dependence(self) -> tuple[JudgementDependence, ...]:
        """How far judgements of the same pair repeat each other, for each kind of judges where it can be measured."""
        return tuple(kind.dependence for kind in self.kinds if kind.dependence is not None)

    @cached_property
    def clustered_error_ratio(self) -> float | None:
        """Mean standard error clustered by pair ÷ mean standard error; None where it cannot be estimated."""
        robust = errors_by_pair(self.model, self.kinds[0].asked) if len(self.items) <= _CLOSE_LOOK_UP_TO else None
        return None if robust is None else float(robust.mean() / self.model.standard_errors.mean())

    @cached_property
    def triads(self) -> Triads | None:
        """Circular triads (a over b, b over c, c over a); None with more than 1,500 items."""
        return circular_triads(self.model) if len(self.items) <= _CLOSE_LOOK_UP_TO else None

    @cached_property
    def judges(self) -> Rows[JudgeFit]:
        """The judges that the table names, each against the others of its kind."""
        return Rows([row for kind in self.kinds for row in kind.fits()], row_type=JudgeFit)

    def to_json(self) -> dict[str, Json]:
        """The fit as one JSON object; numbers have nine decimals."""
        effect, model = self.position_effect, self.model
        facts: dict[str, Json] = {
            "items": [asdict(item) | {"flags": list(item.flags)} for item in self.items],
            "position_effect": None
            if effect is None
            else {"estimate": _rounded(model.position_effect), "se": _rounded(model.position_effect_se or 0.0)},
            "log_likelihood": _rounded(model.log_likelihood),
            "prior_sd": _rounded(model.prior_sd),
            "reliability": self.reliability.to_json(),
            "components": model.components,
            "converged": model.converged,
        }
        columns = self.table.columns
        exceptions: dict[str, Json] = {
            "columns": None if columns.are_ours else columns.to_json(),
            "position_effect_left_out": self.position_effect_left_out,
            "repeats_left_out": self.repeats_left_out,
            "dependence": [to_json(one) for one in self.dependence],
            "soft_judgements": None if self.soft is None else to_json(self.soft),
            "judges": [judge.to_json() for judge in self.judges],
            "human_scale": None if self.human is None else to_json(self.human),
            "rows_of_one_item_left_out": self.table.with_itself,
            "grades_refused": self.grades_refused,
            "agreement_with_teachers": self._agreement_json(),
            "anchors_within_one": self._check_json(),
            "grade_check": None
            if self.grade_check is None
            else asdict(self.grade_check)
            | {"interval": None if self.grade_check.interval is None else [*map(_rounded, self.grade_check.interval)]},
            "doubtful_anchors": [
                {"item": one.item, "grade": self.outcomes[one.expert], "by_the_others": self.outcomes[one.by_others]}
                for one in self.doubtful
            ],
        }
        return facts | {name: value for name, value in exceptions.items() if value}

    @property
    def share_reproduced(self) -> float | None:
        """Reliability × r²: the share of the teachers' ranking that the order reproduces."""
        if self.agreement is None or self.reliability.eb is None:
            return None
        return self.reliability.eb * self.agreement.correlation**2

    def _check_json(self) -> Json:
        return None if self.check is None else asdict(self.check) | {"interval": [*map(_rounded, self.check.interval)]}

    def _agreement_json(self) -> Json:
        if self.agreement is None:
            return None
        return {
            "correlation": _rounded(self.agreement.correlation),
            "interval": [_rounded(end) for end in self.agreement.interval],
            "among": self.agreement.among,
            "share_reproduced": _or_none(self.share_reproduced),
        }

    def to_csv(self) -> bytes:
        """The items as a CSV table in UTF-8.

        With grades there is a column of probability for each grade; with ties, `davidson_theta` and `davidson_se` are
        the position and its standard error in Davidson's model.
        """
        text, davidson = StringIO(), _davidson_columns(self.ties_model)
        writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
        writer.writerow((*_COLUMNS, *(f"p_{outcome}" for outcome in self.outcomes), *davidson))
        for item in self.items:
            shares = item.grade_probabilities
            row = [_cell(getattr(item, column)) for column in _COLUMNS]
            row += ["" if shares is None else shares[outcome] for outcome in self.outcomes]
            writer.writerow(row + [column[item.item] for column in davidson.values()])
        return text.getvalue().encode()


def fit_comparisons(
    table: ComparisonTable,
    *,
    prior_sd: float | None = None,
    estimate_position_effect: bool = True,
    keep_repeats: bool = False,
    anchors: Mapping[str, int] | None = None,
    check_grades: Mapping[str, int] | None = None,
    scale: GradeScale | None = None,
) -> FitResult:
    """Fit a table of comparisons.

    Args:
        table: the comparisons.
        prior_sd: standard deviation of the prior on positions, in logits; None estimates it.
        estimate_position_effect: whether to estimate the advantage of being shown first. It is left out where the
            places cannot tell it.
        keep_repeats: whether each judgement counts in full, also where it repeats another of the same judge and pair.
        anchors: the known grade of some items, as an index into the scale's grades; None projects no grades.
        check_grades: the teachers' grade of some other items, as an index into the scale's outcomes. They are compared
            with the projected grades and used for nothing else.
        scale: the grade scale of the anchors.
    """
    left_out = _places_that_say_nothing(table) if estimate_position_effect else None
    repeated = 0.0 if keep_repeats else repeats_that_agree(*table.by_judge)
    whole = model_of(table, in_full=keep_repeats, prior_sd=prior_sd, position_effect=estimate_position_effect)
    model = whole.fitted
    grades = _Grades.of(model, anchors=anchors, scale=scale)
    return FitResult(
        items=Rows(list(_items(model, grades, asked=whole.kinds[0].asked)), row_type=FittedItem),
        reliability=_reliability(model, whole.human, kinds=whole.kinds),
        agreement=grades.agreement,
        check=grades.check,
        doubtful=grades.doubtful,
        grade_check=grades.checked(check_grades),
        outcomes=grades.outcomes,
        grades_refused=grades.refusal,
        position_effect_left_out=left_out if model.position_effect_se is None else None,
        repeats_left_out=round(repeated),
        soft=soft_use(whole.kinds[-1].choice),
        human=whole.human,
        kinds=whole.kinds,
        table=table,
        model=model,
        ties_model=fit_ties(
            whole.kinds[0].choice.fitted.comparisons,
            prior_sd=prior_sd,
            position_effect=model.position_effect_se is not None,
        )
        if table.ties and whole.human is None
        else None,
    )


def _places_that_say_nothing(table: ComparisonTable) -> str | None:
    """Why the places cannot tell an advantage of being shown first, in words."""
    match table.places:
        case "known":
            return None
        case "not stated":
            return "the table does not say which item was shown first"
        case "winner first" | "winner last":
            where = "first" if table.places == "winner first" else "second"
            return (
                f"the winner stands {where} in nearly every row, so the places say who won and not who was shown first"
            )
        case "confounded":
            return "items stand mostly in the same place, so its effect cannot be told from their quality"
        case _:
            assert_never(table.places)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grades:
    """The outcome of the grade projection: nothing was asked for, a refusal, or students' grades."""

    outcomes: tuple[str, ...]
    known: Mapping[str, str]
    students: Mapping[str, StudentGrade]
    refusal: str | None
    agreement: JudgeAgreement | None = None
    check: AnchorCheck | None = None
    doubtful: tuple[DoubtfulAnchor, ...] = ()

    @classmethod
    def of(cls, model: Fit, *, anchors: Mapping[str, int] | None, scale: GradeScale | None) -> _Grades:
        if anchors is None or scale is None:
            return cls(outcomes=(), known={}, students={}, refusal=None)
        measured = Scale(prior=scale.prior, has_below_lowest=scale.below_lowest is not None)
        projection = project(model, anchors=anchors, scale=measured)
        known = {item: scale.grades[grade] for item, grade in anchors.items()}
        if isinstance(projection, Refusal):
            return cls(outcomes=scale.outcomes, known=known, students={}, refusal=projection.reason)
        return cls(
            outcomes=scale.outcomes,
            known=known,
            students={s.item: s for s in projection.students},
            refusal=None,
            agreement=projection.agreement,
            check=projection.check,
            doubtful=projection.doubtful,
        )

    def of_item(self, item: str) -> tuple[str | None, dict[str, float] | None]:
        """The grade, an anchor's own or a student's projected one, and a student's probabilities."""
        if item not in self.students:
            return self.known.get(item), None
        student = self.students[item]
        shares = {name: _rounded(p) for name, p in zip(self.outcomes, student.probabilities, strict=True)}
        return self.outcomes[student.median], shares

    def checked(self, known: Mapping[str, int] | None) -> GradeCheck | None:
        """The projected grades against known ones; None where there is nothing to compare."""
        return check_students(self.students.values(), known or {})

    def flags(self, item: str) -> Iterator[str]:
        if item in self.known:
            yield "anchor"
        student = self.students.get(item)
        if student is not None and student.extrapolated:
            yield "extrapolated"
        if student is not None and not student.connected:
            yield "not_linked_to_anchors"


def _items(model: Fit, grades: _Grades, *, asked: Comparisons) -> Iterator[FittedItem]:
    """The items, the highest first; comparisons and wins are counted with all repeats."""
    counts, wins = asked.counts, asked.wins
    surprise, errors, flags, tied = misfit(model), model.standard_errors, model.flags, _in_ties(model.comparisons)
    sizes = Counter(model.component.tolist())
    largest = max(sorted(sizes), key=sizes.__getitem__)
    theta = [_rounded(value) for value in model.theta.tolist()]
    for index in sorted(range(len(theta)), key=lambda index: (-theta[index], model.items[index])):
        item, extreme = model.items[index], flags[index]
        grade, shares = grades.of_item(item)
        disconnected = model.component[index] != largest and extreme != "isolated"
        yield FittedItem(
            item=item,
            theta=theta[index],
            se=_rounded(errors[index]),
            comparisons=round(float(counts[index])),
            wins=_rounded(wins[index]),
            infit=_or_none(surprise.infit[index]),
            outfit=_or_none(surprise.outfit[index]),
            flags=(
                *([extreme] if extreme else ()),
                *(["disconnected"] if disconnected else ()),
                *(["quasi_likelihood_se"] if item in tied else ()),
                *grades.flags(item),
            ),
            grade=grade,
            grade_probabilities=shares,
        )


def _in_ties(comparisons: Comparisons) -> frozenset[str]:
    """The items that tied. A tie counts half a win for each, so their standard errors are those of no exact model."""
    tied = comparisons.outcome == TIE
    places = {*comparisons.first[tied].tolist(), *comparisons.second[tied].tolist()}
    return frozenset(comparisons.items[place] for place in places)


def _reliability(model: Fit, human: HumanScale | None, *, kinds: Sequence[KindOfJudges]) -> FitReliability:
    if human is not None and human.uses_models and human.reliability is not None:
        stated = human.reliability
        return FitReliability(
            eb=stated.value, interval=stated.interval_90, ssr=None, undefined=None, spread_at_limit=None
        )
    own = own_order(model)
    taste = kinds[0].taste if len(kinds) == 1 and own.value is not None else None
    return FitReliability(
        other_judges=None if taste is None or own.value is None else _rounded(max(own.value - taste.share, 0.0)),
        eb=_or_none(own.value),
        interval=None if own.interval is None else (_rounded(own.interval[0]), _rounded(own.interval[1])),
        ssr=_or_none(own.separation),
        undefined=own.undefined,
        spread_at_limit=own.spread_at_limit,
    )


def _davidson_columns(tied: TiedFit | None) -> dict[str, dict[str, float]]:
    """Heading → item → figure of Davidson's model; empty without one."""
    if tied is None:
        return {}
    figures = {"davidson_theta": tied.theta, "davidson_se": tied.standard_errors}
    return {
        heading: {item: _rounded(value) for item, value in zip(tied.items, column.tolist(), strict=True)}
        for heading, column in figures.items()
    }


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else _rounded(value)


def _cell(value: str | float | tuple[str, ...] | None) -> str | float:
    if isinstance(value, tuple):
        return " ".join(value)
    if isinstance(value, str):
        return inert(value)
    return "" if value is None else value
