"""What is on record at the CJ service: read, written and read back, also where the service does not do as it says."""

from __future__ import annotations

import json
import traceback
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import aiohttp
import pytest
from aiohttp import web

from eng5_runner.contracts.administration import INSTRUCTIONS, PROMPT, RUBRIC
from eng5_runner.contracts.services import InstructionsBody, JudgeRubricBody, StudentPromptBody
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.errors import (
    ConfigurationError,
    InputsInvalid,
    NotAllowed,
    RunnerError,
    ServiceUnavailable,
    UsageError,
)
from eng5_runner.run.anchor_registration import AnchorToRegister, register_anchors
from eng5_runner.transport.http import http_session
from tests.admin.site import ESSAY, SCALE, Site, administration_at
from tests.support.servers import serving

TEXT = "Judge the content, then the language.\r\nNothing else."
TOKEN = "canary-token-7d10"
STORAGE = "0a" * 16
NEW_INSTRUCTIONS = InstructionsBody(assignment_id="a1", instructions_text=TEXT, grade_scale=SCALE)
NEW_PROMPT = StudentPromptBody(assignment_id="a1", prompt_text=TEXT)
NEW_RUBRIC = JudgeRubricBody(assignment_id="a1", rubric_text=TEXT)
ANCHORS = [AnchorToRegister(label=label, grade=grade, text=ESSAY) for label, grade in (("one", "A"), ("two", "F+"))]

Work = Callable[[CJAdminClient], Awaitable[Any]]
READS: list[Work] = [
    lambda client: client.instructions("a1"),
    lambda client: client.prompt("a1"),
    lambda client: client.get(RUBRIC, "a1"),
    lambda client: client.anchors("a1"),
    lambda client: client.all_instructions(),
]
WRITES: list[Work] = [
    lambda client: client.put(INSTRUCTIONS, NEW_INSTRUCTIONS),
    lambda client: client.delete_instructions("a1"),
    lambda client: client.put(PROMPT, NEW_PROMPT),
    lambda client: client.put(RUBRIC, NEW_RUBRIC),
]
REGISTER: Work = lambda client: register_anchors(client, "a1", anchors=ANCHORS)  # noqa: E731 - as its neighbours


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session(connections=4, secret=None) as made:
        yield made


@dataclass
class Double:
    """A CJ service whose answers a test sets by method and the path's kind; others are answered 404."""

    answers: dict[tuple[str, str], tuple[int, Any]]
    asked: list[tuple[str, str]] = field(default_factory=list)
    bodies: list[Any] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        kind = request.path.split("/")[3]
        self.asked.append((request.method, request.raw_path))
        self.bodies.append(await request.text())
        status, body = self.answers.get((request.method, kind), (404, {}))
        return web.json_response(body, status=status)


async def test_an_assignment_s_life(site: Site) -> None:
    client = site.administration()
    assert await client.instructions("a1") is None
    assert not await client.delete_instructions("a1")

    written = await client.put(INSTRUCTIONS, NEW_INSTRUCTIONS)
    assert await client.instructions("a1") == written
    assert (await client.put(PROMPT, NEW_PROMPT)).prompt_text == TEXT
    rubric = await client.put(RUBRIC, NEW_RUBRIC)
    assert await client.get(RUBRIC, "a1") == rubric
    registration = await register_anchors(client, "a1", anchors=ANCHORS)
    assert registration.findings == ()
    assert [(row.anchor_label, row.grade) for row in registration.rows] == [("one", "A"), ("two", "F+")]
    better = [AnchorToRegister(label="two", grade="B", text=ESSAY + "More.")]
    again = await register_anchors(client, "a1", anchors=better)
    assert (again.findings, again.rows[0].id) == ((), registration.rows[1].id)

    assert await client.delete_instructions("a1")
    assert await client.instructions("a1") is None


