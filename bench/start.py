"""Starting: CPU time of --help, --version, completion, status and plan, against a bare Typer app in the same rounds."""

from __future__ import annotations

import asyncio
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from bench.goals import Measured
from bench.stack import cpu_seconds, stack

ROUNDS = 5
ROOT = Path(__file__).parents[1]
RUN = ROOT / "tests" / "guard" / "runs" / "0.1.0-execute"
BARE = """
import typer
app = typer.Typer(rich_markup_mode=None)
@app.command()
def status(name: str = "x") -> None:
    "Say a name."
    typer.echo(name)
@app.callback()
def main(name: str | None = None) -> None:
    "Bare."
app(prog_name="bare")
"""
OURS = (str(Path(sys.executable).with_name("eng5-runner")),)
COMPLETION = {"_ENG5_RUNNER_COMPLETE": "complete_bash", "COMP_WORDS": "eng5-runner sta", "COMP_CWORD": "1"}
BARE_COMPLETION = {"_BARE_COMPLETE": "complete_bash", "COMP_WORDS": "bare sta", "COMP_CWORD": "1"}
# What a call may cost at most, in bare Typer apps.
CALLS: Mapping[str, tuple[Sequence[str], Mapping[str, str], float]] = {
    "--version": ((*OURS, "--version"), {}, 1.3),
    "--help": ((*OURS, "--help"), {}, 1.3),
    "completion": (OURS, COMPLETION, 1.3),
    "status": ((*OURS, "status", str(RUN)), {}, 1.3),
    "plan": ((*OURS, "--mode", "plan", "--assets", str(ROOT / "examples" / "eng5_demo")), {}, 5.0),
}


# Seconds until the addresses are printed, where `python -c pass` takes .02.
STACK_GOAL = 1.5
RUNS = 100


def main() -> list[Measured]:
    """Print CPU seconds and ratios, with compiled files as an installed wheel has them, and without."""
    results = []
    with tempfile.TemporaryDirectory() as folder:
        app = Path(folder) / "bare.py"
        app.write_text(BARE)
        compiled = {"PYTHONPYCACHEPREFIX": f"{folder}/compiled", "PYTHONDONTWRITEBYTECODE": ""}
        without = {"PYTHONPYCACHEPREFIX": f"{folder}/none", "PYTHONDONTWRITEBYTECODE": "1"}
        for title, environment, rounds in (("compiled", compiled, ROUNDS), ("not compiled", without, 1)):
            bares, calling, seconds = _measured(app, environment, rounds)
            load = os.getloadavg()[0]
            print(
                f"  {title}: a bare Typer app {bares[0]:.3f} s CPU, its completion {bares[1]:.3f} s, "
                f"a call of its command {calling:.3f} s, {calling / bares[0]:.2f} times (load {load:.1f})"
            )
            for name, took in seconds.items():
                # Like with like: Typer itself loads pydantic to complete a word, and to read the words of a call.
                goal, of_help = CALLS[name][2], took / bares[0]
                alike = {"completion": bares[1], "status": calling}.get(name, bares[0])
                more = "" if alike == bares[0] else f", {took / alike:.2f} times the bare app's own"
                print(f"    {name:10} {took:.3f} s CPU, {of_help:.2f} times the bare app's help{more}")
                if environment is compiled:
                    results.append(Measured(f"start of {name}", took / alike, goal, "bare Typer apps"))
        runs = Path(folder) / "runs"
        for number in range(RUNS):
            shutil.copytree(RUN, runs / f"{number:03}")
        took = _cpu((*OURS, "runs", str(runs)), compiled)
        print(f"    runs       {took:.3f} s CPU, {1000 * took / RUNS:.1f} ms for each of {RUNS}")
        results.append(asyncio.run(_stack_start(Path(folder), compiled)))
    return results


async def _stack_start(folder: Path, compiled: Mapping[str, str]) -> Measured:
    """As users have it after the installation: the first start writes compiled files, and does not count."""
    seconds, cpu = [], []
    for number in range(4):
        (folder / str(number)).mkdir()
        began = time.monotonic()
        async with stack(folder / str(number), "http://127.0.0.1:9/v1", environment=compiled) as (pid, _):
            seconds.append(time.monotonic() - began)
            cpu.append(cpu_seconds(pid))
    first, *others = seconds
    print(
        f"    the embedded stack is up after {statistics.median(others):.2f} s, {statistics.median(cpu[1:]):.2f} s CPU "
        f"({first:.2f} s where nothing is compiled)"
    )
    return Measured("start of the embedded stack", statistics.median(others), STACK_GOAL, "s")


def _measured(
    app: Path, environment: Mapping[str, str], rounds: int
) -> tuple[tuple[float, float], float, dict[str, float]]:
    """The medians, all calls in turn; a first round fills the disk's cache and writes the compiled files.

    Returns:
        Of the bare app's help and its completion, of a call of its command, which loads pydantic, and of our calls.
    """
    bare: list[float] = []
    completing: list[float] = []
    calling: list[float] = []
    seconds: dict[str, list[float]] = {name: [] for name in CALLS}
    for _ in range(rounds + 1):
        bare.append(_cpu([sys.executable, str(app), "--help"], environment))
        completing.append(_cpu([sys.executable, str(app)], {**environment, **BARE_COMPLETION}))
        calling.append(_cpu([sys.executable, str(app), "status", "--name", "y"], environment))
        for name, (words, more, _goal) in CALLS.items():
            seconds[name].append(_cpu(words, {**environment, **more}))
    bares = statistics.median(bare[1:]), statistics.median(completing[1:])
    ours = {name: statistics.median(each[1:]) for name, each in seconds.items()}
    return bares, statistics.median(calling[1:]), ours


def _cpu(words: Sequence[str], environment: Mapping[str, str]) -> float:
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(words, cwd=ROOT, env={**os.environ, **environment}, capture_output=True, check=True)
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    return after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
