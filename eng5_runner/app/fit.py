"""Fit any table of comparisons, from this tool or from elsewhere."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path

from eng5_runner.contracts.grade_scales import GRADE_SCALES, GradeScale
from eng5_runner.core.table import IsHeading, Table
from eng5_runner.effects.linear_algebra import one_thread
from eng5_runner.errors import InputsInvalid, UsageError
from eng5_runner.inventory.table_file import read_table
from eng5_runner.results.comparison_table import (
    Records,
    is_comparisons_heading,
    is_grades_heading,
    parse_anchors,
    parse_check_grades,
    parse_comparisons,
)
from eng5_runner.results.fit import FitResult, fit_comparisons

_NARROWEST, _WIDEST = 1e-3, 1e6


def fit(
    table: str | Path | Records,
    *,
    anchors: str | Path | Records | None = None,
    grade_scale: str | None = None,
    prior_sd: float | str = "auto",
    position_effect: bool = True,
    keep_repeats: bool = False,
    check_grades: str | Path | Records | None = None,
) -> FitResult:
    """Place the items of a table of comparisons on one scale, and with anchors project grades.

    Args:
        table: a CSV file or rows (column → value) with the columns `item_a` (shown first), `item_b` and `winner` (`a`,
            `b`, `tie`, or empty), or `candidate_chosen` and `candidate_not_chosen`, or other programs' names for them;
            the columns `count` and `judge` are optional. A column `confidence`, or `probability_a` (that the first item
            is better, 0 to 1), is used where it predicts better than wins alone; `.soft` says so.
            `.table.columns` says what the columns were taken for.
        anchors: items whose grade is known: a CSV file or rows with the columns `item` (or `id`, `file`,
            `essay`) and `grade`.
        grade_scale: the grade scale of the anchors, such as `eng5_np_legacy_9_step`; goes with `anchors`.
        prior_sd: standard deviation of the prior on positions, in logits; `"auto"` estimates it.
        position_effect: whether to estimate the advantage of being shown first. It is left out where the places cannot
            tell it, such as where the winner always stands first.
        check_grades: teachers' grades of a few items that are no anchors, for checking only: a CSV file or rows with
            the same columns. `.grade_check` says whether the projected grades are shifted.
        keep_repeats: whether each judgement counts in full, also where it repeats another of the same judge and pair.
            Otherwise it counts less, by how far such judgements depend on each other; `.dependence` says how far.

    Returns:
        The fit: `.items` (positions and standard errors in logits), `.reliability` (0 to 1, or why it is not defined),
        `.to_csv()`, `.to_json()`.

    Raises:
        InputsMissing: a file is not there.
        InputsInvalid: a table has an error; the message names row and column.
        UsageError: an argument does not fit.

    Example:
        >>> import eng5_runner as eng5
        >>> rows = [{"item_a": "x", "item_b": "y", "winner": "a"}, {"item_a": "y", "item_b": "z", "winner": "a"}]
        >>> result = eng5.fit(rows, prior_sd=2.0, position_effect=False)
        >>> [item.item for item in result.items]
        ['x', 'y', 'z']
        >>> round(result.items[0].theta, 2)
        1.04
    """
    if check_grades is not None and anchors is None:
        raise UsageError("--check-grades needs --anchors.", remedy="Give the anchors that the grades come from.")
    if (anchors is None) != (grade_scale is None):
        raise UsageError("--anchors and --grade-scale go together.", remedy="Give both, or neither.")
    if grade_scale is not None and grade_scale not in GRADE_SCALES:
        raise UsageError(f"--grade-scale {grade_scale} is not known.", remedy=f"Use one of {', '.join(GRADE_SCALES)}.")
    sd = _prior_sd(prior_sd)
    name = _name(table)
    with one_thread():
        content = _content(table, name=name, is_heading=is_comparisons_heading)
        comparisons = parse_comparisons(content, name=name)
        scale, grades, checked = None, None, None
        if anchors is not None and grade_scale is not None:
            scale = GRADE_SCALES[grade_scale]
            items, name = comparisons.comparisons.items, _name(anchors, "the anchors")
            known = _content(anchors, name=name, is_heading=is_grades_heading)
            grades = parse_anchors(known, name=name, scale=scale, items=items)
        if check_grades is not None and scale is not None and grades is not None:
            checked = _checked(check_grades, scale=scale, items=comparisons.comparisons.items, anchors=grades)
        return fit_comparisons(
            comparisons,
            prior_sd=sd,
            estimate_position_effect=position_effect,
            keep_repeats=keep_repeats,
            anchors=grades,
            check_grades=checked,
            scale=scale,
        )


def _checked(
    table: str | Path | Records, *, scale: GradeScale, items: Sequence[str], anchors: Mapping[str, int]
) -> dict[str, int]:
    """The teachers' grades of items that are no anchors."""
    name = _name(table, "the grades to check")
    content, compared = _content(table, name=name, is_heading=is_grades_heading), {item: item for item in items}
    known = parse_check_grades(content, name=name, scale=scale, items=compared.get)
    both = sorted(set(known) & set(anchors))
    if both:
        raise InputsInvalid(
            f"{name} has the anchor {both[0]}.", remedy="Check with students whose grade the projection does not know."
        )
    return {item: scale.outcomes.index(grade) for item, grade in known.items()}


def _prior_sd(value: float | str) -> float | None:
    """The standard deviation in logits; None to estimate it."""
    if value == "auto":
        return None
    try:
        sd = float(value)
    except ValueError:
        sd = math.nan
    if not _NARROWEST <= sd <= _WIDEST:
        raise UsageError(
            f"--prior-sd {value} is neither auto nor a number from 0.001 to 1000000.", remedy="Take auto, or 2."
        )
    return sd


def _name(table: str | Path | Records, otherwise: str = "the table") -> str:
    return str(table) if isinstance(table, str | Path) else otherwise


def _content(table: str | Path | Records, *, name: str, is_heading: IsHeading) -> Table | Records:
    if not isinstance(table, str | Path):
        return table
    return read_table(Path(table), name=name, is_heading=is_heading)
