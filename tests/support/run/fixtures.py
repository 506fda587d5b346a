"""Runs that several tests read and none alters."""

from __future__ import annotations

import json

import pytest

from tests.support.run.outcomes import OUTCOMES
from tests.support.run.runs import Run


@pytest.fixture(scope="session")
def plain(tmp_path_factory) -> Run:
    """An undisturbed run, not hydrated."""
    run = Run(tmp_path_factory.mktemp("plain") / "run")
    run.start()
    return run


@pytest.fixture(scope="session")
def plain_artefact(plain) -> dict:
    """Its artefact."""
    return plain.artefact()


@pytest.fixture(scope="session")
def finished(tmp_path_factory) -> dict[str, Run]:
    """A finished run of every outcome."""
    runs = {name: make(tmp_path_factory.mktemp(name) / "run") for name, make in OUTCOMES.items()}
    for run in runs.values():
        run.finish()
    return runs


@pytest.fixture(scope="session")
def artefacts(finished) -> dict[str, dict]:
    """Their artefacts as they stand on the disk."""
    found = {}
    for name, run in finished.items():
        (path,) = run.directory.glob("assessment_run.*.json")
        found[name] = json.loads(path.read_bytes())
    return found
