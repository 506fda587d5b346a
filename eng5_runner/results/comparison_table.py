"""Tables of comparisons and of known grades, from a table that was read or from rows of a program.

A table of comparisons has the columns `item_a` (shown first), `item_b` and `winner` (`a`, `b`, `tie`, or empty where
there was no judgement), or `candidate_chosen` and `candidate_not_chosen`, or names that other programs use for them
(`comparison_columns`); it may have `count` and `judge`. A table of anchors has `item` (or another name for it) and
`grade`. Every error names the table, the row and the column.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.core.table import Table, number
from eng5_runner.errors import InputsInvalid
from eng5_runner.judges.catalogue import is_model_name
from eng5_runner.measure.model.comparisons import TIE, Comparisons, comparisons_counted, merged
from eng5_runner.measure.model.soft import Said
from eng5_runner.measure.quality.places import CONFOUNDED, NEARLY_ALWAYS, confounding, share_of_first
from eng5_runner.measure.quality.reliability import FEWEST_ITEMS
from eng5_runner.results.comparison_columns import (
    ITEM_NAMES,
    Columns,
    is_kind_of_model,
    names_win,
    place_of,
    read_grades_heading,
    read_heading,
    says_nothing,
)

Records: TypeAlias = Iterable[Mapping[str, object]]
"""Rows of a program: column → value, such as `csv.DictReader(file)` or pandas' `frame.to_dict("records")`."""

Places: TypeAlias = Literal["known", "not stated", "winner first", "winner last", "confounded"]

_IN_NO_COMPARISON = ("is in no comparison", "Write it as in the table of comparisons.")
# A winner that stands in one place this often is written there: no judge prefers a place so much.
# A larger share of rows that compare an item with itself is no slip.
_MOST_SLIPS = 0.01
_MOST_COUNT = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class ComparisonTable:
    """A table of comparisons.

    Attributes:
        comparisons: all comparisons that have a winner or a tie.
        judges: the comparisons of each judge; empty if the table names no judges.
        columns: what the columns were taken for.
        places: what the places say about an advantage of being shown first. Where they are `not stated`, or the table
            writes the `winner first` (or last) in at least 97% of the rows, the first of a pair in `comparisons` is the
            one whose name comes first. `confounded` means that items always, or nearly, stand in the same place.
        missing: the number of comparisons without a winner.
        with_itself: the number of rows that compare an item with itself; they are left out.
        ties: the number of ties.
        said: the comparisons one by one, with their judge and what it says besides who won; empty if the table names
            neither.
        models: the judges that are models, and no people: by the column of kinds, else by their names.
    """

    comparisons: Comparisons
    judges: Mapping[str, Comparisons]
    columns: Columns
    places: Places
    missing: int
    with_itself: int
    ties: int
    said: Sequence[Said] = ()
    models: frozenset[str] = frozenset()

    @property
    def by_judge(self) -> Sequence[Comparisons]:
        """The comparisons of each judge; all together where the table names no judges."""
        return tuple(self.judges.values()) or (self.comparisons,)


@dataclass(frozen=True, slots=True)
class _Row:
    """One line of a table: its number and its cells by column."""

    table: str
    line: int
    cells: Mapping[str, str]

    def cell(self, column: str) -> str:
        return self.cells.get(column, "")

    def wrong(self, column: str, message: str, *, remedy: str) -> InputsInvalid:
        return InputsInvalid(f"{self.table}, row {self.line}, column {column}: {message}.", remedy=remedy)


@dataclass(frozen=True, slots=True)
class _Heading:
    """The names of the columns, and where they stand."""

    names: Sequence[str]
    place: str

    def lacks(self, column: str, *, needed: str) -> InputsInvalid:
        return InputsInvalid(
            f"{self.place}: the column {column} is needed once; the heading has {', '.join(self.names) or 'nothing'}.",
            remedy=f"Give the table a heading line with the columns {needed}.",
        )


