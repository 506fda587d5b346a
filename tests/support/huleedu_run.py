"""A run as HuleEdu's runner leaves it: made of the messages of its services that a guard run has recorded."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

RECORDED = Path(__file__).parents[1] / "guard" / "runs" / "0.1.0-recorded"


def grades() -> dict[int, str]:
    """The service's row of each anchor → its grade."""
    lines = map(json.loads, (RECORDED / "ledger.jsonl").read_text().splitlines())
    rows = next(event["anchor_rows"] for event in lines if event["type"] == "PreflightPassed")
    anchors = json.loads((RECORDED / "inputs.json").read_text())["anchors"]
    known = {anchor["anchor_id"]: anchor["grade"] for anchor in anchors}
    return {row["row_id"]: known[row["anchor_id"]] for row in rows}


def messages(kind: str) -> Iterator[dict[str, Any]]:
    """The events of a kind: `comparison`, `completed`, `result`."""
    for line in (RECORDED / "ledger.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "CallbackAccepted" and event["kind"] == kind:
            yield json.loads(event["raw"])


def row(number: int, message: dict[str, Any], *, with_order: bool) -> dict[str, Any]:
    """A comparison as the artefact of version 1.0 has it; a failed one has a made-up winner there."""
    data = message["data"]
    pair = data["request_metadata"]["essay_a_id"], data["request_metadata"]["essay_b_id"]
    winner, loser = pair[::-1] if data["winner"] == "Essay B" else pair
    error = data.get("error_detail")
    order = {"request_id": data["request_id"], "essay_a_id": pair[0], "essay_b_id": pair[1]} if with_order else {}
    failed = {"failure_reason": error["message"], "error_code": error["error_code"]} if error else {}
    return {
        "sequence": number,
        "correlation_id": message["correlation_id"],
        "winner_id": winner,
        "loser_id": loser,
        "prompt_hash": data["request_metadata"].get("prompt_sha256") or "0" * 64,
        "provider": data["provider"],
        "model": data["model"],
        "tokens_prompt": data["token_usage"]["prompt_tokens"],
        "tokens_completion": data["token_usage"]["completion_tokens"],
        "cost_usd": data["cost_estimate"],
        "started_at": data["requested_at"],
        "completed_at": data["completed_at"],
        "status": "failed" if error else "succeeded",
        "justification": data.get("justification"),
        "confidence": data.get("confidence"),
        **order,
        **failed,
    }


def artefact(*, with_order: bool = True, partial: bool = False) -> dict[str, Any]:
    """Its artefact, as far as this program reads it."""
    found = list(messages("comparison"))
    batch = found[0]["data"]["request_metadata"]["bos_batch_id"]
    wires = {m["data"]["request_metadata"][key] for m in found for key in ("essay_a_id", "essay_b_id")}
    students = [
        {
            "essay_id": wire.lower(),
            "file_name": f"{wire}.txt",
            "source_path": f"/home/{wire}.txt",
            "checksum": f"{n:064x}",
        }
        for n, wire in enumerate(sorted(wire for wire in wires if not wire.startswith("ANCHOR_")), start=1)
    ]
    return {
        "schema_version": "1.0.0",
        "metadata": {
            "grade_scale": "eng5_np_legacy_9_step",
            "runner_version": "0.1.0",
            "runner_mode": "execute",
            "batch_uuid": batch,
            "batch_id": "old study",
        },
        "inputs": {
            "instructions": {"source_path": "i.md", "checksum": "0" * 64, "content": "Judge the language."},
            "prompt_reference": {"source_path": "p.md", "checksum": "0" * 64, "content": "Write about rain."},
            "anchors": [],
            "students": students,
        },
        "llm_comparisons": [row(n, message, with_order=with_order) for n, message in enumerate(found, start=1)],
        "validation": {"runner_status": {"partial_data": partial, "timeout_seconds": 90.0}},
    }


def write_run(folder: Path, *, with_order: bool = True, partial: bool = False) -> Path:
    """Its folder: the artefact, the events that it kept, and a table of the anchors' grades beside it."""
    events = folder / "run" / "events" / "assessment_results"
    events.mkdir(parents=True)
    for number, message in enumerate(messages("result")):
        (events / f"assessment_result_{number}.json").write_text(json.dumps(message))
    made = artefact(with_order=with_order, partial=partial)
    (folder / "run" / "assessment_run.execute.json").write_text(json.dumps(made))
    lines = [f"ANCHOR_{row},{grade}" for row, grade in grades().items()]
    (folder / "anchors.csv").write_text("\n".join(["id,grade", *lines, ""]))
    return folder / "run"
