"""The committed JSON Schemas say what the models say."""

from __future__ import annotations

import inspect
import json
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from eng5_runner.contracts import callbacks, envelope, events, published, request, services
from eng5_runner.contracts.base import WireModel
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import Topic
from tests.contracts.golden import golden_texts, write
from tests.contracts.messages import CALLBACKS, altered, at, message, paths, text, without
from tests.support.wire_schemas import wire_schemas

COMMITTED = Path(__file__).parents[2] / "schemas"
SCHEMAS = wire_schemas()
BODIES = message("bodies")
# The part that no schema holds: the generic frame, and the base of the events.
ABSTRACT = {"Envelope", "Received", "BatchEvent", "WireModel"}


def breaches(name: str, value: object) -> list[str]:
    validator = Draft202012Validator(SCHEMAS[f"{name}.schema.json"], format_checker=FormatChecker())
    return [error.message for error in validator.iter_errors(value)]


def test_the_committed_files_are_the_generated_ones():
    """`make schemas` writes them anew."""
    committed = {
        path.relative_to(COMMITTED).as_posix(): path.read_text(encoding="utf-8") for path in COMMITTED.rglob("*.json")
    }
    assert committed == golden_texts()


def test_writing_leaves_exactly_the_generated_files(tmp_path):
    (tmp_path / "events").mkdir()
    (tmp_path / "events" / "of_last_year.schema.json").write_text("{}")
    (tmp_path / "events" / "notes.txt").write_text("kept")
    write(tmp_path)
    there = {path.relative_to(tmp_path).as_posix() for path in tmp_path.rglob("*") if path.is_file()}
    assert there == {*golden_texts(), "events/notes.txt"}


@pytest.mark.parametrize("name", SCHEMAS)
def test_each_schema_is_sound_2020_12_under_its_own_id(name):
    schema = SCHEMAS[name]
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert schema["$id"] == f"https://eng5-runner.dev/schemas/events/{name}"


def test_every_topic_has_a_schema():
    assert {f"{topic}.schema.json" for topic in Topic} <= set(SCHEMAS)


def test_every_wire_model_is_in_a_schema():
    modules = (callbacks, envelope, events, published, request, services)
    models = {
        name
        for module in modules
        for name, found in inspect.getmembers(module, inspect.isclass)
        if issubclass(found, WireModel)
    }
    roots = {model.__name__ for model in _roots()}
    inside = {name for schema in SCHEMAS.values() for name in schema.get("$defs", {})}
    assert models - ABSTRACT - roots - inside == set()


def _roots():
    from tests.support import wire_schemas as schemas  # noqa: PLC0415 - only to read its two tables

    return [model for _, model in (*schemas._SENT, *schemas._PUBLISHED, *schemas._RECEIVED)]


@pytest.mark.parametrize(("name", "topic"), CALLBACKS)
def test_the_example_callbacks_obey_their_schemas(name, topic):
    assert breaches(topic, message(name)) == []


@pytest.mark.parametrize("name", BODIES)
def test_the_example_bodies_obey_their_schemas(name):
    assert breaches(name, BODIES[name]) == []


def test_what_is_sent_obeys_its_schema():
    sent = Envelope[CJAssessmentRequest].model_validate_json(text("request")).to_bytes()
    assert breaches(Topic.REQUEST, json.loads(sent)) == []


def test_the_request_s_schema_is_closed_and_the_callbacks_schemas_are_open():
    closed = message("request")
    closed["data"]["a_typo"] = 1
    assert len(breaches(Topic.REQUEST, closed)) == 1
    for name, topic in CALLBACKS:
        value = message(name)
        for path in [path for path in paths(value) if isinstance(at(value, path), dict) and len(path) < 2]:
            at(value, path)["of_next_year"] = 1
        assert breaches(topic, value) == []


@pytest.mark.parametrize(
    "path",
    [
        ("schema_version",),
        ("data", "event_name"),
        ("data", "system_metadata"),
        ("data", "essays_for_cj", 0, "text_storage_id"),
    ],
)
def test_a_request_without_a_field_breaks_its_schema(path):
    assert breaches(Topic.REQUEST, json.loads(without("request", path)))


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (("data", "essays_for_cj", 0, "essay_id"), "e" * 37),
        (("data", "llm_config_overrides", "temperature_override"), 2.5),
        (("data", "llm_config_overrides", "provider_override"), "Anthropic"),
        (("data", "course_code"), "ENG4"),
    ],
)
def test_a_request_out_of_range_breaks_its_schema(path, value):
    assert breaches(Topic.REQUEST, json.loads(altered("request", {path: value})))


@pytest.mark.parametrize(
    "changes",
    [
        {("data", "winner"): None},
        {("data", "error_detail"): {"error_code": "X"}},
        {("data", "request_metadata", "prompt_sha256"): None},
        {("data", "winner"): "Essay C"},
    ],
    ids=["neither", "both", "no hash", "third essay"],
)
def test_a_comparison_that_the_model_refuses_breaks_its_schema_too(changes):
    assert breaches(Topic.COMPARISON, json.loads(altered("comparison_won", changes)))


@pytest.mark.parametrize(("name", "topic"), CALLBACKS)
def test_an_optional_field_may_be_null_or_left_out(name, topic):
    """The converse, for needed fields, is a test of the models; here the schema must not ask for more."""
    needed = {"prompt_sha256", "winner", "error_detail"}
    properties = SCHEMAS[f"{topic}.schema.json"]["$defs"]
    data = properties[SCHEMAS[f"{topic}.schema.json"]["properties"]["data"]["$ref"].rpartition("/")[2]]
    for field in set(message(name)["data"]) - set(data["required"]) - needed - {"entity_type"}:
        assert breaches(topic, json.loads(altered(name, {("data", field): None}))) == []
        assert breaches(topic, json.loads(without(name, ("data", field)))) == []
