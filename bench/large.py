"""The end of a large run: time and memory of reading, hydrating and verifying, against the number of comparisons.

`python -m bench large -- 1000000 10000` measures another size, of comparisons and essays.
"""

from __future__ import annotations

import os
import resource
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from bench.goals import Measured
from bench.study import run_directory
from eng5_runner.core.state import fold
from eng5_runner.effects.ledger import LedgerReading
from eng5_runner.run.hydrate import hydrate, write
from eng5_runner.run.verify import verify

SIZES = ((5_000, 500), (20_000, 2_000), (50_000, 10_000))
ANCHORS = 48
RSS_LIMIT, REPORT_LIMIT = 600, 5.0
_MILLION = 1_000_000
# For a million comparisons, on one core of a quiet machine.
READ_LIMIT, HYDRATE_LIMIT, VERIFY_LIMIT = 15.0, 60.0, 60.0


def main() -> list[Measured]:
    """Print CPU seconds, microseconds a comparison and peak memory; each step in a process of its own."""
    results: list[Measured] = []
    given = [int(word) for word in sys.argv if word.isdecimal()]
    for comparisons, essays in [(given[0], given[1])] if len(given) > 1 else SIZES:
        with tempfile.TemporaryDirectory(dir=os.environ.get("BENCH_DIR")) as folder:
            run = run_directory(Path(folder) / "run", essays=essays, comparisons=comparisons, anchors=ANCHORS)
            print(f"  {comparisons:,} comparisons, {essays:,} essays; load {os.getloadavg()[0]:.1f}")
            for step, limit in (("read", READ_LIMIT), ("hydrate", HYDRATE_LIMIT), ("verify", VERIFY_LIMIT)):
                command = [sys.executable, "-m", "bench.large", step, str(run)]
                environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
                ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
                cpu, wall, megabytes = map(float, ended.stdout.split())
                each = cpu / comparisons * 1e6
                print(f"    {step:8} {cpu:7.2f} s CPU, {wall:7.2f} s, {each:4.0f} us a comparison, {megabytes:4.0f} MB")
                work = f"{step} of {comparisons:,} comparisons"
                results.append(Measured(f"{work}, memory", megabytes, RSS_LIMIT, "MB"))
                # What does not grow with the comparisons, such as the fits of the essays, weighs on small runs.
                if comparisons >= _MILLION:
                    results.append(Measured(work, cpu, limit * comparisons / _MILLION, "s CPU"))
            report = (run / "report.html").stat().st_size / 1e6
            results.append(Measured(f"report of {comparisons:,} comparisons", report, REPORT_LIMIT, "MB"))
            print(f"    report {report:.2f} MB")
    return results


def step(name: str, run: Path) -> str:
    """CPU seconds, wall seconds and peak memory in MB of one step."""
    began, wall = time.process_time(), time.perf_counter()
    if name == "read":
        fold(LedgerReading(run))
    elif name == "hydrate":
        write(run, hydrate(run))
    else:
        verify(run)
    cpu, took = time.process_time() - began, time.perf_counter() - wall
    return f"{cpu} {took} {_peak_megabytes()}"


def _peak_megabytes() -> float:
    """Of this process. Linux's `ru_maxrss` begins with the peak of the process that started it."""
    status = Path("/proc/self/status")
    if status.is_file():
        return float(status.read_text().partition("VmHWM:")[2].split()[0]) / 1024
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


if __name__ == "__main__":
    print(step(sys.argv[1], Path(sys.argv[2])))
