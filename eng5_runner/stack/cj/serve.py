"""The CJ service in a process of its own; apart from `stack.serve`, as loading its statistics takes a second."""

from __future__ import annotations

import asyncio
from contextlib import AsyncExitStack

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.cj.admin import CJAdmin
from eng5_runner.stack.cj.clients import CONNECTIONS, ContentReader, LLMProviderClient
from eng5_runner.stack.cj.service import CJService, load_statistics
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.platform.kafka import Cluster, open_member, open_publisher, open_reader
from eng5_runner.stack.platform.supervision import at_work
from eng5_runner.stack.serve import Site, open_storage, problem_of, serve_http
from eng5_runner.transport.http import http_session

GROUP = "cj_assessment_service"


async def serve_cj(site: Site, *, cluster: Cluster, content_url: str, llm_urls: tuple[str, ...], secret: str) -> None:
    """Run the CJ service until `site.stop` is set.

    Args:
        site: where it runs.
        cluster: the Kafka of the requests and events.
        content_url: of the Content Service, with its path.
        llm_urls: of the LLM Provider's workers, with their path.
        secret: signs the administrators' tokens.
    """
    async with AsyncExitStack() as opened:
        store = await opened.enter_async_context(open_storage(site))
        publisher = await opened.enter_async_context(open_publisher(cluster))
        # Before any request, so that no result is missed.
        results = await opened.enter_async_context(open_reader(cluster, Topic.COMPARISON, beginning_at="latest"))
        requests = await opened.enter_async_context(open_member(cluster, Topic.REQUEST, group=GROUP))
        session = await opened.enter_async_context(http_session(connections=CONNECTIONS, secret=cluster.secret))
        contents = ContentReader(session, content_url)
        cj = CJService(
            store=store,
            publisher=publisher,
            contents=contents,
            provider=LLMProviderClient(session, *llm_urls),
            shares_broker=True,
        )
        app = CJAdmin(store=store, contents=contents, authority=TokenAuthority(secret=secret)).application()
        run = cj.run(requests, results, commit=True, secret=cluster.secret)
        working = await opened.enter_async_context(at_work(run, name="cj"))
        await opened.enter_async_context(at_work(_load(), name="loading statistics"))
        await serve_http(site, app, problem=problem_of(store, publisher), working=working)


async def _load() -> None:
    await asyncio.to_thread(load_statistics)
