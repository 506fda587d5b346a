"""The Content Service: keeps texts under ids of its own making."""

from __future__ import annotations

from eng5_runner.contracts.services import Health, StoredContent
from eng5_runner.effects.http import Service

_NOT_THERE = frozenset((400, 404))


class ContentClient:
    """Uploads to one Content Service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def url(self) -> str:
        """Where texts are posted to; part of the upload cache's key."""
        return self._service.url

    async def check_health(self) -> None:
        """Ask whether it is up.

        Raises:
            ServiceUnavailable: it is not.
        """
        root = self._service.url.split("/v1/", 1)[0]
        self._service.parse(Health, await self._service.call("GET", f"{root}/healthz"))

    async def upload(self, text: bytes) -> str:
        """Store a text; each call makes a new id, so only the cache keeps doubles away.

        Raises:
            ServiceUnavailable: it could not be stored.
        """
        answer = await self._service.call("POST", self._service.url, body=text)
        return self._service.parse(StoredContent, answer).storage_id

    async def download(self, storage_id: str) -> bytes | None:
        """The text, or None if the service does not have it.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        answer = await self._service.call("GET", f"{self._service.url}/{storage_id}", allow=_NOT_THERE)
        return None if answer.status in _NOT_THERE else answer.body
