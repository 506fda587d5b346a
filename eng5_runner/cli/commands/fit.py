"""fit: positions, reliability and grades from any table of comparisons."""

from __future__ import annotations

import csv
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from eng5_runner.cli.commands.fit_table import Judged, read_anchors, read_comparisons
from eng5_runner.cli.commands.fit_ties import in_ties, ties_columns, ties_words
from eng5_runner.cli.commands.fit_words import Entry, Value, show
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import UsageError
from eng5_runner.measure.grading.grades import Refusal, Scale, StudentGrade, project
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.model.davidson import TiedFit, fit_ties
from eng5_runner.measure.quality.misfit import misfit
from eng5_runner.measure.quality.reliability import draws_for, empirical_bayes, reliability_interval, separation

# More than any judge is known to; the last digits of two machines may differ.
_DECIMALS = 9
# Of the bootstrap of the reliability.
_SEED = 1
_COLUMNS = ("item", "theta", "se", "comparisons", "wins", "infit", "outfit", "flags", "grade")
# What a spreadsheet would run as a formula.
_FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r")


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    """What the command line says of a fit.

    Attributes:
        prior_sd: σ in logits; None estimates it.
        position_effect: whether to estimate the advantage of being shown first.
        anchors: the table of anchors.
        grade_scale: the key of the grade scale.
        out: where to write the items as CSV.
        json: whether to print the whole as JSON.
    """

    prior_sd: float | None
    position_effect: bool
    anchors: Path | None
    grade_scale: str | None
    out: Path | None
    json: bool


def fit_table(path: Path, options: Options) -> int:
    """Fit a table of comparisons and tell what it says.

    Returns:
        The process's exit code.

    Raises:
        RunnerError: the table or an option cannot be used.
    """
    scale = _scale(options)
    judged = read_comparisons(path)
    anchors = None
    if scale is not None and options.anchors is not None:
        anchors = read_anchors(options.anchors, scale=scale, items=judged.comparisons.items)
    fitted = fit(judged.comparisons, prior_sd=options.prior_sd, position_effect=options.position_effect)
    grades = _Grades.of(fitted, anchors=anchors, scale=scale)
    items = _items(fitted, grades)
    tied = _with_ties(judged, options)
    if options.out is not None:
        write_atomically(options.out, _csv(items, grades.outcomes, tied=tied))
    reliability = _reliability(fitted)
    if options.json:
        write_json(_whole(fitted, items=items, reliability=reliability, grades=grades))
    else:
        show(people(), fitted, items=items, judged=judged, reliability=reliability, refusal=grades.refusal)
        for line in ties_words(judged, tied) if judged.ties else ():
            people().print(line, markup=False)
        if options.out is not None:
            people().print(f"written: {options.out}", markup=False)
    return 0


def _with_ties(judged: Judged, options: Options) -> TiedFit | None:
    """The fit with ties as answers of their own, where there are any."""
    if not judged.ties:
        return None
    return fit_ties(judged.comparisons, prior_sd=options.prior_sd, position_effect=options.position_effect)


def prior_from(text: str) -> float | None:
    """σ as the option says it.

    Raises:
        UsageError: it is neither auto nor a positive number.
    """
    if text == "auto":
        return None
    try:
        sd = float(text)
    except ValueError:
        sd = math.nan
    if not 1e-3 <= sd <= 1e6:  # noqa: PLR2004 - beyond either end nothing is a prior any more
        raise UsageError(
            f"--prior-sd {text} is neither auto nor a number from 0.001 to 1000000.", remedy="Take auto, or 2."
        )
    return sd


@dataclass(frozen=True, slots=True, kw_only=True)
class _Grades:
    """What was said of grades: nothing, a refusal, or students' grades."""

    outcomes: tuple[str, ...]
    known: Mapping[str, str]
    students: Mapping[str, StudentGrade]
    refusal: str | None

    @classmethod
    def of(cls, fitted: Fit, *, anchors: Mapping[str, int] | None, scale: GradeScale | None) -> _Grades:
        if anchors is None or scale is None:
            return cls(outcomes=(), known={}, students={}, refusal=None)
        measured = Scale(prior=scale.prior, has_below_lowest=scale.below_lowest is not None)
        projection = project(fitted, anchors=anchors, scale=measured)
        return cls(
            outcomes=scale.outcomes,
            known={item: scale.grades[grade] for item, grade in anchors.items()},
            students={} if isinstance(projection, Refusal) else {one.item: one for one in projection.students},
            refusal=projection.reason if isinstance(projection, Refusal) else None,
        )

    def of_item(self, item: str) -> tuple[str | None, dict[str, float] | None]:
        """The grade, an anchor's own or a student's projected one, and a student's probabilities."""
        if item not in self.students:
            return self.known.get(item), None
        student = self.students[item]
        shares = {name: _rounded(p) for name, p in zip(self.outcomes, student.probabilities, strict=True)}
        return self.outcomes[student.median], shares

    def flags(self, item: str) -> Iterator[str]:
        """What to know of the item's grade."""
        if item in self.known:
            yield "anchor"
        student = self.students.get(item)
        if student is not None and student.extrapolated:
            yield "extrapolated"
        if student is not None and not student.connected:
            yield "not_linked_to_anchors"


