"""A man in the middle of a client and a PostgreSQL server, who loses the answers to commits when told to."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.engine import URL

COMMIT = b"COMMIT;"


class Detour:
    """Passes everything on.

    Attributes:
        url: of the database by this way.
        to_lose: the answers to so many of the next commits do not arrive: their connection is cut instead.
    """

    def __init__(self, database: URL) -> None:
        assert database.host is not None and database.port is not None
        self._there = (database.host, database.port)
        self.url = database
        self.to_lose = 0

    def listens_on(self, port: int) -> None:
        self.url = self.url.set(host="127.0.0.1", port=port)

    async def serve(self, client: asyncio.StreamReader, to_client: asyncio.StreamWriter) -> None:
        server, to_server = await asyncio.open_connection(*self._there)
        lost = asyncio.Event()

        async def ask() -> None:
            while asked := await client.read(65536):
                if COMMIT in asked and self.to_lose:
                    self.to_lose -= 1
                    lost.set()
                to_server.write(asked)

        async def answer() -> None:
            while (answered := await server.read(65536)) and not lost.is_set():
                to_client.write(answered)

        ways = [asyncio.create_task(way()) for way in (ask, answer)]
        try:
            await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
        finally:
            for way in ways:
                way.cancel()
            await asyncio.wait(ways)
            to_client.close()
            to_server.close()


@asynccontextmanager
async def detour(database: URL) -> AsyncIterator[Detour]:
    made = Detour(database)
    server = await asyncio.start_server(made.serve, "127.0.0.1", 0)
    made.listens_on(server.sockets[0].getsockname()[1])
    try:
        yield made
    finally:
        server.close()
