"""The first sheet of an .xlsx; called only in a worker process, which limits time and memory."""

from __future__ import annotations

import warnings
from io import BytesIO
from zipfile import BadZipFile

from openpyxl import load_workbook
from openpyxl.utils.exceptions import InvalidFileException

from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.zip_parts import open_archive, parse_part

MAX_ROWS = 20_000
MAX_COLUMNS = 100


def xlsx_grid(data: bytes) -> list[list[str]]:
    """The cells of the first sheet as text; whole numbers without a decimal point.

    Raises:
        Unreadable: it is damaged, encrypted, too large, or declares entities.
    """
    with open_archive(data) as archive:
        # openpyxl parses with the standard parser and has no limit of size, so check every part first.
        for name in archive.namelist():
            if name.endswith((".xml", ".rels")):
                parse_part(archive, name=name, target=_Ignore())
    try:
        with warnings.catch_warnings(action="ignore"):
            workbook = load_workbook(BytesIO(data), read_only=True, data_only=True)
            rows = workbook.worksheets[0].iter_rows(max_row=MAX_ROWS, max_col=MAX_COLUMNS, values_only=True)
            return [[_cell(value) for value in row] for row in rows]
    except (InvalidFileException, BadZipFile, ValueError, TypeError, LookupError, AttributeError) as error:
        raise Unreadable("damaged_document", how="its first sheet cannot be read") from error


def _cell(value: object) -> str:
    if value is None:
        return ""
    if isinstance(value, float) and value.is_integer():
        return str(int(value))
    return str(value)


class _Ignore:
    """Takes nothing from a part; parsing it shows whether the parser refuses it."""

    def start(self, tag: str, attributes: dict[str, str], /) -> None: ...

    def end(self, tag: str, /) -> None: ...

    def data(self, text: str, /) -> None: ...

    def close(self) -> None: ...
