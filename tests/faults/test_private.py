"""Nobody but its owner reads what a run or a stack writes, whatever the umask and whatever was there before."""

from __future__ import annotations

import os
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from eng5_runner.app.logs import logging_to
from eng5_runner.effects import durable
from eng5_runner.effects.ledger import Ledger
from eng5_runner.effects.run_lock import held
from eng5_runner.stack.llm.cache import JudgementFile
from eng5_runner.stack.platform.store import open_store
from eng5_runner.systems import make_private

pytestmark = pytest.mark.skipif(os.name == "nt", reason="no owner-only files")

OTHERS = 0o077


@pytest.fixture
def open_folder(tmp_path: Path) -> Iterator[Path]:
    """A folder that everybody may use, in a process that keeps nothing to itself."""
    before = os.umask(0)
    folder = tmp_path / "there before"
    folder.mkdir(mode=0o777)
    yield folder
    os.umask(before)


async def write_all_kinds(folder: Path) -> dict[str, str]:
    """Every kind of file that a run or a stack keeps open; gives what others may do with them, and with new folders."""
    durable.replace(folder / "replaced", b"1")
    durable.append(folder / "appended", b"2")
    with held(folder), Ledger(folder), logging_to(folder / "log", identity={}, verbose=False):
        JudgementFile(folder / "cache").close()
        async with open_store(folder / "data"):
            found = others_rights(folder)
    assert {"stack.sqlite-wal", "stack.sqlite-shm"} < found.keys()
    return {name: mode for name, mode in found.items() if mode != "0o0"}


def others_rights(folder: Path) -> dict[str, str]:
    return {path.name: oct(path.stat().st_mode & OTHERS) for path in folder.rglob("*")}


def give_to_all(folder: Path) -> None:
    for path in folder.rglob("*"):
        path.chmod(0o777 if path.is_dir() else 0o666)


async def test_new_files_and_folders_are_private_under_any_umask(open_folder: Path) -> None:
    assert await write_all_kinds(open_folder) == {}


async def test_files_that_others_could_read_become_private_when_they_are_written_again(open_folder: Path) -> None:
    await write_all_kinds(open_folder)
    give_to_all(open_folder)
    assert (await write_all_kinds(open_folder)).keys() == {"cache", "data"}  # an existing folder keeps its mode


def test_a_device_and_a_folder_stay_as_they_are(tmp_path: Path) -> None:
    tmp_path.chmod(0o755)
    before = Path(os.devnull).stat().st_mode
    make_private(Path(os.devnull))
    make_private(tmp_path)
    assert Path(os.devnull).stat().st_mode == before
    assert stat.S_IMODE(tmp_path.stat().st_mode) == 0o755
