"""What all parts of the artefact share: how they are read, how they are written, and the types of their fields.

A field is declared in one of four ways, which say what the file holds where there is no value:

    rank: Rank                       always there
    zeta: Nullable[float]            always there, `null` where there is no figure
    infit: NonNegative | None = None left out where there is no figure
    targets: Later[Targets]          always there today; older versions did not write it, and it is None only then

So an absent figure is None in Python, however the file says it, and never a number that stands for nothing.
"""

from __future__ import annotations

import dataclasses
from abc import abstractmethod
from collections.abc import Iterator, Mapping, Sequence
from enum import Enum
from functools import cache, cached_property
from types import GenericAlias, MappingProxyType, NoneType
from typing import Annotated, ClassVar, Final, Protocol, TypeAlias, TypeVar, get_args

from pydantic import BaseModel, ConfigDict, Field, GetCoreSchemaHandler, GetPydanticSchema, WithJsonSchema
from pydantic_core import core_schema

from eng5_runner.canonical import Json, canonical_json_of

T = TypeVar("T")


@dataclasses.dataclass(frozen=True, slots=True)
class WrittenAs:
    """Marks a field that may be None and is not simply left out then.

    Attributes:
        null: whether the file may hold `null`; otherwise it always holds a value today.
    """

    null: bool


Nullable: TypeAlias = Annotated[T | None, Field(default=None), WrittenAs(null=True)]
Later: TypeAlias = Annotated[T | None, Field(default=None), WrittenAs(null=False)]

Text: TypeAlias = Annotated[str, Field(min_length=1)]
Sha256: TypeAlias = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
EssayId: TypeAlias = Annotated[str, Field(pattern="^[a-z0-9_-]{3,36}$")]
Uuid: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "uuid"})]
# RFC 3339 in UTC with microseconds, such as 2027-03-02T08:00:00.000000Z: texts sort as instants do.
Instant: TypeAlias = Annotated[str, WithJsonSchema({"type": "string", "format": "date-time"})]
Count: TypeAlias = Annotated[int, Field(ge=0)]
AtLeastOne: TypeAlias = Annotated[int, Field(ge=1)]
NonNegative: TypeAlias = Annotated[float, Field(ge=0)]
Positive: TypeAlias = Annotated[float, Field(gt=0)]
Share: TypeAlias = Annotated[float, Field(ge=0, le=1)]
Correlation: TypeAlias = Annotated[float, Field(ge=-1, le=1)]
AtMostOne: TypeAlias = Annotated[float, Field(le=1)]
# Lower and upper end of a 90% interval.
Interval90: TypeAlias = tuple[float, float]
Probabilities: TypeAlias = Annotated[dict[str, Share], Field(min_length=1)]

# Of a row's field: the file holds null where there is no value.
NULL_WHERE_ABSENT: Final = MappingProxyType({"null_where_absent": True})
# How many rows are read, checked and written together.
ROWS_AT_ONCE: Final = 256


_PLAIN = frozenset((str, int, float, bool, NoneType))


class Part(BaseModel):
    """An object of the artefact. Fields that this version does not know are ignored when a file is read."""

    model_config = ConfigDict(frozen=True, strict=True, hide_input_in_errors=True, defer_build=True)


@dataclasses.dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    """An object of the artefact of which there can be a million: a light frozen value and no model."""

    __pydantic_config__: ClassVar[ConfigDict] = ConfigDict(strict=True)


class RowBatch(Protocol):
    """A few hundred rows of a long list, in the forms that its readers need: no row is made for them."""

    @property
    def first(self) -> int:
        """The place of its first row in the list."""

    @property
    def keys(self) -> list[Json]:
        """The keys of each row in the file with their values."""

    def cells(self, *names: str) -> list[Sequence[object]]:
        """The values of each field."""


@dataclasses.dataclass(frozen=True)  # no slots: the cached property is read by each reader of the batch
class _MadeRows:
    """A batch of rows that are made already."""

    first: int
    rows: Sequence[Row]

    def cells(self, *names: str) -> list[Sequence[object]]:
        """The values of each field."""
        return [[getattr(row, name) for row in self.rows] for name in names]

    @cached_property
    def keys(self) -> list[Json]:
        """The keys of each row in the file with their values."""
        return list(map(to_json, self.rows))


class RowSequence(Sequence[T]):
    """Rows that are made when they are asked for. A part takes them as they are."""

    @abstractmethod
    def batches(self) -> Iterator[RowBatch]:
        """All rows, a few hundred at a time."""


def batches_of(rows: Sequence[Row]) -> Iterator[RowBatch]:
    """All rows, a few hundred at a time, whether they are made already or not."""
    if isinstance(rows, RowSequence):
        yield from rows.batches()
        return
    for first in range(0, len(rows), ROWS_AT_ONCE):
        yield _MadeRows(first, rows[first : first + ROWS_AT_ONCE])


def cells_of(rows: Sequence[Row], *names: str) -> Iterator[list[Sequence[object]]]:
    """The values of each field, of a few hundred rows at a time."""
    return (batch.cells(*names) for batch in batches_of(rows))


def _rows(source: object, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
    held = handler(GenericAlias(tuple, (*get_args(source), ...)))
    made = core_schema.is_instance_schema(RowSequence)
    return core_schema.json_or_python_schema(
        json_schema=held, python_schema=core_schema.union_schema([made, held], mode="left_to_right")
    )


# A long list: of a file that was read, a tuple.
Rows: TypeAlias = Annotated[Sequence[T], GetPydanticSchema(_rows)]


def to_bytes(value: object) -> bytes:
    """The canonical JSON of a part, or of something that holds parts: the only way in which an artefact is written."""
    return canonical_json_of(value, as_json=keys_of)


def to_json(value: object) -> Json:
    """The same as plain JSON values in the order of the fields: for JSON lines, and to check against the schema.

    Raises:
        TypeError: it holds something else than parts and JSON.
    """
    match value:
        case Part() | Row():
            return {key: inner if type(inner) in _PLAIN else to_json(inner) for key, inner in keys_of(value).items()}
        case Enum():
            return to_json(value.value)
        case Mapping():
            return {str(key): to_json(inner) for key, inner in value.items()}
        case list() | tuple():
            return [to_json(inner) for inner in value]
        case str() | int() | float() | None:
            return value
        case _:
            raise TypeError(f"{type(value).__name__} is no part of an artefact")


def keys_of(part: object) -> dict[str, Json]:
    """The keys of a part in the file with their values, absent ones left out."""
    if not isinstance(part, Part | Row):
        raise TypeError(f"{type(part).__name__} is no part of an artefact")
    return {
        key: value
        for name, key, writes_null in _fields_of(type(part))  # type: ignore[arg-type] # - mypy takes no class for hashable
        if (value := getattr(part, name)) is not None or writes_null
    }


@cache
def _fields_of(kind: type[Part | Row]) -> tuple[tuple[str, str, bool], ...]:
    """Name, key in the file, and whether an absent value is written as null."""
    if issubclass(kind, Part):
        return tuple(
            (name, field.alias or name, WrittenAs(null=True) in field.metadata)
            for name, field in kind.model_fields.items()
        )
    return tuple((field.name, field.name, field.metadata == NULL_WHERE_ABSENT) for field in dataclasses.fields(kind))
