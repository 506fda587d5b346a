"""Typed rows as a sequence and as data frames."""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import BaseModel

from eng5_runner.results.rows import Rows

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Item:
    name: str
    theta: float
    infit: float | None
    flags: tuple[str, ...]


class Part(BaseModel):
    label: str


class Model(BaseModel):
    essay_id: str
    part: Part


ROWS = Rows([Item("x", 1.0, None, ("isolated",)), Item("y", -1, 0.5, ())], row_type=Item)


def test_rows_are_a_sequence() -> None:
    assert len(ROWS) == 2
    assert ROWS[1].name == "y"
    assert [row.name for row in ROWS[:1]] == ["x"]
    assert ROWS[:1].columns == ("name", "theta", "infit", "flags")
    assert repr(ROWS) == "<2 rows: name, theta, infit, flags>"
    assert list(ROWS) == list(Rows(list(ROWS), row_type=Item))


def test_a_pandas_frame_has_a_column_for_each_field() -> None:
    frame = ROWS.to_pandas()
    assert list(frame.columns) == ["name", "theta", "infit", "flags"]
    assert frame.theta.sum() == 0.0
    assert frame.infit.isna().tolist() == [True, False]
    assert Rows([], row_type=Item).to_pandas().shape == (0, 4)


def test_a_frame_may_have_more_columns_than_its_rows() -> None:
    rows = Rows(list(ROWS), row_type=Item, more={"file": lambda row: f"{row.name}.txt"})
    assert rows.columns == (*ROWS.columns, "file")
    assert rows[1:].to_pandas().file.tolist() == ["y.txt"]
    assert rows.to_polars()["file"].to_list() == ["x.txt", "y.txt"]


def test_a_polars_frame_has_a_column_for_each_field() -> None:
    frame = ROWS.to_polars()
    assert frame.columns == ["name", "theta", "infit", "flags"]
    assert frame["theta"].sum() == 0.0
    assert frame["infit"].null_count() == 1
    assert frame["flags"].to_list() == [["isolated"], []]
    assert Rows([], row_type=Item).to_polars().shape == (0, 4)


def test_a_pydantic_row_keeps_its_parts_as_plain_values() -> None:
    rows = Rows([Model(essay_id="x", part=Part(label="p"))], row_type=Model)
    assert rows.to_pandas().to_dict("records") == [{"essay_id": "x", "part": {"label": "p"}}]


@pytest.mark.parametrize("library", ["pandas", "polars"])
def test_without_the_library_the_error_says_how_to_install_it(library: str) -> None:
    code = (
        f"import sys; sys.modules['{library}'] = None\n"
        "from eng5_runner.errors import ConfigurationError\n"
        "from tests.results.test_rows import ROWS\n"
        f"try: ROWS.to_{library}()\n"
        "except ConfigurationError as error: print(error.remedy)\n"
    )
    ran = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=True)
    assert ran.stdout == f"python -m pip install {library}\n"
