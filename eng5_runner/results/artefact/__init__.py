"""The artefact of a run: what `assessment_run.<mode>.json` states, as types.

A run's artefact is read from its file by `parse_artefact` and built from its ledger by
`eng5_runner.results.projection`. Both give the same frozen value, so that a report, a comparison of runs or a notebook
never looks into JSON:

    artefact = parse_artefact(Path("runs/latest/assessment_run.execute.json").read_bytes())
    for entry in artefact.bt_summary:
        print(entry.rank, entry.essay_id, f"{entry.theta:+.2f} ± {entry.standard_error:.2f}")
    if artefact.anchor_alignment is not None:
        print(artefact.anchor_alignment.kendall_tau_b)

Every field has its meaning, unit and range beside it, and says when it is absent; an absent figure is None. The JSON
Schema `schemas/eng5_np/assessment_run.schema.json` is generated from these types (`make schemas`). Comparisons are
light rows and no models. Readers and writers iterate over them: of a million, a few are in memory.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import cached_property
from typing import Annotated, Final

from pydantic import ConfigDict, Field, ValidationError

from eng5_runner.canonical import Json
from eng5_runner.contracts.base import describe
from eng5_runner.results.artefact.columns import JudgementColumns, columns_of
from eng5_runner.results.artefact.human_scale import HumanScale
from eng5_runner.results.artefact.judge import AnchorAlignment, JudgeQuality
from eng5_runner.results.artefact.measurement import BTEntry, BTModel, CheckedGrades, GradeModel, GradeProjection
from eng5_runner.results.artefact.part import Later, Nullable, Part, Row, RowBatch, Rows, batches_of, keys_of, to_bytes
from eng5_runner.results.artefact.record import RunnerStatus, Stopping, Validation
from eng5_runner.results.artefact.service import ServiceComparison, ServiceResult
from eng5_runner.results.artefact.study import (
    Comparison,
    Costs,
    FailedComparison,
    InputsRecord,
    JudgeRequest,
    PromptHashes,
    RunMetadata,
)

SCHEMA_VERSION: Final = "1.0.1"
ZERO_CHECKSUM: Final = "0" * 64


class Artefact(Part):
    """What a run of eng5-runner states: a superset of version 1.0 of the field's artefact, and stricter."""

    model_config = ConfigDict(
        json_schema_extra={
            "if": {"properties": {"metadata": {"properties": {"runner_mode": {"const": "anchor-align"}}}}},
            "then": {
                "properties": {"inputs": {"properties": {"anchors": {"minItems": 2}, "students": {"maxItems": 0}}}}
            },
            "else": {"properties": {"inputs": {"properties": {"students": {"minItems": 2}}}}},
        }
    )

    schema_version: Annotated[str, Field(pattern=r"^1\.0\.\d+$")] = SCHEMA_VERSION
    """Version of the form of this file."""
    metadata: RunMetadata
    """Which run this is."""
    inputs: InputsRecord
    """What was compared."""
    llm_comparisons: Rows[Comparison]
    """Each comparison with a winner."""
    failed_comparisons: Rows[FailedComparison]
    """Each comparison without one."""
    bt_summary: tuple[BTEntry, ...]
    """Each essay's place, best first; empty where nothing was judged."""
    bt_model: Nullable[BTModel]
    """The fit; null where nothing was judged."""
    grade_projections: tuple[GradeProjection, ...]
    """Each student's grade; empty where none are projected."""
    grade_model: GradeModel
    """How positions became grades, or why not."""
    anchor_alignment: Nullable[AnchorAlignment]
    """Agreement with the experts; null where nothing was judged."""
    judge_quality: Nullable[JudgeQuality]
    """The judge's quality card; null where nothing was judged, and in older artefacts."""
    human_scale: HumanScale | None = None
    """People's judgements that were added to the run; absent where there are none, or no model judged."""
    grade_check: CheckedGrades | None = None
    """The projected grades against teachers' grades that were given for checking; absent where none can be compared."""
    service_result: Nullable[ServiceResult]
    """The CJ service's own figures; null where none came."""
    comparison_with_service: Nullable[ServiceComparison]
    """How far those lie from the runner's; null where there is nothing to compare, and in older artefacts."""
    judge_request: Later[JudgeRequest]
    """What the judge was asked to be."""
    costs: Costs
    """What it cost."""
    prompt_hashes: PromptHashes
    """Which prompts were sent."""
    runner_status: RunnerStatus
    """How complete the run is."""
    stopping: Later[Stopping]
    """Why the study ended."""
    validation: Validation
    """What proves this file."""

    @cached_property
    def columns(self) -> JudgementColumns:
        """The judgements in columns, read once, by the essays' places in `bt_summary`."""
        return columns_of(self.llm_comparisons).of_essays([entry.essay_id for entry in self.bt_summary])


