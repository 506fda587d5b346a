"""Fits: positions and standard errors of 100 to 10,000 essays, against choix on the same data."""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import time

import choix
import numpy as np

from eng5_runner.measure.model.bradley_terry import fit
from tests.support.studies import large_study

SIZES = ((100, 2_000), (1_000, 20_000), (10_000, 200_000))
# choix needs minutes and gigabytes for the largest size; half a minute is enough to see it.
LIMIT = 30


def main() -> None:
    """Print seconds and ratios; each measurement in a process of its own, with one thread, for its memory's sake."""
    for essays, comparisons in SIZES:
        ours = _in_a_process("ours", essays=essays, comparisons=comparisons)
        theirs = _in_a_process("choix", essays=essays, comparisons=comparisons)
        print(f"  {essays:>6} essays, {comparisons:>7} comparisons: {ours or 'no end'}")
        print(f"         {'choix.opt_pairwise, without standard errors':>43}: {theirs or f'no end in {LIMIT} s'}")


def _in_a_process(what: str, *, essays: int, comparisons: int) -> str:
    command = [sys.executable, "-m", "bench.fit", what, str(essays), str(comparisons)]
    try:
        ended = subprocess.run(
            command,
            env=os.environ | {"OPENBLAS_NUM_THREADS": "1"},
            capture_output=True,
            text=True,
            timeout=LIMIT,
            check=True,
        )
    except subprocess.TimeoutExpired:
        return ""
    return ended.stdout.strip()


def measure(*, what: str, essays: int, comparisons: int) -> str:
    """One measurement: the best of three, or of one where it is slow."""
    study, rows = large_study(essays=essays, comparisons=comparisons, seed=1)
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    best = [1e9, 1e9]
    if what == "ours":
        for _ in range(3):
            began = time.perf_counter()
            fitted = fit(study)
            middle = time.perf_counter()
            assert np.isfinite(fitted.standard_errors).all()
            best = [min(best[0], middle - began), min(best[1], time.perf_counter() - middle)]
        told = f"fit with its prior's width {best[0]:.3f} s, standard errors {best[1]:.3f} s"
    else:
        for _ in range(3 if essays == SIZES[0][0] else 1):
            began = time.perf_counter()
            choix.opt_pairwise(essays, rows, alpha=0.125, method="Newton-CG")
            best[0] = min(best[0], time.perf_counter() - began)
        told = f"{best[0]:.3f} s"
    more = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 1024
    return f"{told}, {more:.0f} MB more"


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("what", choices=("ours", "choix"))
    parser.add_argument("essays", type=int)
    parser.add_argument("comparisons", type=int)
    print(measure(**vars(parser.parse_args())))
