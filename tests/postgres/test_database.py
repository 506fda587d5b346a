"""A real PostgreSQL: a difficult password, the schema's versions, a server that goes and comes back."""

from __future__ import annotations

import asyncio

import asyncpg
import pytest
from sqlalchemy import insert, select, text, update
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.util import await_only

from eng5_runner.errors import ConfigurationError, NotAllowed
from eng5_runner.stack.platform.database import SERVICES, database_url
from eng5_runner.stack.platform.migrations import SCHEMA_VERSION
from eng5_runner.stack.platform.server_database import open_database
from eng5_runner.stack.platform.tables import content, llm_provider_batches, schema, stack_schema
from eng5_runner.stack.platform.transactions import Transaction
from tests.support.postgres.fixtures import PASSWORD, Database

ROW = {"storage_id": "0" * 32, "content_type": "text/plain", "body": b"\0\xff", "created_at": "now"}


@pytest.mark.parametrize("by", ["parts", "whole"])
async def test_a_user_with_a_difficult_password_gets_in(database: Database, by: str) -> None:
    parts = {
        "ENVIRONMENT": "production",
        "HULEEDU_DB_USER": database.user,
        "HULEEDU_PROD_DB_PASSWORD": PASSWORD,
        "HULEEDU_PROD_DB_HOST": "127.0.0.1",
        "HULEEDU_PROD_DB_PORT": str(database.server.port),
    }
    url = database_url(SERVICES["cj"], parts)
    assert url is not None
    if by == "whole":
        url = database_url(SERVICES["cj"], {"SERVICE_DATABASE_URL": url.render_as_string(hide_password=False)})
        assert url is not None
    async with open_database(url.set(database=database.name)) as store:
        await store.carry_out(lambda connection: connection.execute(insert(content), [ROW]))
        row = await store.row(select(content.c.body))
    assert row is not None and row.body == b"\0\xff"


async def test_a_wrong_password_is_not_allowed_and_shown_to_nobody(database: Database) -> None:
    with pytest.raises(NotAllowed, match="refuses the login") as refused:
        async with open_database(database.url.set(password="wr/ong#secret")):
            pass
    assert "wr/ong#secret" not in str(refused.value) and "wr%2Fong" not in str(refused.value)


async def test_a_database_that_is_not_there_is_a_setting(database: Database) -> None:
    with pytest.raises(ConfigurationError, match="does not exist"):
        async with open_database(database.url.set(database="nowhere")):
            pass


async def test_services_that_start_at_the_same_time_make_one_schema(database: Database) -> None:
    async def start() -> int:
        async with open_database(database.url) as store:
            row = await store.row(select(stack_schema.c.version))
            assert row is not None
            return int(row.version)

    assert await asyncio.gather(*(start() for _ in range(8))) == [SCHEMA_VERSION] * 8
    connection = await database.connect()
    names = {row["tablename"] for row in await connection.fetch("SELECT * FROM pg_tables WHERE schemaname = 'public'")}
    assert names == set(schema.tables)
    assert await connection.fetchval("SELECT count(*) FROM stack_schema") == 1
    await connection.close()


async def test_a_newer_database_is_refused_and_left_alone(database: Database) -> None:
    async with open_database(database.url) as store:
        await store.carry_out(lambda connection: connection.execute(update(stack_schema).values(version=99)))
    with pytest.raises(ConfigurationError, match=f"schema version 99, this stack knows {SCHEMA_VERSION}"):
        async with open_database(database.url):
            pass
    connection = await database.connect()
    assert await connection.fetchval("SELECT version FROM stack_schema") == 99
    await others_gone(connection)
    await connection.close()


async def test_a_database_of_version_3_gets_a_table_for_provider_batches(database: Database) -> None:
    async with open_database(database.url):
        pass
    connection = await database.connect()
    await connection.execute(
        """
        DROP TABLE llm_provider_batches;
        ALTER TABLE llm_comparisons DROP COLUMN is_batched, DROP COLUMN provider_batch;
        UPDATE stack_schema SET version = 3
        """
    )
    await connection.close()
    rows = [{"own_id": name, "provider": "openai", "model": "m", "comparisons": 1, "done_at": 1.5} for name in "ab"]
    async with open_database(database.url) as store:
        await store.carry_out(lambda transaction: transaction.execute(insert(llm_provider_batches), rows))
        found = await store.rows(select(llm_provider_batches.c.number, llm_provider_batches.c.done_at))
    assert sorted(map(tuple, found)) == [(1, 1.5), (2, 1.5)]


