"""Tables: the bytes of any table file, and tables that a person names, such as `--pairs pairs.csv`."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.table import IsHeading, NotATable, Table, cell_name, table_from_csv, table_from_sheets
from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import Unreadable

_REMEDY = "Name a CSV or .xlsx file."
_ZIP = b"PK\x03\x04"
_SPREADSHEETS = frozenset(("xlsx", "xlsm"))


def table_of(
    data: bytes,
    extraction: Extraction,
    *,
    suffix: str,
    is_heading: IsHeading,
    best: IsHeading | None = None,
    encoding: str | None = None,
) -> Table:
    """The table in a file: an .xlsx if its bytes or its name say so, else CSV.

    Args:
        data: the file.
        extraction: reads an .xlsx.
        suffix: of the file's name, lower case, without a dot.
        is_heading: see `table_from_csv`.
        best: see `table_from_sheets`.
        encoding: of CSV that is neither UTF-8 nor UTF-16; None guesses it.

    Raises:
        Unreadable: the spreadsheet is refused.
        NotATable: there is no such table.
    """
    if data.startswith(_ZIP) or suffix in _SPREADSHEETS:
        return table_from_sheets(extraction.sheets(data), is_heading=is_heading, best=best)
    return table_from_csv(data, is_heading=is_heading, encoding=encoding)


def read_table(path: Path, *, name: str, is_heading: IsHeading, encoding: str | None = None) -> Table:
    """The table in a CSV or .xlsx file; see `read_table_and_digest`."""
    return read_table_and_digest(path, name=name, is_heading=is_heading, encoding=encoding)[0]


def read_table_and_digest(
    path: Path, *, name: str, is_heading: IsHeading, encoding: str | None = None
) -> tuple[Table, str]:
    """The table in a CSV or .xlsx file, and the SHA-256 of the file. It is read once: it may be a pipe.

    Args:
        path: of the file.
        name: what to call the table in an error, such as `--pairs pairs.csv`.
        is_heading: see `table_from_csv`.
        encoding: of CSV that is neither UTF-8 nor UTF-16; None guesses it.

    Raises:
        InputsMissing: the file does not exist.
        InputsInvalid: it cannot be read, or is no table.
    """
    try:
        with Extraction() as extraction:
            suffix = path.suffix[1:].lower()
            data = path.read_bytes()
            table = table_of(data, extraction, suffix=suffix, is_heading=is_heading, encoding=encoding)
    except FileNotFoundError:
        raise InputsMissing(f"{name} does not exist.", remedy=_REMEDY) from None
    except OSError as error:
        raise InputsInvalid(f"{name} cannot be read: {error.strerror}.", remedy=_REMEDY) from None
    except NotATable as error:
        raise InputsInvalid(f"{name} cannot be used: {error.reason}.", remedy="Save it as CSV.") from None
    except Unreadable as refusal:
        found = refusal.finding(name)
        raise InputsInvalid(f"{name} cannot be used: {found.message}", remedy=found.remedy) from None
    if table.unvalued:
        raise InputsInvalid(
            f"{name} has a formula without a stored value in {cell_name(*table.unvalued[0])}.",
            remedy="Open it in a spreadsheet program, which computes it, and save it again.",
        )
    return table, sha256_hex(data)
