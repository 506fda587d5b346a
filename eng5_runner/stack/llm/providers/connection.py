"""The connection to one provider. Its client library is imported when it is first used, as that takes a second."""

from __future__ import annotations

import asyncio
import importlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.credentials import Access
from eng5_runner.stack.llm.providers.protocol import ProviderClient

# The module and the class of each provider's client.
_OPENAI_CHAT = ("eng5_runner.stack.llm.providers.openai_chat", "Chat")
CLIENTS: Mapping[Provider, tuple[str, str]] = MappingProxyType({
    Provider.OPENAI: _OPENAI_CHAT,
    Provider.OPENROUTER: _OPENAI_CHAT,
    Provider.GOOGLE: _OPENAI_CHAT,
    Provider.ANTHROPIC: ("eng5_runner.stack.llm.providers.anthropic_messages", "Messages"),
})  # fmt: skip


@dataclass(slots=True)
class Connection:
    """The client of one provider, made when it is first used."""

    provider: Provider
    access: Access
    _client: ProviderClient | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def client(self) -> ProviderClient:
        """The client."""
        async with self._making:
            if self._client is None:
                module, name = CLIENTS[self.provider]
                client_class = getattr(await asyncio.to_thread(importlib.import_module, module), name)
                self._client = client_class(self.access)
            return self._client

    async def close(self) -> None:
        """Close its connections, if it has any."""
        if self._client is not None:
            await self._client.close()
