"""The artefact's schema: shipped with the package, compiled once, used on every write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

import jsonschema_rs
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import JsonValue

import eng5_runner

_RELATIVE = Path("eng5_np") / "assessment_run.schema.json"


def artefact_schema() -> dict[str, JsonValue]:
    """The schema of `assessment_run.*.json`."""
    package = Path(eng5_runner.__file__).parent
    # An installed wheel carries the schemas inside; a checkout has them beside the package.
    inside = package / "_schemas" / _RELATIVE
    path = inside if inside.is_file() else package.parent / "schemas" / _RELATIVE
    schema: dict[str, JsonValue] = json.loads(path.read_bytes())
    return schema


def _pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901); `/` for the whole artefact, which its pointer, an empty text, would not show."""
    return "/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)


def violations(artefact: Mapping[str, object], *, most: int = 5) -> list[str]:
    """Where the artefact breaks its schema (fast validator, formats on): JSON pointers with the rule, no values."""
    validator = jsonschema_rs.Draft202012Validator(artefact_schema(), validate_formats=True)
    found = []
    for error in validator.iter_errors(artefact):
        found.append(f"{_pointer(error.instance_path)}: {error.kind.name}")
        if len(found) == most:
            break
    return found


def violations_by_reference(artefact: Mapping[str, object], *, most: int = 5) -> list[str]:
    """The same by the reference implementation: slower, independent."""
    validator = Draft202012Validator(artefact_schema(), format_checker=FormatChecker())
    found = []
    for error in validator.iter_errors(artefact):
        found.append(f"{_pointer(error.absolute_path)}: {error.validator}")
        if len(found) == most:
            break
    return found
