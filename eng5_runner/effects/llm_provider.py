"""The LLM provider service: which models it can use."""

from __future__ import annotations

from eng5_runner.contracts.services import ModelManifest
from eng5_runner.transport.http import Alive, Service

_NOT_WELL = frozenset((503,))


class ModelsClient:
    """Reads the LLM provider's manifest."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def check_health(self) -> Alive:
        """Whether it is up. With a mock judge the present service answers 503 to this, although it works.

        Raises:
            ServiceUnavailable: it is not up.
        """
        return await self._service.alive(at=self._service.url.split("/api/", 1)[0], though=_NOT_WELL)

    async def models(self) -> ModelManifest:
        """The models that it can use.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        return self._service.parse(ModelManifest, await self._service.call("GET", f"{self._service.url}/models"))
