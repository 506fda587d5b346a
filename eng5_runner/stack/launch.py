"""Runs the whole stack in this process: starts all services, reports their addresses, and stops them in order."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import AbstractAsyncContextManager, AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Literal

import aiohttp
import structlog
from aiokafka import AIOKafkaConsumer

from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ServiceUnavailable
from eng5_runner.stack.cj.admin import CJAdmin
from eng5_runner.stack.cj.clients import CONNECTIONS, ContentReader, LLMProviderClient
from eng5_runner.stack.cj.service import CJService, load_statistics
from eng5_runner.stack.content import service as content
from eng5_runner.stack.content.service import ContentService
from eng5_runner.stack.faults import FAULTS_MARK, FaultyPublisher, faulty_baseline
from eng5_runner.stack.identity import service as identity_service
from eng5_runner.stack.identity.accounts import Accounts, FirstAdmin
from eng5_runner.stack.identity.service import IdentityService
from eng5_runner.stack.identity.tokens import ADMIN_ROLE, TokenAuthority
from eng5_runner.stack.llm import service as llm_provider
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.providers.registry import open_judges
from eng5_runner.stack.llm.queue import forget_unasked
from eng5_runner.stack.llm.service import LLMProvider, ResultPublisher
from eng5_runner.stack.platform.broker import embedded_broker
from eng5_runner.stack.platform.kafka import Cluster, Publisher, open_publisher, open_reader
from eng5_runner.stack.platform.store import Store, open_store
from eng5_runner.stack.platform.supervision import at_work, until
from eng5_runner.stack.platform.web import served
from eng5_runner.transport.http import http_session
from eng5_runner.transport.stack_secret import VARIABLE, StackSecret

log = structlog.get_logger(__name__)

_TOKEN_VALID = timedelta(days=7)


@dataclass(frozen=True, slots=True, kw_only=True)
class StackAddresses:
    """Where a running stack is.

    Attributes:
        kafka_bootstrap: `host:port` of the broker.
        content_service_url: with its path, `http://127.0.0.1:<port>/v1/content`.
        cj_service_url: without a path.
        llm_provider_service_url: with its path, `http://127.0.0.1:<port>/api/v1`.
        identity_service_url: with its path, `http://127.0.0.1:<port>/v1/auth`.
        admin_token: a bearer token with the role admin, valid for 7 days and for this stack only.
        secret: that clients must know; None for an open stack.
        first_admin: the account that this start created, with its password; None if there was an account.
    """

    kafka_bootstrap: str
    content_service_url: str
    cj_service_url: str
    llm_provider_service_url: str
    identity_service_url: str
    admin_token: str = field(repr=False)
    secret: StackSecret | None = None
    first_admin: FirstAdmin | None = None

    def environment(self) -> dict[str, str]:
        """The addresses as the services' usual environment variables."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.kafka_bootstrap,
            "CONTENT_SERVICE_URL": self.content_service_url,
            "CJ_SERVICE_URL": self.cj_service_url,
            "LLM_PROVIDER_SERVICE_URL": self.llm_provider_service_url,
            "IDENTITY_SERVICE_URL": self.identity_service_url,
            "HULEEDU_ADMIN_TOKEN": self.admin_token,
            **({VARIABLE: self.secret.value} if self.secret else {}),
        }


@dataclass(frozen=True, slots=True, kw_only=True)
class Secrets:
    """What a stack keeps from others.

    Attributes:
        tokens: signs the administrators' tokens; None for a new one.
        clients: the stack's clients must know it; None lets every local client in.
    """

    tokens: str | None = field(default=None, repr=False)
    clients: StackSecret | None = None


_NO_SECRETS = Secrets()


