"""The services of the field, playing the part that they played: real HTTP, the real Kafka protocol.

    async with FieldServices(bootstrap) as field:
        ... run with field.environment ...

HTTP answers are the recorded ones, byte for byte in their bodies; what was not recorded (health, an upload of another
text, a download of it) is answered as the contract has it. The first request on Kafka is answered by `field.script`.
"""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import Self
from uuid import uuid4

from aiohttp import web
from aiokafka import AIOKafkaConsumer, AIOKafkaProducer, TopicPartition

from eng5_runner.contracts.topics import Topic
from tests.support.field import recorded
from tests.support.field.recorded import Message

Script = Callable[[dict], list[Message]]
_BROKEN = {"error": "Internal server error", "message": "An unexpected error occurred"}


def as_recorded(sent: dict) -> list[Message]:
    """The whole run."""
    return recorded.as_of(sent, recorded.callbacks())


class FieldServices:
    """Content and CJ over HTTP, CJ and LLM provider on Kafka.

    Attributes:
        script: what a request is answered with.
        requests: the requests that came, as JSON.
        asked: how often each path was asked for, with its method.
        answers: path → status and body, instead of the recorded ones.
        anchors: the rows on record, label → row; the recorded ones unless a test empties it.
        pace: seconds between two messages on Kafka.
        needs_token: like the real service, whose admin side answers everything that it does not like with one 500.
    """

    def __init__(self, bootstrap: str, *, script: Script = as_recorded, pace: float = 0.0) -> None:
        self.bootstrap = bootstrap
        self.pace = pace
        self.script = script
        self.requests: list[dict] = []
        self.asked: Counter[str] = Counter()
        self.answers: dict[str, tuple[int, object]] = {}
        self.needs_token = True
        self.anchors = {row["anchor_label"]: row for row in recorded.listing()["anchors"]}
        self.texts: dict[str, str] = {}
        self._recorded = {
            (one["method"], one["path"], one["sent"]): one for one in recorded.http_pairs() if one["status"] < 300
        }

    @property
    def environment(self) -> dict[str, str]:
        """For the runner."""
        return {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CONTENT_SERVICE_URL": f"{self._url}/v1/content",
            "CJ_SERVICE_URL": self._url,
            "HULEEDU_ADMIN_TOKEN": "a-token",
        }

    async def __aenter__(self) -> Self:
        app = web.Application()
        app.router.add_route("*", "/{path:.*}", self._answer)
        self._runner = web.AppRunner(app, shutdown_timeout=0)
        await self._runner.setup()
        await web.TCPSite(self._runner, "127.0.0.1", 0).start()
        self._url = f"http://127.0.0.1:{self._runner.addresses[0][1]}"
        self._consumer = AIOKafkaConsumer(bootstrap_servers=self.bootstrap, enable_auto_commit=False)
        self._producer = AIOKafkaProducer(bootstrap_servers=self.bootstrap)
        await self._consumer.start()
        await self._producer.start()
        await self._consumer._client.add_topic(Topic.REQUEST)
        found = self._consumer.partitions_for_topic(Topic.REQUEST)
        assert found, "the request topic is not there"
        self._consumer.assign([TopicPartition(Topic.REQUEST, partition) for partition in sorted(found)])
        await self._consumer.seek_to_end()
        self._listening = asyncio.create_task(self._listen())
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._listening.cancel()
        ended = await asyncio.gather(self._listening, return_exceptions=True)
        await self._producer.stop()
        await self._consumer.stop()
        await self._runner.cleanup()
        assert isinstance(ended[0], asyncio.CancelledError), ended

    async def _listen(self) -> None:
        async for record in self._consumer:
            sent = json.loads(record.value)
            self.requests.append(sent)
            for message in self.script(sent):
                if self.pace:
                    await asyncio.sleep(self.pace)
                partitions = await self._producer.partitions_for(message.topic)
                await self._producer.send_and_wait(
                    message.topic,
                    message.raw,
                    key=message.key.encode() if message.key else None,
                    partition=message.partition % len(partitions),
                )

    async def _answer(self, request: web.Request) -> web.Response:
        self.asked[f"{request.method} {request.path}"] += 1
        body = (await request.read()).decode() or None
        if request.path in self.answers:
            status, told = self.answers[request.path]
            return web.json_response(told, status=status)
        if request.path.startswith("/admin/") and self.needs_token and "Authorization" not in request.headers:
            return web.json_response(_BROKEN, status=500)
        if request.path == recorded.LISTING:
            return web.json_response(recorded.listing() | {"anchors": list(self.anchors.values())})
        if request.path == "/api/v1/anchors/register":
            return self._register(json.loads(body or "{}"))
        found = self._recorded.get((request.method, request.path, body))
        if found is not None:
            text = found["body"] if isinstance(found["body"], str) else json.dumps(found["body"])
            return web.Response(status=found["status"], headers=found["headers"], text=None, body=text.encode())
        return self._not_recorded(request, body)

    def _register(self, body: dict) -> web.Response:
        """The same label again updates the row; in the recorded run it has the recorded number."""
        known = {row["anchor_label"]: row for row in recorded.listing()["anchors"]}
        storage_id = uuid4().hex
        self.texts[storage_id] = body["essay_text"]
        row = known[body["anchor_label"]] | {"grade": body["grade"], "text_storage_id": storage_id}
        self.anchors[body["anchor_label"]] = row
        answer = {"anchor_id": row["id"], "storage_id": storage_id, "grade_scale": row["grade_scale"]}
        return web.json_response(answer | {"status": "registered"}, status=201)

    def _not_recorded(self, request: web.Request, body: str | None) -> web.Response:
        if request.path == "/healthz":
            return web.json_response({"status": "healthy", "service": "some_service"})
        if request.path == "/v1/content" and request.method == "POST" and body:
            storage_id = uuid4().hex
            self.texts[storage_id] = body
            return web.json_response({"storage_id": storage_id, "correlation_id": str(uuid4())}, status=201)
        text = self.texts.get(request.path.removeprefix("/v1/content/"))
        if text is not None:
            return web.Response(body=text.encode(), content_type="application/octet-stream")
        if request.path == "/v1/content/no-id":
            return web.json_response({"error": {"error_code": "VALIDATION_ERROR", "message": "no id"}}, status=400)
        if request.path.startswith("/v1/content/"):
            refused = {"error_code": "RESOURCE_NOT_FOUND", "message": "Content not found", "service": "content_service"}
            return web.json_response({"error": refused}, status=404)
        return web.json_response(_BROKEN, status=500)
