"""The artefact as tables for spreadsheets and data frames: one row for each essay, comparison or anchor.

Every table begins with `run_id` and `id`, so that the tables of several runs can be stacked, and has the files' names.
A column has one type in every run, an absent value is an empty cell, and pandas, polars and readr see the same types:

    essays = pandas.read_csv("runs/latest/tables/essays.csv")
    essays.loc[~essays.is_anchor, ["file", "theta", "grade"]]
"""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from types import MappingProxyType
from typing import Generic, Literal, TypeAlias, TypeVar, cast

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.human_scale import Disagreement, HumanPosition
from eng5_runner.results.artefact.judge import JudgeFigures, LeftOutAnchor
from eng5_runner.results.artefact.measurement import BTEntry, CheckedStudent, GradeProjection
from eng5_runner.results.artefact.part import RowBatch, batches_of
from eng5_runner.results.artefact.service import EssayDifference
from eng5_runner.results.artefact.study import ComparisonCall

# What a spreadsheet would run as a formula, full-width forms included.
FORMULA_STARTS = ("=", "+", "-", "@", "\t", "\r", "\n", "\0", "＝", "＋", "－", "＠")
EARLIER_NAMES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "essays.csv": MappingProxyType({"essay_id": "id", "comparison_count": "judgements", "confidence": "label"}),
    "comparisons.csv": MappingProxyType({"request_id": "id"}),
    "failed_comparisons.csv": MappingProxyType({"request_id": "id"}),
    "anchors.csv": MappingProxyType({"anchor_id": "id"}),
    "service.csv": MappingProxyType({"essay_id": "id"}),
})  # fmt: skip
"""By table: earlier versions' names of columns, and those of today."""
ONCE_EMPTY = frozenset({"extrapolated"})
"""Columns that earlier versions left empty for anchors."""

_QUOTE = '"'
_ROWS_A_PIECE = 1_000

Kind: TypeAlias = Literal["text", "whole", "number", "truth"]
Cell: TypeAlias = str | int | float | bool | None
RowT = TypeVar("RowT")
RowT_contra = TypeVar("RowT_contra", contravariant=True)


@dataclass(frozen=True, slots=True)
class Column(Generic[RowT_contra]):
    """A column of a table.

    Attributes:
        name: its heading.
        kind: the type of its cells.
        value: the cell of a row.
    """

    name: str
    kind: Kind
    value: Callable[[RowT_contra], Cell]


@dataclass(frozen=True, slots=True)
class _CallColumn:
    """A column of a table of comparisons, by one field of its rows: no row is made for it.

    Attributes:
        name: its heading.
        kind: the type of its cells.
        field: of the row.
        value: the cell for the field's value; None where it is the value.
    """

    name: str
    kind: Kind
    field: str
    value: Callable[[str], Cell] | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class RunTable:
    """A table of one run.

    Attributes:
        name: such as `essays`.
        columns: name → kind.
        rows: the cells of each row, in the order of the columns; can be read more than once.
    """

    name: str
    columns: Mapping[str, Kind]
    rows: Iterable[tuple[Cell, ...]]


@dataclass(frozen=True, slots=True)
class _Rows(Generic[RowT]):
    """Cells that are made while they are read: a run can have a million comparisons."""

    rows: Iterable[RowT]
    columns: Sequence[Column[RowT]]

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        # A whole number in a column of numbers has a point too, so that readers see the column's type.
        makers = [(column.value, column.kind == "number") for column in self.columns]
        for row in self.rows:
            yield tuple(
                [
                    float(cell) if is_number and cell is not None else cell
                    for value, is_number in makers
                    for cell in (value(row),)
                ]
            )


@dataclass(frozen=True, slots=True)
class _Calls:
    """The cells of comparisons, which are read some hundred rows at a time."""

    rows: Sequence[ComparisonCall]
    columns: Sequence[_CallColumn]

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        for piece in self.pieces():
            yield from zip(*piece, strict=True)

    def pieces(self) -> Iterator[list[Sequence[Cell]]]:
        """The same as columns, each of some hundred rows."""
        return (_piece(self.columns, batch) for batch in batches_of(self.rows))


@dataclass(frozen=True, slots=True)
class CallTable:
    """The CSV of comparisons whose rows are read for something else, too.

    Attributes:
        name: such as `comparisons`.
        columns: of the table.
    """

    name: str
    columns: Sequence[_CallColumn]

    def heading(self) -> bytes:
        """Its first line."""
        return _heading(column.name for column in self.columns)

    def lines(self, batch: RowBatch) -> bytes:
        """The lines of some rows."""
        return _lines([column.kind for column in self.columns], _piece(self.columns, batch))


