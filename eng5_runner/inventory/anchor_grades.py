"""Which grade each anchor has: the anchor table says it, or else the file name."""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType

from eng5_runner.contracts.grade_scales import GradeScale
from eng5_runner.core.inputs import Finding, shown
from eng5_runner.inventory.essay_ids import fold
from eng5_runner.inventory.scan import AnchorTable, AnchorTableRow, ScannedFile

_DASHES = MappingProxyType(str.maketrans(dict.fromkeys("\u2010\u2011\u2012\u2013\u2014\u2212", "-")))
"""Word processors turn the minus of `E-` into one of these."""
_GRADE_LIKE = re.compile(r"[A-Za-z][+-]?")


def read_rows(
    grid: Sequence[Sequence[str]], *, source_path: str
) -> tuple[tuple[AnchorTableRow, ...] | None, tuple[Finding, ...]]:
    """The rows of an anchor table.

    Args:
        grid: the cells; the first row that is not empty is the heading.
        source_path: of the table, for the findings.

    Returns:
        The rows, or None where the table is not an anchor table; and what is wrong with it. A table without
        grades, as studies of rater agreement keep them, has no rows: the file names must say the grades.
    """
    lines = [(number, row) for number, row in enumerate(grid, start=1) if any(cell.strip() for cell in row)]
    heading = [re.sub(r"[\s_-]", "", cell).lower() for cell in lines[0][1]] if lines else []
    if "anchorid" not in heading and "filename" not in heading:
        return None, (
            Finding(
                severity="error",
                kind="unreadable_table",
                file=shown(source_path),
                message="The anchor table has no column anchor_id (or ANCHOR-ID) or file_name.",
                remedy="Give the table a heading line with the columns anchor_id and grade.",
            ),
        )
    if "grade" not in heading:
        return (), (
            Finding(
                severity="warning",
                kind="table_without_grades",
                file=shown(source_path),
                message="The anchor table has no column grade; grades are taken from the file names.",
                remedy="Add a column grade if the table should decide.",
            ),
        )
    return tuple(_row(number, heading=heading, row=row) for number, row in lines[1:]), ()


def _row(number: int, *, heading: Sequence[str], row: Sequence[str]) -> AnchorTableRow:
    cells = dict(zip(reversed(heading), reversed([*row, *[""] * len(heading)][: len(heading)]), strict=True))
    return AnchorTableRow(
        line=number,
        anchor_id=cells.get("anchorid", "").strip(),
        grade=cells["grade"].strip(),
        file_name=cells.get("filename", "").strip(),
    )


def grade_in_name(stem: str, scale: GradeScale) -> tuple[str | None, str | None]:
    """The grade that a file name carries: `A1`, `F+2`, or the part after the last `_`, as in `essay_C+`.

    Returns:
        The grade, or None; and where there is none, what looks like a grade of some other scale, or None.
    """
    normal = _normal(stem)
    candidates = [part.rstrip("0123456789").strip() for part in (normal, normal.rpartition("_")[2])]
    for candidate in candidates:
        if candidate in scale.grades:
            return candidate, None
    return None, next((each for each in candidates if _GRADE_LIKE.fullmatch(each)), None)