async def others_gone(connection: asyncpg.Connection) -> None:
    """Return when the server knows no other connection of this user: it notices a closed one a moment later."""
    async with asyncio.timeout(10):
        while await connection.fetchval(  # noqa: ASYNC110 - the server does it
            "SELECT count(*) FROM pg_stat_activity WHERE usename = current_user AND pid <> pg_backend_pid()"
        ):
            await asyncio.sleep(0.02)


async def test_work_goes_on_when_the_server_has_been_restarted(database: Database) -> None:
    async with open_database(database.url) as store:
        await asyncio.gather(*(store.answers() for _ in range(5)))  # connections that will be dead
        database.server.stop()
        assert not await store.answers()
        waiting = asyncio.create_task(store.carry_out(lambda connection: connection.execute(insert(content), [ROW])))
        await asyncio.sleep(0.2)
        assert not waiting.done()
        database.server.start()
        await waiting
        rows = await store.rows(select(content.c.storage_id))
    assert len(rows) == 1


async def test_of_two_transactions_that_wait_for_each_other_both_are_carried_out(database: Database) -> None:
    rows = [{**ROW, "storage_id": name * 32} for name in "ab"]
    both_hold_one = asyncio.Barrier(2)

    async with open_database(database.url) as store:
        await store.carry_out(lambda connection: connection.execute(insert(content), rows))

        async def touch(order: str) -> int:
            begun = 0

            async def work(connection: Transaction) -> None:
                nonlocal begun
                begun += 1
                for place, name in enumerate(order):
                    change = update(content).where(content.c.storage_id == name * 32).values(content_type=order)
                    await connection.execute(change)
                    if place == 0 and begun == 1:
                        await_only(both_hold_one.wait())

            await store.carry_out(work)
            return begun

        # Usually three attempts: the database ends one of the two. Its second attempt can be so early that the two
        # block each other again.
        assert sum(await asyncio.gather(touch("ab"), touch("ba"))) >= 3
        touched = await store.rows(select(content.c.content_type))
    assert len(touched) == len(rows) and len(set(touched)) == 1, touched


async def test_the_pool_knows_a_dead_connection_before_it_gives_it_out(database: Database) -> None:
    async with open_database(database.url) as store:
        assert await store.answers()
        engine = create_async_engine(make_url(database.text))
        async with engine.connect() as other:
            await other.execute(
                text(
                    "SELECT pg_terminate_backend(pid) FROM pg_stat_activity "
                    "WHERE usename = current_user AND pid <> pg_backend_pid()"
                )
            )
        await engine.dispose()
        await asyncio.sleep(1.1)  # one that was used a moment ago is not asked
        result = await store.once(lambda connection: connection.execute(text("SELECT 1")))
        assert result.scalar_one() == 1


async def test_a_worker_that_sleeps_in_a_transaction_loses_its_locks(
    database: Database,
) -> None:
    """As when its process is paused or cut off from the network; others wait no longer than the server allows."""
    async with open_database(database.url) as sleeper, open_database(database.url) as other:
        await sleeper.carry_out(lambda connection: connection.execute(insert(content), [ROW]))
        is_locked, tries = asyncio.Event(), 0

        async def with_a_nap(connection: Transaction) -> str:
            nonlocal tries
            tries += 1
            if tries == 1:  # the bound of this one transaction is shortened, so that the test is short
                allowed = await connection.execute(text("SHOW idle_in_transaction_session_timeout"))
                assert allowed.scalar_one() == "10s", "less than a statement of others waits"
                await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '200ms'"))
            await connection.execute(update(content).values(content_type="slept"))
            if tries == 1:
                is_locked.set()
                await_only(asyncio.sleep(1))
            await connection.execute(update(content).values(content_type="awake"))
            return "done"

        async def change(connection: Transaction) -> None:
            await connection.execute(update(content).values(content_type="other"))

        slept = asyncio.create_task(sleeper.carry_out(with_a_nap))
        async with asyncio.timeout(20):
            await is_locked.wait()
            await other.carry_out(change)
            assert not slept.done()
            assert await slept == "done"
        row = await other.row(select(content.c.content_type))
    assert (tries, row and row.content_type) == (2, "awake")
