"""A full disk and the limits of a process end in words, with exit 74 or 69, wherever they strike."""

from __future__ import annotations

import errno
import os
import re
import sqlite3
from contextlib import closing
from pathlib import Path

import aiohttp
import pytest
import structlog
from sqlalchemy import text
from sqlalchemy.engine import make_url
from sqlalchemy.exc import DBAPIError

from eng5_runner.app.logs import logging_to
from eng5_runner.app.loop import run_loop
from eng5_runner.contracts.services import ErrorAnswer
from eng5_runner.errors import DiskError, TemporaryFailure, of_the_machine
from eng5_runner.stack.content.service import PATH, ContentService
from eng5_runner.stack.platform.store import open_store
from eng5_runner.stack.platform.transactions import Transaction, of_the_disk
from eng5_runner.stack.platform.web import served
from tests.support.runner import DEMO, Ran, run
from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here

FULL = Path("/dev/full")
with_full_device = pytest.mark.skipif(not FULL.exists(), reason="this system has no /dev/full")


@pytest.mark.parametrize(
    "name", ["ENOSPC", "EDQUOT", "EFBIG", "EIO", "EROFS", "EMFILE", "ENFILE", "EACCES", "EPERM", "ENAMETOOLONG"]
)
def test_each_limit_is_a_disk_error_that_names_the_file(name: str) -> None:
    number = getattr(errno, name)
    found = of_the_machine(OSError(number, os.strerror(number), "runs/a"))
    assert isinstance(found, DiskError)
    assert found.message == f"runs/a cannot be used: {os.strerror(number)}."
    assert ("ulimit -n" in found.remedy) == (name in ("EMFILE", "ENFILE"))


def test_a_library_that_cannot_be_loaded_for_want_of_files_is_no_bug() -> None:
    assert isinstance(of_the_machine(ImportError(f"libm.so: {os.strerror(errno.EMFILE)}", name="m")), DiskError)
    assert isinstance(of_the_machine(MemoryError()), TemporaryFailure)


def test_a_database_that_stays_locked_is_a_disk_error(tmp_path: Path) -> None:
    file = tmp_path / "stack.sqlite"
    with closing(sqlite3.connect(file)) as holder, closing(sqlite3.connect(file, timeout=0)) as other:
        holder.execute("BEGIN EXCLUSIVE")
        with pytest.raises(sqlite3.OperationalError) as locked:
            other.execute("CREATE TABLE a (b)")
    found = of_the_disk(DBAPIError("", {}, locked.value), url=make_url(f"sqlite:///{file}"))
    assert found is not None and found.message.startswith(f"{file} cannot be used: it stayed locked")
    # What SQLite says when it cannot even lock, since the file beside the database cannot be written.
    locked.value.sqlite_errorcode = sqlite3.SQLITE_PROTOCOL
    assert str(of_the_disk(DBAPIError("", {}, locked.value), url=make_url(f"sqlite:///{file}"))) == str(found)


@pytest.mark.parametrize(
    "bug", [ImportError("no x"), ValueError("x"), OSError(errno.EBADF, "x"), OSError(errno.EACCES, "x"), OSError("x")]
)
def test_other_errors_are_bugs(bug: Exception) -> None:
    assert of_the_machine(bug) is None


def test_of_several_errors_none_may_be_a_bug() -> None:
    full = OSError(errno.ENOSPC, "no space", "a")

    async def ending_with(*errors: Exception) -> None:
        raise ExceptionGroup("several", errors)

    with pytest.raises(DiskError, match="a cannot be used: no space"):
        run_loop(ending_with(full, ExceptionGroup("more", [DiskError("b", remedy="")])))
    with pytest.raises(ExceptionGroup):
        run_loop(ending_with(full, ValueError("a bug")))


@with_full_device
def test_a_log_that_cannot_be_written_ends_nothing(capsys: pytest.CaptureFixture[str]) -> None:
    with logging_to(FULL, identity={}, verbose=False):
        structlog.get_logger().info("one")
        structlog.get_logger().info("two")
    assert capsys.readouterr().err == "/dev/full cannot be written: No space left on device. The log has a gap.\n"


async def test_the_database_says_that_its_disk_is_full(tmp_path: Path) -> None:
    """By its own limit of pages, which SQLite reports as it does a full disk."""
    async with (
        open_store(tmp_path) as store,
        served(ContentService(store).application()) as url,
        aiohttp.ClientSession() as http,
    ):

        async def no_more_pages(connection: Transaction) -> None:
            await connection.execute(text("PRAGMA max_page_count = 1"))

        await store.carry_out(no_more_pages)
        async with http.post(url + PATH, data=b"x" * 100_000) as response:
            error = ErrorAnswer.model_validate_json(await response.read(), extra="ignore").error
    assert (response.status, error.error_code) == (507, "INSUFFICIENT_STORAGE")
    assert error.message == f"{tmp_path}/stack.sqlite cannot be used: no space left on the disk."


@with_full_device
@pytest.mark.parametrize(
    "arguments", [("models", "--json"), ("--mode", "plan", "--assets", DEMO, "--json"), ("--help",)]
)
def test_a_full_disk_behind_standard_output(arguments: tuple[object, ...], tmp_path: Path) -> None:
    ran = run(*arguments, cwd=tmp_path, before=("sh", "-c", '"$0" "$@" >/dev/full'))
    in_words(ran, 74, "No space left on device")


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("-n 6", "Too many open files"),
        ("-f 1", "config.resolved.toml cannot be written: File too large"),
    ],
)
def test_limits_of_the_process(limit: str, told: str, study: Path, tmp_path: Path) -> None:
    """The standard streams are files here, which a limit of a file's size counts too."""
    limited = ("sh", "-c", f'ulimit {limit}; exec "$0" "$@"')
    arguments = ("--mode", "execute", "--assets", study, "--max-comparisons", 20, "--yes")
    in_words(run(*arguments, cwd=tmp_path, before=limited), 74, told)


def in_words(ran: Ran, code: int, told: str) -> None:
    assert ran.code == code, ran.err
    assert re.search(told, ran.err), ran.err
    assert not [word for word in ("Traceback", "Exception", "Warning", "bug of") if word in ran.err], ran.err