async def test_a_course_s_instructions_and_all_pages(site: Site) -> None:
    client = site.administration()
    for number in range(60):
        scale = (SCALE, "swedish_8_anchor")[number % 2]
        body = InstructionsBody(course_id=f"c{number}", instructions_text=f"{TEXT} {number}", grade_scale=scale)
        await client.put(INSTRUCTIONS, body)
    course = InstructionsBody(course_id="c3", instructions_text="A new text for it.", grade_scale=SCALE)

    assert (await client.put(INSTRUCTIONS, course)).course_id == "c3"
    found = await client.course_instructions("c3")
    assert found is not None
    assert found.instructions_text == "A new text for it."
    assert await client.course_instructions("c99") is None
    assert len(await client.all_instructions()) == 60
    assert len(await client.all_instructions(grade_scale=SCALE)) == 31


@pytest.mark.parametrize("assignment_id", ["a/b c?d#e%2F&ü", "...", "x" * 100])
async def test_an_assignment_s_id_may_be_anything(site: Site, assignment_id: str) -> None:
    client = site.administration()
    body = InstructionsBody(assignment_id=assignment_id, instructions_text=TEXT, grade_scale=SCALE)
    assert (await client.put(INSTRUCTIONS, body)).assignment_id == assignment_id
    assert await client.delete_instructions(assignment_id)


@pytest.mark.parametrize("assignment_id", ["", ".", "..", "x" * 101])
async def test_an_id_that_would_lead_elsewhere_goes_nowhere(session: aiohttp.ClientSession, assignment_id: str) -> None:
    double = Double({})
    async with serving(double) as url:
        client = administration_at(session, url)
        body = InstructionsBody(assignment_id=assignment_id, instructions_text=TEXT, grade_scale=SCALE)
        for work in (
            client.instructions(assignment_id),
            client.put(INSTRUCTIONS, body),
            client.delete_instructions(assignment_id),
            register_anchors(client, assignment_id, anchors=ANCHORS),
        ):
            with pytest.raises(UsageError):
                await work
    assert double.asked == []


@pytest.mark.parametrize("work", [*READS, *WRITES])
async def test_without_a_good_token_nothing_is_allowed(site: Site, work: Work) -> None:
    for token, told in (("", "does not accept the token"), ("x", "accept"), (site.token("teacher"), "lacks the role")):
        with pytest.raises(NotAllowed, match=told) as caught:
            await work(site.administration(token))
        assert "admin whoami" in caught.value.remedy


async def test_anchors_need_no_token_and_then_nobody_can_look(site: Site) -> None:
    await site.administration().put(INSTRUCTIONS, NEW_INSTRUCTIONS)
    registration = await register_anchors(site.administration(""), "a1", anchors=ANCHORS)
    assert [(one.kind, one.label) for one in registration.findings] == [("not_allowed", "one"), ("not_allowed", "two")]
    listing = await site.administration().anchors("a1")
    assert listing is not None
    assert len(listing.anchors) == 2


async def test_what_the_service_does_not_take_is_told_for_each_anchor_and_the_others_go_on(site: Site) -> None:
    client = site.administration()
    nowhere = await register_anchors(client, "nobody", anchors=ANCHORS)
    assert [one.kind for one in nowhere.findings] == ["refused", "refused"]
    assert "Unknown assignment_id 'nobody'" in nowhere.findings[0].message

    await client.put(INSTRUCTIONS, NEW_INSTRUCTIONS)
    odd = AnchorToRegister(label="odd", grade="Z", text=ESSAY)
    registration = await register_anchors(client, "a1", anchors=[odd, *ANCHORS])
    assert [(one.kind, one.label) for one in registration.findings] == [("refused", "odd")]
    assert [row.anchor_label for row in registration.rows] == ["one", "two"]


async def test_a_short_anchor_stops_all_before_anything_is_sent(session: aiohttp.ClientSession) -> None:
    double = Double({})
    async with serving(double) as url:
        short = AnchorToRegister(label="short", grade="A", text="canary " * 14)
        with pytest.raises(InputsInvalid, match="at least 100 characters") as caught:
            await register_anchors(administration_at(session, url), "a1", anchors=[*ANCHORS, short])
    assert double.asked == []
    assert "canary" not in caught.value.message