def is_comparisons_heading(keys: Iterable[str]) -> bool:
    """Whether a row with these keys (`column_key`) is the heading of a table of comparisons."""
    try:
        read_heading([*keys])
    except LookupError:
        return False
    return True


def is_grades_heading(keys: Iterable[str]) -> bool:
    """Whether a row with these keys (`column_key`) is the heading of a table of grades."""
    try:
        read_grades_heading([*keys])
    except LookupError:
        return False
    return True


def parse_comparisons(table: Table | Records, *, name: str) -> ComparisonTable:
    """The comparisons of a table.

    Args:
        table: a table that was read, or rows of a program.
        name: of the table, for error messages.

    Raises:
        InputsInvalid: the table has an error; the message names row and column.
    """
    heading, rows = _rows(table, name=name)
    try:
        columns = read_heading(heading.names)
    except LookupError as error:
        needed = "item_a, item_b, winner, or candidate_chosen, candidate_not_chosen"
        raise heading.lacks(str(error.args[0]), needed=needed) from None
    every = list(rows)
    sound = _of_two_items(every, columns)
    judged = list(_judged(sound, columns))
    missing = sum(row.count for row in judged if row.outcome is None)
    decided = [(row, row.outcome) for row in judged if row.outcome is not None]
    if not sum(row.count for row, _ in decided):
        raise InputsInvalid(
            f"{name} has no comparison with a winner.", remedy=f"Fill the column {columns.winner} with a, b or tie."
        )
    names = sorted({item for row in judged for item in (row.first, row.second)})
    as_shown = comparisons_counted(names, [(row.first, row.second, won, row.count) for row, won in decided])
    places = _places(as_shown) if columns.loser is None else "not stated"
    by_judge: dict[str, list[tuple[str, str, float, int]]] = {}
    said: list[Said] = []
    for row, won in decided:
        turned = places in {"not stated", "winner first", "winner last"} and row.second < row.first
        pair = (row.second, row.first, 1.0 - won) if turned else (row.first, row.second, won)
        by_judge.setdefault(row.judge, []).append((*pair, row.count))
        if row.count:
            said.append(_said(row, pair, turned=turned))
    judges = {judge: comparisons_counted(names, by_judge[judge]) for judge in sorted(by_judge)}
    return ComparisonTable(
        comparisons=merged(tuple(judges.values())),
        judges=judges if set(judges) != {""} else {},
        columns=columns,
        places=places,
        missing=missing,
        with_itself=len(every) - len(sound),
        ties=sum(row.count for row, won in decided if won == TIE),
        models=frozenset(_models(sound, columns)),
        said=said if columns.confidence or columns.probability or set(judges) != {""} else (),
    )


def _places(as_shown: Comparisons) -> Places:
    share = share_of_first(as_shown)
    if share is not None and share >= NEARLY_ALWAYS:
        return "winner first"
    if share is not None and share <= 1.0 - NEARLY_ALWAYS:
        return "winner last"
    return "confounded" if are_confounded(as_shown) else "known"


def are_confounded(data: Comparisons) -> bool:
    """Whether items stand so often in the same place that its effect cannot be told from theirs."""
    return len(data.items) >= FEWEST_ITEMS and confounding(data) >= CONFOUNDED


def _models(rows: Sequence[_Row], columns: Columns) -> Iterator[str]:
    """The judges that are models."""
    if columns.judge is None:
        return
    kinds: dict[str, bool] = {}
    for row in rows:
        judge, kind = row.cell(columns.judge), "" if columns.kind is None else row.cell(columns.kind)
        is_model = is_model_name(judge) if says_nothing(kind) else is_kind_of_model(kind)
        if is_model is None:
            raise row.wrong(columns.kind or "", f"{kind!r} is no kind of judge", remedy="Write human or model.")
        if kinds.setdefault(judge, is_model) != is_model:
            remedy = "Give each judge one kind."
            raise row.wrong(columns.kind or "", f"{judge} is a person in one row and a model in another", remedy=remedy)
    yield from (judge for judge, is_model in kinds.items() if is_model and judge)


