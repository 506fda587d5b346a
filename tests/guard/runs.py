"""The run directories of the guard, and what `hydrate` must write for each of them.

`runs/` holds run directories as version 0.1.0 wrote them; they never change. `expected/` holds only the files that
`hydrate` has since been allowed to write differently.
"""

from __future__ import annotations

import shutil
from pathlib import Path

from tests.support.runner import run

HERE = Path(__file__).parent
RUNS = HERE / "runs"
EXPECTED = HERE / "expected"

RECORDED = "0.1.0-recorded"
EXECUTE = "0.1.0-execute"
RESUMED = "0.1.0-resumed"
ANCHOR_ALIGN = "0.1.0-anchor-align"
NAMES = (RECORDED, EXECUTE, RESUMED, ANCHOR_ALIGN)

MANIFEST = "manifest.json"
SUMS = "manifest.sha256"
# All other files of a run are computed from these.
SOURCES = ("config.resolved.toml", "inputs.json", "ledger.jsonl")

Files = dict[str, bytes]


def files_of(folder: Path) -> Files:
    """Path relative to the folder -> bytes; the lock of a process that has ended is left out."""
    paths = (path for path in folder.rglob("*") if path.is_file() and path.name != "run.lock")
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def expected_files(name: str) -> Files:
    """What a run directory must hold after `hydrate`: the files that its expected list of sums names, and that list."""
    files = files_of(RUNS / name) | files_of(EXPECTED / name)
    return {path: files[path] for path in (*sums(files), SUMS)}


def sums(files: Files) -> dict[str, str]:
    """Path -> SHA-256, as `manifest.sha256` lists them."""
    rows = (line.split("  ", maxsplit=1) for line in files[SUMS].decode().splitlines())
    return {path: sha256 for sha256, path in rows}


def hydrated(name: str, folder: Path) -> Files:
    """Hydrate a copy of a run that has lost all its outputs; gives every file of it."""
    copy = folder / name
    copy.mkdir()
    for source in SOURCES:
        shutil.copyfile(RUNS / name / source, copy / source)
    ran = run("hydrate", copy, cwd=folder)
    assert ran.code == 0, ran.err
    return files_of(copy)
