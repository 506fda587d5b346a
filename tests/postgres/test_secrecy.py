"""What the database refuses is told without the text that was to be written: it is a student's."""

from __future__ import annotations

import asyncio
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import insert

from eng5_runner.errors import ServiceUnavailable
from eng5_runner.stack.platform import server_database
from eng5_runner.stack.platform.server_database import open_database
from eng5_runner.stack.platform.tables import content
from tests.support.kafka.services import serving
from tests.support.postgres.fixtures import Database

ESSAY = b"My canary sings all day long."
NOT_NOW = """
    CREATE FUNCTION not_now() RETURNS trigger LANGUAGE plpgsql AS
        $$ BEGIN RAISE EXCEPTION 'come again later' USING ERRCODE = '40001'; END $$;
    CREATE TRIGGER not_now BEFORE INSERT ON content FOR EACH ROW EXECUTE FUNCTION not_now();
"""


async def change(database: Database, statements: str) -> None:
    connection = await database.connect()
    try:
        await connection.execute(statements)
    finally:
        await connection.close()


async def test_an_essay_that_cannot_be_written_is_in_neither_the_log_nor_the_answer(
    database: Database, tmp_path: Path
) -> None:
    async with serving(tmp_path, {"CONTENT_SERVICE_DATABASE_URL": database.text}) as services:
        service = services.start("content")
        await asyncio.to_thread(service.wait_until_ready)
        await change(database, f'REVOKE INSERT ON content FROM "{database.user}"')
        async with aiohttp.ClientSession() as http, http.post(f"{service.url}/v1/content", data=ESSAY) as response:
            assert response.status == 500
            assert b"canary" not in await response.read()
    logged = service.log.read_text()
    assert "permission denied for table content" in logged
    assert "canary" not in logged


async def test_a_database_that_stays_away_is_told_in_its_own_words(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(server_database, "PATIENCE_SECONDS", 0.0)  # law: patches - a minute of waiting proves no more
    row = {"storage_id": "0" * 32, "content_type": "text/plain", "body": ESSAY, "created_at": "now"}
    async with open_database(database.url) as store:
        await change(database, NOT_NOW)
        with pytest.raises(ServiceUnavailable, match="come again later") as refused:
            await store.rows(insert(content).values(row).returning(content.c.storage_id))
    for not_for_people in ("canary", "INSERT", "sqlalche.me"):
        assert not_for_people not in refused.value.message
