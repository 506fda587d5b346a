"""One service of the stack in a process of its own, for a cluster and a database that are there.

The services are those of `launch`; here each is opened alone, with its neighbours' addresses given. Workers of one kind
share a PostgreSQL database and, on Kafka, a consumer group. The CJ service is in `serve_cj`: the statistics that it
loads take seconds.
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
from eng5_runner.stack.platform.store import Store, open_database, open_store
from eng5_runner.stack.platform.supervision import at_work, until
from eng5_runner.stack.platform.web import CHECKUP, Checkup, served

log = structlog.get_logger(__name__)


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    """What is told when a service answers.

    Attributes:
        url: without a path.
        first_admin: the account that this start of the Identity Service has made, if it has.
    """

    url: str
    first_admin: FirstAdmin | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    """Where a service runs, and for how long.

    Attributes:
        database: a PostgreSQL; None for SQLite in `folder`, which one process at a time uses.
        folder: for SQLite.
        host: where it listens.
        port: 0 for a free one.
        ready: called once, when it answers and, if it reads Kafka, does that.
        stop: ends it when set: it takes nothing new, finishes what is in hand, and lets go of the rest.
    """

    database: URL | None = field(repr=False)
    folder: Path
    host: str
    port: int
    ready: Callable[[Serving], None]
    stop: asyncio.Event


async def serve_content(site: Site) -> None:
    """The Content Service until it is told to stop; for what all of these raise see `open_storage`."""
    async with open_storage(site) as store:
        await serve_http(site, ContentService(store).application(), problem=problem_of(store))


async def serve_identity(site: Site, *, secret: str) -> None:
    """The Identity Service until it is told to stop; `secret` is what it signs tokens with."""
    async with open_storage(site) as store:
        accounts = Accounts(store)
        app = IdentityService(accounts=accounts, authority=TokenAuthority(secret=secret)).application()
        await serve_http(site, app, problem=problem_of(store), accounts=accounts)


async def serve_llm(site: Site, *, cluster: Cluster, cache_folder: Path | None) -> None:
    """The LLM Provider Service until it is told to stop; its judges are those that the environment leads to.

    Args:
        site: where.
        cluster: the Kafka that results go to.
        cache_folder: where earlier judgements are kept, shared with other workers; None to ask anew each time.
    """
    judges_open = open_judges(os.environ, cache_folder=cache_folder)
    async with open_storage(site) as store, open_publisher(cluster) as publisher, judges_open as judges:
        provider = LLMProvider(store=store, publisher=publisher, judges=judges)
        async with at_work(provider.run(), name="llm provider", drain=provider.close) as judging:
            await serve_http(site, provider.application(), problem=problem_of(store, publisher), working=judging)


@asynccontextmanager
async def open_storage(site: Site) -> AsyncIterator[Store]:
    """Where the service keeps its tables.

    Raises:
        ServiceUnavailable: the database does not answer.
        NotAllowed: it does not let us in.
        ConfigurationError: there is none, or it was made by a newer version.
        DiskError: the folder cannot be used.
        TemporaryFailure: another process uses the folder.
    """
    async with open_database(site.database) if site.database is not None else open_store(site.folder) as store:
        yield store


async def serve_http(
    site: Site,
    app: web.Application,
    *,
    problem: Callable[[], Awaitable[str | None]],
    working: asyncio.Task[None] | None = None,
    accounts: Accounts | None = None,
) -> None:
    """Answer requests until the stop, or until the service's work dies, which is raised here.

    Args:
        site: where.
        app: what answers.
        problem: why the service cannot work just now, None if it can.
        working: the service's work beside answering, if it has any.
        accounts: where the first administrator is made, if there is no account yet.
    """
    app[CHECKUP] = Checkup(problem)
    async with served(app, host=site.host, port=site.port) as url:
        first_admin = await accounts.create_first_admin() if accounts is not None else None
        log.info("serving", url=url)
        site.ready(Serving(url=url, first_admin=first_admin))
        await until(site.stop, *([working] if working else ()))
    log.info("ending")


def problem_of(store: Store, publisher: Publisher | None = None) -> Callable[[], Awaitable[str | None]]:
    """Why a service cannot work just now, asked of its database and its broker."""

    async def problem() -> str | None:
        if not await store.answers():
            return "the database does not answer"
        if publisher is not None and not await publisher.answers():
            return "Kafka does not answer"
        return None

    return problem
