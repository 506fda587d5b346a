"""The CJ service's record of assignments: instructions, where the task and the rubric lie, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

from sqlalchemy import Select, Table, delete, func, insert, select, update
from sqlalchemy.engine import Row

from eng5_runner.contracts.services import InstructionsBody
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import cj_anchors, cj_instructions


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """What the service knows about an assignment, or about a course (then `assignment_id` is None).

    Attributes:
        row_id: the record's number.
        grade_scale: the scale that its anchors and students are graded on.
        context_origin: `research_experiment` or `canonical_national`, whose rubric is fixed.
        student_prompt_storage_id: where the students' task lies in the Content Service.
        judge_rubric_storage_id: where the rubric lies.
        created_at: ISO 8601 (UTC).
    """

    row_id: int
    assignment_id: str | None
    course_id: str | None
    instructions_text: str
    grade_scale: str
    context_origin: str
    student_prompt_storage_id: str | None
    judge_rubric_storage_id: str | None
    created_at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RegisteredAnchor:
    """A text with a known grade; `row_id` is the number in its ids within batches."""

    row_id: int
    label: str
    grade: str
    grade_scale: str
    text_storage_id: str
    created_at: str


class Assignments:
    """The tables of instructions and anchors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, assignment_id: str) -> Assignment | None:
        """The record of an assignment."""
        query = select(cj_instructions).where(cj_instructions.c.assignment_id == assignment_id)
        row = await self._store.row(query)
        return None if row is None else _assignment(row)

    async def page(self, *, number: int, size: int, grade_scale: str | None) -> tuple[list[Assignment], int]:
        """One page of all records, the newest first, and how many there are."""
        query: Select[Any] = select(cj_instructions)
        if grade_scale is not None:
            query = query.where(cj_instructions.c.grade_scale == grade_scale)
        total = await self._store.row(select(func.count()).select_from(query.subquery()))
        ordered = query.order_by(cj_instructions.c.id.desc()).limit(size).offset((number - 1) * size)
        rows = await self._store.rows(ordered)
        return [_assignment(row) for row in rows], total[0] if total else 0

    async def put(self, body: InstructionsBody) -> Assignment:
        """Keep instructions; those of the same assignment or course are replaced, its task and rubric stay."""
        by_assignment = body.assignment_id is not None
        key = {"assignment_id": body.assignment_id} if by_assignment else {"course_id": body.course_id}
        values = {
            "instructions_text": body.instructions_text,
            "grade_scale": body.grade_scale,
            "context_origin": body.context_origin,
        }
        if body.student_prompt_storage_id is not None:
            values["student_prompt_storage_id"] = body.student_prompt_storage_id
        return _assignment(await self._put(cj_instructions, key=key, values=values))

    async def point(self, assignment_id: str, **where: str) -> Assignment:
        """Say where an assignment's task (`student_prompt_storage_id`) or rubric (`judge_rubric_storage_id`) lies."""
        return _assignment(await self._put(cj_instructions, key={"assignment_id": assignment_id}, values=where))

    async def remove(self, assignment_id: str) -> bool:
        """Forget an assignment's instructions; gives whether there were any. Its anchors stay."""
        async with self._store.begin() as connection:
            statement = delete(cj_instructions).where(cj_instructions.c.assignment_id == assignment_id)
            return (await connection.execute(statement)).rowcount > 0

    async def anchors(self, assignment_id: str | None, grade_scale: str | None = None) -> list[RegisteredAnchor]:
        """The anchors of an assignment, all or those on one scale."""
        query = select(cj_anchors).where(cj_anchors.c.assignment_id == assignment_id).order_by(cj_anchors.c.id)
        if grade_scale is not None:
            query = query.where(cj_anchors.c.grade_scale == grade_scale)
        return [_anchor(row) for row in await self._store.rows(query)]

    async def put_anchor(self, *, assignment_id: str, label: str, values: Mapping[str, str]) -> RegisteredAnchor:
        """Keep an anchor; the same label again replaces its grade and text and keeps its number."""
        key = {"assignment_id": assignment_id, "anchor_label": label}
        return _anchor(await self._put(cj_anchors, key=key, values=values))

    async def _put(self, table: Table, *, key: Mapping[str, str | None], values: Mapping[str, str]) -> Row[Any]:
        """Update the row with this key, or insert it."""
        matches = [table.c[name] == value for name, value in key.items()]
        async with self._store.begin() as connection:
            if (await connection.execute(select(table.c.id).where(*matches))).first() is None:
                created = {"created_at": datetime.now(UTC).isoformat()}
                await connection.execute(insert(table).values(**key, **values, **created))
            else:
                await connection.execute(update(table).where(*matches).values(**values))
            return (await connection.execute(select(table).where(*matches))).one()


def _assignment(row: Row[Any]) -> Assignment:
    return Assignment(
        row_id=row.id,
        assignment_id=row.assignment_id,
        course_id=row.course_id,
        instructions_text=row.instructions_text,
        grade_scale=row.grade_scale,
        context_origin=row.context_origin,
        student_prompt_storage_id=row.student_prompt_storage_id,
        judge_rubric_storage_id=row.judge_rubric_storage_id,
        created_at=row.created_at,
    )


def _anchor(row: Row[Any]) -> RegisteredAnchor:
    return RegisteredAnchor(
        row_id=row.id,
        label=row.anchor_label,
        grade=row.grade,
        grade_scale=row.grade_scale,
        text_storage_id=row.text_storage_id,
        created_at=row.created_at,
    )
