"""The ledger file: one JSON object a line, each with a checksum over what stands before it.

An event counts once it is on the disk (fdatasync), not before. A line that a kill cut short is the torn tail: it was
never counted, so it is kept aside and cut off. A broken line with good lines after it is damage: nothing is touched.
"""

from __future__ import annotations

import asyncio
import os
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from eng5_runner.core.events import Event, event_from_json, event_to_json
from eng5_runner.errors import DiskError, InputsInvalid, InputsMissing

LEDGER_NAME = "ledger.jsonl"
_TAIL = re.compile(rb',"_crc":"([0-9a-f]{8})"\}$')


def _line(event: Event) -> bytes:
    body = event_to_json(event)[:-1]
    return b'%s,"_crc":"%08x"}\n' % (body, zlib.crc32(body))


def _is_whole(line: bytes) -> bool:
    found = _TAIL.search(line)
    return found is not None and int(found[1], 16) == zlib.crc32(line[: found.start()])


@dataclass(frozen=True, slots=True, kw_only=True)
class LedgerContents:
    """What a ledger file holds.

    Attributes:
        events: all whole events, in order.
        whole_bytes: how far the file is whole.
        torn_bytes: what stands after that, of an event that never counted.
    """

    events: tuple[Event, ...]
    whole_bytes: int
    torn_bytes: int


class LedgerReading:
    """A ledger read event by event, as often as wanted, and never held in memory as a whole.

    Attributes:
        whole_bytes: how far the file is whole.
        torn_bytes: what stands after that, of an event that never counted.
    """

    def __init__(self, run_directory: Path) -> None:
        """Check every line's checksum.

        Raises:
            InputsMissing: there is no ledger.
            InputsInvalid: a line in its middle is damaged.
            DiskError: it cannot be read.
        """
        self._path = run_directory / LEDGER_NAME
        try:
            with self._path.open("rb") as file:
                self.whole_bytes, self.torn_bytes = _measured(file, self._path)
        except FileNotFoundError:
            raise _no_ledger(run_directory) from None
        except OSError as error:
            raise DiskError(
                f"{self._path} cannot be read: {error.strerror}.", remedy="Check the disk and the permissions."
            ) from None

    def __iter__(self) -> Iterator[Event]:
        """All whole events, in order.

        Raises:
            InputsInvalid: one that this version does not know.
        """
        at = 0
        with self._path.open("rb") as file:
            for number, line in enumerate(file, start=1):
                at += len(line)
                if at > self.whole_bytes:
                    return
                try:
                    yield event_from_json(line)
                except ValidationError:
                    raise InputsInvalid(
                        f"{self._path}, line {number}: not an event that this version knows.",
                        remedy="Use the version of eng5-runner that the ledger's first line names.",
                    ) from None


def require_ledger(run_directory: Path) -> None:
    """Refuse what is no run's directory, before anything is put there.

    Raises:
        InputsMissing: there is no ledger.
    """
    if not (run_directory / LEDGER_NAME).exists():
        raise _no_ledger(run_directory)


def _no_ledger(run_directory: Path) -> InputsMissing:
    return InputsMissing(
        f"{run_directory} holds no ledger ({LEDGER_NAME}).", remedy="Name the directory of a run, such as runs/latest."
    )


def read_ledger(run_directory: Path) -> LedgerContents:
    """Read a run's ledger as a whole, without changing it.

    Raises:
        InputsMissing: there is none.
        InputsInvalid: a line in its middle is damaged, or it holds an event that this version does not know.
        DiskError: it cannot be read.
    """
    reading = LedgerReading(run_directory)
    return LedgerContents(events=tuple(reading), whole_bytes=reading.whole_bytes, torn_bytes=reading.torn_bytes)


