"""The cells of the anchor table, from .csv or .xlsx."""

from __future__ import annotations

import csv
from io import StringIO

from eng5_runner.core.inputs import Finding, SourceFile
from eng5_runner.inventory.anchor_grades import read_rows
from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import finding_of
from eng5_runner.inventory.folder import FoundFile, read_bytes
from eng5_runner.inventory.scan import AnchorTable
from eng5_runner.inventory.text import plain_text
from eng5_runner.inventory.unreadable import Unreadable

MAX_TABLE_BYTES = 1024 * 1024


def read_anchor_table(
    found: FoundFile, *, encoding: str | None, extraction: Extraction
) -> tuple[AnchorTable, tuple[Finding, ...]]:
    """Read the anchor table.

    Args:
        found: the table.
        encoding: of a csv that is neither marked nor UTF-8, if a person said so.
        extraction: takes an xlsx apart.
    """
    if found.path is None:
        return AnchorTable(source_path=found.source_path, file=None, rows=None), ()
    try:
        data = read_bytes(found.path, limit=MAX_TABLE_BYTES)
        if found.suffix == "csv":
            grid, decoded = _csv_grid(data, encoding)
        else:
            grid, decoded = extraction.grid(data), None
    except Unreadable as refusal:
        unread = AnchorTable(source_path=found.source_path, file=None, rows=None)
        return unread, (finding_of(refusal, found.source_path),)
    rows, findings = read_rows(grid, source_path=found.source_path)
    file = SourceFile.of(
        data,
        source_path=found.source_path,
        encoding=decoded,
        file_format="csv" if found.suffix == "csv" else "xlsx",
    )
    return AnchorTable(source_path=found.source_path, file=file, rows=rows), findings


def _csv_grid(data: bytes, encoding: str | None) -> tuple[list[list[str]], str]:
    text, decoded = plain_text(data, given=encoding)
    heading = text.lstrip().partition("\n")[0]
    delimiter = max(",;\t", key=heading.count)
    try:
        return list(csv.reader(StringIO(text, newline=""), delimiter=delimiter)), decoded
    except csv.Error as error:
        raise Unreadable(
            "unreadable_table",
            f"The anchor table is not CSV: {error}.",
            remedy="Save it again as CSV, with the columns anchor_id and grade.",
        ) from error
