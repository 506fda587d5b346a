"""The connection to one provider: how to get there, and its client library, imported only when it is used."""

from __future__ import annotations

import asyncio
import importlib
from dataclasses import dataclass, field

from eng5_runner.judges.credentials import Access, Place
from eng5_runner.stack.llm.providers.protocol import ProviderClient


@dataclass(slots=True)
class Connection:
    """The client of one provider, made when it is first used; its library takes a second to import."""

    place: Place
    access: Access
    _client: ProviderClient | None = None
    _making: asyncio.Lock = field(default_factory=asyncio.Lock)

    async def client(self) -> ProviderClient:
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