def _measured(lines: Iterable[bytes], path: Path) -> tuple[int, int]:
    """How many bytes from the start are whole lines, and how many follow them.

    Raises:
        InputsInvalid: a whole line stands after a broken one.
    """
    whole, at, broken_line = 0, 0, 0
    for number, line in enumerate(lines, start=1):
        at += len(line)
        if line.endswith(b"\n") and _is_whole(line[:-1]):
            if broken_line:
                raise InputsInvalid(
                    f"{path}, line {broken_line}: the checksum does not fit, and whole lines follow it.",
                    remedy="The file was changed or damaged; restore it from a copy. Nothing was altered.",
                )
            whole = at
        elif not broken_line:
            broken_line = number
    return whole, at - whole


class Ledger:
    """A ledger open for writing; whoever opens it holds the run's lock (`run_lock.held`).

    Attributes:
        events: what it held when it was opened.
        repaired: bytes of a torn tail that were put aside.
    """

    def __init__(self, run_directory: Path) -> None:
        """Open the ledger, which may be new.

        Raises:
            InputsInvalid: the ledger is damaged.
            DiskError: it cannot be opened.
        """
        self._path = run_directory / LEDGER_NAME
        # A cancelled `append` leaves its thread at work, and the file must not be closed under it.
        self._one_at_a_time = threading.Lock()
        self._refuses = ""
        self.events: tuple[Event, ...] = ()
        self.repaired = 0
        try:
            if self._path.exists():
                contents = read_ledger(run_directory)
                self.events = contents.events
                self.repaired = contents.torn_bytes
                if contents.torn_bytes:
                    self._cut_torn_tail(contents.whole_bytes)
            self._file = os.open(self._path, os.O_WRONLY | os.O_CREAT | os.O_APPEND | os.O_CLOEXEC, 0o600)
            sync_directory(run_directory)
        except OSError as error:
            raise _cannot_write(self._path, _cause(error)) from None

    def __enter__(self) -> Self:
        """Use as a context: it closes the file."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        with self._one_at_a_time:
            self._refuses = "it is closed"
            os.close(self._file)

    async def append(self, events: Sequence[Event]) -> None:
        """Write the events and return when they are on the disk.

        Raises:
            DiskError: they are not; what was written before is untouched.
        """
        if events:
            await asyncio.to_thread(self.write, b"".join(map(_line, events)))

    def write(self, data: bytes) -> None:
        """Append bytes and sync them.

        Raises:
            DiskError: disk full, or the sync failed. A failed sync is never tried again: the kernel may have
                dropped the pages and would then report a success that is none.
        """
        with self._one_at_a_time:
            if self._refuses:
                raise _cannot_write(self._path, self._refuses)
            before = os.fstat(self._file).st_size
            try:
                view = memoryview(data)
                while view:
                    # A disk that is nearly full takes a part without an error; the next call tells.
                    view = view[os.write(self._file, view) :]
            except OSError as error:
                self._shorten(before)
                raise _cannot_write(self._path, _cause(error)) from None
            try:
                os.fdatasync(self._file)
            except OSError as error:
                self._refuses = f"a sync failed before ({_cause(error)})"
                self._shorten(before)
                raise _cannot_write(self._path, _cause(error)) from None

    def _cut_torn_tail(self, whole_bytes: int) -> None:
        with self._path.open("r+b") as file:
            file.seek(whole_bytes)
            torn = file.read()
            aside = self._path.with_name(f"ledger.torn.{whole_bytes}")
            aside.touch(mode=0o600)
            aside.write_bytes(torn)
            file.truncate(whole_bytes)
            os.fsync(file.fileno())

    def _shorten(self, size: int) -> None:
        """Back to the last whole line; if even that fails, reading finds the torn tail, so nothing may follow it."""
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            self._refuses = f"a torn line could not be cut off ({_cause(error)})"


def sync_directory(directory: Path) -> None:
    """Make a new name in a directory as durable as the file behind it."""
    handle = os.open(directory, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def _cause(error: OSError) -> str:
    return error.strerror or str(error)


def _cannot_write(path: Path, cause: str) -> DiskError:
    return DiskError(
        f"{path} cannot be written: {cause}.",
        remedy="Make room or check the permissions; what was recorded before is safe, and `resume` goes on from there.",
    )
