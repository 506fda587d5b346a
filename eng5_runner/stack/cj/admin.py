"""The CJ Assessment Service's HTTP side: what it keeps for assignments, for administrators.

`contracts.administration` describes the routes; prompt and rubric share their handlers.
"""

from __future__ import annotations

from collections import Counter
from typing import Any

from aiohttp import web
from aiohttp.typedefs import Middleware

from eng5_runner.contracts.administration import (
    ADMIN_PATH,
    ANCHOR_REGISTRATION_PATH,
    ANCHORS,
    INSTRUCTIONS,
    PROMPT,
    RUBRIC,
    AdminText,
    RecordT,
)
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorRegistered,
    InstructionsBody,
    InstructionsPage,
)
from eng5_runner.contracts.study_options import STUDY_OPTIONS
from eng5_runner.stack.cj.assignments import Assignment, Assignments
from eng5_runner.stack.cj.clients import ContentReader, NeighbourFailed
from eng5_runner.stack.cj.events import SERVICE
from eng5_runner.stack.identity.tokens import ADMIN_ROLE, TokenAuthority, TokenInvalid
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.web import Handler, RequestRefused, answer, invalid, not_found, parsed, service

_OF_ASSIGNMENT = "/assignment/{id}"
_LARGEST_BODY = 10 * 1024 * 1024
_PAGE_SIZE = 20
_LARGEST_PAGE = 200
# A page's offset must fit the integers of every database.
_LAST_PAGE = 1_000_000


