"""The end of a run: of a real one, then in pieces: intervals against a fit of that size, grades against anchors."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from datetime import datetime
from pathlib import Path

import numpy as np

from bench.goals import Measured
from bench.stack import cpu_seconds
from bench.study import run_directory
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.measure.grading.grades import Scale, project
from eng5_runner.measure.model.bradley_terry import Fit, fit
from eng5_runner.measure.quality.able_judges import able_judges
from eng5_runner.measure.quality.reliability import reliability_interval
from eng5_runner.measure.quality.resampling import (
    bias_of_each,
    bootstrap_intervals,
    kendall_tau_b_of_each,
    mean_absolute_error_of_each,
    spearman_of_each,
    weighted_kappa_of_each,
)
from eng5_runner.results.anchors.targets import FAIR_R
from tests.support.studies import large_study

SIZES = ((44, 440), (500, 5_000), (2_000, 20_000), (10_000, 100_000))
ANCHORS = (27, 60, 100, 400, 1_600)
TWELVE = (0, 1, 2, 3, 4, 5, 6, 7, 8, 1, 4, 7)
FITS = 5.0
# Seconds from the last answer to a run's end, for 44 essays on a quiet machine.
END_GOAL = 1.5
_SCALE = GRADE_SCALES["eng5_np_legacy_9_step"]
_ROUNDS = 3
_LOOK_SECONDS = 0.01


def main() -> list[Measured]:
    """Print the time of the reliability's interval in fits, and of the grades for more and more anchors."""
    results = [_real_end(), _small_end()]
    for essays, comparisons in SIZES:
        study, _ = large_study(essays=essays, comparisons=comparisons, seed=1)
        fitted = fit(study)
        one = _best(lambda study=study: fit(study))
        interval = _best(lambda f=fitted: reliability_interval(f))
        ratio = interval / one
        results.append(Measured(f"the reliability's interval of {essays} essays", ratio, FITS, "fits of that size"))
        print(
            f"  {essays:>6} essays: a fit {one:.4f} s, the reliability's interval {interval:.4f} s, "
            f"{ratio:.1f} fits{results[-1].remark}"
        )
        drawn = _best(lambda f=fitted: _simulated(f))
        work = f"all intervals and simulated judges of {essays} essays, {len(TWELVE)} anchors"
        results.append(Measured(work, (interval + drawn) / one, FITS, "fits of that size"))
        print(f"         with all that is drawn besides {results[-1].value:.1f} fits{results[-1].remark}")
    before = None
    for anchors in ANCHORS:
        fitted, grades = _with_anchors(anchors)
        scale = Scale(prior=_SCALE.prior, has_below_lowest=_SCALE.below_lowest is not None)
        took = _best(lambda f=fitted, g=grades, s=scale: project(f, anchors=g, scale=s))
        power = "" if before is None else f", power {np.log(took / before[1]) / np.log(anchors / before[0]):.1f}"
        print(f"  grades from {anchors:>5} anchors: {took:.2f} s{power}")
        before = anchors, took
    return results


def _simulated(fitted: Fit) -> None:
    """What a run draws besides: two correlations of positions with grades, three agreements, two kinds of judges."""
    anchors = dict(zip(fitted.items, TWELVE, strict=False))
    theta, errors = fitted.theta[: len(TWELVE)].tolist(), fitted.covariance_among(range(len(TWELVE)))
    bootstrap_intervals([kendall_tau_b_of_each, spearman_of_each], (theta, TWELVE), seed=1, covariance=errors)
    agreements = [weighted_kappa_of_each, bias_of_each, mean_absolute_error_of_each]
    bootstrap_intervals(agreements, (TWELVE, TWELVE[::-1]), seed=1)
    able_judges(fitted, anchors=anchors, rs=(FAIR_R, 1.0), seed=1)


def _real_end() -> Measured:
    """The demo study of 44 essays on the embedded stack with the offline judge: from its last answer to its end."""
    demo, taken = Path(__file__).parent.parent / "examples" / "eng5_demo", []
    for _ in range(_ROUNDS):
        with tempfile.TemporaryDirectory() as folder:
            command = [sys.executable, "-m", "eng5_runner", "--mode", "execute", "--assets", str(demo)]
            command += ["--output-dir", folder, "--comparisons-per-essay", "20", "--yes", "--json", "--no-cache"]
            used: list[tuple[float, float]] = []
            with subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) as process:
                while process.poll() is None:
                    used.append((time.time(), _cpu_if_there(process.pid)))
                    time.sleep(_LOOK_SECONDS)
            ended, last = time.time(), _last_answer(Path(folder) / "latest" / "ledger.jsonl")
            before = max((cpu for at, cpu in used if at <= last), default=0.0)
            taken.append((ended - last, max(cpu for _, cpu in used) - before))
    seconds, cpu = min(taken)
    result = Measured("from the last answer to the end of a run of 44 essays", seconds, END_GOAL, "s")
    print(
        f"  a run of 44 essays ends {seconds:.2f} s after its last answer{result.remark}, {cpu:.2f} s of it CPU of the "
        f"runner (load {os.getloadavg()[0]:.1f})"
    )
    return result


def _cpu_if_there(pid: int) -> float:
    try:
        return cpu_seconds(pid)
    except (OSError, IndexError):  # it ended meanwhile
        return 0.0


def _last_answer(ledger: Path) -> float:
    """When the last comparison of a run arrived, in seconds since 1970."""
    events = (json.loads(line) for line in ledger.read_text().splitlines())
    return max(datetime.fromisoformat(event["at"]).timestamp() for event in events if event.get("kind") == "comparison")


def _small_end() -> Measured:
    """The outputs of a small run, made in a process of its own as a run makes them."""
    essays, comparisons = SIZES[0]
    with tempfile.TemporaryDirectory() as folder:
        run = run_directory(Path(folder) / "run", essays=essays, comparisons=comparisons)
        taken = []
        for _ in range(_ROUNDS):
            command = [sys.executable, "-m", "bench.large", "hydrate", str(run)]
            environment = os.environ | {"OPENBLAS_NUM_THREADS": "1"}
            ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
            taken.append(float(ended.stdout.split()[0]))
    result = Measured(f"end of a run of {essays} essays", min(taken), END_GOAL, "s CPU")
    print(f"  {essays} essays: all outputs {result.value:.2f} s CPU{result.remark} (load {os.getloadavg()[0]:.1f})")
    return result


def _with_anchors(anchors: int) -> tuple[Fit, dict[str, int]]:
    study, _ = large_study(essays=anchors + 40, comparisons=(anchors + 40) * 10, seed=2)
    fitted = fit(study)
    order = np.argsort(fitted.theta)[:anchors].tolist()
    steps = len(_SCALE.prior)
    return fitted, {fitted.items[place]: rank * steps // anchors for rank, place in enumerate(order)}


def _best(work: Callable[[], object]) -> float:
    taken = []
    for _ in range(_ROUNDS):
        began = time.process_time()
        work()
        taken.append(time.process_time() - began)
    return min(taken)
