"""The CJ service's tables of assignments: instructions, the ids of task and rubric, anchors."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime
from typing import Annotated, Any

from pydantic import Field
from sqlalchemy import Select, Table, delete, func, insert, select, update

from eng5_runner.contracts.services import AnchorOnRecord, Instructions, InstructionsBody
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import cj_anchors, cj_instructions
from eng5_runner.stack.platform.transactions import Transaction


class Assignment(Instructions):
    """The instructions of an assignment or a course as the service keeps them.

    Attributes:
        judge_rubric_storage_id: the rubric's id in the Content Service; never part of an answer with instructions.
    """

    judge_rubric_storage_id: Annotated[str | None, Field(exclude=True)] = None


class Assignments:
    """The tables of instructions and anchors."""

    def __init__(self, store: Store) -> None:
        self._store = store

    async def find(self, assignment_id: str) -> Assignment | None:
        """An assignment's instructions."""
        query = select(cj_instructions).where(cj_instructions.c.assignment_id == assignment_id)
        row = await self._store.row(query)
        return None if row is None else Assignment.model_validate(row._asdict())

    async def page(self, *, number: int, size: int, grade_scale: str | None) -> tuple[list[Assignment], int]:
        """One page of all instructions, the newest first, and how many there are."""
        query: Select[Any] = select(cj_instructions)
        if grade_scale is not None:
            query = query.where(cj_instructions.c.grade_scale == grade_scale)
        total = await self._store.row(select(func.count()).select_from(query.subquery()))
        ordered = query.order_by(cj_instructions.c.id.desc()).limit(size).offset((number - 1) * size)
        rows = await self._store.rows(ordered)
        return [Assignment.model_validate(row._asdict()) for row in rows], total[0] if total else 0

    async def put(self, body: InstructionsBody) -> Assignment:
        """Store instructions; those of the same assignment or course are replaced, its task and rubric stay."""
        by_assignment = body.assignment_id is not None
        key = {"assignment_id": body.assignment_id} if by_assignment else {"course_id": body.course_id}
        values = {
            "instructions_text": body.instructions_text,
            "grade_scale": body.grade_scale,
            "context_origin": body.context_origin,
        }
        if body.student_prompt_storage_id is not None:
            values["student_prompt_storage_id"] = body.student_prompt_storage_id
        return Assignment.model_validate(await self._put(cj_instructions, key=key, values=values))

    async def point(self, assignment_id: str, **storage_id: str) -> Assignment:
        """Set the id of an assignment's task (`student_prompt_storage_id`) or rubric (`judge_rubric_storage_id`)."""
        key = {"assignment_id": assignment_id}
        return Assignment.model_validate(await self._put(cj_instructions, key=key, values=storage_id))

    async def remove(self, assignment_id: str) -> bool:
        """Delete an assignment's instructions; returns whether there were any. Its anchors stay."""
        statement = delete(cj_instructions).where(cj_instructions.c.assignment_id == assignment_id)
        return (await self._store.once(lambda connection: connection.execute(statement))).rowcount > 0

    async def anchors(self, assignment_id: str | None, grade_scale: str | None = None) -> list[AnchorOnRecord]:
        """The anchors of an assignment, all or those on one scale."""
        query = select(cj_anchors).where(cj_anchors.c.assignment_id == assignment_id).order_by(cj_anchors.c.id)
        if grade_scale is not None:
            query = query.where(cj_anchors.c.grade_scale == grade_scale)
        return [_anchor(row._asdict()) for row in await self._store.rows(query)]

    async def put_anchor(self, *, assignment_id: str, label: str, values: Mapping[str, str]) -> AnchorOnRecord:
        """Store an anchor; the same label again replaces its grade and text and keeps its number."""
        key = {"assignment_id": assignment_id, "anchor_label": label}
        return _anchor(await self._put(cj_anchors, key=key, values=values))

    async def _put(self, table: Table, *, key: Mapping[str, str | None], values: Mapping[str, str]) -> dict[str, Any]:
        """Update the row with this key, or insert it."""
        matches = [table.c[name] == value for name, value in key.items()]

        async def put(connection: Transaction) -> dict[str, Any]:
            if (await connection.execute(select(table.c.id).where(*matches))).first() is None:
                created = {"created_at": datetime.now(UTC).isoformat()}
                await connection.execute(insert(table).values(**key, **values, **created))
            else:
                await connection.execute(update(table).where(*matches).values(**values))
            return (await connection.execute(select(table).where(*matches))).one()._asdict()

        return await self._store.once(put)


def _anchor(row: Mapping[str, Any]) -> AnchorOnRecord:
    return AnchorOnRecord.model_validate({name: value for name, value in row.items() if name != "assignment_id"})
