"""The Content Service: stores bytes, and gives each upload a new id."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from uuid import uuid4

from aiohttp import web
from sqlalchemy import insert, select

from eng5_runner.contracts.services import STORAGE_ID_PATTERN, StoredContent
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import content
from eng5_runner.stack.platform.web import CORRELATION_ID, answer, invalid, not_found, service

NAME = "content_service"
PATH = "/v1/content"
LARGEST_BODY = 10 * 1024 * 1024
_DEFAULT_TYPE = "application/octet-stream"
_TYPE_LENGTH = 255


class ContentService:
    """The handlers of the service."""

    def __init__(self, store: Store) -> None:
        self._store = store

    def application(self) -> web.Application:
        """The service's HTTP side."""
        app, _ = service(NAME, largest_body=LARGEST_BODY)
        app.router.add_post(PATH, self.upload)
        app.router.add_get(PATH + "/{storage_id}", self.download)
        return app

    async def upload(self, request: web.Request) -> web.StreamResponse:
        """Store a body; the same bytes get another id each time.

        Raises:
            RequestRefused: 400: the body is empty; 413: it is larger than 10 MiB.
        """
        body = await request.read()
        if not body:
            raise invalid("the body is empty")
        storage_id = uuid4().hex
        row = {
            "storage_id": storage_id,
            "content_type": request.headers.get("Content-Type", _DEFAULT_TYPE)[:_TYPE_LENGTH],
            "body": body,
            "created_at": datetime.now(UTC).isoformat(),
        }
        await self._store.once(lambda connection: connection.execute(insert(content), [row]))
        return answer(StoredContent(storage_id=storage_id, correlation_id=request[CORRELATION_ID]), status=201)

    async def download(self, request: web.Request) -> web.StreamResponse:
        """Return the bytes of an id, with the content type of the upload.

        Raises:
            RequestRefused: 400: the id is malformed; 404: it is unknown.
        """
        storage_id = request.match_info["storage_id"]
        if not re.fullmatch(STORAGE_ID_PATTERN, storage_id):
            raise invalid("a storage id has 32 hexadecimal digits")
        query = select(content.c.body, content.c.content_type).where(content.c.storage_id == storage_id)
        row = await self._store.row(query)
        if row is None:
            raise not_found(f"no content with storage id {storage_id}")
        # A browser that gets hold of a text shows it as text and runs nothing in it.
        headers = {"X-Content-Type-Options": "nosniff", "Content-Security-Policy": "default-src 'none'; sandbox"}
        return web.Response(body=row.body, headers={"Content-Type": row.content_type} | headers)
