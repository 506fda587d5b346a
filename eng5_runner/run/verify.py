"""Verify: does a run's directory prove what it claims? Each doubt names its file."""

from __future__ import annotations

import csv
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from io import StringIO
from pathlib import Path

from eng5_runner.effects.outputs import MANIFEST_NAME, SUMS_NAME, read_file
from eng5_runner.effects.schema import artefact_violations_by_reference
from eng5_runner.errors import DiskError, InputsInvalid, InputsMissing, RunnerError, VerificationFailed, command
from eng5_runner.reports.anchor_markdown import ANCHOR_REPORT_NAME
from eng5_runner.reports.html_report import REPORT_NAME
from eng5_runner.reports.sharing.companions import COMPANIONS
from eng5_runner.reports.sharing.crate import CRATE_NAME
from eng5_runner.results.artefact.record import ManifestEntry
from eng5_runner.results.tables import EARLIER_NAMES, ONCE_EMPTY
from eng5_runner.run.hydrate import Hydrated, hydrate, listed_files
from eng5_runner.run.manifest import entry_of, manifest_files, read_manifest

_REPORTS = frozenset({REPORT_NAME, ANCHOR_REPORT_NAME, *COMPANIONS, CRATE_NAME})
# Estimates, which a later version may compute by a better method, and the checksum over them; all else is a record.
_ESTIMATES = frozenset(
    {"bt_summary", "bt_model", "grade_projections", "grade_model", "anchor_alignment", "judge_quality"}
    | {"human_scale", "grade_check"}
    | {"comparison_with_service", "validation"}
)
_TABLES_OF_ESTIMATES = frozenset(
    {"tables/essays.csv", "tables/anchors.csv", "tables/service.csv"}
    | {"tables/human_scale.csv", "tables/disagreements.csv", "tables/check_grades.csv", "tables/judges.csv"}
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Verified:
    """A run that verifies.

    Attributes:
        files: that the manifest lists.
        comparisons: with a winner.
        outcome: how the run ended.
        disagreements: where the CJ service's figures differ from the runner's by more than their precision. They are no
            doubt about the run: it states both.
        agreement: which of them agree; None where there is nothing to compare or something differs.
        older_reports: files with the words or the estimates of the version that made the run. The manifest proves
            their bytes. What an artefact records of the run, such as the judgements, is what the ledger gives.
        extra_files: that are in the directory and that the manifest does not list; nothing vouches for them.
        missing: what the record of an imported run or of a public copy does not have, so that it cannot be checked.
    """

    files: int
    comparisons: int
    outcome: str
    disagreements: tuple[str, ...]
    agreement: str | None
    older_reports: tuple[str, ...]
    extra_files: tuple[str, ...]
    missing: tuple[str, ...] = ()


def verify(run_directory: Path, *, version: str | None = None) -> Verified:
    """Check manifest and checksums, recompute all outputs from the ledger, validate the artefact once more.

    Args:
        run_directory: of the run.
        version: of this program. A report of a run that another version made may have other words.

    Raises:
        VerificationFailed: something does not hold; each doubt is named.
        InputsMissing: it is not a run's directory.
    """
    try:
        again = hydrate(run_directory, beside=run_directory)
    except InputsMissing as error:
        if not (run_directory / MANIFEST_NAME).exists():
            raise
        raise _unreadable(run_directory, error) from None
    except (InputsInvalid, DiskError) as error:
        raise _unreadable(run_directory, error) from None
    doubts = list(_manifest_doubts(run_directory, read=_read_already(again)))
    differing = list(_differing_outputs(run_directory, again))
    of_another_version = version not in {None, again.artefact.metadata.runner_version}
    older = [name for name in differing if of_another_version and _may_be_older(run_directory, name, again=again)]
    doubts += [f"{name} is not what the ledger gives" for name in differing if name not in older]
    doubts += _invalid_artefact(again)
    if doubts:
        raise _failed(run_directory, doubts)
    origin = again.artefact.metadata.origin
    compared, listed = again.artefact.comparison_with_service, {entry.path for entry in read_manifest(run_directory)}
    return Verified(
        files=len(listed),
        comparisons=again.state.judged,
        outcome=again.state.closed.outcome if again.state.closed else "open",
        disagreements=compared.findings if compared else (),
        agreement=compared.agreement if compared else None,
        older_reports=tuple(older),
        extra_files=tuple(sorted(set(listed_files(run_directory)) - listed)),
        missing=origin.missing if origin else (),
    )


def _read_already(again: Hydrated) -> dict[str, ManifestEntry]:
    """Files on the disk that were read in full: what the outputs are computed from, and those that are as computed."""
    sources = {entry.path: entry for entry in again.artefact.validation.manifest if entry.path not in again.files}
    return sources | {path: again.files.entry(path) for path in again.files if again.files.is_beside(path)}


def _manifest_doubts(run_directory: Path, *, read: Mapping[str, ManifestEntry] | None = None) -> Iterator[str]:
    try:
        entries = read_manifest(run_directory)
    except DiskError:
        yield f"{MANIFEST_NAME} is not there: the run was not closed (resume it or hydrate it)"
        return
    except ValueError:
        yield f"{MANIFEST_NAME} is damaged"
        return
    listed = {entry.path: entry for entry in entries}
    there = set(listed_files(run_directory))
    for path in sorted(listed.keys() - there):
        yield f"{path} is listed and not there"
    for path in sorted(listed.keys() & there):
        if ((read or {}).get(path) or entry_of(run_directory, path)) != listed[path]:
            yield f"{path} is not what the manifest says"
    yield from _differing(run_directory, manifest_files(entries))
    yield from _unsigned_manifest(run_directory)


def _unsigned_manifest(run_directory: Path) -> Iterator[str]:
    """A manifest that was altered and is still one blames the files; the sums tell which of them it is."""
    line = f"{entry_of(run_directory, MANIFEST_NAME).sha256}  {MANIFEST_NAME}\n"
    sums = run_directory / SUMS_NAME
    if sums.is_file() and line.encode() not in read_file(sums):
        yield f"{MANIFEST_NAME} is not what {SUMS_NAME} says"


def _differing(run_directory: Path, files: dict[str, bytes]) -> Iterator[str]:
    for name, data in files.items():
        try:
            if read_file(run_directory / name) != data:
                yield f"{name} is not what it should be"
        except RunnerError:
            yield f"{name} is not there" + (f" ({SUMS_NAME} belongs to each run)" if name == SUMS_NAME else "")


def _differing_outputs(run_directory: Path, again: Hydrated) -> Iterator[str]:
    for name in again.files:
        if again.files.is_beside(name):
            continue
        try:
            written = read_file(run_directory / name)
        except RunnerError:
            yield name
        else:
            if not (name.startswith("tables/") and _is_earlier_form(name, written, now=again.files[name])):
                yield name


def _is_earlier_form(name: str, written: bytes, *, now: bytes) -> bool:
    """Whether a table is an earlier version's, with fewer columns or other names: every cell that it has is as now."""
    try:
        old, new = (list(csv.reader(StringIO(data.decode(), newline=""), strict=True)) for data in (written, now))
    except (UnicodeDecodeError, csv.Error):
        return False
    renamed = EARLIER_NAMES.get(name.removeprefix("tables/"), {})
    heading = [renamed.get(column, column) for column in (old or [[]])[0]]
    if not heading or not set(heading) < set(new[0]):
        return False
    kept = [new[0].index(column) for column in heading]
    filled = [index for index, column in enumerate(heading) if column in ONCE_EMPTY]
    today = [[row[index] for index in kept] for row in new[1:]]
    for row, before in zip(today, old[1:], strict=False):
        for index in filled:
            row[index] = row[index] and before[index]
    return old[1:] == today


def _may_be_older(run_directory: Path, name: str, *, again: Hydrated) -> bool:
    """Whether another version may have written the file differently from the same ledger."""
    if name != again.artefact_name:
        return name in _REPORTS | _TABLES_OF_ESTIMATES
    try:
        written = json.loads(read_file(run_directory / name))
    except (RunnerError, ValueError):
        return False
    return isinstance(written, dict) and _record(written) == _record(json.loads(again.files[name]))


def _record(artefact: dict[str, object]) -> dict[str, object]:
    return {key: value for key, value in artefact.items() if key not in _ESTIMATES}


def _invalid_artefact(again: Hydrated) -> Iterator[str]:
    yield from (f"{again.artefact_name}{place}" for place in again.violations)
    reference = artefact_violations_by_reference(again.artefact)
    yield from (f"{again.artefact_name}{place} (reference validator)" for place in reference)


def _unreadable(run_directory: Path, error: RunnerError) -> VerificationFailed:
    """Nothing can be computed, so `hydrate` is no remedy."""
    return _failed(run_directory, [*_manifest_doubts(run_directory), error.message], remedy="")


def _failed(run_directory: Path, doubts: list[str], *, remedy: str | None = None) -> VerificationFailed:
    if remedy is None:
        remedy = " If the ledger is whole, this writes the outputs again: " + command("hydrate", run_directory)
    return VerificationFailed(
        f"{run_directory} does not verify:\n  " + "\n  ".join(doubts),
        remedy="Compare with a copy of the run." + remedy,
    )
