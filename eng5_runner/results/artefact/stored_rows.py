"""Rows of comparisons that are iterated over and not held in memory: a run can have a million.

    store = RowStore(Comparison, MemoryBytes())
    store.add(fields)
    for row in store.in_order():    # numbered from 1, in the order in which they were asked
        print(row.sequence, row.winner_id)

Each row lies in a byte store; in memory it takes about 90 bytes for its place, its time and its part in the columns.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, fields, replace
from functools import cached_property
from itertools import accumulate, repeat
from operator import itemgetter
from typing import Generic, Protocol, TypeVar, cast, overload

import numpy as np
import orjson
from numpy.typing import NDArray

from eng5_runner.canonical import Json
from eng5_runner.phrases import counted
from eng5_runner.results.artefact.columns import (
    COLUMN_FIELDS,
    ColumnBuilder,
    Columns,
    JudgementColumns,
    RowsWithColumns,
)
from eng5_runner.results.artefact.part import ROWS_AT_ONCE, RowBatch
from eng5_runner.results.artefact.study import Comparison, FailedComparison, Replayed, ReplayedUnknown

RowT = TypeVar("RowT", Comparison, FailedComparison)
NumberT = TypeVar("NumberT", int, float)
_NUMBER, _STATUS = "sequence", "status"


class ByteStore(Protocol):
    """Bytes that are kept for the time of a computation."""

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""

    def read(self, start: int, size: int) -> bytes:
        """The bytes from a place on."""


class MemoryBytes:
    """A byte store in memory."""

    def __init__(self) -> None:
        self._data = bytearray()

    def append(self, data: bytes) -> None:
        """Add bytes at the end."""
        self._data += data

    def read(self, start: int, size: int) -> bytes:
        """The bytes from a place on."""
        return bytes(self._data[start : start + size])


class RowStore(Generic[RowT]):
    """Takes rows of one kind in any order, each as its fields: to make an object of each would take as long again."""

    def __init__(self, kind: type[RowT], store: ByteStore) -> None:
        self._kind: type[RowT] = kind
        self._store = store
        self._values = itemgetter(*_stored_fields(kind))
        is_judged = set(COLUMN_FIELDS) <= set(_stored_fields(kind))
        self._columns: ColumnBuilder | None = ColumnBuilder() if is_judged else None
        self._ends = array("q", [0])
        self._times = bytearray()

    def add(self, columns: Mapping[str, Sequence[object]]) -> None:
        """Store rows by the values of each field; their numbers and `status`, which follows from the kind, may miss."""
        rows = list(map(orjson.dumps, zip(*self._values(columns), strict=True)))
        self._ends.extend(accumulate(map(len, rows), initial=self._ends.pop()))
        self._times += "".join(cast("Sequence[str]", columns["started_at"])).encode()
        self._store.append(b"".join(rows))
        if self._columns is not None:
            self._columns.add(cast("Columns", tuple(columns[name] for name in COLUMN_FIELDS)))

    def in_order(self) -> StoredRows[RowT]:
        """The rows in the order in which they were asked; those of one instant in the order of their ids."""
        ends, count = np.frombuffer(self._ends, dtype=np.int64).copy(), len(self._ends) - 1
        order = np.zeros(0, dtype=np.int64)
        if count:
            times = np.frombuffer(self._times, dtype=f"S{len(self._times) // count}")
            order = np.argsort(times, kind="stable")
            rows = StoredRows(self._kind, self._store, ends=ends, order=order)
            same = np.flatnonzero(times[order[1:]] == times[order[:-1]])
            for group in np.split(same, np.flatnonzero(np.diff(same) > 1) + 1) if same.size else ():
                start, end = int(group[0]), int(group[-1]) + 2
                ids = [rows[place].request_id for place in range(start, end)]
                order[start:end] = order[start:end][sorted(range(end - start), key=ids.__getitem__)]
        columns = None if self._columns is None else _in_order(self._columns.columns(), order)
        return StoredRows(self._kind, self._store, ends=ends, order=order, columns=columns)


def _in_order(columns: JudgementColumns, order: NDArray[np.int64]) -> JudgementColumns:
    """The columns of rows that were put into an order."""
    return replace(
        columns,
        first=_taken(columns.first, order),
        second=_taken(columns.second, order),
        first_won=_taken(columns.first_won, order),
        judge=_taken(columns.judge, order),
        cost_usd=_taken(columns.cost_usd, order),
        confidence=_taken(columns.confidence, order),
    )


def _taken(values: array[NumberT], order: NDArray[np.int64]) -> array[NumberT]:
    taken = values[:0]
    taken.frombytes(np.asarray(values)[order].tobytes())
    return taken


@dataclass(frozen=True)  # no slots: the cached property is read by each reader of the batch
class _StoredBatch:
    first: int
    names: tuple[str, ...]
    rows: list[list[Json]]

    @cached_property
    def _columns(self) -> Mapping[str, Sequence[object]]:
        return dict(zip(self.names, zip(*self.rows, strict=True), strict=True))

    def cells(self, *names: str) -> list[Sequence[object]]:
        """The values of each field."""
        return list(map(self._columns.__getitem__, names))

    @cached_property
    def keys(self) -> list[Json]:
        """The keys of each row in the file with their values."""
        stated, absent = {}, 0
        for name, column in sorted(self._columns.items()):
            nulls = 0 if all(column) else column.count(None)
            if nulls < len(column):
                stated[name], absent = column, absent + nulls
        rows = zip(*stated.values(), strict=True)
        if absent:
            return [{name: value for name, value in zip(stated, row, strict=True) if value is not None} for row in rows]
        return list(map(dict, map(zip, repeat(tuple(stated)), rows)))


class StoredRows(RowsWithColumns[RowT]):
    """The rows of a store, numbered from 1. Each is made when it is asked for."""

    def __init__(
        self,
        kind: type[RowT],
        store: ByteStore,
        *,
        ends: NDArray[np.int64],
        order: NDArray[np.int64],
        columns: JudgementColumns | None = None,
    ) -> None:
        self._kind: type[RowT] = kind
        self._store = store
        self._names = _stored_fields(kind)
        self._ends = ends
        self._order = order
        self._columns = columns

    @property
    def columns(self) -> JudgementColumns | None:
        """In the order of the rows; None where these are no judgements."""
        return self._columns

    def __len__(self) -> int:
        return len(self._order)

    @overload
    def __getitem__(self, index: int) -> RowT: ...
    @overload
    def __getitem__(self, index: slice) -> Sequence[RowT]: ...
    def __getitem__(self, index: int | slice) -> RowT | Sequence[RowT]:
        if isinstance(index, slice):
            return tuple(self[place] for place in range(*index.indices(len(self))))
        place = index + len(self) if index < 0 else index
        if not 0 <= place < len(self):
            raise IndexError(index)
        number = int(self._order[place])
        start, end = int(self._ends[number]), int(self._ends[number + 1])
        return self._row(orjson.loads(self._store.read(start, end - start)), sequence=place + 1)

    def __iter__(self) -> Iterator[RowT]:
        for sequence, values in enumerate(self._every(), start=1):
            yield self._row(values, sequence=sequence)

    def batches(self) -> Iterator[RowBatch]:
        """All rows, a few hundred at a time."""
        status = str(next(field.default for field in fields(self._kind) if field.name == _STATUS))
        names = (*self._names, _NUMBER, _STATUS)
        for first, some in self._batches():
            for sequence, values in enumerate(some, start=first + 1):
                values.extend((sequence, status))
            yield _StoredBatch(first, names, some)

    def _every(self) -> Iterator[list[Json]]:
        return (values for _, some in self._batches() for values in some)

    def _batches(self) -> Iterator[tuple[int, list[list[Json]]]]:
        """The stored values of some rows, and the place of the first; those that lie together are read in one go."""
        for first in range(0, len(self), ROWS_AT_ONCE):
            numbers = self._order[first : first + ROWS_AT_ONCE]
            starts, ends = self._ends[numbers], self._ends[numbers + 1]
            low, high = int(starts.min()), int(ends.max())
            if high - low > 2 * int((ends - starts).sum()):
                read = self._store.read
                parts = [read(start, end - start) for start, end in zip(starts.tolist(), ends.tolist(), strict=True)]
            else:
                data = self._store.read(low, high - low)
                places = zip((starts - low).tolist(), (ends - low).tolist(), strict=True)
                parts = [data[start:end] for start, end in places]
            yield first, orjson.loads(b"[" + b",".join(parts) + b"]")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Sequence) and len(self) == len(other) and all(map(_same, self, other))

    __hash__ = None  # type: ignore[assignment] # - equal by content, as a tuple is

    def __repr__(self) -> str:
        return f"<{counted(len(self), 'row')} of {self._kind.__name__}>"

    def _row(self, values: Sequence[Json], *, sequence: int) -> RowT:
        fields_of_row: dict[str, object] = dict(zip(self._names, values, strict=True))
        replayed = fields_of_row["replayed"]
        if isinstance(replayed, dict):
            fields_of_row["replayed"] = Replayed(**replayed) if replayed else ReplayedUnknown()
        return self._kind(sequence=sequence, **fields_of_row)  # type: ignore[arg-type] # - as `add` wrote them


def _same(a: object, b: object) -> bool:
    return a == b


def _stored_fields(kind: type[Comparison | FailedComparison]) -> tuple[str, ...]:
    """The fields that are stored: the number follows from the place."""
    return tuple(field.name for field in fields(kind) if field.name not in {_NUMBER, _STATUS})
