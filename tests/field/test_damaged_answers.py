"""Damaged answers over HTTP: what preflight needs and does not get is said, what it can do without counts as absent."""

from __future__ import annotations

import copy
from collections.abc import Iterator

import pytest

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.spec import Study
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.effects.content import ContentClient
from eng5_runner.errors import ConfigurationError, RunnerError, ServiceUnavailable
from eng5_runner.run.preflight.assignment import ask_assignment
from eng5_runner.transport.http import Service, http_session
from tests.field.damage import DAMAGES, damage_field, fields
from tests.support.field import recorded
from tests.support.field.services import FieldServices
from tests.support.run.runs import make_inputs, make_spec

NEEDED = {
    recorded.INSTRUCTIONS: {"id", "instructions_text", "grade_scale"},
    recorded.LISTING: {
        *("assignment_id", "anchors", "anchors.0", "anchors.0.id", "anchors.0.anchor_label", "anchors.0.grade"),
        *("anchors.0.grade_scale", "anchors.0.text_storage_id"),
    },
}
# A text that is longer than it was is still one. What is compared with ours is compared all the same.
LONGER_AND_OF_USE = {"id", "instructions_text", "assignment_id", "anchors.0.grade_scale", "anchors.0.text_storage_id"}
SPEC = make_spec(study=Study(assignment_id=recorded.ASSIGNMENT))


def damaged(path: str, damage: str) -> Iterator[tuple[str, object]]:
    body = recorded.answer_to(path)
    for where in fields(body):
        if isinstance(where[-1], int) and damage == "missing":
            continue
        found = copy.deepcopy(body)
        damage_field(found, where, damage)
        yield ".".join(map(str, where)), found


def is_refused(path: str, field: str, damage: str) -> bool:
    """What the contract wants."""
    if path == recorded.INSTRUCTIONS and field == "assignment_id":
        return damage == "wrong type"  # null is a course's
    if field not in NEEDED[path]:
        return False
    if field == "anchors" and damage == "too long":
        return False  # fifty rows of one anchor, which is ours
    return damage != "too long" or field not in LONGER_AND_OF_USE


def inputs_of_the_recording():
    """Ours, with the recorded anchors' labels, grades and texts."""
    inputs, _ = make_inputs()
    rows = recorded.anchors()
    anchors = [
        inputs.anchors[0].model_copy(
            update={
                "anchor_id": f"anchor-{row['id']}",
                "label": row["anchor_label"],
                "grade": row["grade"],
                "text_sha256": sha256_hex(row["text"].encode()),
            }
        )
        for row in rows
    ]
    return inputs.model_copy(update={"anchors": tuple(anchors)})


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("path", NEEDED)
async def test_every_damaged_field_of_the_admin_sides_answers(path, damage, embedded):
    inputs = inputs_of_the_recording()
    tried = 0
    async with FieldServices(embedded) as field, http_session(connections=2, secret=None) as session:
        url = field.environment["CJ_SERVICE_URL"]
        headers = {"Authorization": "Bearer a-token"}
        cj = CJAdminClient(Service(session=session, name="CJ", url=url, setting="--cj-service-url", headers=headers))
        for name, body in damaged(path, damage):
            field.answers[path] = (200, body)
            error: RunnerError | None = None
            try:
                await ask_assignment(SPEC, inputs=inputs, texts={}, cj=cj, content=None)
            except (ServiceUnavailable, ConfigurationError) as refusal:
                error = refusal
            assert (error is not None) == is_refused(path, name, damage), (name, error)
            assert error is None or (error.message and error.remedy)
            tried += 1
    assert tried >= 8


@pytest.mark.parametrize("damage", DAMAGES)
async def test_an_upload_whose_storage_id_is_damaged_is_no_upload(damage, embedded):
    (pair,) = [one for one in recorded.http_pairs() if one["method"] == "POST"][:1]
    body = copy.deepcopy(pair["body"])
    damage_field(body, ("storage_id",), damage)
    async with FieldServices(embedded) as field, http_session(connections=1, secret=None) as session:
        field.answers["/v1/content"] = (201, body)
        url = field.environment["CONTENT_SERVICE_URL"]
        content = ContentClient(
            Service(session=session, name="C", url=url, setting="--content-service-url", headers={})
        )
        with pytest.raises(ServiceUnavailable, match="storage_id"):
            await content.upload(b"a text")
