"""The question before money is spent: at the terminal, wherever the output goes, and never guessed without one."""

from __future__ import annotations

import asyncio
import fcntl
import os
import pty
import shlex
import signal
import subprocess
import sys
import termios
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.judges.paid import Desk, PaidJudge, desk
from tests.support.runner import clean_environment, ledger_types, newest, run, wait_for

TOOL = shlex.join([sys.executable, "-m", "eng5_runner"])
MODELS = """
[[models]]
id = "own-model"
provider = "openai"
max_tokens = 500
[models.price]
input = {price}
output = {price}
looked_up = 2026-11-22
source = "a test"
"""
JUDGE = ("--llm-provider", "openai", "--llm-model", "own-model")


@dataclass
class Terminal:
    """A shell with a terminal of its own; `seen` is what the terminal shows."""

    process: subprocess.Popen[bytes]
    handle: int
    seen: str = ""

    def until(self, text: str) -> None:
        """Read until the terminal shows this; it fails if the shell ends before."""
        while text not in self.seen:
            shown = b""
            with suppress(OSError):  # the shell has ended
                shown = os.read(self.handle, 4096)
            assert shown, self.seen
            self.seen += shown.decode()

    def type(self, text: str) -> None:
        os.write(self.handle, text.encode())


@contextmanager
def terminal(script: str, *, cwd: Path, env: dict[str, str]) -> Iterator[Terminal]:
    """A shell at the controlling terminal of a new session, as in a window of its own."""
    ours, theirs = pty.openpty()

    def take_terminal() -> None:
        fcntl.ioctl(0, termios.TIOCSCTTY, 0)

    process = subprocess.Popen(
        ["bash", "-c", script],
        cwd=cwd,
        env=clean_environment(cwd, env),
        stdin=theirs,
        stdout=theirs,
        stderr=theirs,
        start_new_session=True,
        preexec_fn=take_terminal,  # noqa: PLW1509 - the child has one thread
    )
    os.close(theirs)
    try:
        yield Terminal(process, ours)
    finally:
        with suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait()
        os.close(ours)


@pytest.fixture
def paid(tmp_path: Path) -> dict[str, str]:
    """An environment with a model that costs money, at an address where nobody listens."""
    return environment(tmp_path, price=0.001)


def environment(tmp_path: Path, *, price: float) -> dict[str, str]:
    (tmp_path / "models.toml").write_text(MODELS.format(price=price))
    return {"ENG5_MODELS_FILE": str(tmp_path / "models.toml"), "ENG5_OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


def executing(study: Path, *more: object) -> str:
    return f"{TOOL} {shlex.join(map(str, ('--mode', 'execute', '--assets', study, *JUDGE, *more)))}"


def begun(folder: Path) -> bool:
    return bool(list((folder / "runs").glob("*/ledger.jsonl")))


@pytest.mark.parametrize("streams", ["", "2>&1 | tee log", "</dev/null >out 2>&1", "--json | cat"])
def test_a_person_is_asked_at_the_terminal_wherever_the_output_goes(
    streams: str, study: Path, tmp_path: Path, paid: dict[str, str]
) -> None:
    with terminal(f"{executing(study)} {streams}", cwd=tmp_path, env=paid) as at:
        at.until("[y/N]")
        at.type("n\n")
        assert at.process.wait(60) == 0
    assert "160 comparisons and a test answer for" in at.seen and "at most" in at.seen
    assert not begun(tmp_path)


def test_a_person_who_agrees_starts_the_run(study: Path, tmp_path: Path, paid: dict[str, str]) -> None:
    with terminal(f"{executing(study)} 2>&1 | tee log", cwd=tmp_path, env=paid) as at:
        at.until("[y/N]")
        assert not begun(tmp_path)
        at.type("y\n")
        wait_for(lambda: begun(tmp_path), what="the ledger")


@pytest.mark.parametrize(("key", "code"), [("\x04", 0), ("\x03", 130)], ids=["ctrl-d", "ctrl-c"])
def test_no_answer_is_no_agreement(key: str, code: int, study: Path, tmp_path: Path, paid: dict[str, str]) -> None:
    with terminal(executing(study), cwd=tmp_path, env=paid) as at:
        at.until("[y/N]")
        at.type(key)
        assert at.process.wait(60) == code
    assert not begun(tmp_path)


def test_a_job_in_the_background_cannot_ask_and_is_not_stopped(
    study: Path, tmp_path: Path, paid: dict[str, str]
) -> None:
    script = f"set -m; {executing(study)} >out 2>&1 & wait $!; echo ended with $?."
    with terminal(script, cwd=tmp_path, env=paid) as at:
        at.until("ended with 2.")
    assert "--yes" in (tmp_path / "out").read_text() and not begun(tmp_path)


@pytest.mark.parametrize("more", [(), ("--json",)])
def test_without_a_terminal_somebody_has_to_agree_beforehand(
    more: tuple[str, ...], study: Path, tmp_path: Path, paid: dict[str, str]
) -> None:
    ran = run("--mode", "execute", "--assets", study, *JUDGE, *more, cwd=tmp_path, env=paid)
    assert ran.code == 2, ran.err
    assert "160 comparisons and a test answer for" in ran.err and "Nothing was sent or spent" in ran.err
    assert "--yes" in ran.err and "--max-cost" in ran.err
    assert not begun(tmp_path)


def test_an_unknown_price_is_not_0(study: Path, tmp_path: Path) -> None:
    services = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "CJ_SERVICE_URL": "http://127.0.0.1:1"}
    ran = run("--mode", "execute", "--assets", study, cwd=tmp_path, env=services)
    assert ran.code == 2 and "unknown price" in ran.err


