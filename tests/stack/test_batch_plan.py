"""A batch's plan as the database keeps it: readable by every version."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from uuid import UUID

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.study_options import StudyOptions
from eng5_runner.stack.cj.plan import BatchPlan

PLAN = BatchPlan(
    batch_id="c0ffee00-1111-4222-8333-444455556666",
    correlation_id=UUID(int=1),
    assignment_id=None,
    course_code="ENG5",
    user_id="a-user",
    grade_scale=None,
    essays=(),
    seed=1,
    budget=10,
    study_options=StudyOptions(max_cost_usd=2.0),
    task=None,
    criteria=None,
    overrides=LLMConfigOverrides(),
    accepted_at=datetime(2026, 11, 22, tzinfo=UTC),
)


def test_the_database_key_of_the_study_options_stays() -> None:
    stored = PLAN.model_dump_json()

    assert json.loads(stored)["wishes"]["max_cost_usd"] == 2.0 and "study_options" not in json.loads(stored)
    assert BatchPlan.model_validate_json(stored) == PLAN


def test_a_raised_limit_changes_the_limit_alone() -> None:
    raised = PLAN.with_limit(3.0)

    assert raised.study_options == StudyOptions(max_cost_usd=3.0)
    assert raised.model_copy(update={"study_options": PLAN.study_options}) == PLAN
