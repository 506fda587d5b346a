"""The judges of a stack: the offline baseline, and all models of the providers that the environment has a key for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import structlog

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.catalogue import models_at
from eng5_runner.judges.credentials import (
    PLACES,
    PLAIN_HTTP,
    Place,
    access_to,
    install_command,
    is_installed,
    travels_readable,
)
from eng5_runner.judges.manifest import USERS_FILE, built_in, users_own
from eng5_runner.stack.llm.cache import open_judgement_cache
from eng5_runner.stack.llm.judge import JudgeEntry, offline_baseline
from eng5_runner.stack.llm.providers.connection import Connection
from eng5_runner.stack.llm.providers.judge import ModelJudge
from eng5_runner.stack.llm.providers.rate_limiter import RateLimiter

log = structlog.get_logger(__name__)


@asynccontextmanager
async def open_judges(
    environ: Mapping[str, str], *, cache_folder: Path | None = None
) -> AsyncIterator[tuple[JudgeEntry, ...]]:
    """The judges; their connections are closed at the end.

    Args:
        environ: the keys and addresses of the providers, and the path of the user's own file of models.
        cache_folder: the folder of the judgement cache; None to use no cache.

    Raises:
        ConfigurationError: the user's own file of models cannot be used.
    """
    own = users_own(environ)
    async with AsyncExitStack() as opened:
        cache = await opened.enter_async_context(open_judgement_cache(cache_folder))
        entries = [offline_baseline()]
        for provider, place in PLACES.items():
            limits = own.before(built_in()).limits_of(provider)
            access = access_to(provider, environ, timeout_seconds=limits.timeout_seconds)
            if access is None or not _usable(provider, place, environ=environ):
                continue
            connection = Connection(provider, access)
            opened.push_async_callback(connection.close)
            rate_limiter = RateLimiter(limits, provider=provider.value)
            models = models_at(provider, own=own, own_server=access.own_server)
            if not models:
                log.warning("a provider without models", provider=provider.value, remedy=f"name them in {USERS_FILE}")
            judges = (
                ModelJudge(model, rate_limiter=rate_limiter, connection=connection, cache=cache) for model in models
            )
            entries += [judge.entry() for judge in judges]
        yield tuple(entries)


def _usable(provider: Provider, place: Place, *, environ: Mapping[str, str]) -> bool:
    if travels_readable(place, environ):
        log.warning(
            "a provider's address has no encryption", provider=provider.value, remedy=f"use https, or set {PLAIN_HTTP}"
        )
        return False
    installed = is_installed(place)
    if not installed:
        log.warning("a provider's client is not installed", provider=provider.value, remedy=install_command(place))
    return installed
