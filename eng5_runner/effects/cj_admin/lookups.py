"""The CJ service's and the LLM provider's questions-and-answers side: what they know before a run begins."""

from __future__ import annotations

from eng5_runner.contracts.services import Health, ModelManifest
from eng5_runner.effects.cj_admin.client import AdministrationClient
from eng5_runner.transport.http import Alive, Service

_NOT_WELL = frozenset((503,))


class CJAdminClient(AdministrationClient):
    """What a run asks the CJ service: whether it is up, and what it has on record for an assignment."""

    async def check_health(self) -> Alive:
        """Ask whether it is up: a request that is published before it listens is lost.

        Raises:
            ServiceUnavailable: it is not.
        """
        return await self._service.alive(at=self._service.url)

    async def supported_options(self) -> frozenset[str]:
        """What it heeds of a request beyond the contract; nothing where it does not say.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        answer = await self._service.call("GET", f"{self._service.url}/healthz")
        return frozenset(self._service.parse(Health, answer).supported_options or ())


class ModelsClient:
    """Reads the LLM provider's manifest."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def check_health(self) -> Alive:
        """Ask whether it is up. With a mock judge the present one answers 503 there, though it works.

        Raises:
            ServiceUnavailable: it is not.
        """
        return await self._service.alive(at=self._service.url.split("/api/", 1)[0], though=_NOT_WELL)

    async def models(self) -> ModelManifest:
        """The models that it can ask.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        return self._service.parse(ModelManifest, await self._service.call("GET", f"{self._service.url}/models"))
