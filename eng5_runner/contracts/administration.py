"""The four things that a CJ service keeps for an assignment, each described once for the client and for the service.

    RUBRIC.path                    "judge-rubrics": GET /admin/v1/judge-rubrics/assignment/{id}
    RUBRIC.record                  `JudgeRubric`, the answer
    RUBRIC.body, RUBRIC.text       `JudgeRubricBody`, what is sent, and the field that holds the text: "rubric_text"

Anchors are read like the others, but registered one by one at a path of their own.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.services import (
    AnchorListing,
    Instructions,
    InstructionsBody,
    JudgeRubric,
    JudgeRubricBody,
    StudentPrompt,
    StudentPromptBody,
)

ADMIN_PATH = "/admin/v1"
ANCHOR_REGISTRATION_PATH = "/api/v1/anchors/register"

RecordT = TypeVar("RecordT", bound=WireModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminResource(Generic[RecordT]):
    """Something that a CJ service keeps for an assignment.

    Attributes:
        name: for people, as in "the rubric of the assignment".
        path: of its routes, a segment under `ADMIN_PATH`.
        record: what the service answers when it is read.
    """

    name: str
    path: str
    record: type[RecordT]


@dataclass(frozen=True, slots=True, kw_only=True)
class AdminText(AdminResource[RecordT]):
    """A resource that is one text, written as a whole.

    Attributes:
        body: what is sent to write it.
        text: the field of the text, in `body` and in `record`.
        storage_id: the field of `record` with the text's id in the Content Service; "" if the CJ service itself
            keeps the text.
        also_compared: further fields that must be read back as they were sent.
    """

    body: type[WireModel]
    text: str
    storage_id: str = ""
    also_compared: tuple[str, ...] = ()


INSTRUCTIONS = AdminText(
    name="instructions",
    path="assessment-instructions",
    body=InstructionsBody,
    record=Instructions,
    text="instructions_text",
    also_compared=("grade_scale", "context_origin", "student_prompt_storage_id"),
)
PROMPT = AdminText(
    name="prompt",
    path="student-prompts",
    body=StudentPromptBody,
    record=StudentPrompt,
    text="prompt_text",
    storage_id="student_prompt_storage_id",
)
RUBRIC = AdminText(
    name="rubric",
    path="judge-rubrics",
    body=JudgeRubricBody,
    record=JudgeRubric,
    text="rubric_text",
    storage_id="judge_rubric_storage_id",
)
ANCHORS = AdminResource(name="anchors", path="anchors", record=AnchorListing)