@dataclass(frozen=True, slots=True, kw_only=True)
class _Judged:
    """A row of a table of comparisons; an outcome of None means that there was no judgement."""

    first: str
    second: str
    outcome: float | None
    judge: str
    count: int
    confidence: float | None
    probability: float | None
    is_bound: bool


def _said(row: _Judged, pair: tuple[str, str, float], *, turned: bool) -> Said:
    chance = row.probability
    return Said(
        *pair,
        judge=row.judge,
        confidence=row.confidence,
        probability=1.0 - chance if turned and chance is not None else chance,
        is_bound=row.is_bound,
        count=row.count,
    )


def _of_two_items(rows: Sequence[_Row], columns: Columns) -> Sequence[_Row]:
    """The rows without those that compare an item with itself: a few slips are no reason to refuse a table."""
    slips = []
    for row in rows:
        for column in columns.pair:
            if not row.cell(column):
                raise row.wrong(column, "it is empty", remedy="Name the two items of every comparison.")
        if len({row.cell(column) for column in columns.pair}) == 1:
            slips.append(row)
    if len(slips) > _MOST_SLIPS * len(rows):
        second = columns.pair[1]
        raise slips[0].wrong(
            second, f"{slips[0].cell(second)!r} is compared with itself", remedy="Correct the row, or take it out."
        )
    return [row for row in rows if row not in slips] if slips else rows


def _judged(rows: Sequence[_Row], columns: Columns) -> Iterator[_Judged]:
    first, second = columns.pair
    pairs = [(row.cell(first), row.cell(second)) for row in rows]
    winners = [(*pair, row.cell(columns.winner)) for row, pair in zip(rows, pairs, strict=True)]
    named = names_win(winners, column=columns.winner)
    for row, pair in zip(rows, pairs, strict=True):
        outcome = 1.0 if columns.loser is not None else _outcome(row, pair, column=columns.winner, named=named)
        yield _Judged(
            first=pair[0],
            second=pair[1],
            outcome=outcome,
            judge=row.cell(columns.judge) if columns.judge is not None else "",
            count=1 if columns.count is None else _count(row, columns.count),
            confidence=None if columns.confidence is None else _figure(row, columns.confidence),
            probability=None if columns.probability is None else _probability(row, columns.probability),
            is_bound=columns.bound is not None and row.cell(columns.bound).casefold() in {"true", "1"},
        )


def parse_anchors(table: Table | Records, *, name: str, scale: GradeScale, items: Iterable[str]) -> dict[str, int]:
    """The known grade of each anchor, as an index into the scale's grades.

    Args:
        table: a table that was read, or rows of a program.
        name: of the table, for error messages.
        scale: the grade scale.
        items: the compared items; each anchor must be among them.

    Raises:
        InputsInvalid: the table has an error; the message names row and column.
    """
    named = {item: item for item in items}
    known = _parse_grades(table, name=name, items=named.get, scale=scale, who="an anchor")
    return {item: scale.index(grade) for item, grade in known.items()}


def parse_check_grades(
    table: Table | Records,
    *,
    name: str,
    scale: GradeScale,
    items: Callable[[str], str | None],
    unknown: tuple[str, str] = _IN_NO_COMPARISON,
    private: bool = False,
) -> dict[str, str]:
    """The teachers' grade of each of a few students; the grade below the lowest is one, too.

    Args:
        table: a table that was read, or rows of a program.
        name: of the table, for error messages.
        scale: the grade scale.
        items: the student whom a name in the table means; None where it means nobody.
        unknown: what to say of nobody, and what to do then.
        private: whether no message may show a name of the table.

    Raises:
        InputsInvalid: the table has an error; the message names row and column.
    """
    known = _parse_grades(table, name=name, items=items, scale=scale, who="a student", unknown=unknown, private=private)
    if not known:
        raise InputsInvalid(f"{name} has no grades.", remedy="Give it a row with the grade of each of 10 students.")
    return known


