"""Printed commands can be pasted, and a remedy says which options only a new run takes."""

from __future__ import annotations

import ast
import asyncio
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import Any

import pytest
from typer.main import get_command

import eng5_runner
from eng5_runner.app.options.table import SETTINGS
from eng5_runner.cli.app import app
from eng5_runner.cli.called import Called, program_of
from eng5_runner.cli.verbs import VERBS
from tests.cli.site import site
from tests.support.runner import clean_environment, newest, run
from tests.support.small_study import build_study

SCRIPT = Path(sys.executable).with_name("eng5-runner")


@pytest.mark.parametrize(
    ("script", "interpreter", "program"),
    [
        (".venv/bin/eng5-runner", "python", ".venv/bin/eng5-runner"),
        ("/opt/my tools/eng5-runner", "python", "'/opt/my tools/eng5-runner'"),
        ("eng5-runner", "python", "eng5-runner"),
        ("/x/eng5_runner/__main__.py", "my env/bin/python3", "'my env/bin/python3' -m eng5_runner"),
        ("", "python", "eng5-runner"),
    ],
)
def test_the_program_is_what_was_typed(script: str, interpreter: str, program: str) -> None:
    assert program_of(script, interpreter=interpreter) == program


def test_only_commands_are_replaced() -> None:
    called = Called(program="./e")
    assert called.text("See `eng5-runner models`; eng5-runner --help.") == "See `./e models`; ./e --help."
    for text in ("the version of eng5-runner that wrote it", "https://x/eng5-runner verify", "eng5-runner 1.0"):
        assert called.text(text) == text


@pytest.mark.parametrize("name", VERBS)
def test_a_command_s_line_in_the_list_is_its_own_first_line(name: str) -> None:
    """The list is made without loading the command."""
    command = get_command(app).commands[name]
    assert command.name == name
    if not commands_below(command):
        assert VERBS[name].help == command.help.partition("\n")[0]


def commands_below(group: Any) -> dict[str, Any]:
    return dict(getattr(group, "commands", {}))


def all_commands() -> Iterator[tuple[str, Any]]:
    def below(name: str, command: Any) -> Iterator[tuple[str, Any]]:
        yield name, command
        for word, each in commands_below(command).items():
            yield from below(f"{name} {word}".strip(), each)

    yield from below("", get_command(app))


@cache
def all_remedies() -> frozenset[str]:
    """The texts in the source that stand in a remedy, with a mark for each value."""
    found = set()
    for path in Path(eng5_runner.__file__).parent.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.keyword) and node.arg == "remedy":
                parts = [part.value for part in ast.walk(node) if isinstance(part, ast.Constant)]
                found.add("…".join(part for part in parts if isinstance(part, str)))
    assert any("--cj-service-url" in remedy or "--llm-model" in remedy for remedy in found)
    return frozenset(found)


@pytest.mark.parametrize(("name", "command"), list(all_commands()))
def test_a_remedy_that_names_a_setting_that_the_command_does_not_take_says_so(name: str, command: Any) -> None:
    called = Called.now(command)
    if called.taken is None:  # the program itself takes all settings, and a group of commands none
        assert not name or commands_below(command)
        return
    others = {flag for setting in SETTINGS for flag in setting.flags if called.taken.isdisjoint(setting.flags)}
    for remedy in all_remedies():
        advice, _, elsewhere = called.remedy(remedy).partition(" A new run takes ")
        without_commands = re.sub(rf"{re.escape(called.program)}( [^\s`]+)*", "", advice)
        named = set(re.findall(r"--[a-z][a-z-]*[a-z]", without_commands)) & others
        assert named <= set(re.findall(r"--[a-z][a-z-]*[a-z]", elsewhere)), (name, remedy)
        assert not named or called.settings == "begun", (name, remedy)


