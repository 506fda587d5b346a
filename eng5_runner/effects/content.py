"""The client of the Content Service, which stores texts under ids that it makes itself."""

from __future__ import annotations

from eng5_runner.contracts.services import StoredContent
from eng5_runner.errors import ConfigurationError
from eng5_runner.transport.http import Alive, Service

_NOT_THERE = frozenset((400, 404))
_NO_SUCH_PATH = frozenset((404, 405))
_EVERY_REFUSAL = frozenset(range(400, 600))


class ContentClient:
    """Uploads to one Content Service."""

    def __init__(self, service: Service) -> None:
        self._service = service

    @property
    def url(self) -> str:
        """The address of uploads; part of the upload cache's key."""
        return self._service.url

    async def check_health(self) -> Alive:
        """Check that the service is up, and that the address has the right path.

        Raises:
            ServiceUnavailable: it is not up.
            ConfigurationError: there is nothing at the path. A malformed id at the right path is answered with 400.
        """
        alive = await self._service.alive(at=self._service.url.split("/v1/", 1)[0])
        answer = await self._service.call("GET", f"{self._service.url}/no-id", allow=_EVERY_REFUSAL)
        if answer.status in _NO_SUCH_PATH:
            raise ConfigurationError(
                f"The Content Service is up, but it has nothing at {self._service.url} (it answered {answer.status}).",
                remedy=f"Give {self._service.setting} with its path, …/v1/content.",
            )
        return alive

    async def upload(self, text: bytes) -> str:
        """Store a text and return its id. Each call makes a new id; only the upload cache avoids duplicates.

        Raises:
            ServiceUnavailable: it could not be stored.
        """
        answer = await self._service.call("POST", self._service.url, body=text)
        return self._service.parse(StoredContent, answer).storage_id

    async def download(self, storage_id: str) -> bytes | None:
        """The text; None if the service does not have it.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        answer = await self._service.call("GET", f"{self._service.url}/{storage_id}", allow=_NOT_THERE)
        return None if answer.status in _NOT_THERE else answer.body
