"""Hydration: artefact, tables and validation from the ledger, against the number of comparisons."""

from __future__ import annotations

import json
import tempfile
import time
from pathlib import Path

import jsonschema

from bench.goals import Measured
from bench.study import run_directory
from eng5_runner.effects.schema import artefact_schema, violations
from eng5_runner.run.hydrate import hydrate, write

ESSAYS = 60
SIZES = (1_000, 10_000)
ROUNDS = 3


def main() -> list[Measured]:
    """Print seconds a size and their ratio; in proportion is the goal."""
    best: dict[int, float] = {}
    with tempfile.TemporaryDirectory() as folder:
        runs = {n: run_directory(Path(folder) / str(n), essays=ESSAYS, comparisons=n) for n in SIZES}
        for _ in range(ROUNDS):
            for size, directory in runs.items():
                began = time.perf_counter()
                write(directory, hydrate(directory))
                best[size] = min(best.get(size, 1e9), time.perf_counter() - began)
        for size in SIZES:
            print(
                f"  {size:>6} comparisons, {ESSAYS} essays: {best[size]:.2f} s, {best[size] / size * 1e6:.0f} us each"
            )
        small, large = SIZES
        times = large // small
        growth = Measured(
            f"hydration of {times} times as many comparisons", best[large] / best[small], 1.2 * times, "times as long"
        )
        print(f"  {growth.value:.1f} times as long for {times} times as many{growth.remark}")
        _validation(runs[small])
    return [growth]


def _validation(directory: Path) -> None:
    artefact = json.loads((directory / "assessment_run.execute.json").read_bytes())
    began = time.perf_counter()
    assert not violations(artefact)
    fast = time.perf_counter() - began
    began = time.perf_counter()
    validator = jsonschema.Draft202012Validator(artefact_schema(), format_checker=jsonschema.FormatChecker())
    assert not list(validator.iter_errors(artefact))
    slow = time.perf_counter() - began
    print(f"  schema validation: {fast * 1e3:.0f} ms, by the reference {slow * 1e3:.0f} ms, {slow / fast:.0f} times")
