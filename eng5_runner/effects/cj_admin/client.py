"""The CJ service's admin side: instructions, tasks, rubrics and anchors of assignments.

What it answers to a write proves nothing: it may say 200 and store nothing, so `run.administration` reads back.
At its present state it also answers every refusal with one and the same 500, which therefore is not tried again.
"""

from __future__ import annotations

from typing import TypeVar
from urllib.parse import quote, urlencode

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.services import (
    AnchorBody,
    AnchorListing,
    AnchorRegistered,
    Instructions,
    InstructionsBody,
    InstructionsPage,
    JudgeRubric,
    JudgeRubricBody,
    StudentPrompt,
    StudentPromptBody,
)
from eng5_runner.errors import (
    ConfigurationError,
    InputsInvalid,
    NotAllowed,
    RunnerError,
    ServiceUnavailable,
    UsageError,
)
from eng5_runner.transport.http import Response, Service

PAGE_SIZE = 50
_ASSIGNMENT_LENGTH = 100
_REFUSED = frozenset((400, 409, 413, 422))
_NOT_FOUND = 404
_AMBIGUOUS = 500
_NOT_ALLOWED = frozenset((401, 403))
_DEALT_WITH = _REFUSED | _NOT_ALLOWED | frozenset((_NOT_FOUND, _AMBIGUOUS))

ModelT = TypeVar("ModelT", bound=WireModel)


class AnchorRefused(Exception):
    """The service does not take one anchor; it may take others.

    Attributes:
        reason: its words.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


class AdministrationClient:
    """Reads and writes what one CJ service has on record for assignments.

    Every method may raise:
        NotAllowed: no token, or one without the admin role.
        ServiceUnavailable: it does not answer, or with a 500, which the present service also says for an unknown
            assignment, a missing token and a body that it does not like.
    A method that writes may also raise:
        InputsInvalid: the service does not take what was sent.
        ConfigurationError: it does not know the assignment.
    """

    def __init__(self, service: Service) -> None:
        self._service = service

    async def put_instructions(self, body: InstructionsBody) -> None:
        """Send instructions; those of the same assignment or course are replaced."""
        await self._write("assessment-instructions", body)

    async def instructions(self, assignment_id: str) -> Instructions | None:
        """An assignment's instructions, or None if it is unknown."""
        return await self._read("assessment-instructions", assignment_id, model=Instructions)

    async def instructions_page(self, number: int, *, grade_scale: str | None) -> InstructionsPage:
        """One page of all instructions, the first is 1."""
        query = {"page": str(number), "page_size": str(PAGE_SIZE)}
        if grade_scale is not None:
            query["grade_scale"] = grade_scale
        url = f"{self._service.url}/admin/v1/assessment-instructions?{urlencode(query)}"
        answer = await self._service.call("GET", url, allow=_DEALT_WITH)
        self._raise_refusal(answer)
        return self._service.parse(InstructionsPage, answer)

    async def delete_instructions(self, assignment_id: str) -> bool:
        """Drop an assignment's instructions; gives False where the service knows of none."""
        url = f"{self._service.url}/admin/v1/assessment-instructions/assignment/{_segment(assignment_id)}"
        answer = await self._service.call("DELETE", url, allow=_DEALT_WITH)
        if answer.status == _NOT_FOUND:
            return False
        self._raise_refusal(answer)
        return True

    async def put_prompt(self, body: StudentPromptBody) -> None:
        """Send the students' task of an assignment."""
        await self._write("student-prompts", body)

    async def prompt(self, assignment_id: str) -> StudentPrompt | None:
        """The students' task, or None if there is none."""
        return await self._read("student-prompts", assignment_id, model=StudentPrompt)

    async def put_rubric(self, body: JudgeRubricBody) -> None:
        """Send the judge's rubric of an assignment."""
        await self._write("judge-rubrics", body)

    async def rubric(self, assignment_id: str) -> JudgeRubric | None:
        """The judge's rubric, or None if there is none."""
        return await self._read("judge-rubrics", assignment_id, model=JudgeRubric)

    async def register_anchor(self, body: AnchorBody) -> AnchorRegistered:
        """Send an anchor; the same label again updates it. The service asks for no token here.

        Raises:
            AnchorRefused: unknown assignment, a grade that is not on its scale, a text that is too short.
        """
        _segment(body.assignment_id)  # what could not be read back is not written
        answer = await self._service.call(
            "POST",
            f"{self._service.url}/api/v1/anchors/register",
            body=body.model_dump_json().encode(),
            allow=_DEALT_WITH,
        )
        if answer.status in _REFUSED:
            raise AnchorRefused(self._service.told(answer)[1:-1] or f"it answered {answer.status}")
        self._raise_refusal(answer)
        return self._service.parse(AnchorRegistered, answer)

    async def anchors(self, assignment_id: str) -> AnchorListing | None:
        """The anchors of an assignment, or None if it is unknown."""
        return await self._read("anchors", assignment_id, model=AnchorListing)

    async def _read(self, kind: str, assignment_id: str, *, model: type[ModelT]) -> ModelT | None:
        url = f"{self._service.url}/admin/v1/{kind}/assignment/{_segment(assignment_id)}"
        answer = await self._service.call("GET", url, allow=_DEALT_WITH)
        if answer.status == _NOT_FOUND:
            return None
        self._raise_refusal(answer)
        return self._service.parse(model, answer)

    async def _write(self, kind: str, body: InstructionsBody | StudentPromptBody | JudgeRubricBody) -> None:
        if body.assignment_id is not None:
            _segment(body.assignment_id)  # what could not be read back is not written
        content = body.model_dump_json(exclude_none=True).encode()
        url = f"{self._service.url}/admin/v1/{kind}"
        self._raise_refusal(await self._service.call("POST", url, body=content, allow=_DEALT_WITH))

    def _raise_refusal(self, answer: Response) -> None:
        if answer.status in _DEALT_WITH:
            raise self._refusal(answer)

    def _refusal(self, answer: Response) -> RunnerError:
        service = self._service
        told = f"The {service.name} at {service.url} answered {answer.status} {service.told(answer)}".strip()
        if answer.status in _NOT_ALLOWED:
            return NotAllowed(
                f"{told}: {'it does not accept the token' if answer.status == 401 else 'the token lacks the role'}.",  # noqa: PLR2004 - as HTTP has it
                remedy="`eng5-runner admin whoami` tells which token is used; `eng5-runner admin login` gets another.",
            )
        if answer.status == _NOT_FOUND:
            return ConfigurationError(
                f"{told}: it does not know the assignment, or this is not its address.",
                remedy=f"Check --assignment-id (`eng5-runner admin instructions list`) and {service.setting}.",
            )
        if answer.status in _REFUSED:
            return InputsInvalid(f"{told}.", remedy="Correct what was sent.")
        return ServiceUnavailable(
            f"{told}, which at its present state means: not found, not allowed, or broken.",
            remedy=(
                "Check the assignment's id (`eng5-runner admin instructions list`), the token and its role "
                f"(`eng5-runner admin whoami`), {service.setting}, and the service's log."
            ),
        )


def _segment(assignment_id: str) -> str:
    """An assignment's id as a part of a path."""
    if not 0 < len(assignment_id) <= _ASSIGNMENT_LENGTH or assignment_id in {".", ".."}:
        raise UsageError("This cannot be an assignment's id.", remedy="It has 1 to 100 characters; most are UUIDs.")
    return quote(assignment_id, safe="")
