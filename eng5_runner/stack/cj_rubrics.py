"""The bodies of the judge rubrics' routes, which the runner does not use and its contracts do not hold."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from eng5_runner.contracts.base import Instant, WireModel
from eng5_runner.contracts.services import INSTRUCTIONS_MINIMUM


class JudgeRubricBody(WireModel):
    """CJ admin: what the judge shall judge by, for an assignment."""

    assignment_id: str
    rubric_text: Annotated[str, Field(min_length=INSTRUCTIONS_MINIMUM)]


class JudgeRubric(WireModel):
    """CJ admin: the rubric on record."""

    assignment_id: str
    judge_rubric_storage_id: str
    rubric_text: str
    instructions_text: str
    grade_scale: str
    created_at: Instant
