"""The judges of a stack: the offline baseline, and all models of the providers that the environment has a key for."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import structlog

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.catalogue import models_at
from eng5_runner.judges.credentials import PLACES, PLAIN_HTTP, Access, Place, access_to, travels_readable
from eng5_runner.judges.manifest import USERS_FILE, built_in, users_own
from eng5_runner.stack.llm.cache import open_judgement_cache
from eng5_runner.stack.llm.providers.anthropic_batches import AnthropicBatches
from eng5_runner.stack.llm.providers.anthropic_messages import Messages
from eng5_runner.stack.llm.providers.batches import BatchApi
from eng5_runner.stack.llm.providers.entries import JudgeEntry, offline_baselines
from eng5_runner.stack.llm.providers.judge import ModelJudge
from eng5_runner.stack.llm.providers.model_batches import ModelBatches
from eng5_runner.stack.llm.providers.openai_batches import OpenAIBatches
from eng5_runner.stack.llm.providers.openai_chat import Chat
from eng5_runner.stack.llm.providers.post import ReadHeaders, ignored
from eng5_runner.stack.llm.providers.protocol import ProviderClient
from eng5_runner.stack.llm.providers.rate_limiter import RateLimiter

log = structlog.get_logger(__name__)

_CLIENTS: Mapping[Provider, Callable[..., ProviderClient]] = MappingProxyType({
    Provider.OPENAI: Chat,
    Provider.OPENROUTER: Chat,
    Provider.GOOGLE: Chat,
    Provider.ANTHROPIC: Messages,
})  # fmt: skip


_BATCHES: Mapping[Provider, Callable[[Access], BatchApi]] = MappingProxyType({
    Provider.OPENAI: OpenAIBatches,
    Provider.ANTHROPIC: AnthropicBatches,
})  # fmt: skip


def client_of(provider: Provider, access: Access, *, read: ReadHeaders = ignored) -> ProviderClient:
    """A client of the provider, which the caller closes; `read` is given the headers of each answer."""
    return _CLIENTS[provider](access, read=read)


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
        entries = [*offline_baselines()]
        for provider, place in PLACES.items():
            limits = own.before(built_in()).limits_of(provider)
            access = access_to(provider, environ, timeout_seconds=limits.timeout_seconds)
            if access is None or not _is_encrypted(provider, place, environ=environ):
                continue
            rate_limiter = RateLimiter(limits, provider=provider.value)
            client = client_of(provider, access, read=rate_limiter.read)
            opened.push_async_callback(client.close)
            models = models_at(provider, own=own, own_server=access.own_server)
            if not models:
                log.warning("a provider without models", provider=provider.value, remedy=f"name them in {USERS_FILE}")
            judges = (
                ModelJudge(model, client=client, access=access, rate_limiter=rate_limiter, cache=cache)
                for model in models
            )
            if provider not in _BATCHES:
                entries += [judge.entry() for judge in judges]
                continue
            api = _BATCHES[provider](access)
            opened.push_async_callback(api.close)
            entries += [replace(judge.entry(), batches=ModelBatches(judge, api=api, limits=limits)) for judge in judges]
        yield tuple(entries)


def _is_encrypted(provider: Provider, place: Place, *, environ: Mapping[str, str]) -> bool:
    readable = travels_readable(place, environ)
    if readable:
        log.warning(
            "a provider's address has no encryption", provider=provider.value, remedy=f"use https, or set {PLAIN_HTTP}"
        )
    return not readable
