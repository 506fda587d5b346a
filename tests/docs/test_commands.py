"""Every command that README and RUNBOOK show is run, in their order, in a checkout of its own.

There is no engine here, so of a line for `docker` two things are shown instead: it fits the compose files or the
Dockerfile, and what it gives to the runner is run by the tool itself, where the container would have its folders.
"""

from __future__ import annotations

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import ROOT, RUNNER, services
from tests.support.dockerfile import instructions
from tests.support.needs import cannot_be_had
from tests.support.prefork import console_script
from tests.support.runner import clean_environment

SHELL = re.compile(r"^ *```sh\n(.*?)```", re.DOTALL | re.MULTILINE)
# What `make` does in a fresh checkout is what CI itself does around these tests.
ELSEWHERE = ("make ", "export ")
DOCUMENTS = ["README.md", "RUNBOOK.md"]


def commands(document: str) -> list[str]:
    """The shell lines of a document, without comments."""
    found = []
    for block in SHELL.findall((ROOT / document).read_text()):
        for line in block.splitlines():
            command = line.split("  #")[0].strip()
            if command and not command.startswith(ELSEWHERE):
                found.append(command)
    return found


def for_docker(document: str) -> list[list[str]]:
    return [shlex.split(command) for command in commands(document) if command.startswith("docker ")]


@pytest.fixture
def checkout(tmp_path: Path) -> Path:
    """With the folder where `make setup` puts the tool, and a study where a container has it."""
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    (tmp_path / "assets").symlink_to(ROOT / "examples" / "eng5_demo")
    (tmp_path / ".venv" / "bin").mkdir(parents=True)
    return tmp_path


def install(checkout: Path, script: Path) -> Path:
    installed = checkout / ".venv" / "bin" / "eng5-runner"
    installed.unlink(missing_ok=True)
    installed.symlink_to(script)
    return installed


@pytest.mark.slow
@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_of_the_document_works(document: str, checkout: Path) -> None:
    """A new user's first commands and first run start the tool from nothing, which takes seconds; so does its stack."""
    if shutil.which("jq") is None:
        cannot_be_had("the documents read artefacts with jq, which is not installed")
    told = [command for command in commands(document) if not command.startswith("docker ")]
    assert len(told) >= 6
    first = {*told[:2], next(command for command in told if "--mode execute" in command)}
    for command in told:
        from_nothing = document == "README.md" and command in first
        install(checkout, Path(sys.executable).with_name("eng5-runner") if from_nothing else console_script())
        ended = subprocess.run(
            command,
            shell=True,
            cwd=checkout,
            env=clean_environment(checkout),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stderr[-2000:]}"
        assert ended.stdout.strip() or not command.startswith("jq "), command


@pytest.mark.slow
def test_what_a_container_of_the_runner_is_given_works_with_the_tool_itself(checkout: Path) -> None:
    """The image's own settings, and the services of the embedded stack in the place of the compose file's."""
    given = [line[line.index(RUNNER) + 1 :] for line in for_docker("RUNBOOK.md") if RUNNER in line]
    assert len(given) >= 4
    tool = install(checkout, console_script())
    for arguments in given:
        ended = subprocess.run(
            [tool, *arguments],
            cwd=checkout,
            env=clean_environment(checkout, {"ENG5_ASSETS": "assets"}),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{arguments}\n{ended.stderr[-2000:]}"


# Subcommands of `docker compose` that the documents use, and the options that they may have there.
COMPOSE = {"run": {"--rm"}, "up": {"--detach", "--wait"}, "logs": set(), "down": {"--volumes"}}


@pytest.mark.parametrize("line", for_docker("RUNBOOK.md"), ids=" ".join)
def test_a_line_for_docker_fits_the_files_that_it_is_about(line: list[str]) -> None:
    if line[1] == "build":
        told = line[line.index("--build-arg") + 1].partition("=")[0]
        assert told in {rest.partition("=")[0] for name, rest in instructions() if name == "ARG"}
        assert line[-1] == "." and (ROOT / "Dockerfile").is_file()
        assert line[line.index("--tag") + 1] == "eng5-runner:local", "the name that the compose file has by default"
        return
    assert line[:2] == ["docker", "compose"]
    files, rest = [], line[2:]
    while rest[0] == "-f":
        files.append(ROOT / rest[1])
        rest = rest[2:]
    there = {name: service for path in files for name, service in services(path).items()}
    command, *rest = rest
    options = [word for word in rest[: rest.index(RUNNER) if RUNNER in rest else None] if word.startswith("-")]
    assert set(options) <= COMPOSE[command]
    named = [word for word in rest if not word.startswith("-")][:1]
    assert set(named) <= there.keys()
    assert command != "run" or (named == [RUNNER] and "--rm" in options)


def test_the_exit_codes_are_told_alike_everywhere() -> None:
    """README and RUNBOOK list the same codes as the errors have."""
    from eng5_runner import errors  # noqa: PLC0415 - only this test reads them

    codes = {kind.exit_code for kind in errors.RunnerError.__subclasses__()}
    for document in DOCUMENTS:
        text = (ROOT / document).read_text()
        assert all(re.search(rf"\| {code} \|", text) for code in codes), document


def test_the_runbook_tells_of_everything_that_an_operator_needs() -> None:
    text = (ROOT / "RUNBOOK.md").read_text()
    asked = [codes.split(", ") for codes in re.findall(r"^\| ([\d, ]+) \|", text, re.MULTILINE)]
    assert {int(code) for codes in asked for code in codes} == {
        0,
        2,
        3,
        4,
        5,
        65,
        66,
        69,
        70,
        74,
        75,
        77,
        78,
        129,
        130,
        143,
    }