def call_tables(artefact: Artefact) -> dict[str, CallTable]:
    """The name of each list of comparisons in the artefact → its table. A list without rows has none on the disk."""
    return {
        "llm_comparisons": CallTable("comparisons", _comparison_columns(artefact)),
        "failed_comparisons": CallTable("failed_comparisons", _failed_columns(artefact)),
    }


def _piece(columns: Sequence[_CallColumn], batch: RowBatch) -> list[Sequence[Cell]]:
    values = cast("list[Sequence[str]]", batch.cells(*(column.field for column in columns)))
    return list(map(_of_column, columns, values))


def _of_column(column: _CallColumn, values: Sequence[str]) -> Sequence[Cell]:
    if column.value is not None:
        return list(map(column.value, values))
    # A whole number in a column of numbers has a point too, so that readers see the column's type.
    return [value and float(value) for value in values] if column.kind == "number" else values


def run_tables(artefact: Artefact) -> Iterator[RunTable]:
    """Each table that has rows."""
    alignment, service = artefact.anchor_alignment, artefact.comparison_with_service
    yield from _table("essays", artefact.bt_summary, columns=_essay_columns(artefact))
    yield from _table_of_calls("comparisons", artefact.llm_comparisons, columns=_comparison_columns(artefact))
    yield from _table_of_calls("failed_comparisons", artefact.failed_comparisons, columns=_failed_columns(artefact))
    yield from _table("anchors", alignment.left_out if alignment else (), columns=_anchor_columns(artefact))
    several = artefact.judge_quality.judges if artefact.judge_quality else ()
    yield from _table("judges", several if len(several) > 1 else (), columns=_judge_columns(artefact))
    yield from _table("service", service.essays if service else (), columns=_service_columns(artefact))
    human = artefact.human_scale
    yield from _table("human_scale", (human and human.positions) or (), columns=_human_columns(artefact))
    checked = artefact.grade_check
    yield from _table("check_grades", checked.students if checked else (), columns=_check_columns(artefact))
    yield from _table("disagreements", human.disagreements if human else (), columns=_disagreement_columns(artefact))


def table_csv(table: RunTable) -> Iterator[bytes]:
    """The table as CSV in UTF-8, in pieces: texts in quotes, an absent value as nothing between two commas.

    A text that a spreadsheet would run as a formula gets an apostrophe in front.
    """
    yield _heading(table.columns)
    kinds = list(table.columns.values())
    for piece in table.rows.pieces() if isinstance(table.rows, _Calls) else _pieces(table.rows):
        yield _lines(kinds, piece)


def _heading(names: Iterable[str]) -> bytes:
    return f"{','.join(map(_cell, names))}\n".encode()


def _lines(kinds: Iterable[Kind], piece: Iterable[Sequence[Cell]]) -> bytes:
    forms, columns = zip(*map(_form_of_column, kinds, piece), strict=True)
    # One template for all rows of a piece: to make each cell by itself takes five times as long.
    line = f"{','.join(forms)}\n"
    return "".join([line % cells for cells in zip(*columns, strict=True)]).encode()


def _pieces(rows: Iterable[tuple[Cell, ...]]) -> Iterator[list[Sequence[Cell]]]:
    left = iter(rows)
    while some := list(itertools.islice(left, _ROWS_A_PIECE)):
        yield list(zip(*some, strict=True))


def _form_of_column(kind: Kind, values: Sequence[Cell]) -> tuple[str, Iterable[Cell]]:
    """The place of a column in the line's template, and what stands there in each row."""
    if kind != "text":
        return "%s", values if set(map(type, values)) <= {int, float} else map(_cell, values)
    distinct = set(values)
    if set(map(type, distinct)) == {str} and "" not in distinct and not _needs_care(cast("set[str]", distinct)):
        return '"%s"', values
    return "%s", map({value: _cell(value) for value in distinct}.__getitem__, values)


def _needs_care(texts: Iterable[str]) -> bool:
    """Whether quotes around the texts are not all that they need; none of them is empty."""
    return _QUOTE in "".join(texts) or not {text[0] for text in texts}.isdisjoint(FORMULA_STARTS)


def inert(text: str) -> str:
    """The text for a spreadsheet's cell: one that would run as a formula gets an apostrophe in front."""
    return f"'{text}" if text.startswith(FORMULA_STARTS) else text