def test_a_setting_is_named_as_the_command_knows_it() -> None:
    text = "Check --kafka-bootstrap (KAFKA_BOOTSTRAP_SERVERS), or set LLM_PROVIDER_SERVICE_URL."
    words = {name: Called.now(command).text(text) for name, command in all_commands()}
    assert words[""] == words["preflight"] == text
    assert words["resume"] == text, "as it was typed when the run began"
    assert words["sweep"] == "Check kafka_bootstrap, or set llm_provider_service_url."
    assert words["stack serve"] == "Check KAFKA_BOOTSTRAP_SERVERS, or set LLM_PROVIDER_SERVICE_URL."
    resume = Called.now(dict(all_commands())["resume"])
    only = "A new run takes --kafka-bootstrap and LLM_PROVIDER_SERVICE_URL; this command does not."
    assert resume.remedy(text) == f"{text} {only}"
    assert resume.remedy("Give a higher --max-cost.") == "Give a higher --max-cost."


@pytest.mark.parametrize("way", [(sys.executable, "-m", "eng5_runner"), (str(SCRIPT),)], ids=["module", "script"])
def test_what_a_run_prints_at_its_end_can_be_pasted(way: tuple[str, ...], tmp_path: Path) -> None:
    folder = tmp_path / "a folder"
    study = build_study(folder / "study")
    variables = clean_environment(tmp_path) | {"PATH": os.defpath}
    arguments = ("--mode", "dry-run", "--assets", str(study), "--output-dir", "my runs")

    def typed(*words: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(words, cwd=folder, env=variables, capture_output=True, text=True, check=False)

    ended = typed(*way, *arguments)
    lines = dict(line.split(":", 1) for line in ended.stderr.splitlines() if ": " in line)
    (directory,) = (folder / "my runs").glob("[0-9]*")
    assert lines["report"].strip() == (directory / "report.html").as_uri()
    assert (folder / lines["request"].strip()).parent == directory / "requests"
    pasted = lines["to verify it"].strip()
    assert pasted.startswith(shlex.join(way))
    proved = typed("sh", "-c", pasted)
    assert proved.returncode == 0, proved.stderr


def test_after_an_option_that_a_service_does_not_support_a_new_run_is_advised(study: Path, tmp_path: Path) -> None:
    """The run keeps its settings, so resuming it could only fail again."""

    async def refused() -> tuple[Any, Any]:
        async with site() as services:
            arguments = ("--mode", "execute", "--assets", study, "--design", "adaptive", "--yes")
            first = await asyncio.to_thread(run, *arguments, cwd=tmp_path, env=services.env)
            resumed = await asyncio.to_thread(run, "resume", newest(tmp_path), "--yes", cwd=tmp_path, env=services.env)
            return first, resumed

    first, resumed = asyncio.run(refused())
    assert first.code == resumed.code == 78
    for ran in (first, resumed):
        assert "start a new run" in ran.err and "eng5-runner resume" not in ran.err
    assert "--design" in first.err and "does not support --design" in resumed.err


def test_after_a_service_that_is_away_the_run_goes_on_and_says_which_option_resume_lacks(
    study: Path, tmp_path: Path
) -> None:
    async def away() -> tuple[Any, Any]:
        async with site() as services:
            env = services.env | {"CONTENT_SERVICE_URL": "http://127.0.0.1:9/v1/content"}
            first = await asyncio.to_thread(run, "--mode", "execute", "--assets", study, "--yes", cwd=tmp_path, env=env)
            return first, await asyncio.to_thread(run, "resume", newest(tmp_path), "--yes", cwd=tmp_path, env=env)

    first, resumed = asyncio.run(away())
    assert first.code == resumed.code == 69
    assert "--content-service-url" in first.err
    assert "A new run takes --content-service-url; this command does not." in resumed.err
    for ran in (first, resumed):
        assert "To go on: eng5-runner resume runs" in ran.err or f"To go on: eng5-runner resume {tmp_path}" in ran.err
