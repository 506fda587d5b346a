"""A public copy as an RO-Crate 1.1 with the profile Process Run Crate 0.5: what was run, on what, with what result.

The specification: https://w3id.org/ro/crate/1.1 and https://w3id.org/ro/wfrun/process/0.5.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import PurePosixPath
from types import MappingProxyType

from eng5_runner.canonical import Json, canonical_json
from eng5_runner.reports.methods import methods_paragraph
from eng5_runner.reports.sharing.companions import METHODS_NAME, PROMPTS, README_NAME, SCHEMA_NAME, origin_of
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.record import ManifestEntry

CRATE_NAME = "ro-crate-metadata.json"

_CRATE = "https://w3id.org/ro/crate/1.1"
_PROFILE, _PROFILE_VERSION = "https://w3id.org/ro/wfrun/process/0.5", "0.5"
_SHA256 = "https://schema.org/sha256"  # a term that the context of 1.1 lacks
_TOOL = "https://pypi.org/project/eng5-runner/"
_RUN = "#run"
_DONE = ("complete", "budget", "partial")
_FORMS: Mapping[str, str] = MappingProxyType(
    {
        ".json": "application/json",
        ".jsonl": "application/jsonl",
        ".csv": "text/csv",
        ".html": "text/html",
        ".md": "text/markdown",
        ".toml": "application/toml",
    }
)
_MEANINGS: Mapping[str, str] = MappingProxyType(
    {
        "ledger.jsonl": "The record of the run, one event a line; everything else is computed from it",
        "inputs.json": "What was compared: pseudonyms, hashes, grades of anchors, numbers of words",
        "config.resolved.toml": "The settings that decide what is computed",
        "report.html": "The results on one page",
        "anchor_alignment.md": "Agreement of the judge with the experts' grades",
        README_NAME: "What this is, what is missing, and how to check it",
        METHODS_NAME: "A paragraph on the method, to quote, and a citation",
        SCHEMA_NAME: "JSON Schema of the artefact",
        "tables/essays.csv": "Position and grade of each essay",
        "tables/comparisons.csv": "Each comparison with a winner",
        "tables/anchors.csv": "The anchors, known and projected grade",
        "tables/service.csv": "The service's own figures beside the runner's",
        "tables/failed_comparisons.csv": "Comparisons without a winner",
    }
)


def crate(artefact: Artefact, files: Sequence[ManifestEntry]) -> bytes:
    """The metadata file of the crate.

    Args:
        artefact: of the copy.
        files: all files of the copy but this one and the manifest.
    """
    ordered = sorted(files, key=lambda entry: entry.path)
    graph: list[Json] = [
        {
            "@id": CRATE_NAME,
            "@type": "CreativeWork",
            "about": _ref("./"),
            "conformsTo": _ref(_CRATE),
        },
        _root(artefact, [entry.path for entry in ordered]),
        *_action(artefact, [entry.path for entry in ordered]),
        *map(_file, ordered),
        _licence(artefact),
        {"@id": _PROFILE, "@type": "CreativeWork", "name": "Process Run Crate", "version": _PROFILE_VERSION},
    ]
    return canonical_json({"@context": [f"{_CRATE}/context", {"sha256": _SHA256}], "@graph": graph})


def _root(artefact: Artefact, paths: Sequence[str]) -> Json:
    origin = origin_of(artefact)
    return {
        "@id": "./",
        "@type": "Dataset",
        "name": f"Comparative judgement of English 5 essays: {artefact.metadata.batch_label}",
        "description": methods_paragraph(artefact),
        "datePublished": origin.made_at[:10],
        "license": _ref(_licence_id(artefact)),
        "conformsTo": _ref(_PROFILE),
        "hasPart": [_ref(path) for path in paths],
        "mentions": _ref(_RUN),
        "mainEntity": _ref(_artefact_path(paths)),
        "identifier": f"urn:uuid:{artefact.metadata.batch_uuid}",
    }


def _action(artefact: Artefact, paths: Sequence[str]) -> Iterator[Json]:
    metadata, origin = artefact.metadata, origin_of(artefact)
    used = [path for path in paths if _is_used(path)]
    judges = [f"{judge.provider}/{judge.model}" for judge in metadata.judges]
    done = artefact.runner_status.outcome in _DONE
    yield {
        "@id": _RUN,
        "@type": "CreateAction",
        "name": f"Comparative judgement, run {metadata.batch_uuid}",
        "description": f"Essays were compared in pairs by {', '.join(judges) or 'no judge'}; the outcome is "
        f"{artefact.runner_status.outcome}",
        "startTime": _to_the_second(metadata.started_at),
        "endTime": _to_the_second(metadata.generated_at),
        "actionStatus": f"http://schema.org/{'Completed' if done else 'Failed'}ActionStatus",
        **({} if done else {"error": "; ".join(artefact.runner_status.reasons) or artefact.runner_status.outcome}),
        "instrument": _ref(_TOOL),
        "object": [*(_ref(path) for path in used), *(_ref(_judge_id(judge)) for judge in judges)],
        "result": [_ref(path) for path in paths if path not in used],
    }
    yield {
        "@id": _TOOL,
        "@type": "SoftwareApplication",
        "name": "eng5-runner" if origin.program.startswith("eng5-runner ") else f"eng5-runner, after {origin.program}",
        "url": _TOOL,
        "softwareVersion": metadata.runner_version,
    }
    for judge, name in zip(metadata.judges, judges, strict=True):
        yield {
            "@id": _judge_id(name),
            "@type": "SoftwareApplication",
            "name": f"{judge.model} ({judge.provider}), {judge.kind}",
            "softwareVersion": ", ".join(sorted({one.model for one in judge.served or () if one.model})) or judge.model,
        }


def _file(entry: ManifestEntry) -> Json:
    if entry.path.startswith("assessment_run."):
        meaning = "The artefact: every figure of the run"
    elif entry.path.startswith("requests/"):
        meaning = "A request to the CJ service, with pseudonyms"
    elif entry.path.startswith(f"{PROMPTS}/"):
        meaning = f"What the judge was given: {PurePosixPath(entry.path).stem.replace('_', ' ')}"
    else:
        meaning = _MEANINGS.get(entry.path, entry.path)
    return {
        "@id": entry.path,
        "@type": "File",
        "name": entry.path,
        "description": meaning,
        "contentSize": str(entry.bytes),
        "sha256": entry.sha256,
        "encodingFormat": _FORMS.get(PurePosixPath(entry.path).suffix, "application/octet-stream"),
    }


def _licence(artefact: Artefact) -> Json:
    given = origin_of(artefact).licence
    return {
        "@id": _licence_id(artefact),
        "@type": "CreativeWork",
        "name": given or "No licence is given",
        "description": "The licence of this copy" if given else "All rights reserved; ask the authors before use",
    }


def _licence_id(artefact: Artefact) -> str:
    return origin_of(artefact).licence or "#no-licence"


def _artefact_path(paths: Sequence[str]) -> str:
    return next(path for path in paths if path.startswith("assessment_run."))


def _is_used(path: str) -> bool:
    return path in ("inputs.json", "config.resolved.toml") or path.startswith(f"{PROMPTS}/")


def _judge_id(name: str) -> str:
    safe = "".join(char if char.isalnum() or char in "-._" else "-" for char in name)
    return f"#judge-{safe}"


def _to_the_second(instant: str) -> str:
    return f"{instant[:19]}+00:00"


def _ref(identifier: str) -> Json:
    return {"@id": identifier}
