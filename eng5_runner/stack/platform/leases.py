"""Work that several processes share through one database: who takes a piece holds it under a lease that it renews.

Leases are told in the database's clock, so the workers' own clocks may differ. A lease counts as over when it was not
renewed in time and the database itself has been up for as long as a lease: after an outage of the database everybody
gets to renew before anybody takes.

What a worker has in hand it knows itself, and says with every statement: a lease that has lapsed in its own hand, while
the machine slept, it does not take again but renews, if nobody was quicker; and what stands under its name without its
knowledge, because the connection broke between the commit and the answer, it takes as if it were free.
"""

from __future__ import annotations

from collections.abc import Collection
from typing import Any, TypeVar

from sqlalchemy import Column, Double, Executable, Table, and_, or_, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

LEASE_SECONDS = 10.0
RENEWED_EVERY_SECONDS = 2.5

KeyT = TypeVar("KeyT", int, str)


class _Now(FunctionElement[float]):
    """Seconds since 1970 by the database's clock."""

    type = Double()
    inherit_cache = True


class _UpSince(FunctionElement[float]):
    """When the database's server started; 0 where there is no server."""

    type = Double()
    inherit_cache = True


@compiles(_Now, "sqlite")
def _now_in_sqlite(_element: _Now, _compiler: SQLCompiler, **_: Any) -> str:
    return "(julianday('now') - 2440587.5) * 86400.0"


@compiles(_Now, "postgresql")
def _now_in_postgresql(_element: _Now, _compiler: SQLCompiler, **_: Any) -> str:
    # Not now(): that stands still within a transaction.
    return "extract(epoch FROM clock_timestamp())::double precision"


@compiles(_UpSince, "sqlite")
def _never(_element: _UpSince, _compiler: SQLCompiler, **_: Any) -> str:
    return "0.0"


@compiles(_UpSince, "postgresql")
def _server_start(_element: _UpSince, _compiler: SQLCompiler, **_: Any) -> str:
    return "extract(epoch FROM pg_postmaster_start_time())::double precision"


def free(table: Table) -> ColumnElement[bool]:
    """Whether nobody holds a row."""
    over = and_(table.c.lease_until < _Now(), _UpSince() + LEASE_SECONDS < _Now())
    return or_(table.c.lease_until.is_(None), over)


def lease() -> ColumnElement[float]:
    """The end of a lease that begins, or is renewed, now."""
    return _Now() + LEASE_SECONDS


def taking(
    table: Table, *, key: Column[KeyT], where: ColumnElement[bool], leased: Collection[KeyT], worker: str, at_most: int
) -> Executable:
    """The statement that takes the oldest free rows of those that are wanted and gives them; it may be done twice.

    Two workers that take at the same time pass over each other's rows; SQLite has one writer at a time anyway.

    Args:
        table: where the work stands.
        key: a unique column.
        where: what is wanted.
        leased: the keys of what the worker has taken and not finished, some dozens: databases bound the number of values.
        worker: who takes.
        at_most: rows.
    """
    to_be_had = and_(or_(free(table), table.c.worker == worker), key.not_in(leased))
    wanted = select(key).where(where, to_be_had).order_by(*table.primary_key).limit(at_most)
    # Evaluated once; a subquery might be evaluated for each row.
    picked = wanted.with_for_update(skip_locked=True).cte("picked")
    taken = update(table).where(key.in_(select(picked.c[key.name])))
    return taken.values(worker=worker, lease_until=lease()).returning(table)


def renewing(
    table: Table, *, key: Column[KeyT], where: ColumnElement[bool], leased: Collection[KeyT], worker: str
) -> Executable:
    """The statement that renews the leases of what a worker has in hand and gives the keys of what it still holds."""
    held = and_(table.c.worker == worker, key.in_(leased), where)
    return update(table).where(held).values(lease_until=lease()).returning(key)


def releasing(table: Table, *, where: ColumnElement[bool], worker: str) -> Executable:
    """The statement that gives back what a worker holds, so that nobody has to wait for the lease's end."""
    return update(table).where(table.c.worker == worker, where).values(worker=None, lease_until=None)
