"""One service of the stack in a process of its own, with an existing Kafka and database.

`launch` runs all services in one process; here one of them runs alone and is given the addresses of the others. Workers
of one kind share a PostgreSQL database and a consumer group on Kafka. The CJ service is in `cj.serve`.
"""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import structlog
from aiohttp import web
from sqlalchemy.engine import URL

from eng5_runner.stack.content.service import ContentService
from eng5_runner.stack.identity.accounts import Accounts, FirstAdmin
from eng5_runner.stack.identity.service import IdentityService
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.llm.providers.registry import open_judges
from eng5_runner.stack.llm.service import LLMProvider
from eng5_runner.stack.platform.kafka import Cluster, Publisher, open_publisher
from eng5_runner.stack.platform.store import Store, open_store
from eng5_runner.stack.platform.supervision import at_work, until
from eng5_runner.stack.platform.web import CHECKUP, Checkup, served
from eng5_runner.transport.stack_secret import StackSecret

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """A service that answers.

    Attributes:
        url: without a path.
        first_admin: the account that this start of the Identity Service created, if it did.
    """

    url: str
    first_admin: FirstAdmin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a service runs, and for how long.

    Attributes:
        database: a PostgreSQL; None for SQLite in `folder`, for one process at a time.
        folder: for SQLite.
        host: the address to listen on.
        port: 0 for a free port.
        ready: called once, when the service answers and, if it uses Kafka, reads it.
        stop: ends the service when set: it takes nothing new, finishes current work, and releases the rest.
        secret: that clients must know; None lets every client in that reaches the address.
    """

    database: URL | None = field(repr=False)
    folder: Path
    host: str
    port: int
    ready: Callable[[Serving], None]
    stop: asyncio.Event
    secret: StackSecret | None = None


async def serve_content(site: Site) -> None:
    """Run the Content Service until `site.stop` is set; for the errors see `open_storage`."""
    async with open_storage(site) as store:
        await serve_http(site, ContentService(store).application(), problem=problem_of(store))


async def serve_identity(site: Site, *, secret: str) -> None:
    """Run the Identity Service until `site.stop` is set; `secret` signs its tokens."""
    async with open_storage(site) as store:
        accounts = Accounts(store)
        app = IdentityService(accounts=accounts, authority=TokenAuthority(secret=secret)).application()
        await serve_http(site, app, problem=problem_of(store), accounts=accounts)


async def serve_llm(site: Site, *, cluster: Cluster, cache_folder: Path | None) -> None:
    """Run the LLM Provider Service until `site.stop` is set; the environment has the keys of its judges.

    Args:
        site: where it runs.
        cluster: the Kafka of the results.
        cache_folder: the folder of the judgement cache, which workers share; None to use no cache.
    """
    judges_open = open_judges(os.environ, cache_folder=cache_folder)
    async with open_storage(site) as store, open_publisher(cluster) as publisher, judges_open as judges:
        provider = LLMProvider(store=store, publisher=publisher, judges=judges)
        async with at_work(provider.run(), name="llm provider", drain=provider.close) as judging:
            await serve_http(site, provider.application(), problem=problem_of(store, publisher), working=judging)


@asynccontextmanager
async def open_storage(site: Site) -> AsyncIterator[Store]:
    """The database of the service.

    Raises:
        ServiceUnavailable: the database does not answer.
        NotAllowed: the database refuses the login.
        ConfigurationError: there is no such database, or a newer version made it.
        DiskError: the folder cannot be used.
        TemporaryFailure: another process uses the folder.
    """
    if site.database is None:
        async with open_store(site.folder) as store:
            yield store
        return
    # A fifth of the imports of a stack, which one with a file does not need.
    from eng5_runner.stack.platform.server_database import (  # noqa: PLC0415 - see above  # law: inner_import - see above
        open_database,
    )

    async with open_database(site.database) as store:
        yield store


async def serve_http(
    site: Site,
    app: web.Application,
    *,
    problem: Callable[[], Awaitable[str | None]],
    working: asyncio.Task[None] | None = None,
    accounts: Accounts | None = None,
) -> None:
    """Answer HTTP requests until `site.stop` is set, or until the service's task fails, which is raised here.

    Args:
        site: where the service runs.
        app: the HTTP application.
        problem: why the service cannot work at the moment; None if it can.
        working: the service's task besides HTTP, if it has one.
        accounts: where the first administrator is created, if there is no account yet.
    """
    app[CHECKUP] = Checkup(problem)
    async with served(app, host=site.host, port=site.port, secret=site.secret) as url:
        first_admin = await accounts.create_first_admin() if accounts is not None else None
        log.info("serving", url=url)
        site.ready(Serving(url=url, first_admin=first_admin))
        await until(site.stop, *([working] if working else ()))
    log.info("ending")


def problem_of(store: Store, publisher: Publisher | None = None) -> Callable[[], Awaitable[str | None]]:
    """A check of a service's database and broker; it returns why the service cannot work, or None."""

    async def problem() -> str | None:
        if not await store.answers():
            return "the database does not answer"
        if publisher is not None and not await publisher.answers():
            return "Kafka does not answer"
        return None

    return problem
