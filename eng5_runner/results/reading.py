"""Reading an artefact's parts where they are there: an older one, or one of a run that sent nothing, has fewer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TypeAlias

from eng5_runner.canonical import Json

Object: TypeAlias = Mapping[str, Json]


def rows(value: Json) -> list[Object]:
    """The objects of an array, none where it is not there."""
    return [row for row in value if isinstance(row, Mapping)] if isinstance(value, Sequence) else []


def table_of(value: Json) -> Object:
    """An object, or an empty one where there is none."""
    return value if isinstance(value, Mapping) else {}


def number(value: Json) -> float:
    """A number, 0 where there is none."""
    return float(value) if isinstance(value, int | float) else 0.0


def words(value: Json) -> list[str]:
    """The texts of an array, none where it is not there."""
    return [str(each) for each in value] if isinstance(value, Sequence) and not isinstance(value, str) else []
