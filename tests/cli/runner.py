"""The command line as a person uses it: a process of its own, its output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path

DEMO = Path(__file__).parents[2] / "examples" / "eng5_demo"
LIMIT = 120


@dataclass(frozen=True)
class Ran:
    """How a process ended."""

    code: int
    out: str
    err: str

    @property
    def lines(self) -> list[dict[str, object]]:
        """Standard output as JSON lines."""
        return [json.loads(line) for line in self.out.splitlines()]


def clean_environment(cwd: Path, more: Mapping[str, str] | None = None) -> dict[str, str]:
    """Nothing of the developer's own settings, and a cache of the test's own."""
    ours = ("ENG5_", "KAFKA_", "CONTENT_", "CJ_", "LLM_", "HULEEDU_")
    kept = {key: value for key, value in os.environ.items() if not key.startswith(ours)}
    return kept | {"ENG5_CACHE_DIR": str(cwd / "cache"), "NO_COLOR": "1"} | dict(more or {})


def run(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None, before: tuple[str, ...] = ()) -> Ran:
    """Run the command line to its end; `before` is a command that starts it, such as `unshare --net`."""
    ended = subprocess.run(
        [*before, sys.executable, "-m", "eng5_runner", *map(str, arguments)],
        cwd=cwd,
        env=clean_environment(cwd, env),
        capture_output=True,
        text=True,
        timeout=LIMIT,
        check=False,
        stdin=subprocess.DEVNULL,
    )
    return Ran(ended.returncode, ended.stdout, ended.stderr)


def start(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> subprocess.Popen[str]:
    """Start the command line and let it run; its output goes to files in `cwd`."""
    with (cwd / "out").open("a") as out, (cwd / "err").open("a") as err:
        return subprocess.Popen(
            [sys.executable, "-m", "eng5_runner", *map(str, arguments)],
            cwd=cwd,
            env=clean_environment(cwd, env),
            stdout=out,
            stderr=err,
            stdin=subprocess.DEVNULL,
            text=True,
        )


def wait_for(condition: Callable[[], bool], *, what: str) -> None:
    """Wait until something is so, at most a minute."""
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited a minute for {what}")
        time.sleep(0.01)


def newest(cwd: Path) -> Path:
    """The newest run."""
    return (cwd / "runs" / "latest").resolve()


def ledger_types(run_directory: Path) -> list[str]:
    """The events of a ledger, whole lines only."""
    try:
        lines = (run_directory / "ledger.jsonl").read_text().splitlines()
    except OSError:
        return []
    return [json.loads(line)["type"] for line in lines if line.endswith('"}')]


def artefact(run_directory: Path, mode: str = "execute") -> dict[str, object]:
    """A run's artefact."""
    return json.loads((run_directory / f"assessment_run.{mode}.json").read_text())


def judgements(run_directory: Path) -> set[tuple[str, str, str]]:
    """First shown, second shown, winner of each comparison."""
    found = artefact(run_directory)["llm_comparisons"]
    return {(one["essay_a_id"], one["essay_b_id"], one["winner_id"]) for one in found}
