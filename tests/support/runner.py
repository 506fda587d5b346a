"""The command line as a person uses it: a process of its own, its output and its exit code."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO

from tests.support.prefork import Process
from tests.support.processes import unmeasured

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


def run(
    *arguments: object,
    cwd: Path,
    env: Mapping[str, str] | None = None,
    before: tuple[str, ...] = (),
    stdin: bytes = b"",
) -> Ran:
    """Run the command line to its end; `before` is a command that starts it, such as `unshare --net`."""
    words, variables = list(map(str, arguments)), clean_environment(cwd, env)
    with ExitStack() as files:
        given, out, err = (files.enter_context(tempfile.TemporaryFile()) for _ in range(3))
        given.write(stdin)
        given.seek(0)
        if before or "PYTHONPATH" in (env or {}):  # that changes what is loaded
            command = [*before, sys.executable, "-m", "eng5_runner", *words]
            process: Process | subprocess.Popen[bytes] = subprocess.Popen(
                command,
                cwd=cwd,
                env=unmeasured(variables),
                stdin=given,
                stdout=out,
                stderr=err,
                start_new_session=True,
            )
        else:
            streams = (given.fileno(), out.fileno(), err.fileno())
            process = Process(words, cwd=cwd, env=variables, streams=streams)
        try:
            code = process.wait(LIMIT)
        finally:
            process.kill()
        out.seek(0)
        err.seek(0)
        return Ran(code, out.read().decode(), err.read().decode())


def start(*arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Process:
    """Start the command line and let it run; its output goes to files in `cwd`."""
    with Path(os.devnull).open() as nothing, (cwd / "out").open("a") as out, (cwd / "err").open("a") as err:
        streams = (nothing.fileno(), out.fileno(), err.fileno())
        return Process(list(map(str, arguments)), cwd=cwd, env=clean_environment(cwd, env), streams=streams)


def serve(
    *arguments: object, cwd: Path, env: Mapping[str, str] | None = None, log: Path
) -> tuple[Process, IO[str], IO[str]]:
    """Start the command line with its standard input and output in our hands, its errors in the log."""
    (input_end, into), (out_of, output_end) = os.pipe(), os.pipe()
    with log.open("ab") as sink:
        streams = (input_end, output_end, sink.fileno())
        process = Process(list(map(str, arguments)), cwd=cwd, env=clean_environment(cwd, env), streams=streams)
    os.close(input_end)
    os.close(output_end)
    return process, os.fdopen(into, "w"), os.fdopen(out_of)


@contextmanager
def stack_up(folder: Path, *options: object) -> Iterator[dict[str, str]]:
    """A stack in the folder, ended in order; gives what it tells of itself."""
    folder.mkdir(parents=True, exist_ok=True)
    arguments = ("stack", "up", "--json", "--until-stdin-closes", "--data-dir", folder / "data", *options)
    process, into, out_of = serve(*arguments, cwd=folder, log=folder / "log")
    with out_of:
        try:
            told = out_of.readline()
            assert told, (folder / "log").read_text()[-3000:]
            yield json.loads(told)
            assert process.poll() is None, (folder / "log").read_text()[-3000:]
        finally:
            into.close()
            try:
                process.wait(30)
            finally:
                process.kill()


def wait_for(condition: Callable[[], bool], *, what: str) -> None:
    """Wait until something is so, at most a minute."""
    until = time.monotonic() + 60
    while not condition():
        if time.monotonic() > until:
            raise AssertionError(f"waited a minute for {what}")
        time.sleep(0.03)


def newest(cwd: Path) -> Path:
    """The newest run."""
    return (cwd / "runs" / "latest").resolve()


def ledger_types(run_directory: Path) -> list[str]:
    """The events of a ledger, whole lines only."""
    try:
        lines = (run_directory / "ledger.jsonl").read_text().splitlines(keepends=True)
    except OSError:
        return []
    return [json.loads(line)["type"] for line in lines if line.endswith('"}\n')]


def artefact(run_directory: Path, mode: str = "execute") -> dict[str, object]:
    """A run's artefact."""
    return json.loads((run_directory / f"assessment_run.{mode}.json").read_text())


def judgements(run_directory: Path) -> set[tuple[str, str, str]]:
    """First shown, second shown, winner of each comparison."""
    found = artefact(run_directory)["llm_comparisons"]
    return {(one["essay_a_id"], one["essay_b_id"], one["winner_id"]) for one in found}