def _table(name: str, rows: Sequence[RowT], *, columns: Sequence[Column[RowT]]) -> Iterator[RunTable]:
    if rows:
        kinds = {column.name: column.kind for column in columns}
        yield RunTable(name=name, columns=kinds, rows=_Rows(rows, columns))


def _table_of_calls(name: str, rows: Sequence[ComparisonCall], *, columns: Sequence[_CallColumn]) -> Iterator[RunTable]:
    if rows:
        kinds = {column.name: column.kind for column in columns}
        yield RunTable(name=name, columns=kinds, rows=_Calls(rows, columns))


def _own(kind: Kind, *names: str) -> Iterator[Column[object]]:
    """Columns of the row's own fields."""
    return (Column(name, kind, attrgetter(name)) for name in names)


_ESTIMATE = ("theta", "standard_error")


def _comparison_columns(artefact: Artefact) -> Sequence[_CallColumn]:
    return (
        *_call_columns(artefact),
        *_fields("text", "winner_id", "loser_id", "winner_position"),
        *_fields("number", "confidence"),
        *_fields("text", "prompt_hash", "justification"),
        *(_soft_columns() if artefact.columns.any_probability else ()),
    )


def _soft_columns() -> Iterator[_CallColumn]:
    """Of judges that tell the probability of their answer; tables of others have the columns of before."""
    yield from _fields("number", "probability_a")
    yield from _fields("truth", "probability_is_bound")


def _failed_columns(artefact: Artefact) -> Sequence[_CallColumn]:
    return (*_call_columns(artefact), *_fields("text", "failure_code", "failure_reason"))


def _essay_columns(artefact: Artefact) -> Sequence[Column[BTEntry]]:
    inputs = artefact.inputs
    flags = inputs.flags  # without any, no table has a column for them
    words = {anchor.anchor_id: anchor.word_count for anchor in inputs.anchors}
    words |= {student.essay_id: student.word_count for student in inputs.students}
    grades = {grade.essay_id: grade for grade in artefact.grade_projections}

    def of_grade(name: str) -> Callable[[BTEntry], Cell]:
        def value(entry: BTEntry) -> Cell:
            grade = grades.get(entry.essay_id)
            return None if grade is None else attrgetter(name)(grade)

        return value

    def is_beyond(entry: BTEntry) -> Cell:
        # An anchor is never beyond all anchors; without grades nobody asked.
        if entry.is_anchor:
            return False if grades else None
        return of_grade("extrapolated")(entry)

    def of_flags(entry: BTEntry) -> Cell:
        return " ".join(flags.get(entry.essay_id, ()))

    return (
        *_names(artefact, "essay_id"),
        *_own("truth", "is_anchor"),
        *_own("whole", "rank"),
        *_own("number", *_ESTIMATE),
        Column("theta_low", "number", lambda entry: entry.interval_90[0] if entry.interval_90 else None),
        Column("theta_high", "number", lambda entry: entry.interval_90[1] if entry.interval_90 else None),
        *_own("number", "infit", "outfit"),
        Column("judgements", "whole", lambda entry: entry.comparison_count),
        *_own("whole", "wins"),
        Column("losses", "whole", lambda entry: entry.comparison_count - entry.wins),
        *_own("text", "flag"),
        Column("words", "whole", lambda entry: words.get(entry.essay_id)),
        *_own("text", "anchor_grade"),
        *(Column(name, "text", of_grade(name)) for name in ("grade", "most_probable_grade")),
        *(Column(name, "number", of_grade(name)) for name in ("within_one_step", "within_one_step_at_least")),
        Column("label", "text", of_grade("confidence")),
        Column("extrapolated", "truth", is_beyond),
        *_probabilities(artefact, key="essay_id", projected=grades),
        *(Column(name, "text", of_flags) for name in ("text_flags",) if flags),
    )


def _anchor_columns(artefact: Artefact) -> Sequence[Column[LeftOutAnchor]]:
    entries = {entry.essay_id: entry for entry in artefact.bt_summary}
    left_out = artefact.anchor_alignment.left_out if artefact.anchor_alignment else ()

    def of_entry(name: str) -> Callable[[LeftOutAnchor], Cell]:
        return lambda anchor: attrgetter(name)(entries[anchor.anchor_id]) if anchor.anchor_id in entries else None

    return (
        *_names(artefact, "anchor_id"),
        *_own("text", "grade"),
        Column("rank", "whole", of_entry("rank")),
        *(Column(name, "number", of_entry(name)) for name in _ESTIMATE),
        *_own("text", "projected_grade"),
        *_probabilities(artefact, key="anchor_id", projected={anchor.anchor_id: anchor for anchor in left_out}),
        *_own("text", "refused"),
    )