async def serve(
    data_dir: Path,
    *,
    ready: Callable[[StackAddresses], None],
    stop: asyncio.Event,
    judges: Sequence[JudgeEntry] | None = None,
    kafka_bootstrap: str | None = None,
    cache_folder: Path | None = None,
    secrets: Secrets = _NO_SECRETS,
) -> None:
    """Run the stack until `stop` is set.

    On an existing Kafka it begins at the end of the request topic and continues its own unfinished batches. On an
    embedded broker, which is new each time, clients send unfinished requests again.

    Args:
        data_dir: the services' records; a stack on the same directory continues from them.
        ready: called once, when every service answers and the CJ service reads its topics.
        stop: ends the stack when set; running comparisons are finished first, for at most 5 s.
        judges: the judges of the LLM provider; None for the offline baseline and the models that have a key.
        kafka_bootstrap: an existing Kafka with the contract's topics; None for an embedded broker.
        cache_folder: the folder of the judgement cache, which stacks share; None to use no cache.
        secrets: of its tokens and its clients.

    Raises:
        ServiceUnavailable: a part of the stack did not start, or the broker is gone.
        DiskError: the data directory cannot be used.
        TemporaryFailure: another stack uses the data directory.
        ConfigurationError: another version made the data directory, or the user's models cannot be read.
        ExceptionGroup: a service failed, with its errors.
    """
    secret = secrets.clients
    async with AsyncExitStack() as opened:
        cluster = await opened.enter_async_context(_cluster(kafka_bootstrap, secret=secret))
        store = await opened.enter_async_context(open_store(data_dir))
        publisher, requests, results = await opened.enter_async_context(_clients(cluster))
        session = await opened.enter_async_context(http_session(connections=CONNECTIONS, secret=secret))
        authority = TokenAuthority(secret=secrets.tokens)
        offered = await opened.enter_async_context(_judges(judges, cache_folder))
        results_to: ResultPublisher = publisher
        if (data_dir / FAULTS_MARK).exists():
            offered, results_to = (
                [faulty_baseline()],
                FaultyPublisher(publisher, lose=lambda raw: cj.take_results([raw])),
            )
        if cluster.is_embedded:
            await forget_unasked(store)
        provider = LLMProvider(store=store, publisher=results_to, judges=offered)
        content_url = await opened.enter_async_context(served(ContentService(store).application(), secret=secret))
        llm_url = await opened.enter_async_context(served(provider.application(), secret=secret))
        contents = ContentReader(session, content_url + content.PATH)
        admin = CJAdmin(store=store, contents=contents, authority=authority).application()
        cj_url = await opened.enter_async_context(served(admin, secret=secret))
        llm = LLMProviderClient(session, llm_url + llm_provider.PATH)
        cj = CJService(
            store=store,
            publisher=publisher,
            contents=contents,
            provider=llm,
            shares_broker=not cluster.is_embedded,
        )
        identity_url = await opened.enter_async_context(_identity_served(store, authority, secret=secret))
        judging = await opened.enter_async_context(at_work(provider.run(), name="llm", drain=provider.close))
        batches = await opened.enter_async_context(
            at_work(_serve_batches(cj, cluster, requests=requests, results=results), name="cj")
        )
        await _all_healthy(session, content_url, llm_url, cj_url, identity_url)
        addresses = StackAddresses(
            kafka_bootstrap=cluster.bootstrap,
            content_service_url=content_url + content.PATH,
            cj_service_url=cj_url,
            llm_provider_service_url=llm_url + llm_provider.PATH,
            identity_service_url=identity_url + identity_service.PATH,
            first_admin=await Accounts(store).create_first_admin(),
            admin_token=authority.issue(subject="stack", roles=(ADMIN_ROLE,), valid_for=_TOKEN_VALID),
            secret=secret,
        )
        ready(addresses)
        await asyncio.to_thread(load_statistics)  # while clients store their texts
        await until(stop, judging, batches)


@asynccontextmanager
async def _cluster(named: str | None, *, secret: StackSecret | None) -> AsyncIterator[Cluster]:
    """The named Kafka, else an embedded one."""
    if named is not None:
        yield Cluster(bootstrap=named, secret=secret)
        return
    async with embedded_broker() as bootstrap:
        yield Cluster(bootstrap=bootstrap, is_embedded=True, secret=secret)


@asynccontextmanager
async def _clients(cluster: Cluster) -> AsyncIterator[tuple[Publisher, AIOKafkaConsumer, AIOKafkaConsumer]]:
    """The publisher, a reader of the requests, and a reader of the results from now on.

    An embedded broker is new, so all its requests are for this stack. What an existing Kafka has is not.
    """
    begin: Literal["earliest", "latest"] = "earliest" if cluster.is_embedded else "latest"
    async with (
        open_publisher(cluster) as publisher,
        open_reader(cluster, Topic.REQUEST, beginning_at=begin) as requests,
        open_reader(cluster, Topic.COMPARISON, beginning_at="latest") as results,
    ):
        yield publisher, requests, results


async def _serve_batches(
    cj: CJService, cluster: Cluster, *, requests: AIOKafkaConsumer, results: AIOKafkaConsumer
) -> None:
    """Run the CJ service; on a new embedded broker, earlier requests count when they arrive again."""
    if cluster.is_embedded:
        await cj.forget_requests()
    await cj.run(requests, results, secret=cluster.secret)


@asynccontextmanager
async def _judges(named: Sequence[JudgeEntry] | None, cache_folder: Path | None) -> AsyncIterator[Sequence[JudgeEntry]]:
    """The named judges, else those of the environment."""
    if named:
        yield named
        return
    async with open_judges(os.environ, cache_folder=cache_folder) as judges:
        yield judges


def _identity_served(
    store: Store, authority: TokenAuthority, *, secret: StackSecret | None
) -> AbstractAsyncContextManager[str]:
    """The Identity Service; yields its address without a path."""
    return served(IdentityService(accounts=Accounts(store), authority=authority).application(), secret=secret)


async def _all_healthy(session: aiohttp.ClientSession, *urls: str) -> None:
    for url in urls:
        try:
            async with session.get(f"{url}/healthz") as response:
                response.raise_for_status()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise ServiceUnavailable(
                f"the embedded service at {url} does not answer: {error!r}", remedy="Try again; see the log."
            ) from error
    log.info("every service answers", services=urls)