def _scale(options: Options) -> GradeScale | None:
    if (options.anchors is None) != (options.grade_scale is None):
        raise UsageError("--anchors and --grade-scale go together.", remedy="Give both, or neither.")
    if options.grade_scale is None:
        return None
    if options.grade_scale not in GRADE_SCALES:
        raise UsageError(
            f"--grade-scale {options.grade_scale} is not known.", remedy=f"Use one of {', '.join(GRADE_SCALES)}."
        )
    return GRADE_SCALES[options.grade_scale]


def _rounded(value: float) -> float:
    return round(float(value), _DECIMALS) + 0.0


def _or_none(value: float | None) -> float | None:
    return None if value is None or math.isnan(value) else _rounded(value)


def _items(fitted: Fit, grades: _Grades) -> list[dict[str, Value]]:
    """One entry an item, the highest first."""
    surprise, errors, flags, tied = misfit(fitted), fitted.standard_errors, fitted.flags, in_ties(fitted.comparisons)
    largest = int(max(set(fitted.component.tolist()), key=fitted.component.tolist().count))
    theta = [_rounded(value) for value in fitted.theta.tolist()]
    order = sorted(range(len(fitted.items)), key=lambda index: (-theta[index], fitted.items[index]))
    entries = []
    for index in order:
        item, flag = fitted.items[index], flags[index]
        apart = ["disconnected"] if fitted.component[index] != largest and flag != "isolated" else []
        apart += ["quasi_likelihood_se"] if item in tied else []
        grade, shares = grades.of_item(item)
        entry: dict[str, Value] = {
            "item": item,
            "theta": theta[index],
            "se": _rounded(errors[index]),
            "comparisons": round(float(fitted.counts[index])),
            "wins": _rounded(fitted.wins[index]),
            "infit": _or_none(surprise.infit[index]),
            "outfit": _or_none(surprise.outfit[index]),
            "flags": [*([flag] if flag else []), *apart, *grades.flags(item)],
            "grade": grade,
            "grade_probabilities": shares,
        }
        entries.append(entry)
    return entries


def _reliability(fitted: Fit) -> dict[str, object]:
    draws = draws_for(len(fitted.items))
    low, high = reliability_interval(fitted, fitted.comparisons, seed=_SEED, draws=draws)
    return {
        "eb": _rounded(empirical_bayes(fitted)),
        "interval": [_rounded(low), _rounded(high)],
        "ssr": _or_none(separation(fitted)),
    }


def _whole(
    fitted: Fit, *, items: Sequence[Entry], reliability: Mapping[str, object], grades: _Grades
) -> dict[str, object]:
    effect = None
    if fitted.position_effect_se is not None:
        effect = {"estimate": _rounded(fitted.position_effect), "se": _rounded(fitted.position_effect_se)}
    whole: dict[str, object] = {
        "items": items,
        "position_effect": effect,
        "log_likelihood": _rounded(fitted.log_likelihood),
        "prior_sd": _rounded(fitted.prior_sd),
        "reliability": reliability,
        "components": fitted.components,
        "converged": fitted.converged,
    }
    return whole | ({"grades_refused": grades.refusal} if grades.refusal else {})


def _csv(items: Sequence[Entry], outcomes: Sequence[str], *, tied: TiedFit | None) -> bytes:
    """The items as a table; with grades one column of probability for each outcome, with ties Davidson's figures."""
    text, davidson = StringIO(), ties_columns(tied)
    writer = csv.writer(text, quoting=csv.QUOTE_NONNUMERIC, lineterminator="\n")
    writer.writerow((*_COLUMNS, *(f"p_{outcome}" for outcome in outcomes), *davidson))
    for entry in items:
        shares = entry["grade_probabilities"]
        row = [_cell(entry[column]) for column in _COLUMNS]
        row += [shares[outcome] if isinstance(shares, dict) else "" for outcome in outcomes]
        writer.writerow(row + [column[str(entry["item"])] for column in davidson.values()])
    return text.getvalue().encode()


def _cell(value: Value) -> str | float:
    if isinstance(value, list):
        return " ".join(value)
    if isinstance(value, str):
        return f"'{value}" if value.startswith(_FORMULA_STARTS) else value
    return value if isinstance(value, int | float) else ""
