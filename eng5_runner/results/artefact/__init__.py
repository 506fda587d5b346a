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
light rows of a tuple and no models: 100,000 of them take 90 MB.
"""

from __future__ import annotations

from typing import Annotated, Final

from pydantic import ConfigDict, Field, ValidationError

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.base import describe
from eng5_runner.results.artefact.judge import AnchorAlignment, JudgeQuality
from eng5_runner.results.artefact.measurement import BTEntry, BTModel, GradeModel, GradeProjection
from eng5_runner.results.artefact.part import Later, Nullable, Part, to_bytes
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
    llm_comparisons: tuple[Comparison, ...]
    """Each comparison with a winner."""
    failed_comparisons: tuple[FailedComparison, ...]
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


def sealed(artefact: Artefact) -> tuple[Artefact, bytes]:
    """The artefact with `validation.artefact_checksum` filled in, and the bytes of its file.

    The checksum is the SHA-256 of the canonical JSON in which that field holds 64 zeros.
    """
    blank = to_bytes(_with_checksum(artefact, ZERO_CHECKSUM))
    checksum = sha256_hex(blank)
    # The file is written once: the key's last place is its own, since `validation` is the last block, and the quotes of
    # any text before it are escaped.
    key = b'"artefact_checksum": "'
    place = blank.rindex(key + ZERO_CHECKSUM.encode()) + len(key)
    data = b"".join((blank[:place], checksum.encode(), blank[place + len(checksum) :]))
    return _with_checksum(artefact, checksum), data


def _with_checksum(artefact: Artefact, checksum: str) -> Artefact:
    validation = artefact.validation.model_copy(update={"artefact_checksum": checksum})
    return artefact.model_copy(update={"validation": validation})
