"""Every command that README and RUNBOOK show is run, in their order, in a checkout of its own."""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.cli.runner import clean_environment

ROOT = Path(__file__).parents[2]
SHELL = re.compile(r"```sh\n(.*?)```", re.DOTALL)
# What `make` does in a fresh checkout is what CI itself does around these tests.
ELSEWHERE = ("make ", "export ")


def commands(document: str) -> list[str]:
    """The shell lines of a document, without comments."""
    found = []
    for block in SHELL.findall((ROOT / document).read_text()):
        for line in block.replace("\n  ", "\n").splitlines():
            command = line.split("  #")[0].split("   #")[0].strip()
            if command and not command.startswith(ELSEWHERE):
                found.append(command)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("document", ["README.md", "RUNBOOK.md"])
def test_every_command_of_the_document_works(document: str, tmp_path: Path) -> None:
    (tmp_path / "examples").symlink_to(ROOT / "examples")
    binaries = tmp_path / ".venv" / "bin"
    binaries.mkdir(parents=True)
    (binaries / "eng5-runner").symlink_to(Path(sys.executable).parent / "eng5-runner")
    told = commands(document)
    assert len(told) >= 6
    for command in told:
        if command.startswith("jq ") and shutil.which("jq") is None:
            continue
        ended = subprocess.run(
            command,
            shell=True,
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            capture_output=True,
            text=True,
            check=False,
        )
        assert ended.returncode == 0, f"{command}\n{ended.stderr[-2000:]}"


def test_the_exit_codes_are_told_alike_everywhere() -> None:
    """README and RUNBOOK list the same codes as the errors have."""
    from eng5_runner import errors  # noqa: PLC0415 - only this test reads them

    codes = {kind.exit_code for kind in errors.RunnerError.__subclasses__()}
    for document in ("README.md", "RUNBOOK.md"):
        text = (ROOT / document).read_text()
        assert all(re.search(rf"\| {code} \|", text) for code in codes), document