class CJAdmin:
    """The handlers of the service."""

    def __init__(self, *, store: Store, contents: ContentReader, authority: TokenAuthority) -> None:
        """Set the handlers up.

        Args:
            store: keeps assignments.
            contents: keeps the texts of tasks, rubrics and anchors.
            authority: knows the roles of a token.
        """
        self._assignments = Assignments(store)
        self._contents = contents
        self._authority = authority

    def application(self) -> web.Application:
        """The service's HTTP side."""
        app, _ = service(SERVICE, largest_body=_LARGEST_BODY, honours=STUDY_OPTIONS)
        app.middlewares.append(self._admins_only())
        instructions = f"{ADMIN_PATH}/{INSTRUCTIONS.path}"
        app.router.add_post(instructions, self.put_instructions)
        app.router.add_get(instructions, self.list_instructions)
        app.router.add_get(instructions + _OF_ASSIGNMENT, self.get_instructions)
        app.router.add_delete(instructions + _OF_ASSIGNMENT, self.delete_instructions)
        for text in (PROMPT, RUBRIC):
            app.router.add_post(f"{ADMIN_PATH}/{text.path}", self._put_text(text))
            app.router.add_get(f"{ADMIN_PATH}/{text.path}{_OF_ASSIGNMENT}", self._get_text(text))
        app.router.add_get(f"{ADMIN_PATH}/{ANCHORS.path}{_OF_ASSIGNMENT}", self.list_anchors)
        app.router.add_post(ANCHOR_REGISTRATION_PATH, self.register_anchor)
        return app

    def _admins_only(self) -> Middleware:
        @web.middleware
        async def middleware(request: web.Request, handler: Handler) -> web.StreamResponse:
            if request.path.startswith(ADMIN_PATH):
                self._check_admin(request.headers.get("Authorization", ""))
            return await handler(request)

        return middleware

    def _check_admin(self, authorization: str) -> None:
        scheme, _, token = authorization.partition(" ")
        try:
            roles = self._authority.roles(token.strip() if scheme.lower() == "bearer" else "")
        except TokenInvalid as error:
            message = f"not authenticated: {error}"
            headers = {"WWW-Authenticate": "Bearer"}
            raise RequestRefused(401, error_code="AUTHENTICATION_ERROR", message=message, headers=headers) from error
        if ADMIN_ROLE not in roles:
            raise RequestRefused(403, error_code="AUTHORIZATION_ERROR", message=f"the role {ADMIN_ROLE} is needed")

    async def put_instructions(self, request: web.Request) -> web.StreamResponse:
        """Store the instructions of an assignment or a course."""
        body = await parsed(request, InstructionsBody)
        if (body.assignment_id is None) == (body.course_id is None):
            raise invalid("exactly one of assignment_id and course_id is needed")
        if "" in (body.assignment_id, body.course_id, body.student_prompt_storage_id):
            raise invalid("an id is empty")
        if body.grade_scale not in GRADE_SCALES:
            raise invalid(f"grade_scale: unknown; known are {', '.join(GRADE_SCALES)}")
        return answer(await self._assignments.put(body))

    async def list_instructions(self, request: web.Request) -> web.StreamResponse:
        """One page of all instructions, the newest first."""
        number = _number(request, "page", default=1, highest=_LAST_PAGE)
        size = _number(request, "page_size", default=_PAGE_SIZE, highest=_LARGEST_PAGE)
        scale = request.query.get("grade_scale")
        items, total = await self._assignments.page(number=number, size=size, grade_scale=scale)
        return answer(InstructionsPage(items=tuple(items), total=total, page=number, page_size=size))

    async def get_instructions(self, request: web.Request) -> web.StreamResponse:
        """The instructions of an assignment."""
        return answer(await self._assignment(request.match_info["id"]))

    async def delete_instructions(self, request: web.Request) -> web.StreamResponse:
        """Delete the instructions of an assignment."""
        assignment_id = request.match_info["id"]
        if not await self._assignments.remove(assignment_id):
            raise _unknown(assignment_id)
        return answer({"status": "deleted", "assignment_id": assignment_id})

    def _put_text(self, resource: AdminText[Any]) -> Handler:
        """Store a text of an assignment, in the Content Service."""

        async def handler(request: web.Request) -> web.StreamResponse:
            body = (await parsed(request, resource.body)).model_dump()
            text, assignment_id = body[resource.text], body["assignment_id"]
            await self._assignment(assignment_id)
            storage_id = await self._stored(text)
            assignment = await self._assignments.point(assignment_id, **{resource.storage_id: storage_id})
            return answer(_text_record(resource, assignment, storage_id=storage_id, text=text))

        return handler

    def _get_text(self, resource: AdminText[Any]) -> Handler:
        """The text of an assignment."""

        async def handler(request: web.Request) -> web.StreamResponse:
            assignment_id = request.match_info["id"]
            assignment = await self._assignment(assignment_id)
            storage_id = getattr(assignment, resource.storage_id)
            if storage_id is None:
                raise not_found(f"assignment {assignment_id} has no {resource.path.replace('-', ' ').rstrip('s')}")
            text = await self._text(storage_id)
            return answer(_text_record(resource, assignment, storage_id=storage_id, text=text))

        return handler

    async def list_anchors(self, request: web.Request) -> web.StreamResponse:
        """The anchors of an assignment on its scale, and how many there are on others."""
        assignment = await self._assignment(request.match_info["id"])
        registered = await self._assignments.anchors(assignment.assignment_id)
        usable = [anchor for anchor in registered if anchor.grade_scale == assignment.grade_scale]
        return answer(
            AnchorListing(
                assignment_id=request.match_info["id"],
                grade_scale=assignment.grade_scale,
                anchor_count=len(usable),
                anchors=tuple(usable),
                anchor_count_total=len(registered),
                anchor_count_by_scale=dict(Counter(anchor.grade_scale for anchor in registered)),
            )
        )

    async def register_anchor(self, request: web.Request) -> web.StreamResponse:
        """Store an anchor, its text in the Content Service. Needs no token, like the real service."""
        try:
            body = await parsed(request, AnchorBody)
        except RequestRefused as refusal:
            return answer({"error": refusal.message}, status=400)
        if not body.anchor_label:
            return answer({"error": "anchor_label is empty"}, status=400)
        assignment = await self._assignments.find(body.assignment_id)
        if assignment is None:
            return answer({"error": f"Unknown assignment_id '{body.assignment_id}'"}, status=400)
        if body.grade not in GRADE_SCALES[assignment.grade_scale].grades:
            return answer({"error": f"Grade '{body.grade}' is not on scale {assignment.grade_scale}"}, status=400)
        storage_id = await self._stored(body.essay_text)
        values = {"grade": body.grade, "grade_scale": assignment.grade_scale, "text_storage_id": storage_id}
        anchor = await self._assignments.put_anchor(
            assignment_id=body.assignment_id, label=body.anchor_label, values=values
        )
        registered = AnchorRegistered(anchor_id=anchor.id, storage_id=storage_id, grade_scale=assignment.grade_scale)
        return answer(registered, status=201)

    async def _assignment(self, assignment_id: str) -> Assignment:
        assignment = await self._assignments.find(assignment_id)
        if assignment is None:
            raise _unknown(assignment_id)
        return assignment

    async def _stored(self, text: str) -> str:
        try:
            return await self._contents.store(text)
        except NeighbourFailed as error:
            raise RequestRefused(502, error_code="EXTERNAL_SERVICE_ERROR", message=str(error)) from error

    async def _text(self, storage_id: str) -> str:
        try:
            return await self._contents.text(storage_id)
        except NeighbourFailed as error:
            raise RequestRefused(502, error_code="EXTERNAL_SERVICE_ERROR", message=str(error)) from error


def _number(request: web.Request, name: str, *, default: int, highest: int) -> int:
    given = request.query.get(name)
    if given is None:
        return default
    # Python refuses to parse numbers of thousands of digits.
    is_number = given.isascii() and given.isdecimal() and len(given) <= len(str(highest))
    if not is_number or not 1 <= int(given) <= highest:
        raise invalid(f"{name}: a number from 1 to {highest} is needed")
    return int(given)


def _unknown(assignment_id: str) -> RequestRefused:
    return not_found(f"no assessment instructions for assignment {assignment_id}")


def _text_record(resource: AdminText[RecordT], assignment: Assignment, *, storage_id: str, text: str) -> RecordT:
    return resource.record.model_validate(
        {
            "assignment_id": assignment.assignment_id,
            resource.storage_id: storage_id,
            resource.text: text,
            "instructions_text": assignment.instructions_text,
            "grade_scale": assignment.grade_scale,
            "created_at": assignment.created_at,
        }
    )
