"""The artefact's schema: shipped with the package, compiled once, used on every write."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator
from itertools import islice
from pathlib import Path

import jsonschema_rs
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import JsonValue

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.part import to_json

_RELATIVE = Path("eng5_np") / "assessment_run.schema.json"


def artefact_schema() -> dict[str, JsonValue]:
    """The schema of `assessment_run.*.json`."""
    package = Path(__file__).parents[1]
    # An installed wheel carries the schemas inside; a checkout has them beside the package.
    inside = package / "_schemas" / _RELATIVE
    path = inside if inside.is_file() else package.parent / "schemas" / _RELATIVE
    schema: dict[str, JsonValue] = json.loads(path.read_bytes())
    return schema


def _pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901); `/` for the whole artefact, which its pointer, an empty text, would not show."""
    return "/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)


def artefact_violations(artefact: Artefact, *, most: int = 5) -> list[str]:
    """Where an artefact breaks its schema: as `violations` of its JSON, with one comparison at a time in memory."""
    without_rows = artefact.model_copy(update={"llm_comparisons": (), "failed_comparisons": ()})
    found = violations(to_json(without_rows), most=most)
    schema = artefact_schema()
    for name, kind in (("llm_comparisons", "Comparison"), ("failed_comparisons", "FailedComparison")):
        validator = _fast({"$ref": f"#/$defs/{kind}", "$defs": schema["$defs"]})
        for number, row in enumerate(getattr(artefact, name)):
            found += _broken(validator, to_json(row), below=(name, number))
            if len(found) >= most:
                return found[:most]
    return found


def violations(document: object, *, most: int = 5) -> list[str]:
    """Where an artefact's JSON breaks its schema (formats on): JSON pointers with the rule, no values."""
    return list(islice(_broken(_fast(artefact_schema()), document), most))


def violations_by_reference(document: object, *, most: int = 5) -> list[str]:
    """The same by the reference implementation: slower, independent."""
    validator = Draft202012Validator(artefact_schema(), format_checker=FormatChecker())
    errors = islice(validator.iter_errors(document), most)
    return [f"{_pointer(error.absolute_path)}: {error.validator}" for error in errors]


def _fast(schema: dict[str, JsonValue]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _broken(
    validator: jsonschema_rs.Draft202012Validator, document: object, *, below: tuple[str | int, ...] = ()
) -> Iterator[str]:
    for error in validator.iter_errors(document):
        yield f"{_pointer((*below, *error.instance_path))}: {error.kind.name}"
