"""Which judges a stack offers: the offline baseline, and every model whose provider the environment leads to."""

from __future__ import annotations

import asyncio
import importlib
import importlib.util
from collections.abc import AsyncIterator, Iterator, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field

import structlog

from eng5_runner.contracts.request import Provider
from eng5_runner.stack.judges import JudgeEntry, offline_baseline
from eng5_runner.stack.model_manifest import USERS_FILE, Manifest, Model, built_in, users_own
from eng5_runner.stack.providers.asking import Client
from eng5_runner.stack.providers.gate import Gate
from eng5_runner.stack.providers.judge import ModelJudge
from eng5_runner.stack.providers.keys import PLACES, Access, Place, access_to

log = structlog.get_logger(__name__)


@dataclass(slots=True)
class Connection:
    """The client of one provider, made when it is first used; its library takes a second to import."""

    place: Place
    access: Access
    _client: Client | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def client(self) -> Client:
        """The client."""
        async with self._making:
            if self._client is None:
                module, name = self.place.client
                made = getattr(await asyncio.to_thread(importlib.import_module, module), name)
                self._client = made(self.access)
            return self._client

    async def close(self) -> None:
        """Let go of its connections, if there are any."""
        if self._client is not None:
            await self._client.close()


@asynccontextmanager
async def open_judges(environ: Mapping[str, str]) -> AsyncIterator[tuple[JudgeEntry, ...]]:
    """The judges; their connections end with the context.

    Args:
        environ: holds the keys and addresses of the providers, and the path of the user's own models.

    Raises:
        ConfigurationError: the user's own file of models cannot be used.
    """
    own = users_own(environ)
    async with AsyncExitStack() as opened:
        entries = [offline_baseline()]
        for provider, place in PLACES.items():
            limits = own.before(built_in()).limits_of(provider)
            access = access_to(provider, environ, timeout_seconds=limits.timeout_seconds)
            if access is None or not _usable(provider, place):
                continue
            connection = Connection(place, access)
            opened.push_async_callback(connection.close)
            gate = Gate(limits, provider=provider.value)
            models = tuple(_models(own, provider, own_server=access.own_server))
            if not models:
                log.warning("a provider without models", provider=provider.value, remedy=f"name them in {USERS_FILE}")
            entries += [ModelJudge(model, gate=gate, client=connection.client).entry() for model in models]
        yield tuple(entries)


def _models(own: Manifest, provider: Provider, *, own_server: bool) -> Iterator[Model]:
    """An own server has its own models, and its own prices: only those that the user names."""
    yield from (own if own_server else own.before(built_in())).of(provider)


def _usable(provider: Provider, place: Place) -> bool:
    try:
        found = importlib.util.find_spec(place.library) is not None
    except ModuleNotFoundError:  # of the package that it would be in
        found = False
    if not found:
        log.warning("a provider's client is not installed", provider=provider.value, remedy=_install(place))
    return found


def _install(place: Place) -> str:
    return f"pip install 'eng5-runner[{place.extra}]'"
