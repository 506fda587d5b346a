"""The tables of one run or several, stacked, as CSV, JSON, Parquet or an Excel workbook."""

from __future__ import annotations

import io
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from importlib import import_module
from pathlib import Path
from typing import Any, Literal, TypeAlias

import orjson

from eng5_runner.app.inspect import Run
from eng5_runner.effects.outputs import write_atomically
from eng5_runner.errors import ConfigurationError, DiskError, InputsInvalid, UsageError
from eng5_runner.results.tables import Cell, Kind, RunTable, run_tables, table_csv
from eng5_runner.run.artefact_file import load_artefact

Format: TypeAlias = Literal["csv", "json", "parquet", "xlsx"]
WORKBOOK = "tables.xlsx"

_MOST_ROWS, _LONGEST_TEXT = 1_048_575, 32_767
"""Of a worksheet, below its heading, and of one of its cells."""


@dataclass(frozen=True, slots=True)
class _Stacked:
    """The rows of several tables under one heading; a column that a table lacks is empty there."""

    tables: Sequence[RunTable]
    columns: Mapping[str, Kind]

    def __iter__(self) -> Iterator[tuple[Cell, ...]]:
        for table in self.tables:
            places = {name: place for place, name in enumerate(table.columns)}
            for row in table.rows:
                yield tuple(row[places[name]] if name in places else None for name in self.columns)


def export(
    runs: str | Path | Run | Sequence[str | Path | Run], *, out: str | Path, form: Format = "csv"
) -> tuple[Path, ...]:
    """Write the tables of runs, one below the other, into a folder.

    Args:
        runs: a run, its directory, or several of them; `run_id` in each row says which run it is from.
        out: the folder; files of these names are replaced.
        form: `csv`, `json` and `parquet` make a file for each table, `xlsx` one workbook.

    Returns:
        What was written.

    Raises:
        ConfigurationError: the library for the format is not installed.
        InputsMissing: a run has no artefact.
        InputsInvalid: an artefact is damaged, or a table is too long for a worksheet.
        UsageError: a run is given twice.
        DiskError: the folder cannot be written.

    Example:
        >>> import eng5_runner as eng5
        >>> sorted(path.name for path in eng5.export(demo, out=folder / "tables", form="json"))[:2]
        ['anchors.json', 'comparisons.json']
    """
    given = [runs] if isinstance(runs, str | Path | Run) else runs
    directories = [run.path if isinstance(run, Run) else Path(run) for run in given]
    if len({directory.resolve() for directory in directories}) < len(directories):
        raise UsageError("A run is given twice.", remedy="Name each run once: its rows would stand there twice.")
    folder = Path(out)
    tables = list(stacked(run_tables(load_artefact(directory)) for directory in directories))
    files = _workbook(tables) if form == "xlsx" else {f"{table.name}.{form}": _file(table, form) for table in tables}
    try:
        folder.mkdir(parents=True, exist_ok=True, mode=0o700)
    except OSError as error:
        raise DiskError(f"{folder} cannot be made: {error.strerror}.", remedy="Choose another --out.") from None
    for name, data in files.items():
        write_atomically(folder / name, data)
    return tuple(folder / name for name in files)


def stacked(runs: Iterable[Iterable[RunTable]]) -> Iterator[RunTable]:
    """For each kind of table the rows of all runs."""
    by_name: dict[str, list[RunTable]] = {}
    for tables in runs:
        for table in tables:
            by_name.setdefault(table.name, []).append(table)
    for name, tables_of_name in by_name.items():
        columns = {column: kind for table in tables_of_name for column, kind in table.columns.items()}
        yield RunTable(name=name, columns=columns, rows=_Stacked(tables_of_name, columns))


def _file(table: RunTable, form: Format) -> bytes:
    if form == "csv":
        return b"".join(table_csv(table))
    if form == "json":
        rows = [dict(zip(table.columns, row, strict=True)) for row in table.rows]
        return orjson.dumps(rows, option=orjson.OPT_INDENT_2 | orjson.OPT_APPEND_NEWLINE)
    polars, data = _library("polars", "Parquet"), io.BytesIO()
    types = {"text": polars.String, "whole": polars.Int64, "number": polars.Float64, "truth": polars.Boolean}
    schema = {name: types[kind] for name, kind in table.columns.items()}
    polars.DataFrame(list(table.rows), schema=schema, orient="row").write_parquet(data)
    return data.getvalue()


def _workbook(tables: Sequence[RunTable]) -> dict[str, bytes]:
    """A sheet for each table. Texts stay texts: none becomes a formula, a link or a number."""
    xlsxwriter, data = _library("xlsxwriter", "Excel's format"), io.BytesIO()
    with xlsxwriter.Workbook(data, {"in_memory": True}) as book:
        bold = book.add_format({"bold": True})
        for table in tables:
            sheet = book.add_worksheet(table.name)
            sheet.freeze_panes(1, 0)
            for column, name in enumerate(table.columns):
                sheet.write_string(0, column, name, bold)
            for number, row in enumerate(table.rows, start=1):
                if number > _MOST_ROWS:
                    raise InputsInvalid(
                        f"The table {table.name} has more than {_MOST_ROWS} rows, which no worksheet holds.",
                        remedy="Export fewer runs at a time, or use --format parquet.",
                    )
                _write_row(sheet, number, row=row)
    return {WORKBOOK: data.getvalue()}


def _write_row(sheet: Any, number: int, *, row: Sequence[Cell]) -> None:
    for column, value in enumerate(row):
        if isinstance(value, bool):
            sheet.write_boolean(number, column, value)
        elif isinstance(value, str):
            sheet.write_string(number, column, value[:_LONGEST_TEXT])
        elif value is not None:
            sheet.write_number(number, column, value)


def _library(name: str, what: str) -> Any:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{name} is not installed, and {what} needs it.",
            remedy="It comes with the extra `export` (python -m pip install 'eng5-runner[export]'), or alone: "
            f"python -m pip install {name}. --format csv and json need nothing.",
        ) from None