@pytest.mark.parametrize("work", [*READS, *WRITES, REGISTER])
async def test_one_and_the_same_500_is_told_as_what_it_may_mean_and_not_asked_again(
    session: aiohttp.ClientSession, work: Work
) -> None:
    asked = []

    async def broken(request: web.Request) -> web.StreamResponse:
        asked.append(request.method)
        return web.json_response({"error": "Internal Server Error", "token": TOKEN}, status=500)

    async with serving(broken) as url:
        with pytest.raises(ServiceUnavailable, match="not found, not allowed, or broken") as caught:
            await work(administration_at(session, url, token=TOKEN))
    assert len(asked) == 1
    for check in ("instructions list", "whoami", "--cj-service-url", "log"):
        assert check in caught.value.remedy
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("status", "error"),
    [(400, InputsInvalid), (404, ConfigurationError), (409, InputsInvalid), (413, InputsInvalid), (422, InputsInvalid)],
)
async def test_a_corrected_service_s_refusals_are_told_as_they_are(
    session: aiohttp.ClientSession, status: int, error: type[RunnerError]
) -> None:
    async def refuse(_: web.Request) -> web.StreamResponse:
        body = {"error": {"error_code": "VALIDATION_ERROR", "message": f"grade_scale: {TOKEN} unknown"}}
        return web.json_response(body, status=status)

    async with serving(refuse) as url:
        for work in (WRITES[0], WRITES[2], WRITES[3]):
            with pytest.raises(error, match=rf"{status} \(VALIDATION_ERROR: grade_scale: … unknown\)"):
                await work(administration_at(session, url, token=TOKEN))


STORED = {"id": 4, "assignment_id": "a1", "instructions_text": TEXT, "grade_scale": SCALE}


@pytest.mark.parametrize(
    ("read", "told"),
    [
        ((404, {}), "did not store what was sent: there is nothing"),
        ((500, {"error": "x"}), "most likely it stored nothing"),
        ((200, STORED | {"instructions_text": "An older text."}), "it has another text"),
        ((200, STORED | {"grade_scale": "swedish_8_anchor"}), "another grade scale, swedish_8_anchor"),
        ((200, STORED | {"context_origin": "canonical_national"}), "another context origin"),
        ((200, {"id": "x"}), "most likely it stored nothing.*not a Instructions"),
    ],
)
async def test_instructions_that_are_not_on_record_are_told(
    session: aiohttp.ClientSession, read: tuple[int, Any], told: str
) -> None:
    kind = "assessment-instructions"
    async with serving(Double({("POST", kind): (200, STORED), ("GET", kind): read})) as url:
        with pytest.raises(ServiceUnavailable, match=told):
            await administration_at(session, url).put(INSTRUCTIONS, NEW_INSTRUCTIONS)


@pytest.mark.parametrize("read", [(404, {}), (500, {}), (200, None)])
@pytest.mark.parametrize(("kind", "work"), [("student-prompts", WRITES[2]), ("judge-rubrics", WRITES[3])])
async def test_a_task_or_rubric_that_is_not_on_record_is_told(
    session: aiohttp.ClientSession, kind: str, work: Work, read: tuple[int, Any]
) -> None:
    older = {
        "assignment_id": "a1",
        "student_prompt_storage_id": STORAGE,
        "judge_rubric_storage_id": STORAGE,
        "prompt_text": "Older, as it was.",
        "rubric_text": "Older, as it was.",
    }
    answer = read if read[1] is not None else (200, older)
    async with serving(Double({("POST", kind): (201, older), ("GET", kind): answer})) as url:
        with pytest.raises(ServiceUnavailable, match=r"accepted the (prompt|rubric)"):
            await work(administration_at(session, url))


async def test_white_space_that_a_service_changes_is_no_difference(session: aiohttp.ClientSession) -> None:
    stored = STORED | {"instructions_text": TEXT.replace("\r\n", "\n") + "\n", "created_at": "not a date"}
    kind = "assessment-instructions"
    async with serving(Double({("POST", kind): (200, "OK"), ("GET", kind): (200, stored)})) as url:
        assert (await administration_at(session, url).put(INSTRUCTIONS, NEW_INSTRUCTIONS)).id == 4


