"""Work that several processes share through one database: a worker holds a piece of work under a lease and renews it.

Leases use the database's clock, so the workers' clocks may differ. A lease has expired when it was not renewed in time
and the database has been up for at least the length of a lease. So after an outage of the database every worker can
renew its leases before another worker takes them.

Each statement gets the ids that the worker itself holds (`held`). An expired lease among them, for example after the
machine slept, is renewed and not taken again, unless another worker took it. A row under this worker's name that is not
among them is treated as free: the connection broke after the commit and before the reply.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from typing import Any, TypeVar

from sqlalchemy import Column, Double, Executable, Integer, String, Table, and_, bindparam, or_, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.dml import ReturningUpdate
from sqlalchemy.sql.elements import BindParameter
from sqlalchemy.sql.expression import FunctionElement

LEASE_SECONDS = 10.0
RENEWED_EVERY_SECONDS = 2.5

KeyT = TypeVar("KeyT", int, str)


class _Now(FunctionElement[float]):
    """The database's clock, in seconds since 1970."""

    type = Double()
    inherit_cache = True


class _UpSince(FunctionElement[float]):
    """The start of the database server, in seconds since 1970; 0 without a server."""

    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _now_in_sqlite(_element: _Now, _compiler: SQLCompiler, **_: Any) -> str:
    return "(julianday('now') - 2440587.5) * 86400.0"


@compiles(_Now, "postgresql")
def _now_in_postgresql(_element: _Now, _compiler: SQLCompiler, **_: Any) -> str:
    # Not now(), which does not advance within a transaction.
    return "extract(epoch FROM clock_timestamp())::double precision"


@compiles(_UpSince, "sqlite")
def _never(_element: _UpSince, _compiler: SQLCompiler, **_: Any) -> str:
    return "0.0"


@compiles(_UpSince, "postgresql")
def _server_start(_element: _UpSince, _compiler: SQLCompiler, **_: Any) -> str:
    return "extract(epoch FROM pg_postmaster_start_time())::double precision"


def free(table: Table) -> ColumnElement[bool]:
    """Whether no worker holds a row."""
    over = and_(table.c.lease_until < _Now(), _UpSince() + LEASE_SECONDS < _Now())
    return or_(table.c.lease_until.is_(None), over)


def lease() -> ColumnElement[float]:
    """The end of a lease that starts, or is renewed, now."""
    return _Now() + LEASE_SECONDS


def worker_id() -> BindParameter[str]:
    """The worker, as a parameter of the statements below."""
    return bindparam("by", type_=String(36))


def taking(
    table: Table, *, key: Column[KeyT], where: ColumnElement[bool], columns: Sequence[Column[Any]] = ()
) -> ReturningUpdate[Any]:
    """The statement that leases the oldest free rows and returns them. It can safely be executed twice.

    Two workers at the same time skip each other's rows. SQLite has one writer at a time anyway. The statement is made
    once, as making it takes longer than a database needs for it. Its parameters: `parameters`, and `most`, the number
    of rows.

    Args:
        table: of the work.
        key: a unique column.
        where: the rows that are wanted.
        columns: that are returned of them; all if none are named.
    """
    available = and_(or_(free(table), table.c.worker == worker_id()), key.not_in(bindparam("held", expanding=True)))
    most = bindparam("most", type_=Integer())
    wanted = select(key).where(where, available).order_by(*table.primary_key).limit(most)
    # Evaluated once; a subquery might be evaluated for each row.
    picked = wanted.with_for_update(skip_locked=True).cte("picked")
    taken = update(table).where(key.in_(select(picked.c[key.name])))
    return taken.values(worker=worker_id(), lease_until=lease()).returning(*(columns or table.c))


def parameters(worker: str, leased: Collection[KeyT]) -> dict[str, object]:
    """The parameters of `taking` and `renewing`.

    Args:
        worker: its id.
        leased: the keys that it holds already, some dozens; databases limit the number of values.
    """
    return {"by": worker, "held": padded(leased)}


def padded(keys: Collection[KeyT]) -> list[KeyT]:
    """The keys for an `IN`, the last one repeated up to a power of 2: databases keep a statement for each length.

    >>> padded(["a", "b", "c"])
    ['a', 'b', 'c', 'c']
    """
    every = list(keys)
    return every + every[-1:] * ((1 << max(len(every) - 1, 0).bit_length()) - len(every))


def renewing(table: Table, *, key: Column[KeyT], where: ColumnElement[bool]) -> Executable:
    """The statement that renews a worker's leases and returns the keys that it still holds; see `parameters`.

    It locks them in their order, as all transactions do that lock several: else two of them can wait for each other
    until the server ends one, a second later.
    """
    held = and_(table.c.worker == worker_id(), key.in_(bindparam("held", expanding=True)), where)
    locked = select(key).where(held).order_by(key).with_for_update().cte("locked")
    renewed = update(table).where(key.in_(select(locked.c[key.name])))
    return renewed.values(lease_until=lease()).returning(key)


def releasing(table: Table, *, where: ColumnElement[bool], worker: str) -> Executable:
    """The statement that ends all leases of a worker, so that no other worker has to wait for them to expire."""
    return update(table).where(table.c.worker == worker, where).values(worker=None, lease_until=None)
