"""The grade of each anchor: from the anchor table, or else from the file name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Collection, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.core.inputs import Finding
from eng5_runner.core.table import Table, TableRow, cell_name
from eng5_runner.inventory.essay_ids import fold
from eng5_runner.inventory.findings import finding
from eng5_runner.inventory.scanned import AnchorTable, AnchorTableRow, ScannedFile

_DASHES = MappingProxyType(str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")))
"""Word processors turn the minus of `E-` into one of these."""
_COLUMNS = frozenset(("anchorid", "filename", "grade"))
_MOST_CELLS_NAMED = 10
_GRADE_LIKE = re.compile(r"[A-Za-z][+-]?")


def is_anchor_heading(columns: Collection[str]) -> bool:
    """Whether a row is the heading of an anchor table, by its cells as `column_key` gives them."""
    return "anchorid" in columns or "filename" in columns


def is_graded_anchor_heading(columns: Collection[str]) -> bool:
    """Whether it also has the grades: a sheet with grades is read rather than an earlier one without."""
    return "grade" in columns and is_anchor_heading(columns)


def anchor_rows(
    table: Table, *, source_path: str, are_private: bool = False
) -> tuple[tuple[AnchorTableRow, ...] | None, tuple[Finding, ...]]:
    """The rows of an anchor table.

    Args:
        table: as it was read.
        source_path: of the table, for the findings.
        are_private: whether findings must not show what the table says.

    Returns:
        The rows, or None if this is not an anchor table; and what is wrong with it. A table without grades, as
        studies of rater agreement keep them, has no rows: the grades must be in the file names.
    """
    columns = table.columns
    if not is_anchor_heading(columns):
        reason = "it has no column anchor_id (or ANCHOR-ID) or file_name"
        return None, (finding("unreadable_table", source_path, reason=reason),)
    if "grade" not in columns:
        return (), (finding("table_without_grades", source_path),)
    needed = {index for index, column in enumerate(columns) if column in _COLUMNS}
    if unvalued := [cell_name(row, column) for row, column in table.unvalued if column in needed]:
        return None, (finding("formula_without_value", source_path, cells=", ".join(unvalued[:_MOST_CELLS_NAMED])),)
    return tuple(_row(row, columns=columns, is_private=are_private) for row in table.rows), ()


def _row(row: TableRow, *, columns: Sequence[str], is_private: bool) -> AnchorTableRow:
    # The first of several columns with the same name counts.
    cells = dict(zip(reversed(columns), reversed(row.cells[: len(columns)]), strict=True))
    return AnchorTableRow(
        line=row.number,
        anchor_id=cells.get("anchorid", ""),
        grade=cells["grade"],
        file_name=cells.get("filename", ""),
        is_private=is_private,
    )


def grade_in_name(stem: str, scale: GradeScale) -> tuple[str | None, str | None]:
    """The grade in a file name: `A1`, `F+2`, or the part after the last `_`, as in `essay_C+`.

    Returns:
        The grade, or None; and if there is none, a part that looks like a grade of another scale, or None.
    """
    normal = _normal(stem)
    candidates = [part.rstrip("0123456789").strip() for part in (normal, normal.rpartition("_")[2])]
    for candidate in candidates:
        if candidate in scale.grades:
            return candidate, None
    return None, next((candidate for candidate in candidates if _GRADE_LIKE.fullmatch(candidate)), None)


def grade_anchors(
    anchors: Sequence[ScannedFile], *, table: AnchorTable | None, scale: GradeScale
) -> tuple[Mapping[str, str], tuple[Finding, ...]]:
    """Give every anchor its grade.

    Args:
        anchors: the files of the anchor folder.
        table: the anchor table, if there is one. If it could not be read, no grade is reported as missing or wrong.
        scale: the run's scale.

    Returns:
        Grades by source path, without the anchors that have none; and everything that is wrong.
    """
    if table is not None and table.rows is None:
        return {}, ()
    rows = () if table is None or table.rows is None else table.rows
    by_path, findings = _match(rows, anchors, table_path="" if table is None else table.source_path)
    grades: dict[str, str] = {}
    for anchor in anchors:
        row = by_path.get(anchor.source_path)
        grade, problems = _grade(anchor, row, scale=scale, needs_row=bool(rows) and row is None)
        findings += problems
        if grade is not None:
            grades[anchor.source_path] = grade
    return grades, tuple(findings)


def _match(
    rows: Sequence[AnchorTableRow], anchors: Sequence[ScannedFile], *, table_path: str
) -> tuple[dict[str, AnchorTableRow], list[Finding]]:
    """Rows by the source path of their anchor."""
    paths: defaultdict[str, set[str]] = defaultdict(set)
    for anchor in anchors:
        shown = PurePosixPath(anchor.source_path)
        for name in (anchor.own_name, anchor.own_stem, shown.name, shown.stem):
            paths[fold(name)].add(anchor.source_path)
    rows_of: defaultdict[str, list[AnchorTableRow]] = defaultdict(list)
    findings = []
    for row in rows:
        name = row.file_name or row.anchor_id
        matches = paths.get(fold(name), set())
        for path in matches:
            rows_of[path].append(row)
        if not matches:
            findings.append(finding("row_without_file", table_path, line=row.line, name=row.shown(name)))
    for path, several in sorted(rows_of.items()):
        if len(several) > 1:
            lines = ", ".join(str(row.line) for row in several)
            findings.append(finding("duplicate_row", table_path, lines=lines, anchor=path))
    return {path: several[0] for path, several in rows_of.items()}, findings


def _grade(
    anchor: ScannedFile, row: AnchorTableRow | None, *, scale: GradeScale, needs_row: bool
) -> tuple[str | None, list[Finding]]:
    """The anchor's grade, or None; and what is wrong with it."""
    path = anchor.source_path
    in_name, grade_like = grade_in_name(anchor.own_stem, scale)
    if row is not None and row.grade:
        in_table = _normal(row.grade)
        if in_table not in scale.grades:
            return None, [
                _unknown_grade(path, grade=row.shown(row.grade), scale=scale, where=f"row {row.line} of the table")
            ]
        if in_name not in (None, in_table):
            return in_table, [finding("grade_disagrees", path, line=row.line, table_grade=in_table, name_grade=in_name)]
        return in_table, []
    if in_name is not None:
        return in_name, [finding("file_without_row", path, grade=in_name)] if needs_row else []
    if grade_like is not None:
        return None, [_unknown_grade(path, grade=grade_like, scale=scale, where="the file name")]
    return None, [finding("anchor_without_grade", path, stem=anchor.stem, grades=" ".join(scale.grades))]


def _unknown_grade(path: str, *, grade: str, scale: GradeScale, where: str) -> Finding:
    near = difflib.get_close_matches(_normal(grade).upper(), scale.grades, n=1, cutoff=0.5)
    return finding(
        "unknown_grade",
        path,
        grade=grade,
        where=where,
        scale=scale.scale_id,
        hint=f"Did you mean {near[0]}? " if near else "",
        grades=" ".join(scale.grades),
    )


def _normal(written: str) -> str:
    return unicodedata.normalize("NFKC", written).translate(_DASHES).strip()
