"""The Dockerfile, and what of the project goes into the build."""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.compose import HULEEDU, OWN_STACK, ROOT
from tests.support.dockerfile import DOCKERFILE, instructions

BIN = Path(sys.executable).parent


def last_stage() -> list[tuple[str, str]]:
    found = instructions()
    return found[max(number for number, (name, _) in enumerate(found) if name == "FROM") :]


def test_the_linter_has_nothing_to_say() -> None:
    linted = subprocess.run([BIN / "hadolint", DOCKERFILE], capture_output=True, text=True, check=False)
    assert linted.returncode == 0, linted.stdout + linted.stderr


def test_every_stage_is_on_the_base_that_was_given_and_that_is_pinned() -> None:
    assert {rest.split()[0] for name, rest in instructions() if name == "FROM"} == {"${BASE_IMAGE}"}
    assert re.fullmatch(r"BASE_IMAGE=python:3\.\d+-slim\S*@sha256:[0-9a-f]{64}", dict(instructions()[:1])["ARG"])


def test_it_runs_as_nobody_in_particular_and_without_a_shell() -> None:
    found = dict(last_stage())
    assert found["USER"] == "10001:10001"
    assert found["ENTRYPOINT"] == '["eng5-runner"]'
    assert found["CMD"] == '["--help"]'


def test_what_is_installed_is_locked_and_checked() -> None:
    asks_outside = [
        rest
        for name, rest in instructions()
        if name == "RUN" and re.search(r"pip\s.*\b(install|download|wheel)\b", rest) and "--no-index" not in rest
    ]
    assert len(asks_outside) == 1
    for option in ("--require-hashes", "--no-deps", "-r requirements.lock"):
        assert option in asks_outside[0]


@pytest.mark.parametrize("path", [DOCKERFILE, OWN_STACK, HULEEDU], ids=lambda path: path.name)
def test_no_setting_of_a_package_client_is_in_a_file(path: Path) -> None:
    assert not re.search(
        r"index[-_]url|find_links=|trusted[-_]host|proxy\s*=|://[\w.-]+\.(org|com|io|net)",
        path.read_text(),
        re.IGNORECASE,
    )


def test_only_what_is_copied_is_sent_to_the_build() -> None:
    rules = [line for line in (ROOT / ".dockerignore").read_text().splitlines() if line and not line.startswith("#")]
    assert rules[0] == "*"
    let_in = {rule[1:] for rule in rules if rule.startswith("!")}
    copied = {
        source
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for source in shlex.split(rest)[:-1]
    }
    assert let_in == copied
    assert all((ROOT / name).exists() for name in let_in)
