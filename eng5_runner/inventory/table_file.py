"""Tables that a person names on the command line, such as `--pairs pairs.csv`."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.errors import InputsInvalid, InputsMissing
from eng5_runner.table import IsHeading, NotATable, Table, table_from_csv


def read_table(path: Path, *, name: str, is_heading: IsHeading, encoding: str | None = None) -> Table:
    """The table in a CSV file.

    Args:
        path: of the file.
        name: what to call the table in an error, such as `--pairs pairs.csv`.
        is_heading: see `table_from_csv`.
        encoding: of a file that is neither UTF-8 nor UTF-16; None guesses it.

    Raises:
        InputsMissing: the file does not exist.
        InputsInvalid: it cannot be read, or is no table.
    """
    try:
        return table_from_csv(path.read_bytes(), is_heading=is_heading, encoding=encoding)
    except FileNotFoundError:
        raise InputsMissing(f"{name} does not exist.", remedy="Name a CSV file.") from None
    except OSError as error:
        raise InputsInvalid(f"{name} cannot be read: {error.strerror}.", remedy="Name a CSV file.") from None
    except NotATable as error:
        raise InputsInvalid(f"{name} cannot be used: {error.reason}.", remedy="Save it as CSV.") from None