async def test_instructions_that_stay_after_their_deletion_are_told(session: aiohttp.ClientSession) -> None:
    kind = "assessment-instructions"
    deleted = {"status": "deleted"}
    async with serving(Double({("DELETE", kind): (200, deleted), ("GET", kind): (200, STORED)})) as url:
        with pytest.raises(ServiceUnavailable, match="still has them"):
            await administration_at(session, url).delete_instructions("a1")
    async with serving(Double({("DELETE", kind): (200, deleted), ("GET", kind): (500, {})})) as url:
        assert await administration_at(session, url).delete_instructions("a1")


REGISTERED = {"anchor_id": 7, "storage_id": STORAGE, "grade_scale": SCALE, "status": "registered"}
ROW = {"id": 7, "anchor_label": "one", "grade": "A", "grade_scale": SCALE, "text_storage_id": STORAGE}
HTTP_DATE = {"created_at": "Sun, 22 Nov 2026 10:41:47 GMT"}
TWO = ROW | {"id": 8, "anchor_label": "two", "grade": "F+", "created_at": "2026-11-22T10:41:47"}


@pytest.mark.parametrize(
    ("listing", "kinds"),
    [
        ((200, {"assignment_id": "a1", "anchors": [ROW | HTTP_DATE, TWO]}), []),
        ((200, {"assignment_id": "a1", "anchors": []}), ["not_stored", "not_stored"]),
        ((200, {"assignment_id": "a1", "anchors": [ROW | {"grade": "B"}, TWO]}), ["not_stored"]),
        ((200, {"assignment_id": "a1", "anchors": [ROW | {"text_storage_id": "other"}, TWO]}), ["not_stored"]),
        ((404, {}), ["not_stored", "not_stored"]),
        ((500, {"error": "Internal Server Error"}), ["unreadable", "unreadable"]),
        ((401, {}), ["not_allowed", "not_allowed"]),
        ((200, "OK"), ["unreadable", "unreadable"]),
    ],
)
async def test_anchors_are_looked_for_after_they_were_registered(
    session: aiohttp.ClientSession, listing: tuple[int, Any], kinds: list[str]
) -> None:
    double = Double({("POST", "anchors"): (201, REGISTERED), ("GET", "anchors"): listing})
    async with serving(double) as url:
        registration = await register_anchors(administration_at(session, url), "a1", anchors=ANCHORS)
    assert [one.kind for one in registration.findings] == kinds
    assert len(registration.rows) == 2 - len(kinds)
    assert all(one.message and one.remedy for one in registration.findings)
    first = json.loads(double.bodies[0])
    assert first == {"assignment_id": "a1", "grade": "A", "anchor_label": "one", "essay_text": ESSAY}


async def test_dates_are_read_in_both_forms(session: aiohttp.ClientSession) -> None:
    listing = {"assignment_id": "a1", "anchors": [ROW | HTTP_DATE, TWO]}
    async with serving(Double({("GET", "anchors"): (200, listing)})) as url:
        found = await administration_at(session, url).anchors("a1")
    assert found is not None
    assert {row.created_at for row in found.anchors} == {datetime(2026, 11, 22, 10, 41, 47, tzinfo=UTC)}


async def test_a_list_that_never_ends_is_left_when_nothing_new_comes(session: aiohttp.ClientSession) -> None:
    page = {"items": [STORED], "total": 10**9, "page": 1, "page_size": 50}
    double = Double({("GET", "assessment-instructions"): (200, page)})
    async with serving(double) as url:
        found = await administration_at(session, url).all_instructions(grade_scale="a&b")
    assert len(found) == 1
    assert [path.partition("?")[2] for _, path in double.asked] == [
        f"page={number}&page_size=50&grade_scale=a%26b" for number in (1, 2)
    ]


async def test_bodies_are_json_and_hold_no_nulls(session: aiohttp.ClientSession) -> None:
    types = []

    async def take(request: web.Request) -> web.StreamResponse:
        types.append((request.content_type, await request.text()))
        return web.json_response(STORED)

    async with serving(take) as url:
        await administration_at(session, url).put(INSTRUCTIONS, NEW_INSTRUCTIONS)
    content_type, body = types[0]
    assert content_type == "application/json"
    assert None not in json.loads(body).values()
