"""The CJ service's HTTP side: whether it is up, and what it keeps for assignments.

    client = CJAdminClient(service)
    await client.put(RUBRIC, JudgeRubricBody(assignment_id="a1", rubric_text="Judge the content first."))
    rubric = await client.get(RUBRIC, "a1")        # a JudgeRubric, or None
    anchors = await client.anchors("a1")           # an AnchorListing, or None

The service's answer to a write proves nothing: it may say 200 and store nothing. So `put` and `delete_instructions`
read back what they wrote. The present service also answers every refusal with the same 500, so a 500 is not retried.
"""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote, urlencode

from eng5_runner.contracts.administration import (
    ADMIN_PATH,
    ANCHOR_REGISTRATION_PATH,
    ANCHORS,
    INSTRUCTIONS,
    PROMPT,
    AdminResource,
    AdminText,
)
from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorRegistered,
    Health,
    Instructions,
    InstructionsPage,
    StudentPrompt,
)
from eng5_runner.errors import (
    ConfigurationError,
    InputsInvalid,
    NotAllowed,
    RunnerError,
    ServiceUnavailable,
    UsageError,
)
from eng5_runner.transport.http import Alive, Response, Service

PAGE_SIZE = 50
# A page that adds nothing new ends the list earlier.
_MOST_PAGES = 1000
_ASSIGNMENT_LENGTH = 100
_REFUSED = frozenset((400, 409, 413, 422))
_NOT_FOUND = 404
_UNAUTHENTICATED = 401
_NOT_ALLOWED = frozenset((_UNAUTHENTICATED, 403))
_AMBIGUOUS = 500
_REFUSALS = _REFUSED | _NOT_ALLOWED | frozenset((_NOT_FOUND, _AMBIGUOUS))
CHECK_LOG = "Check the service's log and try again; nothing that depends on it will work until it is stored."

RecordT = TypeVar("RecordT", bound=WireModel)