@pytest.mark.parametrize(
    ("stated", "says"), [("price", "at a price that a plan shows"), ("no price", "at a price that is not known")]
)
def test_a_resumed_run_says_whether_its_price_is_known_before_anything_was_paid(
    stated: str, says: str, study: Path, tmp_path: Path, paid: dict[str, str]
) -> None:
    if stated == "no price":
        models = tmp_path / "models.toml"
        models.write_text(models.read_text().partition("[models.price]")[0])
    assert run("--mode", "execute", "--assets", study, *JUDGE, "--yes", cwd=tmp_path, env=paid).code == 69
    refused = run("resume", newest(tmp_path), cwd=tmp_path, env=paid)
    assert refused.code == 2 and f"160 comparisons are left, {says}?" in " ".join(refused.err.split()), refused.err


def test_what_costs_nothing_needs_no_agreement(study: Path, tmp_path: Path) -> None:
    """It is refused later, as nobody listens at the judge's address: the question was passed."""
    ran = run(
        *("--mode", "execute", "--assets", study, *JUDGE, "--output-dir", "study/prompt.md"),
        cwd=tmp_path,
        env=environment(tmp_path, price=0),
    )
    assert ran.code == 74, ran.err


async def test_a_cost_limit_is_an_agreement_and_a_resumed_run_asks_again(tmp_path: Path) -> None:
    judge = PaidJudge(moody=False)
    async with desk(tmp_path, judge) as agreed:
        at = Desk(agreed.folder, {**agreed.environ, "ENG5_YES": ""})
        refused = await at.execute("--max-comparisons", 8)
        assert (refused.code, judge.requests) == (2, 0), refused.err

        limited = await at.execute("--max-comparisons", 8, "--max-cost", 1)
        assert limited.code == 0, limited.err
        assert (await at.run("resume", at.directory)).code == 0, "nothing is left"


async def test_a_resumed_run_asks_before_it_spends_more(tmp_path: Path) -> None:
    judge = PaidJudge(moody=False, after=0.3)
    async with desk(tmp_path, judge, limits="concurrency = 2") as at:
        process = at.start("--max-comparisons", 40)
        wait = asyncio.to_thread(wait_for, lambda: "CallbackAccepted" in ledger_types(newest(tmp_path)), what="one")
        await wait
        process.send_signal(signal.SIGTERM)
        assert await asyncio.to_thread(process.wait, 60) == 143
        paid_before, careful = judge.requests, Desk(at.folder, {**at.environ, "ENG5_YES": ""})
        refused = await careful.run("resume", at.directory)
        assert refused.code == 2, refused.err
        assert "comparisons are left, for about" in refused.err and "--yes" in refused.err
        judge.after = 0.0
        assert judge.requests == paid_before
        agreed = await careful.run("resume", at.directory, "--yes")
        assert agreed.code == 0, agreed.err
