"""The schema's versions: a new database gets the newest, an older one is brought forward, a newer one is refused.

Everything happens in one transaction, so a database is in one version or in the next, and on PostgreSQL under a lock,
so that services that start at the same time do it one after the other. There is no way back.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

from sqlalchemy import Connection, insert, inspect, select, text, update

from eng5_runner.errors import ConfigurationError
from eng5_runner.stack.platform.tables import schema, stack_schema

# An index of the open rows, in words of both databases: to say it in those of SQLAlchemy loads what speaks to each.
_INDEX_OF_OPEN = "CREATE INDEX ix_llm_comparisons_open ON llm_comparisons (number) WHERE outcome IS NULL"
# What makes a version out of the one before. What stands here is never changed again: databases have been through it.
_STEPS: Mapping[int, Sequence[str]] = MappingProxyType(
    {
        # Several workers on one database. Version 1 was SQLite's alone, so this is SQLite's language.
        2: (
            "ALTER TABLE llm_comparisons ADD COLUMN worker VARCHAR(36)",
            "ALTER TABLE llm_comparisons ADD COLUMN lease_until DOUBLE",
            _INDEX_OF_OPEN,
            """
            CREATE TABLE cj_requests (
                id INTEGER NOT NULL, batch_sha256 VARCHAR(64) NOT NULL, raw BLOB NOT NULL, answered_at VARCHAR(40),
                done_at VARCHAR(40), worker VARCHAR(36), lease_until DOUBLE, PRIMARY KEY (id), UNIQUE (batch_sha256)
            )
            """,
        ),
        # A comparison that a worker had taken when it ended may be paid for.
        3: ("ALTER TABLE llm_comparisons ADD COLUMN taken INTEGER DEFAULT 0 NOT NULL",),
        # Comparisons that go to a provider's batch API. The types in braces are the database's own.
        4: (
            "ALTER TABLE llm_comparisons ADD COLUMN is_batched INTEGER DEFAULT 0 NOT NULL",
            "ALTER TABLE llm_comparisons ADD COLUMN provider_batch VARCHAR(36)",
            "CREATE INDEX ix_llm_comparisons_provider_batch ON llm_comparisons (provider_batch)",
            """
            CREATE TABLE llm_provider_batches (
                number {counted} NOT NULL, own_id VARCHAR(36) NOT NULL, provider VARCHAR(40) NOT NULL,
                model VARCHAR(255) NOT NULL, comparisons INTEGER NOT NULL, sending_at {double},
                provider_id VARCHAR(255), cancelled_at {double}, done_at {double}, worker VARCHAR(36),
                lease_until {double}, PRIMARY KEY (number), UNIQUE (own_id)
            )
            """,
        ),
    }
)
SCHEMA_VERSION = 4
_TYPES: Mapping[str, Mapping[str, str]] = MappingProxyType({
    "sqlite": MappingProxyType({"double": "DOUBLE", "counted": "INTEGER"}),
    "postgresql": MappingProxyType({"double": "DOUBLE PRECISION", "counted": "SERIAL"}),
})  # fmt: skip
# Any number will do that all versions of the stack have in common.
_LOCK_NUMBER = 3_135_650_927


def migrate(connection: Connection, *, name: str) -> None:
    """Bring a database to the newest version; the caller's transaction holds all of it.

    Args:
        connection: in a transaction.
        name: of the database, for people.

    Raises:
        ConfigurationError: the database was made by a newer version of the stack.
    """
    if connection.dialect.name == "postgresql":
        connection.execute(text("SELECT pg_advisory_xact_lock(:number)"), {"number": _LOCK_NUMBER})
    if not inspect(connection).has_table(stack_schema.name):
        schema.create_all(connection)
        connection.exec_driver_sql(_INDEX_OF_OPEN)
        connection.execute(insert(stack_schema).values(version=SCHEMA_VERSION))
        return
    found = connection.execute(select(stack_schema.c.version)).scalar_one()
    if found > SCHEMA_VERSION:
        raise ConfigurationError(
            f"{name} has schema version {found}, this stack knows {SCHEMA_VERSION}",
            remedy="Use the version of the runner that made it or a later one, or another database.",
        )
    for version in range(found + 1, SCHEMA_VERSION + 1):
        for statement in _STEPS[version]:
            connection.exec_driver_sql(statement.format_map(_TYPES[connection.dialect.name]))
    if found < SCHEMA_VERSION:
        connection.execute(update(stack_schema).values(version=SCHEMA_VERSION))
