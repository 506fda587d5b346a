"""The artefact as JSON Schema 2020-12, from its types; what a field means is the docstring below it.

The types read every version; the schema says what today's version writes. So it is closed, although readers ignore
fields that they do not know, and it asks for the blocks that older versions did not write.
"""

from __future__ import annotations

import ast
import dataclasses
import inspect
from functools import cache
from types import ModuleType
from typing import Any

from pydantic import BaseModel, JsonValue
from pydantic.json_schema import GenerateJsonSchema, JsonSchemaValue
from pydantic_core import core_schema

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.part import NULL_WHERE_ABSENT, WrittenAs
from tests.support.wire_schemas import DIALECT

HOME = "https://eng5-runner.dev/schemas/eng5_np/"
NAME = "assessment_run.schema.json"


def artefact_schema() -> dict[str, JsonValue]:
    """The schema of `assessment_run.*.json`."""
    generated = Artefact.model_json_schema(schema_generator=_ArtefactSchema)
    return {"$schema": DIALECT, "$id": f"{HOME}{NAME}", **generated, "title": "ENG5 NP assessment run"}


class _ArtefactSchema(GenerateJsonSchema):
    """Pydantic's generator, with what the types alone do not say about the file."""

    schema_dialect = DIALECT

    def field_title_should_be_set(self, schema: object) -> bool:
        """No title repeats the field's name."""
        return False

    def model_schema(self, schema: core_schema.ModelSchema) -> JsonSchemaValue:
        return _as_written(schema["cls"], super().model_schema(schema))

    def dataclass_schema(self, schema: core_schema.DataclassSchema) -> JsonSchemaValue:
        return _as_written(schema["cls"], super().dataclass_schema(schema))


def _as_written(kind: type, found: JsonSchemaValue) -> JsonSchemaValue:
    """Closed, with each field's meaning, and without null where an absent value is left out."""
    properties: dict[str, Any] = found.setdefault("properties", {})
    described = _docstrings(inspect.getmodule(kind), kind)
    required = []
    for name, key, is_required, may_be_null in _fields(kind):
        field = {**properties[key]}
        field.pop("default", None)
        if not may_be_null and field.get("anyOf", [None])[-1] == {"type": "null"}:
            (value,) = field.pop("anyOf")[:-1] if len(field["anyOf"]) == 2 else [{"anyOf": field.pop("anyOf")[:-1]}]
            field = value | field
        field["description"] = described[name]
        properties[key] = field
        required += [key] if is_required else []
    found.pop("required", None)
    return found | ({"required": required} if required else {}) | {"additionalProperties": False}


def _fields(kind: type) -> list[tuple[str, str, bool, bool]]:
    """Name, key in the file, whether it is always there, whether it may be null."""
    if issubclass(kind, BaseModel):
        marked = {
            name: WrittenAs(null=True) in field.metadata
            for name, field in kind.model_fields.items()
            if any(isinstance(mark, WrittenAs) for mark in field.metadata)
        }
        return [
            (name, field.alias or name, field.default is not None or name in marked, marked.get(name, False))
            for name, field in kind.model_fields.items()
        ]
    return [
        (field.name, field.name, field.default is not None, field.metadata == NULL_WHERE_ABSENT)
        for field in dataclasses.fields(kind)
    ]


def _docstrings(module: ModuleType | None, kind: type) -> dict[str, str]:
    """Field → the docstring below it, those of the classes that it is made of included."""
    found: dict[str, str] = {}
    for base in reversed(kind.__mro__):
        home = inspect.getmodule(base)
        if home is not None and home.__name__.startswith("eng5_runner."):
            found |= _documented(home).get(base.__name__, {})
    return found


@cache
def _documented(module: ModuleType) -> dict[str, dict[str, str]]:
    return {
        node.name: dict(_of_class(node))
        for node in ast.parse(inspect.getsource(module)).body
        if isinstance(node, ast.ClassDef)
    }


def _of_class(node: ast.ClassDef) -> list[tuple[str, str]]:
    pairs = zip(node.body, node.body[1:], strict=False)
    return [
        (field.target.id, inspect.cleandoc(text.value.value).replace("\n", " "))
        for field, text in pairs
        if isinstance(field, ast.AnnAssign)
        and isinstance(field.target, ast.Name)
        and isinstance(text, ast.Expr)
        and isinstance(text.value, ast.Constant)
    ]
