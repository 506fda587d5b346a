"""Which judges a stack offers: the offline baseline, and every model whose provider the environment leads to."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.catalogue import models_at
from eng5_runner.judges.credentials import PLACES, Place, access_to, install_command, is_installed
from eng5_runner.judges.manifest import USERS_FILE, built_in, users_own
from eng5_runner.stack.llm.cache import open_cassette
from eng5_runner.stack.llm.judge import JudgeEntry, offline_baseline
from eng5_runner.stack.llm.providers.connection import Connection
from eng5_runner.stack.llm.providers.judge import ModelJudge
from eng5_runner.stack.llm.providers.rate_limiter import RateLimiter

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_judges(
    environ: Mapping[str, str], *, cassette_folder: Path | None = None
) -> AsyncIterator[tuple[JudgeEntry, ...]]:
    """The judges; their connections end with the context.

    Args:
        environ: holds the keys and addresses of the providers, and the path of the user's own models.
        cassette_folder: where earlier judgements are kept; None to ask anew each time.

    Raises:
        ConfigurationError: the user's own file of models cannot be used.
    """
    own = users_own(environ)
    async with AsyncExitStack() as opened:
        cassette = await opened.enter_async_context(open_cassette(cassette_folder))
        entries = [offline_baseline()]
        for provider, place in PLACES.items():
            limits = own.before(built_in()).limits_of(provider)
            access = access_to(provider, environ, timeout_seconds=limits.timeout_seconds)
            if access is None or not _usable(provider, place):
                continue
            connection = Connection(provider, access)
            opened.push_async_callback(connection.close)
            gate = RateLimiter(limits, provider=provider.value)
            models = models_at(provider, own=own, own_server=access.own_server)
            if not models:
                log.warning("a provider without models", provider=provider.value, remedy=f"name them in {USERS_FILE}")
            judges = (ModelJudge(model, gate=gate, connection=connection, cassette=cassette) for model in models)
            entries += [judge.entry() for judge in judges]
        yield tuple(entries)


def _usable(provider: Provider, place: Place) -> bool:
    found = is_installed(place)
    if not found:
        log.warning("a provider's client is not installed", provider=provider.value, remedy=install_command(place))
    return found