def _parse_grades(
    table: Table | Records,
    *,
    name: str,
    items: Callable[[str], str | None],
    scale: GradeScale,
    who: Literal["an anchor", "a student"],
    unknown: tuple[str, str] = _IN_NO_COMPARISON,
    private: bool = False,
) -> dict[str, str]:
    grades = scale.grades if who == "an anchor" else scale.outcomes
    known = dict[str, str]()
    heading, rows = _rows(table, name=name)
    try:
        of_item, of_grade = read_grades_heading(heading.names)
    except LookupError as error:
        needed = f"item (or {', '.join(ITEM_NAMES[1:])}) and grade"
        raise heading.lacks(str(error.args[0]), needed=needed) from None
    for row in rows:
        written, grade = row.cell(of_item), row.cell(of_grade)
        item, called = items(written), "this name" if private else repr(written)
        if item is None:
            raise row.wrong(of_item, f"{called} {unknown[0]}", remedy=unknown[1])
        if item in known:
            raise row.wrong(of_item, f"{called} stands in an earlier row", remedy="Keep one row for each.")
        if grade not in grades:
            remedy = f"Use one of {' '.join(grades)}, or choose another --grade-scale."
            raise row.wrong(
                of_grade, f"{grade!r} is not a grade that {who} can have on {scale.scale_id}", remedy=remedy
            )
        known[item] = grade
    return known


def _outcome(row: _Row, pair: tuple[str, str], *, column: str, named: bool) -> float | None:
    winner = row.cell(column)
    if named and winner in pair:
        return float(winner == pair[0])
    if says_nothing(winner):
        return None
    place = place_of(winner, column=column)
    if place is None or (named and place != TIE):
        raise row.wrong(
            column,
            f"{winner!r} is no outcome" if not named else f"{winner!r} is none of the two items",
            remedy="Write a, b or tie, or the item that won; leave it empty where there was no judgement.",
        )
    return place


def _figure(row: _Row, column: str) -> float | None:
    """The number in a cell; None for anything else: studies write many things beside who won."""
    try:
        return number(row.cell(column))
    except ValueError:
        return None


def _probability(row: _Row, column: str) -> float | None:
    chance = _figure(row, column)
    if chance is not None and not 0.0 <= chance <= 1.0:
        raise row.wrong(
            column,
            f"{row.cell(column)!r} is no probability",
            remedy="Write the probability that the first item is better, from 0 to 1, or leave it empty.",
        )
    return chance


def _count(row: _Row, column: str) -> int:
    text = row.cell(column) or "1"
    try:
        count = number(text)
    except ValueError:
        count = -1.0
    if not (count.is_integer() and 0 <= count <= _MOST_COUNT):
        raise row.wrong(column, f"{text!r} is not a whole number", remedy="Write how many comparisons the row counts.")
    return int(count)


def _rows(table: Table | Records, *, name: str) -> tuple[_Heading, Iterator[_Row]]:
    """The heading, and the rows under it; rows without any cell are left out."""
    if isinstance(table, Table):
        return _Heading(table.heading, f"{name}, row {table.heading_number}"), _table_rows(table, name=name)
    rows = [
        _Row(name, place, {column: _as_cell(value) for column, value in record.items()})
        for place, record in enumerate(table, start=1)
    ]
    return _Heading([*dict.fromkeys(column for row in rows for column in row.cells)], f"{name}, row 1"), iter(rows)


def _table_rows(table: Table, *, name: str) -> Iterator[_Row]:
    if long := table.overlong():
        raise InputsInvalid(
            f"{name}, row {long.number}: it has {len(long.cells)} cells, the heading {len(table.heading)} columns.",
            remedy="Put names with commas into quotes.",
        )
    yield from (_Row(name, row.number, dict(zip(table.heading, row.cells, strict=True))) for row in table.rows)


def _as_cell(value: object) -> str:
    """A value as a CSV file would hold it; None and NaN are empty, 2.0 is 2 (pandas makes floats of whole numbers)."""
    if value is None or value != value:  # noqa: PLR0124 - only NaN differs from itself
        return ""
    return str(int(value)) if isinstance(value, float) and value.is_integer() else str(value).strip()
