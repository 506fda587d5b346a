"""Lists of typed rows that become data frames where a data frame library is installed.

A row has a name and a type for each field, a frame a column for each field:

    run.essays[0].theta
    run.essays.to_pandas()
    [row.theta for row in run.essays if not row.is_anchor]
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, fields, is_dataclass
from enum import Enum
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Generic, TypeVar, overload

from pydantic import BaseModel

from eng5_runner.errors import ConfigurationError
from eng5_runner.phrases import counted

if TYPE_CHECKING:
    # Neither is a dependency: both are loaded when a frame is asked for.
    import pandas as pd
    import polars as pl
    from _typeshed import DataclassInstance

RowT_co = TypeVar("RowT_co", covariant=True)


class Rows(Sequence[RowT_co], Generic[RowT_co]):
    """A sequence of rows of one type, a dataclass or a pydantic model, which gives the columns their names.

    Args:
        rows: the rows.
        row_type: their type.
        more: name → value of a row, of columns that a frame has beside the row's own fields.
    """

    def __init__(
        self,
        rows: Sequence[RowT_co],
        *,
        row_type: type[DataclassInstance | BaseModel],
        more: Mapping[str, Callable[[RowT_co], object]] | None = None,
    ) -> None:
        self._rows = rows
        self._row_type = row_type
        self._more = more or {}

    @property
    def columns(self) -> tuple[str, ...]:
        """The columns of a frame: the names of the fields, in their order, and what a frame has beside them."""
        return (*self._fields, *self._more)

    @property
    def _fields(self) -> tuple[str, ...]:
        if issubclass(self._row_type, BaseModel):
            return tuple(self._row_type.model_fields)
        return tuple(field.name for field in fields(self._row_type))

    @overload
    def __getitem__(self, index: int) -> RowT_co: ...
    @overload
    def __getitem__(self, index: slice) -> Rows[RowT_co]: ...
    def __getitem__(self, index: int | slice) -> RowT_co | Rows[RowT_co]:
        if isinstance(index, slice):
            return Rows(self._rows[index], row_type=self._row_type, more=self._more)
        return self._rows[index]

    def __len__(self) -> int:
        return len(self._rows)

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Rows) and list(self) == list(other)

    __hash__ = None  # type: ignore[assignment] # - equal by content, as a list is

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'row')}: {', '.join(self.columns)}>"

    def to_pandas(self) -> pd.DataFrame:
        """A pandas data frame of shape (rows, columns).

        Raises:
            ConfigurationError: pandas is not installed.
        """
        frame: pd.DataFrame = _library("pandas").DataFrame(self._by_column())
        return frame

    def to_polars(self) -> pl.DataFrame:
        """A Polars data frame of shape (rows, columns).

        Raises:
            ConfigurationError: Polars is not installed.
        """
        frame: pl.DataFrame = _library("polars").DataFrame(self._by_column(), strict=False)
        return frame

    def _by_column(self) -> dict[str, list[object]]:
        own = {column: [_plain(getattr(row, column)) for row in self] for column in self._fields}
        return own | {column: [_plain(value(row)) for row in self] for column, value in self._more.items()}


def _plain(value: object) -> object:
    """A value that every data frame library can hold."""
    if isinstance(value, Enum):
        return value.value
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json")
    if is_dataclass(value) and not isinstance(value, type):
        return asdict(value)
    return list(value) if isinstance(value, tuple) else value


def _library(name: str) -> ModuleType:
    try:
        return import_module(name)
    except ModuleNotFoundError:
        raise ConfigurationError(
            f"{name} is not installed, and it is needed for to_{name}().", remedy=f"python -m pip install {name}"
        ) from None