class AnchorRefused(Exception):
    """The service refuses one anchor; it may accept others.

    Attributes:
        reason: in the service's words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class CJAdminClient:
    """Reads and writes what one CJ service keeps for assignments.

    Every method may raise:
        NotAllowed: no token, or one without the admin role.
        ServiceUnavailable: it does not answer, or with a 500, which the present service also says for an unknown
            assignment, a missing token and a body that it refuses.
    A method that writes may also raise:
        InputsInvalid: the service refuses what was sent.
        ConfigurationError: it does not know the assignment.
        ServiceUnavailable: it accepted what was sent and did not store it.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def check_health(self) -> Alive:
        """Whether it is up: a request that is published before it listens is lost.

        Raises:
            ServiceUnavailable: it is not up.
        """
        return await self._service.alive(at=self._service.url)

    async def supported_options(self) -> frozenset[str]:
        """The options beyond the contract that it supports; none if it does not say.

        Raises:
            ServiceUnavailable: it does not answer.
        """
        answer = await self._service.call("GET", f"{self._service.url}/healthz")
        return frozenset(self._service.parse(Health, answer).supported_options or ())

    async def get(self, resource: AdminResource[RecordT], assignment_id: str) -> RecordT | None:
        """What is stored for an assignment, or None if there is nothing or the assignment is unknown."""
        answer = await self._call("GET", f"{resource.path}/assignment/{_segment(assignment_id)}")
        if answer.status == _NOT_FOUND:
            return None
        self._raise_refusal(answer)
        return self._service.parse(resource.record, answer)

    async def instructions(self, assignment_id: str) -> Instructions | None:
        """An assignment's instructions, or None if it is unknown."""
        return await self.get(INSTRUCTIONS, assignment_id)

    async def prompt(self, assignment_id: str) -> StudentPrompt | None:
        """The students' task, or None if there is none."""
        return await self.get(PROMPT, assignment_id)

    async def anchors(self, assignment_id: str) -> AnchorListing | None:
        """The anchors of an assignment, or None if it is unknown."""
        return await self.get(ANCHORS, assignment_id)

    async def all_instructions(self, *, grade_scale: str | None = None) -> tuple[Instructions, ...]:
        """All instructions in the service's order; only those on one scale if it is given."""
        known: dict[int, Instructions] = {}
        for number in range(1, _MOST_PAGES + 1):
            query = {"page": str(number), "page_size": str(PAGE_SIZE)}
            query |= {} if grade_scale is None else {"grade_scale": grade_scale}
            answer = await self._call("GET", f"{INSTRUCTIONS.path}?{urlencode(query)}")
            self._raise_refusal(answer)
            page = self._service.parse(InstructionsPage, answer)
            new = {item.id: item for item in page.items if item.id not in known}
            known |= new
            if not new or len(known) >= page.total:
                break
        return tuple(known.values())

    async def course_instructions(self, course_id: str) -> Instructions | None:
        """A course's instructions, or None if there are none."""
        return next((item for item in await self.all_instructions() if item.course_id == course_id), None)

    async def put(self, resource: AdminText[RecordT], body: WireModel) -> RecordT:
        """Write a text, replacing the one before, and read it back.

        Args:
            resource: what to write.
            body: an instance of `resource.body`.

        Returns:
            What is stored now.
        """
        sent = body.model_dump(exclude_none=True)
        if (assignment_id := sent.get("assignment_id")) is not None:
            _segment(assignment_id)  # an id that cannot be read back is not written
        content = body.model_dump_json(exclude_none=True).encode()
        self._raise_refusal(await self._call("POST", resource.path, body=content))
        try:
            record = (
                await self.get(resource, assignment_id)
                if assignment_id is not None
                else await self.course_instructions(sent["course_id"])
            )
        except ServiceUnavailable as error:
            raise ServiceUnavailable(
                f"The CJ service accepted the {resource.name}, and reading it back failed; most likely it stored "
                f"nothing. {error.message}",
                remedy=error.remedy,
            ) from None
        _check_stored(resource, sent=sent, stored={} if record is None else record.model_dump())
        assert isinstance(record, resource.record)
        return record

    async def delete_instructions(self, assignment_id: str) -> bool:
        """Delete an assignment's instructions and check that they are gone; returns False if there were none."""
        answer = await self._call("DELETE", f"{INSTRUCTIONS.path}/assignment/{_segment(assignment_id)}")
        if answer.status == _NOT_FOUND:
            return False
        self._raise_refusal(answer)
        try:
            left = await self.instructions(assignment_id)
        except ServiceUnavailable:  # the present service answers 500 for what it does not have
            left = None
        if left is not None:
            raise ServiceUnavailable(
                f"The CJ service said that the instructions of {assignment_id} were deleted; it still has them.",
                remedy="Check the service's log and try again.",
            )
        return True

    async def register_anchor(self, body: AnchorBody) -> AnchorRegistered:
        """Send an anchor; a known label updates that anchor. The service asks for no token here.

        Raises:
            AnchorRefused: unknown assignment, a grade that is not on its scale, a text that is too short.
        """
        _segment(body.assignment_id)  # an id that cannot be read back is not written
        url = self._service.url + ANCHOR_REGISTRATION_PATH
        content = body.model_dump_json().encode()
        answer = await self._service.call("POST", url, body=content, allow=_REFUSALS)
        if answer.status in _REFUSED:
            raise AnchorRefused(self._service.told(answer)[1:-1] or f"it answered {answer.status}")
        self._raise_refusal(answer)
        return self._service.parse(AnchorRegistered, answer)

    async def _call(self, method: str, path: str, *, body: bytes | None = None) -> Response:
        return await self._service.call(method, f"{self._service.url}{ADMIN_PATH}/{path}", body=body, allow=_REFUSALS)

    def _raise_refusal(self, answer: Response) -> None:
        if answer.status in _REFUSALS:
            raise self._refusal(answer)

    def _refusal(self, answer: Response) -> RunnerError:
        service, status = self._service, answer.status
        message = f"The {service.name} at {service.url} answered {status} {service.told(answer)}".strip()
        if status in _NOT_ALLOWED:
            cause = "it does not accept the token" if status == _UNAUTHENTICATED else "the token lacks the role"
            return NotAllowed(
                f"{message}: {cause}.",
                remedy="`eng5-runner admin whoami` shows which token is used; `eng5-runner admin login` gets another.",
            )
        if status == _NOT_FOUND:
            return ConfigurationError(
                f"{message}: it does not know the assignment, or this is not its address.",
                remedy=f"Check the assignment's id (`eng5-runner admin instructions list`) and {service.setting}.",
            )
        if status in _REFUSED:
            return InputsInvalid(f"{message}.", remedy="Correct what was sent.")
        return ServiceUnavailable(
            f"{message}, which from the present service can mean: not found, not allowed, or broken.",
            remedy=(
                "Check the assignment's id (`eng5-runner admin instructions list`), the token and its role "
                f"(`eng5-runner admin whoami`), {service.setting}, and the service's log."
            ),
        )


def same_text(stored: str, sent: str) -> bool:
    """Whether two texts are equal but for white space, which services change at line ends and at the end."""
    return " ".join(stored.split()) == " ".join(sent.split())


def _check_stored(resource: AdminText[RecordT], *, sent: dict[str, str], stored: dict[str, str | None]) -> None:
    text = stored.get(resource.text)
    if text is None or not same_text(text, sent[resource.text]):
        difference = "there is nothing" if text is None else "it has another text"
        raise ServiceUnavailable(
            f"The CJ service accepted the {resource.name} and did not store what was sent: {difference}.",
            remedy=CHECK_LOG,
        )
    for name in resource.also_compared:
        if None not in (value := stored[name], sent.get(name)) and value != sent[name]:
            raise ServiceUnavailable(
                f"The CJ service accepted the {resource.name} and stored another {name.replace('_', ' ')}, {value}.",
                remedy=CHECK_LOG,
            )


def _segment(assignment_id: str) -> str:
    """An assignment's id as a segment of a path."""
    if not 0 < len(assignment_id) <= _ASSIGNMENT_LENGTH or assignment_id in {".", ".."}:
        raise UsageError("This cannot be an assignment's id.", remedy="An id has 1 to 100 characters; most are UUIDs.")
    return quote(assignment_id, safe="")