def grade_anchors(
    anchors: Sequence[ScannedFile], *, table: AnchorTable | None, scale: GradeScale
) -> tuple[Mapping[str, str], tuple[Finding, ...]]:
    """Give every anchor its grade.

    Args:
        anchors: the files of the anchors' folder.
        table: the anchor table, if there is one. Where it could not be read, nothing is said about grades.
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
        judged = _judge(anchor, by_path.get(anchor.source_path), scale=scale, has_table=bool(rows))
        findings += judged.findings
        if judged.grade is not None:
            grades[anchor.source_path] = judged.grade
    return grades, tuple(findings)


@dataclass(frozen=True, slots=True)
class _Judged:
    grade: str | None
    findings: tuple[Finding, ...] = ()


def _match(
    rows: Sequence[AnchorTableRow], anchors: Sequence[ScannedFile], *, table_path: str
) -> tuple[dict[str, AnchorTableRow], list[Finding]]:
    """Rows by the source path of their anchor."""
    paths: defaultdict[str, set[str]] = defaultdict(set)
    for anchor in anchors:
        paths[fold(anchor.name)].add(anchor.source_path)
        paths[fold(anchor.stem)].add(anchor.source_path)
    rows_of: defaultdict[str, list[AnchorTableRow]] = defaultdict(list)
    findings = []
    for row in rows:
        found = paths.get(fold(row.file_name or row.anchor_id), set())
        for path in found:
            rows_of[path].append(row)
        if not found:
            findings.append(_row_without_file(row, table_path))
    findings += [
        _duplicate_row(path, rows=several, table_path=table_path)
        for path, several in sorted(rows_of.items())
        if len(several) > 1
    ]
    return {path: several[0] for path, several in rows_of.items()}, findings


def _judge(anchor: ScannedFile, row: AnchorTableRow | None, *, scale: GradeScale, has_table: bool) -> _Judged:
    named, grade_like = grade_in_name(anchor.stem, scale)
    if row is not None and row.grade:
        written = _normal(row.grade)
        if written not in scale.grades:
            return _Judged(
                None, (_unknown_grade(anchor, grade=row.grade, scale=scale, where=f"row {row.line} of the table"),)
            )
        if named is not None and named != written:
            return _Judged(written, (_grade_disagrees(anchor, row=row, named=named),))
        return _Judged(written)
    if named is not None:
        return _Judged(named, (_file_without_row(anchor, named),) if has_table and row is None else ())
    if grade_like is not None:
        return _Judged(None, (_unknown_grade(anchor, grade=grade_like, scale=scale, where="the file name"),))
    return _Judged(None, (_anchor_without_grade(anchor, scale),))


def _normal(written: str) -> str:
    return unicodedata.normalize("NFKC", written).translate(_DASHES).strip()


def _row_without_file(row: AnchorTableRow, table_path: str) -> Finding:
    name = shown(row.file_name or row.anchor_id)
    return Finding(
        severity="warning",
        kind="row_without_file",
        file=shown(table_path),
        message=f"Row {row.line} of the anchor table ({name}) belongs to no file of the anchors' folder.",
        remedy="Correct the row, or put the anchor's file into the folder; else the row is not used.",
    )


def _duplicate_row(path: str, *, rows: Sequence[AnchorTableRow], table_path: str) -> Finding:
    lines = ", ".join(str(row.line) for row in rows)
    return Finding(
        severity="error",
        kind="duplicate_row",
        file=shown(table_path),
        message=f"Rows {lines} of the anchor table belong to the same file, {shown(path)}.",
        remedy="Keep one row for each anchor.",
    )


def _file_without_row(anchor: ScannedFile, grade: str) -> Finding:
    return Finding(
        severity="warning",
        kind="file_without_row",
        file=shown(anchor.source_path),
        message=f"The anchor table has no row for this anchor; its grade {grade} is from the file name.",
        remedy="Add a row for it if the table should decide.",
    )


def _grade_disagrees(anchor: ScannedFile, *, row: AnchorTableRow, named: str) -> Finding:
    return Finding(
        severity="warning",
        kind="grade_disagrees",
        file=shown(anchor.source_path),
        message=f"Row {row.line} of the anchor table says {row.grade}, the file name {named}; the table decides.",
        remedy="Correct the one that is wrong.",
    )


def _unknown_grade(anchor: ScannedFile, *, grade: str, scale: GradeScale, where: str) -> Finding:
    near = difflib.get_close_matches(_normal(grade).upper(), scale.grades, n=1, cutoff=0.5)
    hint = f"Did you mean {near[0]}? " if near else ""
    return Finding(
        severity="error",
        kind="unknown_grade",
        file=shown(anchor.source_path),
        message=f"The grade {shown(grade)} ({where}) is not one that an anchor can have on {scale.scale_id}.",
        remedy=f"{hint}Use one of {' '.join(scale.grades)}, or choose another --grade-scale.",
    )


def _anchor_without_grade(anchor: ScannedFile, scale: GradeScale) -> Finding:
    return Finding(
        severity="error",
        kind="anchor_without_grade",
        file=shown(anchor.source_path),
        message="Neither the anchor table nor the file name says this anchor's grade.",
        remedy=f"Add a row with anchor_id {shown(anchor.stem)} and its grade to the anchor table, or end the "
        f"file name with _ and the grade, one of {' '.join(scale.grades)}.",
    )
