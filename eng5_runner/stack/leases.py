"""Work that several processes share through one database: who takes a piece holds it under a lease that it renews.

Leases are told in the database's clock, so the workers' own clocks may differ. A lease counts as over when it was not
renewed in time and the database itself has been up for as long as a lease: after an outage of the database everybody
gets to renew before anybody takes.
"""

from __future__ import annotations

from typing import Any

from sqlalchemy import Column, Double, Executable, Table, and_, or_, select, update
from sqlalchemy.ext.compiler import compiles
from sqlalchemy.sql import ColumnElement
from sqlalchemy.sql.compiler import SQLCompiler
from sqlalchemy.sql.expression import FunctionElement

LEASE_SECONDS = 10.0
RENEWED_EVERY_SECONDS = 2.5


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


def taking(table: Table, *, key: Column[Any], where: ColumnElement[bool], worker: str, at_most: int) -> Executable:
    """The statement that takes the oldest free rows of those that are wanted and gives them.

    Two workers that take at the same time pass over each other's rows; SQLite has one writer at a time anyway.
    """
    wanted = select(key).where(where, free(table)).order_by(key).limit(at_most).with_for_update(skip_locked=True)
    picked = wanted.cte("picked")  # evaluated once; a subquery might be evaluated for each row
    taken = update(table).where(key.in_(select(picked.c[key.name])))
    return taken.values(worker=worker, lease_until=lease()).returning(table)


def renewing(table: Table, *, key: Column[Any], where: ColumnElement[bool], worker: str) -> Executable:
    """The statement that renews all leases of a worker and gives the keys of what it still holds."""
    held = and_(table.c.worker == worker, where)
    return update(table).where(held).values(lease_until=lease()).returning(key)


def releasing(table: Table, *, where: ColumnElement[bool], worker: str) -> Executable:
    """The statement that gives back what a worker holds, so that nobody has to wait for the lease's end."""
    return update(table).where(table.c.worker == worker, where).values(worker=None, lease_until=None)
