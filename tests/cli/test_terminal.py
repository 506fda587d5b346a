"""A terminal that goes away under a run, or a pipe that nobody reads any more: the run is worth more than its words."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from tests.support.judges.paid import JUDGE, PaidJudge, desk
from tests.support.prefork import Process
from tests.support.runner import artefact, clean_environment, ledger_types, newest, run, wait_for

LONG = ("--mode", "execute", "--max-comparisons", "4000", "--assets")
SHORT = ("--mode", "execute", "--max-comparisons", "200", "--assets")


def judged(folder: Path) -> int:
    latest = folder / "runs" / "latest"
    return ledger_types(latest.resolve()).count("CallbackAccepted") if latest.exists() else 0


@contextmanager
def telling(error: int, *arguments: object, cwd: Path, env: Mapping[str, str] | None = None) -> Iterator[Process]:
    """The tool with this end of something as its standard error, which is closed here."""
    with Path(os.devnull).open() as nothing, (cwd / "out").open("w") as out:
        streams = (nothing.fileno(), out.fileno(), error)
        process = Process(list(map(str, arguments)), cwd=cwd, env=clean_environment(cwd, env), streams=streams)
    os.close(error)
    try:
        yield process
    finally:
        process.kill()


def test_a_reader_that_ends_early_does_not_end_the_run(study: Path, tmp_path: Path) -> None:
    """As with `2>&1 | head -1`."""
    ours, theirs = os.pipe()
    with telling(theirs, *SHORT, study, cwd=tmp_path) as process:
        assert os.read(ours, 1)
        os.close(ours)
        assert process.wait(60) == 0
    assert artefact(newest(tmp_path))["runner_status"]["outcome"] == "complete"
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


def test_a_terminal_that_hangs_up_leaves_a_run_that_was_interrupted_in_order(study: Path, tmp_path: Path) -> None:
    """As when the connection to the machine breaks: first the terminal is gone, then the signal comes."""
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)

    def reads_until_the_first_comparisons() -> bool:
        with suppress(BlockingIOError):  # a terminal that shows nothing stops whoever writes
            os.read(ours, 1 << 16)
        return judged(tmp_path) > 20

    with telling(theirs, *LONG, study, cwd=tmp_path) as process:
        wait_for(reads_until_the_first_comparisons, what="the first comparisons")
        os.close(ours)
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 128 + signal.SIGHUP
    assert artefact(newest(tmp_path))["runner_status"]["outcome"] == "interrupted"
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


def test_a_run_under_nohup_goes_on_without_its_terminal(study: Path, tmp_path: Path) -> None:
    command = ["nohup", sys.executable, "-m", "eng5_runner", *SHORT, str(study)]
    with (tmp_path / "err").open("w") as sink:
        process = subprocess.Popen(
            command, cwd=tmp_path, env=clean_environment(tmp_path), stdin=subprocess.DEVNULL, stdout=sink, stderr=sink
        )
    try:
        wait_for(lambda: judged(tmp_path) > 0, what="the first comparison")
        process.send_signal(signal.SIGHUP)
        assert process.wait(60) == 0
    finally:
        process.kill()
        process.wait()
    assert artefact(newest(tmp_path))["runner_status"]["outcome"] == "complete"


async def test_a_second_ctrl_c_ends_at_once_and_leaves_the_terminal_its_cursor(tmp_path: Path) -> None:
    ours, theirs = os.openpty()
    os.set_blocking(ours, False)
    shown = b""

    def reads_until(words: bytes) -> bool:
        nonlocal shown
        with suppress(BlockingIOError):
            shown += os.read(ours, 1 << 16)
        return words in shown

    async with desk(tmp_path, PaidJudge(moody=False, after=60.0)) as at_desk:
        command = (*SHORT, tmp_path / "study", *JUDGE, "--yes")
        environ = {**at_desk.environ, "TERM": "xterm"}
        with telling(theirs, *command, cwd=tmp_path, env=environ) as process:
            asked = "waiting for comparisons"
            await asyncio.to_thread(wait_for, lambda: reads_until(asked.encode()), what=asked)
            process.send_signal(signal.SIGINT)
            await asyncio.to_thread(wait_for, lambda: reads_until(b"a second time ends at once"), what="the answer")
            process.send_signal(signal.SIGINT)
            assert await asyncio.to_thread(process.wait, 60) == 128 + signal.SIGINT
    with suppress(OSError):
        shown += os.read(ours, 1 << 16)
    os.close(ours)
    assert b"\x1b[?25l" in shown and shown.rfind(b"\x1b[?25h") > shown.rfind(b"\x1b[?25l")
