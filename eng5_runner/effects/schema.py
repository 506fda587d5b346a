"""The artefact's schema: shipped with the package, compiled once, used on every write."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import jsonschema_rs
import orjson
from jsonschema import Draft202012Validator, FormatChecker
from pydantic import JsonValue

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.part import Row, RowBatch, to_json

_RELATIVE = Path("eng5_np") / "assessment_run.schema.json"
# Of so many comparisons the reference implementation takes about a tenth of a second.
_BY_REFERENCE = 1_000


def artefact_schema() -> dict[str, JsonValue]:
    """The schema of `assessment_run.*.json`."""
    package = Path(__file__).parents[1]
    # An installed wheel carries the schemas inside; a checkout has them beside the package.
    inside = package / "_schemas" / _RELATIVE
    path = inside if inside.is_file() else package.parent / "schemas" / _RELATIVE
    schema: dict[str, JsonValue] = orjson.loads(path.read_bytes())
    return schema


def _pointer(path: Iterable[str | int]) -> str:
    """A JSON pointer (RFC 6901); `/` for the whole artefact, which its pointer, an empty text, would not show."""
    return "/" + "/".join(str(step).replace("~", "~0").replace("/", "~1") for step in path)


class ArtefactCheck:
    """Checks an artefact against its schema while it is written: some hundred comparisons are in memory."""

    def __init__(self, *, most: int = 5) -> None:
        defs = artefact_schema()["$defs"]
        self._validators = {
            name: _fast({"items": {"$ref": f"#/$defs/{kind}"}, "$defs": defs})
            for name, kind in (("llm_comparisons", "Comparison"), ("failed_comparisons", "FailedComparison"))
        }
        self._most = most
        self._broken: list[str] = []

    def rows(self, name: str, batch: RowBatch) -> None:
        """Check some comparisons of a list of the artefact."""
        validator = self._validators[name]
        if validator.is_valid(batch.keys):
            return
        for error in islice(validator.iter_errors(batch.keys), self._most - len(self._broken)):
            place, *inside = error.instance_path
            self._broken.append(f"{_pointer((name, batch.first + int(place), *inside))}: {error.kind.name}")

    def violations(self, artefact: Artefact) -> list[str]:
        """Where the artefact breaks its schema: as `violations` of its JSON."""
        without_rows = artefact.model_copy(update={"llm_comparisons": (), "failed_comparisons": ()})
        return [*violations(to_json(without_rows), most=self._most), *self._broken][: self._most]


def violations(document: object, *, most: int = 5) -> list[str]:
    """Where an artefact's JSON breaks its schema (formats on): JSON pointers with the rule, no values."""
    return list(islice(_broken(_fast(artefact_schema()), document), most))


def artefact_violations_by_reference(artefact: Artefact, *, most: int = 5) -> list[str]:
    """Where an artefact breaks its schema by the reference implementation: independent, and a hundred times slower.

    Of the comparisons it sees at most a thousand of each list, evenly spread.
    """
    some = {name: _spread(getattr(artefact, name)) for name in ("llm_comparisons", "failed_comparisons")}
    return violations_by_reference(to_json(artefact.model_copy(update=some)), most=most)


def _spread(rows: Sequence[Row]) -> Sequence[Row]:
    return [rows[place] for place in range(0, len(rows), -(-len(rows) // _BY_REFERENCE) or 1)]


def violations_by_reference(document: object, *, most: int = 5) -> list[str]:
    """Where an artefact's JSON breaks its schema by the reference implementation."""
    validator = Draft202012Validator(artefact_schema(), format_checker=FormatChecker())
    errors = islice(validator.iter_errors(document), most)
    return [f"{_pointer(error.absolute_path)}: {error.validator}" for error in errors]


def _fast(schema: dict[str, JsonValue]) -> jsonschema_rs.Draft202012Validator:
    return jsonschema_rs.Draft202012Validator(schema, validate_formats=True)


def _broken(validator: jsonschema_rs.Draft202012Validator, document: object) -> Iterator[str]:
    for error in validator.iter_errors(document):
        yield f"{_pointer(error.instance_path)}: {error.kind.name}"
