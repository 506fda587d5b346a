"""The CJ service's admin routes over HTTP."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from eng5_runner.contracts.services import (
    AnchorListing,
    AnchorRegistered,
    ErrorAnswer,
    Instructions,
    InstructionsPage,
    JudgeRubric,
    StudentPrompt,
)
from eng5_runner.stack.cj.admin import CJAdmin
from eng5_runner.stack.cj.clients import ContentReader
from eng5_runner.stack.content import service as content
from eng5_runner.stack.content.service import ContentService
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.web import served

ESSAY = "An anchor's text has to be long enough to be compared with, and this one is. " * 2
INSTRUCTIONS = {
    "assignment_id": "a1",
    "instructions_text": "Judge the content and the language.",
    "grade_scale": "eng5_np_legacy_9_step",
}
ROUTES = [
    ("POST", "/admin/v1/assessment-instructions"),
    ("GET", "/admin/v1/assessment-instructions"),
    ("GET", "/admin/v1/assessment-instructions/assignment/a1"),
    ("DELETE", "/admin/v1/assessment-instructions/assignment/a1"),
    ("POST", "/admin/v1/student-prompts"),
    ("GET", "/admin/v1/student-prompts/assignment/a1"),
    ("POST", "/admin/v1/judge-rubrics"),
    ("GET", "/admin/v1/judge-rubrics/assignment/a1"),
    ("GET", "/admin/v1/anchors/assignment/a1"),
]


@dataclass
class Site:
    url: str
    http: aiohttp.ClientSession
    authority: TokenAuthority
    content_url: str

    def token(self, *roles: str, valid_for: timedelta = timedelta(hours=1)) -> str:
        return self.authority.issue(subject="tester", roles=roles, valid_for=valid_for)

    async def call(
        self, method: str, path: str, body: Any = None, *, token: str | None = None, params: Any = None
    ) -> tuple[int, bytes]:
        """A call as an administrator, unless another token is given ('' for none)."""
        bearer = self.token("admin") if token is None else token
        headers = {"X-Correlation-ID": "c-1"} | ({"Authorization": f"Bearer {bearer}"} if bearer else {})
        async with self.http.request(method, self.url + path, json=body, headers=headers, params=params) as response:
            assert response.headers["X-Correlation-ID"] == "c-1"
            return response.status, await response.read()


@pytest.fixture
async def site(tmp_path: Path) -> AsyncIterator[Site]:
    authority = TokenAuthority()
    async with (
        open_store(tmp_path) as store,
        aiohttp.ClientSession() as http,
        served(ContentService(store).application()) as content_url,
    ):
        contents = ContentReader(http, content_url + content.PATH)
        admin = CJAdmin(store=store, contents=contents, authority=authority)
        async with served(admin.application()) as url:
            yield Site(url, http, authority, content_url + content.PATH)


def code(body: bytes) -> str:
    error = ErrorAnswer.model_validate_json(body, extra="ignore").error
    assert error.correlation_id == "c-1"
    return error.error_code


@pytest.mark.parametrize(("method", "path"), ROUTES)
async def test_every_admin_route_wants_an_admin_s_token(site: Site, method: str, path: str) -> None:
    stranger = TokenAuthority().issue(subject="x", roles=("admin",), valid_for=timedelta(hours=1))
    for token in ("", "nonsense", stranger, site.token("admin", valid_for=timedelta(seconds=-1))):
        status, body = await site.call(method, path, token=token)
        assert (status, code(body)) == (401, "AUTHENTICATION_ERROR")

    status, body = await site.call(method, path, token=site.token("teacher"))
    assert (status, code(body)) == (403, "AUTHORIZATION_ERROR")


async def test_a_token_that_is_no_text_is_none(site: Site) -> None:
    host, port = site.url.removeprefix("http://").split(":")
    reader, writer = await asyncio.open_connection(host, int(port))
    head = b"GET /admin/v1/assessment-instructions HTTP/1.1\r\nHost: here\r\nConnection: close\r\n"
    writer.write(head + b"Authorization: Bearer \xe9\xff\r\n\r\n")
    answered = await reader.read()
    writer.close()
    assert answered.startswith(b"HTTP/1.1 401 ")
    assert b"AUTHENTICATION_ERROR" in answered


async def test_an_empty_id_is_refused_and_touches_no_other_s_instructions(site: Site) -> None:
    _, kept = await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS)
    change = {key: value for key, value in INSTRUCTIONS.items() if key != "assignment_id"}
    for ids in ({"assignment_id": ""}, {"course_id": ""}, {"assignment_id": "a1", "student_prompt_storage_id": ""}):
        body = change | {"instructions_text": "Judge nothing at all."} | ids
        status, answered = await site.call("POST", "/admin/v1/assessment-instructions", body)
        assert (status, code(answered)) == (400, "VALIDATION_ERROR")
    assert await site.call("GET", "/admin/v1/assessment-instructions/assignment/a1") == (200, kept)
    _, listed = await site.call("GET", "/admin/v1/assessment-instructions")
    assert InstructionsPage.model_validate_json(listed).total == 1

    for name, text in (("student-prompts", "prompt_text"), ("judge-rubrics", "rubric_text")):
        status, answered = await site.call("POST", f"/admin/v1/{name}", {"assignment_id": "", text: ESSAY})
        assert (status, code(answered)) == (404, "RESOURCE_NOT_FOUND")
    anchor = {"assignment_id": "a1", "grade": "B", "anchor_label": "one", "essay_text": ESSAY}
    for nameless in ({"assignment_id": ""}, {"anchor_label": ""}):
        status, _ = await site.call("POST", "/api/v1/anchors/register", anchor | nameless)
        assert status == 400


async def test_instructions_are_kept_replaced_and_forgotten(site: Site) -> None:
    status, body = await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS)
    assert status == 200
    first = Instructions.model_validate_json(body)

    replaced = INSTRUCTIONS | {"instructions_text": "Judge the reasoning alone.", "grade_scale": "swedish_8_anchor"}
    _, body = await site.call("POST", "/admin/v1/assessment-instructions", replaced)
    assert Instructions.model_validate_json(body).id == first.id

    path = "/admin/v1/assessment-instructions/assignment/a1"
    status, body = await site.call("GET", path)
    found = Instructions.model_validate_json(body)
    assert (status, found.instructions_text, found.grade_scale) == (200, *list(replaced.values())[1:])
    assert found.created_at == first.created_at

    status, body = await site.call("DELETE", path)
    assert (status, b'"status":"deleted"' in body) == (200, True)
    for method in ("GET", "DELETE"):
        status, body = await site.call(method, path)
        assert (status, code(body)) == (404, "RESOURCE_NOT_FOUND")


@pytest.mark.parametrize(
    "change",
    [
        {"assignment_id": None},
        {"course_id": "c1"},
        {"instructions_text": "short"},
        {"grade_scale": "stars"},
        {"context_origin": "elsewhere"},
    ],
)
async def test_instructions_that_break_the_contract_are_refused(site: Site, change: dict[str, Any]) -> None:
    status, body = await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS | change)

    assert (status, code(body)) == (400, "VALIDATION_ERROR")


async def test_the_list_has_pages_and_a_filter(site: Site) -> None:
    for number in range(5):
        scale = ("eng5_np_legacy_9_step", "swedish_8_anchor")[number % 2]
        body = INSTRUCTIONS | {"assignment_id": f"a{number}", "grade_scale": scale}
        await site.call("POST", "/admin/v1/assessment-instructions", body)

    async def page(**params: str) -> InstructionsPage:
        status, body = await site.call("GET", "/admin/v1/assessment-instructions", params=params)
        assert status == 200
        return InstructionsPage.model_validate_json(body)

    assert [item.assignment_id for item in (await page(page="2", page_size="2")).items] == ["a2", "a1"]
    filtered = await page(grade_scale="swedish_8_anchor")
    assert (filtered.total, {item.assignment_id for item in filtered.items}) == (2, {"a1", "a3"})
    assert (await page(page="9")).items == ()
    for params in (
        {"page": "0"},
        {"page": "x"},
        {"page": "9" * 25},
        {"page": "9" * 5000},
        {"page_size": "1000"},
    ):
        status, body = await site.call("GET", "/admin/v1/assessment-instructions", params=params)
        assert (status, code(body)) == (400, "VALIDATION_ERROR")


async def test_prompt_and_rubric_lie_in_the_content_service(site: Site) -> None:
    await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS)
    task, rubric = "Write about a place that changed you, please.", "Reward reasons over ornament."

    for name, body in (
        ("student-prompts", {"prompt_text": task}),
        ("judge-rubrics", {"rubric_text": rubric}),
    ):
        status, _ = await site.call("GET", f"/admin/v1/{name}/assignment/a1")
        assert status == 404
        status, posted = await site.call("POST", f"/admin/v1/{name}", {"assignment_id": "a1"} | body)
        assert status == 200
        assert await site.call("GET", f"/admin/v1/{name}/assignment/a1") == (200, posted)
        status, answered = await site.call("POST", f"/admin/v1/{name}", {"assignment_id": "nobody"} | body)
        assert (status, code(answered)) == (404, "RESOURCE_NOT_FOUND")

    _, body = await site.call("GET", "/admin/v1/student-prompts/assignment/a1")
    prompt = StudentPrompt.model_validate_json(body)
    assert (prompt.prompt_text, prompt.grade_scale) == (task, INSTRUCTIONS["grade_scale"])
    _, body = await site.call("GET", "/admin/v1/judge-rubrics/assignment/a1")
    storage_id = JudgeRubric.model_validate_json(body).judge_rubric_storage_id
    async with site.http.get(f"{site.content_url}/{storage_id}") as response:
        assert await response.text() == rubric


async def test_anchors_are_registered_without_a_token_and_the_same_label_updates(site: Site) -> None:
    await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS)
    anchor = {"assignment_id": "a1", "grade": "C+", "anchor_label": "one", "essay_text": ESSAY}

    async def register(**change: str) -> AnchorRegistered:
        status, body = await site.call("POST", "/api/v1/anchors/register", anchor | change, token="")
        assert status == 201
        return AnchorRegistered.model_validate_json(body)

    first = await register()
    again = await register(grade="B", essay_text=ESSAY + "And more.")
    other = await register(anchor_label="two")

    assert first.anchor_id == again.anchor_id != other.anchor_id
    status, body = await site.call("GET", "/admin/v1/anchors/assignment/a1")
    listing = AnchorListing.model_validate_json(body)
    assert status == 200
    assert [(one.anchor_label, one.grade) for one in listing.anchors] == [("one", "B"), ("two", "C+")]
    assert listing.anchors[0].text_storage_id == again.storage_id
    assert (listing.anchor_count, listing.anchor_count_by_scale) == (2, {"eng5_np_legacy_9_step": 2})


async def test_anchors_of_another_scale_are_counted_and_not_used(site: Site) -> None:
    await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS)
    anchor = {"assignment_id": "a1", "grade": "B", "anchor_label": "one", "essay_text": ESSAY}
    await site.call("POST", "/api/v1/anchors/register", anchor)
    changed = INSTRUCTIONS | {"grade_scale": "swedish_8_anchor"}
    await site.call("POST", "/admin/v1/assessment-instructions", changed)

    _, body = await site.call("GET", "/admin/v1/anchors/assignment/a1")

    listing = AnchorListing.model_validate_json(body)
    assert (listing.anchor_count, listing.anchor_count_total, listing.anchors) == (0, 1, ())


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"assignment_id": "nobody"}, b"Unknown assignment_id"),
        ({"grade": "A+"}, b"is not on scale"),
        ({"grade": "F"}, b"is not on scale"),
        ({"essay_text": "too short"}, b"essay_text"),
    ],
)
async def test_anchors_that_cannot_be_used_are_refused(site: Site, change: dict[str, str], told: bytes) -> None:
    await site.call("POST", "/admin/v1/assessment-instructions", INSTRUCTIONS)
    anchor = {"assignment_id": "a1", "grade": "B", "anchor_label": "one", "essay_text": ESSAY} | change

    status, body = await site.call("POST", "/api/v1/anchors/register", anchor)

    assert status == 400
    assert body.startswith(b'{"error":"')
    assert told in body


async def test_anchors_of_an_unknown_assignment_are_not_found(site: Site) -> None:
    status, body = await site.call("GET", "/admin/v1/anchors/assignment/nobody")

    assert (status, code(body)) == (404, "RESOURCE_NOT_FOUND")


async def test_unknown_routes_answer_in_the_same_shape(site: Site) -> None:
    status, body = await site.call("GET", "/admin/v1/nothing")
    assert (status, code(body)) == (404, "RESOURCE_NOT_FOUND")
    status, _ = await site.call("GET", "/admin/v1/nothing", token="")
    assert status == 401