def _judge_columns(artefact: Artefact) -> Sequence[Column[JudgeFigures]]:
    run_id = artefact.metadata.batch_uuid
    return (
        Column("run_id", "text", lambda _: run_id),
        Column("id", "text", lambda judge: f"{judge.provider}/{judge.model}"),
        *_own("text", "provider", "model"),
        *_own("whole", "judgements"),
        *_own("number", "infit", "outfit", "agreed", "expected"),
        *_own("truth", "disagrees"),
        *_own("number", "slope", "slope_se", "position_effect", "position_effect_se"),
        *_own("whole", "first_won"),
    )


def _call_columns(artefact: Artefact) -> Sequence[_CallColumn]:
    run_id, files = artefact.metadata.batch_uuid, artefact.inputs.file_names
    return (
        _CallColumn("run_id", "text", "request_id", lambda _: run_id),
        _CallColumn("id", "text", "request_id"),
        *_fields("whole", "sequence"),
        *_fields("text", "essay_a_id", "essay_b_id"),
        _CallColumn("file_a", "text", "essay_a_id", files.get),
        _CallColumn("file_b", "text", "essay_b_id", files.get),
        *_fields("text", "provider", "model"),
        *_fields("whole", "tokens_prompt", *(("tokens_cached",) if artefact.costs.cached_tokens else ())),
        *_fields("whole", "tokens_completion"),
        *_fields("number", "cost_usd"),
        *_fields("text", "started_at", "completed_at"),
        *(_fields("text", "flagged") if artefact.inputs.flags else ()),
    )


def _fields(kind: Kind, *names: str) -> Iterator[_CallColumn]:
    """Columns of the comparison's own fields."""
    return (_CallColumn(name, kind, name) for name in names)


def _service_columns(artefact: Artefact) -> Sequence[Column[EssayDifference]]:
    figures = (
        *("theta", "service_theta", "theta_difference", "theta_difference_in_se", "standard_error"),
        *("service_standard_error", "se_ratio"),
    )
    return (
        *_names(artefact, "essay_id"),
        *_own("number", *figures),
        *_own("text", "grade", "service_grade"),
        *_own("truth", "beyond_precision"),
    )


def _human_columns(artefact: Artefact) -> Sequence[Column[HumanPosition]]:
    figures = _own("number", "theta", "standard_error")
    return (*_names(artefact, "essay_id"), *figures, *_own("whole", "judgements"))


def _check_columns(artefact: Artefact) -> Sequence[Column[CheckedStudent]]:
    return (
        *_names(artefact, "essay_id"),
        *_own("text", "teachers_grade", "grade"),
        *_own("number", "steps_above"),
    )


def _disagreement_columns(artefact: Artefact) -> Sequence[Column[Disagreement]]:
    files = artefact.inputs.file_names

    def file_of_loser(row: Disagreement) -> Cell:
        return files.get(row.loser)

    return (
        *_names(artefact, "winner"),
        *_own("text", "judge", "winner", "loser"),
        Column("loser_file", "text", file_of_loser),
        *_own("number", "difference"),
        *_own("whole", "judgements"),
    )


def _names(artefact: Artefact, key: str) -> Iterator[Column[object]]:
    """The run, the essay by the field that has its id, and its file: the rows of the artefact have no files' names."""
    run_id, files, essay_id = artefact.metadata.batch_uuid, artefact.inputs.file_names, attrgetter(key)
    yield Column("run_id", "text", lambda _: run_id)
    yield Column("id", "text", essay_id)
    yield Column("file", "text", lambda row: files.get(essay_id(row)))


def _probabilities(
    artefact: Artefact, *, key: str, projected: Mapping[str, GradeProjection | LeftOutAnchor]
) -> Iterator[Column[object]]:
    """The probability of each grade of the scale, such as `p_C+`, the lowest first."""
    scale, essay_id = GRADE_SCALES.get(artefact.metadata.grade_scale), attrgetter(key)

    def of(grade: str) -> Callable[[object], Cell]:
        def value(row: object) -> Cell:
            found = projected.get(essay_id(row))
            return None if found is None or found.probabilities is None else found.probabilities.get(grade, 0.0)

        return value

    for grade in scale.outcomes if scale else ():
        yield Column(f"p_{grade}", "number", of(grade))


def _cell(value: Cell) -> str:
    if value is None or value == "":
        return ""
    if isinstance(value, str):
        return f'"{inert(value).replace(_QUOTE, 2 * _QUOTE)}"'
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value)
