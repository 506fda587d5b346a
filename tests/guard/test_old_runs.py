"""Run directories that version 0.1.0 wrote stay readable, whatever the code writes today."""

from __future__ import annotations

import hashlib
import shutil
from pathlib import Path

import pytest

from tests.guard.runs import ANCHOR_ALIGN, EXECUTE, NAMES, RECORDED, RESUMED, RUNS
from tests.support.runner import DEMO, run

FACTS = {
    RECORDED: {"label": "replayed", "comparisons_judged": 24, "comparisons_failed": 2, "cost_usd": 0.080595},
    EXECUTE: {"label": "demo", "comparisons_judged": 176, "texts_stored": 45},
    RESUMED: {"label": "resumed", "comparisons_judged": 112, "duplicates": 144, "sessions": 3},
    ANCHOR_ALIGN: {"label": "anchors", "comparisons_judged": 84, "mode": "anchor-align"},
}
AT_ITS_END = {"outcome": "complete", "reasons": [], "result": True, "uploads_left": 0, "next": None}


def old(name: str, folder: Path) -> Path:
    """A copy of a run directory as version 0.1.0 wrote it."""
    return Path(shutil.copytree(RUNS / name, folder / name))


@pytest.mark.parametrize("name", NAMES)
def test_verify(name: str, tmp_path: Path) -> None:
    verified = run("verify", old(name, tmp_path), "--json", cwd=tmp_path)
    assert verified.code == 0, verified.err
    (facts,) = verified.lines
    assert facts["comparisons"] == FACTS[name]["comparisons_judged"]
    assert facts["outcome"] == "complete"


def test_verify_finds_a_changed_cell_in_a_table_that_has_fewer_columns_than_today(tmp_path: Path) -> None:
    """With a manifest that fits, so that only the ledger can tell."""
    directory = old(EXECUTE, tmp_path)
    table, manifest, sums = (
        directory / name for name in ("tables/comparisons.csv", "manifest.json", "manifest.sha256")
    )
    before, listed, summed = (path.read_bytes() for path in (table, manifest, sums))
    assert b"essay_01" in before
    table.write_bytes(before.replace(b"essay_01", b"essay_99"))
    manifest.write_bytes(listed.replace(sha256(before), sha256(table.read_bytes())))
    summed = summed.replace(sha256(before), sha256(table.read_bytes()))
    sums.write_bytes(summed.replace(sha256(listed), sha256(manifest.read_bytes())))
    verified = run("verify", directory, cwd=tmp_path)
    assert verified.code == 5
    assert "tables/comparisons.csv is not what the ledger gives" in verified.err


def sha256(data: bytes) -> bytes:
    return hashlib.sha256(data).hexdigest().encode()


@pytest.mark.parametrize("name", NAMES)
def test_status(name: str, tmp_path: Path) -> None:
    shown = run("status", old(name, tmp_path), "--json", cwd=tmp_path)
    assert shown.code == 0, shown.err
    (facts,) = shown.lines
    expected = {"mode": "execute"} | AT_ITS_END | FACTS[name]
    assert {key: facts[key] for key in expected} == expected


@pytest.mark.parametrize("name", NAMES)
def test_hydrate(name: str, tmp_path: Path) -> None:
    """It overwrites outputs that another version wrote, and the run verifies after that."""
    directory = old(name, tmp_path)
    hydrated = run("hydrate", directory, cwd=tmp_path)
    assert hydrated.code == 0, hydrated.err
    verified = run("verify", directory, cwd=tmp_path)
    assert verified.code == 0, verified.err


@pytest.mark.parametrize("name", NAMES)
def test_report(name: str, tmp_path: Path) -> None:
    page = tmp_path / "page.html"
    ran = run("report", old(name, tmp_path), "--out", page, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert page.read_bytes().startswith(b"<!doctype html>")


def compare(first: str, second: str, folder: Path) -> dict:
    ran = run("compare", old(first, folder), old(second, folder), "--json", cwd=folder)
    assert ran.code == 0, ran.err
    (facts,) = ran.lines
    return facts


def test_compare(tmp_path: Path) -> None:
    facts = compare(EXECUTE, RESUMED, tmp_path)
    assert facts["essays"] == {"shared": 16, "only_in_a": 28, "only_in_b": 0}
    assert facts["positions"]["spearman"] == {"estimate": 0.947059, "interval_90": [0.841305, 0.982091]}
    assert facts["grades"]["students"] == 8
    assert [cost["judged"] for cost in facts["costs"]] == [176, 112]


def test_compare_with_an_anchor_align_run(tmp_path: Path) -> None:
    facts = compare(EXECUTE, ANCHOR_ALIGN, tmp_path)
    assert facts["essays"] == {"shared": 14, "only_in_a": 30, "only_in_b": 0}
    assert facts["anchors"]["anchors"] == 14


def pilot(name: str, folder: Path) -> dict:
    ran = run("--mode", "plan", "--assets", DEMO, "--pilot", old(name, folder), "--json", cwd=folder)
    assert ran.code == 0, ran.err
    facts = ran.lines[0]["pilot"]
    assert isinstance(facts, dict)
    return facts


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        (EXECUTE, {"comparisons": 176, "essays": 44, "spread": 1.775682, "step": 0.602592}),
        (RESUMED, {"comparisons": 112, "essays": 16}),
        (RECORDED, {"comparisons": 24, "essays": 13, "failed": 2, "judge": ["openai", "gpt-5.1"]}),
    ],
)
def test_pilot(name: str, expected: dict[str, object], tmp_path: Path) -> None:
    facts = pilot(name, tmp_path)
    assert {key: facts[key] for key in expected} == expected


def test_an_anchor_align_run_as_pilot(tmp_path: Path) -> None:
    facts = pilot(ANCHOR_ALIGN, tmp_path)
    assert (facts["comparisons"], facts["essays"]) == (84, 14)
