"""The services of the field, as far as preflight asks them, over HTTP and Kafka; a test spoils one part."""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime

from aiohttp import web

from eng5_runner.contracts.topics import Topic
from eng5_runner.effects.identity.client import development_token
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.servers import serving

ASSIGNMENT = "1b4e28ba-2fa1-11d2-883f-0016d3cca427"
SCALE = "eng5_np_legacy_9_step"
LABELS = {"F+1": "F+", "E-1": "E-", "E+1": "E+", "D-1": "D-", "D+1": "D+", "C-1": "C-", "C+1": "C+", "A1": "A"}
SECRET = "a secret of tests, of more than 32 bytes"


@dataclass
class Site:
    """What the services say; a test changes it before it asks.

    Attributes:
        url: where the three services are, each below a path of its own.
        arguments: of the command line, beside the assets.
        env: of the runner.
        clock_ahead: of the services' clocks, in seconds.
        unwell: paths that answer 503.
        refuses: what the CJ service's admin side answers instead of anything else.
    """

    url: str
    bootstrap: str
    arguments: list[str] = field(default_factory=lambda: ["--assignment-id", ASSIGNMENT])
    env: dict[str, str] = field(default_factory=dict)
    clock_ahead: float = 0.0
    unwell: set[str] = field(default_factory=set)
    refuses: int | None = None
    instructions: dict[str, object] | None = None
    anchors: dict[str, str] = field(default_factory=lambda: dict(LABELS))
    models: list[dict[str, object]] = field(default_factory=list)
    headers: list[dict[str, str]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.instructions = {"id": 1, "instructions_text": "Judge the language.", "grade_scale": SCALE}
        self.models = [
            {
                "model_id": "small-1",
                "provider": "openai",
                "max_tokens": 4000,
                "capabilities": {
                    "temperature": "never",
                    "reasoning_efforts": ["low", "medium"],
                    "verbosities": ["low"],
                    "vision": True,
                },
            },
            {"model_id": "old-1", "provider": "openai", "is_deprecated": True, "capabilities": {"vision": True}},
        ]
        self.env = {
            "KAFKA_BOOTSTRAP_SERVERS": self.bootstrap,
            "CONTENT_SERVICE_URL": f"{self.url}/content/v1/content",
            "CJ_SERVICE_URL": f"{self.url}/cj",
            "LLM_PROVIDER_SERVICE_URL": f"{self.url}/llm/api/v1",
            "HULEEDU_ADMIN_TOKEN": token(),
        }

    async def answer(self, request: web.Request) -> web.StreamResponse:
        """The one handler of all services."""
        self.headers.append(dict(request.headers))
        status, body = self._said(request.path)
        date = format_datetime(datetime.now(UTC) + timedelta(seconds=self.clock_ahead), usegmt=True)
        return web.Response(
            status=status, body=json.dumps(body), content_type="application/json", headers={"Date": date}
        )

    def _said(self, path: str) -> tuple[int, object]:
        if path in self.unwell:
            return 503, {"status": "unhealthy"}
        if path in ("/content/healthz", "/cj/healthz", "/llm/healthz"):
            return 200, {"status": "healthy"}
        if path.startswith("/content/v1/content/"):
            return (400, {}) if path.endswith("/no-id") else (404, {})
        if path == "/llm/api/v1/models":
            return 200, {"providers": {"openai": self.models}, "total_models": len(self.models)}
        if path.startswith("/cj/admin/v1/") and self.refuses is not None:
            return self.refuses, {"error": {"error_code": "AUTHENTICATION_ERROR", "message": "no"}}
        if path == f"/cj/admin/v1/assessment-instructions/assignment/{ASSIGNMENT}" and self.instructions:
            return 200, self.instructions
        if path == f"/cj/admin/v1/anchors/assignment/{ASSIGNMENT}":
            rows = [
                {"id": n, "anchor_label": label, "grade": grade, "grade_scale": SCALE, "text_storage_id": f"{n:032x}"}
                for n, (label, grade) in enumerate(self.anchors.items())
            ]
            return 200, {"assignment_id": ASSIGNMENT, "anchors": rows}
        return 404, {"error": {"error_code": "RESOURCE_NOT_FOUND", "message": "no such thing"}}


def token(*, made_ago: timedelta = timedelta()) -> str:
    """An administrator's, valid for an hour."""
    return development_token(SECRET, now=datetime.now(UTC) - made_ago)


@asynccontextmanager
async def site() -> AsyncIterator[Site]:
    """The services, all well."""
    made: list[Site] = []

    async def handle(request: web.Request) -> web.StreamResponse:
        return await made[0].answer(request)

    with MockCluster() as cluster:
        for topic in Topic:
            cluster.create_topic(topic, partitions=2)
        async with serving(handle) as url:
            made.append(Site(url=url, bootstrap=cluster.bootstrap))
            yield made[0]
