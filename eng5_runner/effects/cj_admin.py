"""The CJ service's and the LLM provider's questions-and-answers side: what they know before a run begins."""

from __future__ import annotations

from eng5_runner.contracts.services import AnchorListing, Health, Instructions, ModelManifest
from eng5_runner.effects.http import Service

_NOT_FOUND = frozenset((404,))


class CJAdminClient:
    """Reads what the CJ service has on record for an assignment."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def check_health(self) -> None:
        """Ask whether it is up: a request that is published before it listens is lost.

        Raises:
            ServiceUnavailable: it is not.
        """
        self._service.parse(Health, await self._service.call("GET", f"{self._service.url}/healthz"))

    async def instructions(self, assignment_id: str) -> Instructions | None:
        """The assignment's instructions, or None if it is unknown.

        Raises:
            NotAllowed: no token, or one without the admin role.
            ServiceUnavailable: it does not answer, or with a 500, which the present service also says for
                an unknown assignment or a missing token.
        """
        path = f"{self._service.url}/admin/v1/assessment-instructions/assignment/{assignment_id}"
        answer = await self._service.call("GET", path, allow=_NOT_FOUND)
        return None if answer.status in _NOT_FOUND else self._service.parse(Instructions, answer)

    async def anchors(self, assignment_id: str) -> AnchorListing:
        """The anchors that the service will add to each batch of the assignment.

        Raises:
            NotAllowed: no token, or one without the admin role.
            ServiceUnavailable: it does not answer.
        """
        path = f"{self._service.url}/admin/v1/anchors/assignment/{assignment_id}"
        return self._service.parse(AnchorListing, await self._service.call("GET", path))


class ModelsClient:
    """Reads the LLM provider's manifest."""

    def __init__(self, service: Service) -> None:
        self._service = service

    async def models(self) -> ModelManifest:
        """The models that it can ask.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        return self._service.parse(ModelManifest, await self._service.call("GET", f"{self._service.url}/models"))