def parse_artefact(data: bytes) -> Artefact:
    """An artefact as any version of eng5-runner wrote it.

    Blocks and figures that an older version did not write are None.

    Raises:
        ValueError: it is no artefact, or was written by a version with another form; no message shows its values.
    """
    try:
        return Artefact.model_validate_json(data)
    except ValidationError as error:
        raise ValueError(describe(error)) from None


class HashedFile:
    """Where a file's bytes go, with the SHA-256 of all that went there."""

    def __init__(self, write: Callable[[bytes], None]) -> None:
        self._write = write
        self.sha256 = hashlib.sha256()

    def write(self, data: bytes) -> None:
        """Add bytes at its end."""
        self._write(data)
        self.sha256.update(data)


def sealed(
    artefact: Artefact,
    file: HashedFile,
    *,
    seen: Callable[[str, RowBatch], None] | None = None,
) -> Artefact:
    """Write the artefact's file with `validation.artefact_checksum` filled in, some hundred comparisons at a time.

    The checksum is the SHA-256 of the canonical JSON in which that field holds 64 zeros. `validation` is the last
    block, so that all before it can be written before the checksum is known.

    Args:
        artefact: not yet sealed.
        file: takes its bytes; it is empty.
        seen: is given the name of each list of comparisons with some of its rows, which are read once for all that is
            made of them.

    Returns:
        The artefact with its checksum.
    """
    for data in _before_validation(artefact, seen):
        file.write(data)
    digest = file.sha256.copy()
    digest.update(_validation(artefact, ZERO_CHECKSUM))
    checksum = digest.hexdigest()
    file.write(_validation(artefact, checksum))
    return _with_checksum(artefact, checksum)


def _before_validation(artefact: Artefact, seen: Callable[[str, RowBatch], None] | None) -> Iterator[bytes]:
    """The file up to the value of its last key, in pieces of the size of some hundred comparisons."""
    opening = b"{"
    rows = {"llm_comparisons": artefact.llm_comparisons, "failed_comparisons": artefact.failed_comparisons}
    for key, value in sorted(keys_of(artefact).items()):
        yield b'%s\n  "%s": ' % (opening, key.encode())
        if key in rows:
            yield from _rows(_seen(key, rows[key], seen=seen))
        elif key != "validation":
            yield _indented(value, by=2)
        opening = b","


def _seen(name: str, rows: Sequence[Row], *, seen: Callable[[str, RowBatch], None] | None) -> Iterator[list[Json]]:
    for batch in batches_of(rows):
        if seen is not None:
            seen(name, batch)
        yield batch.keys


def _rows(batches: Iterable[list[Json]]) -> Iterator[bytes]:
    """A list. Inside another one it is indented as it will stand; both pairs of brackets are cut."""
    opening, closing = b"[", b"\n  ]"
    outer = len(b"[\n  ["), len(b"\n  ]\n]\n")
    for batch in batches:
        yield opening + to_bytes([batch])[outer[0] : -outer[1]]
        opening = b","
    yield b"[]" if opening == b"[" else closing


def _validation(artefact: Artefact, checksum: str) -> bytes:
    return _indented(_with_checksum(artefact, checksum).validation, by=2) + b"\n}\n"


def _indented(value: object, *, by: int) -> bytes:
    """A value's canonical JSON as it stands inside an object or a list."""
    return to_bytes(value).removesuffix(b"\n").replace(b"\n", b"\n" + b" " * by)


def _with_checksum(artefact: Artefact, checksum: str) -> Artefact:
    validation = artefact.validation.model_copy(update={"artefact_checksum": checksum})
    return artefact.model_copy(update={"validation": validation})
