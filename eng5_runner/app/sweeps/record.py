"""Which run of a sweep's folder is whose: `sweep.json`. How far a run has come stands in its own ledger alone."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

from pydantic import ValidationError

from eng5_runner.canonical import canonical_json, sha256_hex
from eng5_runner.core.spec import RunSpec, Value
from eng5_runner.effects.outputs import read_file, write_atomically
from eng5_runner.errors import InputsInvalid

RECORD_NAME = "sweep.json"


class RecordedRun(Value):
    """A run that the sweep has begun.

    Attributes:
        key: of what it asks whom; see `key_of`.
        directory: its folder in the sweep's folder.
    """

    key: str
    judge: str
    design: str
    seed: int
    directory: str


class SweepRecord(Value):
    """What a sweep has begun.

    Attributes:
        inputs_sha256: of the essays, anchors and instructions of all runs.
        runs: in the order in which they began.
    """

    version: Literal[1] = 1
    name: str
    inputs_sha256: str
    runs: tuple[RecordedRun, ...] = ()

    def with_run(self, run: RecordedRun) -> SweepRecord:
        """The record with a run, in place of an earlier one with the same key, of which nothing was sent."""
        others = tuple(other for other in self.runs if other.key != run.key)
        return self.model_copy(update={"runs": (*others, run)})


def key_of(spec: RunSpec) -> str:
    """A digest of what a run asks whom: runs with the same key are the same run of a sweep, whatever their names."""
    asked = spec.model_dump(mode="json", include={"mode", "study", "judge", "budget"})
    asked["budget"].pop("max_cost_usd")
    return sha256_hex(canonical_json(asked))


def read_record(folder: Path) -> SweepRecord | None:
    """The record of a sweep's folder; None if it has none.

    Raises:
        InputsInvalid: it is damaged.
        DiskError: it cannot be read.
    """
    path = folder / RECORD_NAME
    if not path.is_file():
        return None
    try:
        return SweepRecord.model_validate_json(read_file(path))
    except ValidationError:
        raise InputsInvalid(
            f"{path} is damaged.", remedy="Restore it from a copy, or give the sweep another name."
        ) from None


def write_record(folder: Path, record: SweepRecord) -> None:
    """Write the record; it is durable when this returns.

    Raises:
        DiskError: it cannot be written.
    """
    write_atomically(folder / RECORD_NAME, canonical_json(record.model_dump(mode="json")))
