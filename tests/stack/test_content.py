"""The Content Service over HTTP."""

from __future__ import annotations

import io
from collections.abc import AsyncIterator
from dataclasses import dataclass
from pathlib import Path

import aiohttp
import pytest

from eng5_runner.contracts.services import ErrorAnswer, Health, StoredContent
from eng5_runner.stack.content.service import LARGEST_BODY, PATH, ContentService
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.web import served


@dataclass
class Site:
    url: str
    http: aiohttp.ClientSession


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    async with (
        open_store(tmp_path) as store,
        served(ContentService(store).application()) as url,
        aiohttp.ClientSession() as http,
    ):
        yield Site(url, http)


async def refused(response: aiohttp.ClientResponse, status: int, error_code: str) -> str:
    assert response.status == status
    error = ErrorAnswer.model_validate_json(await response.read(), extra="ignore").error
    assert error.error_code == error_code
    assert error.correlation_id == response.headers["X-Correlation-ID"]
    return error.message


async def stored(site: Site, body: bytes, **headers: str) -> StoredContent:
    async with site.http.post(site.url + PATH, data=body, headers=headers) as response:
        assert response.status == 201
        return StoredContent.model_validate_json(await response.read())


@pytest.mark.parametrize("content_type", ["text/plain; charset=utf-8", "application/pdf", "application/octet-stream"])
async def test_what_was_uploaded_comes_back_with_its_type(site: Site, content_type: str) -> None:
    body = bytes(range(256)) * 100

    given = await stored(site, body, **{"Content-Type": content_type})

    async with site.http.get(f"{site.url}{PATH}/{given.storage_id}") as response:
        assert response.status == 200
        assert await response.read() == body
        assert response.headers["Content-Type"] == content_type


async def test_the_same_bytes_get_a_new_id_each_time(site: Site) -> None:
    ids = {(await stored(site, b"the same")).storage_id for _ in range(3)}

    assert len(ids) == 3


async def test_the_correlation_id_is_taken_over(site: Site) -> None:
    assert (await stored(site, b"x", **{"X-Correlation-ID": "run-7"})).correlation_id == "run-7"
    assert (await stored(site, b"x", **{"X-Correlation-ID": "long" * 100})).correlation_id != "long" * 100


async def test_an_empty_body_is_refused(site: Site) -> None:
    async with site.http.post(site.url + PATH, data=b"") as response:
        await refused(response, 400, "VALIDATION_ERROR")


async def test_a_body_above_the_cap_is_refused(site: Site) -> None:
    async with site.http.post(site.url + PATH, data=io.BytesIO(bytes(LARGEST_BODY + 1))) as response:
        await refused(response, 413, "VALIDATION_ERROR")


@pytest.mark.parametrize("storage_id", ["short", "A" * 32, "g" * 32, "0" * 33])
async def test_a_malformed_id_is_refused(site: Site, storage_id: str) -> None:
    async with site.http.get(f"{site.url}{PATH}/{storage_id}") as response:
        await refused(response, 400, "VALIDATION_ERROR")


async def test_an_unknown_id_is_not_found(site: Site) -> None:
    async with site.http.get(f"{site.url}{PATH}/{'0' * 32}") as response:
        await refused(response, 404, "RESOURCE_NOT_FOUND")


async def test_an_unknown_route_is_not_found_in_the_same_shape(site: Site) -> None:
    async with site.http.get(f"{site.url}/v2/content") as response:
        await refused(response, 404, "RESOURCE_NOT_FOUND")


async def test_health_and_metrics_answer(site: Site) -> None:
    async with site.http.get(f"{site.url}/healthz") as response:
        assert Health.model_validate_json(await response.read()).status == "healthy"
    async with site.http.get(f"{site.url}/metrics") as response:
        assert response.headers["Content-Type"].startswith("text/plain")
        assert 'http_requests_total{method="GET",route="/healthz",status="200"} 1.0' in await response.text()


async def test_content_outlives_the_service(tmp_path: Path) -> None:
    ids = []
    for _ in range(2):
        async with (
            open_store(tmp_path) as store,
            served(ContentService(store).application()) as url,
            aiohttp.ClientSession() as http,
        ):
            site = Site(url, http)
            ids.append((await stored(site, b"kept")).storage_id)
            for storage_id in ids:
                async with http.get(f"{url}{PATH}/{storage_id}") as response:
                    assert await response.read() == b"kept"
