"""The artefact's schema: generated from its types, and no less strict than the one that was kept by hand before."""

from __future__ import annotations

import json
from collections.abc import Iterator
from itertools import product
from pathlib import Path

import jsonschema_rs
import pytest
from jsonschema import Draft202012Validator

from tests.contracts.artefact_schema import artefact_schema

HERE = Path(__file__).parent
ARTEFACTS = sorted((HERE.parent / "guard" / "runs").glob("*/assessment_run.*.json"))
"""Of version 0.1.0: a recorded run with failures, an embedded one, a resumed one, and one of the anchors alone."""
BEFORE = json.loads((HERE / "data" / "assessment_run.before.schema.json").read_text())
"""The last schema that was kept by hand."""
SCHEMA = artefact_schema()
WRONG = (None, True, False, -1, 0, 1.5, 2, 10**20, "", "x", "UNKNOWN", [], {}, [None], {"x": 1}, [1.0, 2.0])
WRONG_TEXTS = (
    "2027-03-02 08:00:00Z",
    "2027-13-02T08:00:00Z",
    "c0ffee00-1111-4222-8333",
    "A" * 64,
    "b" * 64,
    "b" * 32,
    "anchor-align",
    "dry-run",
)


def validator(schema: object) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def shortened(value: object) -> object:
    """With one entry of each form in a list: the same rules in fewer places."""
    if isinstance(value, dict):
        return {key: shortened(inner) for key, inner in value.items()}
    if isinstance(value, list) and value and isinstance(value[0], dict):
        forms = {tuple(sorted(entry)): entry for entry in reversed(value)}
        return [shortened(entry) for entry in [*forms.values(), *value][: max(len(forms), 3)]]
    return value[:3] if isinstance(value, list) else value


def places(value: object) -> Iterator[tuple[dict | list, str | int]]:
    """Every place below a value: what holds it, and its key or index there."""
    for step, inner in list(value.items() if isinstance(value, dict) else enumerate(value)):
        yield value, step
        if isinstance(inner, dict | list):
            yield from places(inner)


def changes(document: dict) -> Iterator[str]:
    """Each change in turn: while it is yielded the document has it, and afterwards no more."""
    for (holder, step), change in product(places(document), ("remove", "add", *WRONG, *WRONG_TEXTS)):
        kept = holder[step]
        if change == "remove":
            del holder[step]
        elif change == "add" and isinstance(kept, dict):
            holder[step] = kept | {"never heard of": 1}
        elif change == "add" and isinstance(kept, list):
            holder[step] = [*kept, "never heard of"]
        else:
            holder[step] = change
        yield f"{step}: {change!r}"
        if change == "remove" and isinstance(holder, list):
            holder.insert(step, kept)
        else:
            holder[step] = kept


def has_no_instructions(document: dict) -> bool:
    """A folder may have no file of instructions: the service's own criteria apply."""
    return "" in (document["inputs"]["instructions"].get(name) for name in ("content", "source_path"))


def has_no_reliability(document: dict) -> bool:
    """The reliability may be not defined. Nothing else became looser."""
    model = document.get("bt_model")
    reliability = model.get("reliability") if isinstance(model, dict) else None
    names = ("empirical_bayes", "interval_90")
    return isinstance(reliability, dict) and any(reliability.get(name, 0) is None for name in names)


@pytest.mark.parametrize("path", ARTEFACTS, ids=lambda path: path.parent.name)
def test_what_the_schema_before_refused_is_refused(path):
    document = shortened(json.loads(path.read_bytes()))
    before, now = validator(BEFORE), validator(SCHEMA)
    assert before.is_valid(document) and now.is_valid(document)
    refused = 0
    for change in changes(document):
        if not before.is_valid(document):
            refused += 1
            refuses = not now.is_valid(document)
            assert refuses or has_no_instructions(document) or has_no_reliability(document), change
    assert refused > 800
    assert before.is_valid(document), "every change was taken back"


def test_it_is_a_sound_schema_under_its_own_id():
    Draft202012Validator.check_schema(SCHEMA)
    assert SCHEMA["$schema"] == BEFORE["$schema"]
    assert SCHEMA["$id"] == BEFORE["$id"]


def test_every_object_is_closed_and_every_field_says_what_it_means():
    objects = {name: schema for name, schema in SCHEMA["$defs"].items() if schema.get("type") == "object"}
    assert len(objects) > 50
    for name, described in {"Artefact": SCHEMA, **objects}.items():
        assert described["additionalProperties"] is False, name
        for key, field in described.get("properties", {}).items():
            assert field["description"].endswith("."), (name, key)


@pytest.mark.parametrize("block", ["judge_request", "stopping", "targets"])
def test_a_block_that_older_versions_lack_is_required_today_and_never_null(block):
    holder = SCHEMA if block in SCHEMA["properties"] else SCHEMA["$defs"]["AnchorAlignment"]
    assert block in holder["required"]
    assert "null" not in json.dumps(holder["properties"][block])


def test_a_run_of_the_anchors_alone_has_no_students_and_any_other_has_two():
    (path,) = [path for path in ARTEFACTS if "anchor-align" in path.name]
    document = json.loads(path.read_bytes())
    now = validator(SCHEMA)
    document["metadata"]["runner_mode"] = "execute"
    assert not now.is_valid(document)
    students = json.loads(next(path for path in ARTEFACTS if "execute" in path.name).read_bytes())["inputs"]["students"]
    document["inputs"]["students"] = students[:2]
    assert now.is_valid(document)
    document["metadata"]["runner_mode"] = "anchor-align"
    assert not now.is_valid(document)
