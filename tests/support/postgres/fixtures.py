"""One real PostgreSQL for a session of tests, and a database of its own for each test."""

from __future__ import annotations

import shutil
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy.engine import URL

from tests.support.postgres.server import ADMIN, ADMIN_PASSWORD, PostgresServer, programs, scratch_folder

PASSWORD = "pa#ss@wo%rd:/ +é%20"


@dataclass(frozen=True)
class Database:
    """An empty database, and the user that owns it."""

    server: PostgresServer
    user: str
    name: str

    @property
    def url(self) -> URL:
        return URL.create(
            "postgresql+asyncpg",
            username=self.user,
            password=PASSWORD,
            host="127.0.0.1",
            port=self.server.port,
            database=self.name,
        )

    @property
    def text(self) -> str:
        """The URL as an environment variable holds it."""
        return self.url.render_as_string(hide_password=False)

    async def connect(self) -> asyncpg.Connection:
        return await asyncpg.connect(
            host="127.0.0.1", port=self.server.port, user=self.user, password=PASSWORD, database=self.name
        )


@pytest.fixture(scope="session")
def postgres_server() -> Iterator[PostgresServer]:
    found, folder = programs(), scratch_folder()
    server = None
    try:
        server = PostgresServer(programs=found, folder=folder)
        server.start()
        yield server
    finally:
        if server is not None:
            server.stop()
        shutil.rmtree(folder)


@pytest.fixture
async def database(postgres_server: PostgresServer) -> AsyncIterator[Database]:
    """Made for this test alone, and removed after it."""
    name = f"eng5_{uuid4().hex[:12]}"
    made = Database(postgres_server, f"user é {name}", name)
    admin = await asyncpg.connect(
        host="127.0.0.1", port=postgres_server.port, user=ADMIN, password=ADMIN_PASSWORD, database="postgres"
    )
    try:
        await admin.execute(f"CREATE ROLE \"{made.user}\" LOGIN PASSWORD '{PASSWORD}'")
        await admin.execute(f'CREATE DATABASE "{name}" OWNER "{made.user}"')
    finally:
        await admin.close()
    yield made
    admin = await asyncpg.connect(
        host="127.0.0.1", port=postgres_server.port, user=ADMIN, password=ADMIN_PASSWORD, database="postgres"
    )
    try:
        await admin.execute(f'DROP DATABASE "{name}" WITH (FORCE)')
        await admin.execute(f'DROP ROLE "{made.user}"')
    finally:
        await admin.close()
