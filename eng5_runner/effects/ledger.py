"""The ledger file: one JSON object per line, each with a checksum of the bytes before it.

An event counts once it is on the disk (fdatasync), not before. A crash can leave an incomplete last line, the torn
tail. Its event never counted, so the tail is moved to a file of its own. A broken line before complete lines is
damage, and so are several lines that end with a checksum which does not fit, as an editor leaves them: the ledger is
refused and nothing is changed.

A line looks like this:

    {"v":1,"at":"2027-03-02T08:00:00Z","type":"DeadlineReached","kind":"idle","waited":900.0,"_crc":"4846631e"}
"""

from __future__ import annotations

import os
import re
import threading
import zlib
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Self

from pydantic import ValidationError

from eng5_runner.core.events import (
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    Event,
    ListeningFrom,
    OffsetsLost,
    add_json,
    event_from_json,
)
from eng5_runner.effects import durable
from eng5_runner.errors import DiskError, InputsInvalid, InputsMissing, command
from eng5_runner.systems import open_private, sync_data

LEDGER_NAME = "ledger.jsonl"
_TAIL = b',"_crc":"%08x"}\n'
_TAIL_BYTES = len(_TAIL % 0)
_ENDED = re.compile(rb',"_crc":"[0-9a-f]{8}"}\s*\n')
_BUFFER = 1 << 18  # bytes; the lines of a long ledger are read in half the time that the usual buffer takes


def _lines(events: Iterable[Event]) -> bytearray:
    """The lines of the events, in one piece of memory: a line of its own for each would take twice as long."""
    lines = bytearray()
    for event in events:
        begin = len(lines)
        add_json(event, lines)
        del lines[-1:]  # the tail has the closing brace
        lines += _TAIL % zlib.crc32(memoryview(lines)[begin:])
    return lines


def _is_whole(line: bytes) -> bool:
    return line.endswith(_TAIL % zlib.crc32(memoryview(line)[:-_TAIL_BYTES]))


def ledger_lines(events: Iterable[Event]) -> Iterator[bytes]:
    """The lines of a whole ledger that is written at once."""
    return (bytes(_lines([event])) for event in events)


class LedgerReading:
    """A ledger to iterate over, as often as needed. Only one event at a time is held in memory.

    Attributes:
        whole_bytes: the size of the complete lines.
        torn_bytes: the size of the torn tail after them, whose event never counted.
    """

    def __init__(self, run_directory: Path) -> None:
        """Check the checksum of every line.

        Raises:
            InputsMissing: there is no ledger.
            InputsInvalid: a line before the last is damaged.
            DiskError: the ledger cannot be read.
        """
        self._path = run_directory / LEDGER_NAME
        try:
            with self._path.open("rb", buffering=_BUFFER) as file:
                self.whole_bytes, self.torn_bytes = _measured(file, self._path)
        except (FileNotFoundError, NotADirectoryError):
            raise no_run(run_directory) from None
        except OSError as error:
            raise _cannot_read(self._path, error) from None

    def __iter__(self) -> Iterator[Event]:
        """The events of all complete lines, in order.

        Raises:
            InputsInvalid: this version does not know one of the events, or a message was read twice.
            DiskError: the ledger cannot be read any more.
        """
        read_to: dict[tuple[str, int], int] = {}
        for number, line in enumerate(self._lines(), start=1):
            try:
                event = event_from_json(line)
            except ValidationError:
                raise InputsInvalid(
                    f"{self._path}, line {number}: not an event that this version knows.",
                    remedy="Use the version of eng5-runner that the ledger's first line names.",
                ) from None
            if isinstance(event, CallbackAccepted | CallbackRepeated | CallbackRejected):
                place = event.position
                if place.offset < read_to.get((place.topic, place.partition), 0):
                    raise InputsInvalid(
                        f"{self._path}, line {number}: message {place.offset} of {place.topic} [{place.partition}] "
                        "was read before.",
                        remedy="A line was doubled or moved; restore the file from a copy.",
                    )
                read_to[place.topic, place.partition] = place.offset + 1
            elif isinstance(event, ListeningFrom | OffsetsLost):
                read_to.clear()  # topics that were made again begin at 0
            yield event

    def _lines(self) -> Iterator[bytes]:
        end = 0
        try:
            with self._path.open("rb", buffering=_BUFFER) as file:
                for line in file:
                    end += len(line)
                    if end > self.whole_bytes:
                        return
                    yield line
        except OSError as error:
            raise _cannot_read(self._path, error) from None


def require_ledger(run_directory: Path) -> None:
    """Check that a directory is a run directory, before anything is written there.

    Raises:
        InputsMissing: there is no ledger.
    """
    if not (run_directory / LEDGER_NAME).exists():
        raise no_run(run_directory)


def no_run(path: Path) -> InputsMissing:
    """The error for a path that is not the directory of a run."""
    start = f"Start a run ({command('--mode', 'execute', '--assets', 'FOLDER')}), or name the directory of one."
    if path.is_dir():
        runs = sorted(entry.parent for entry in path.glob(f"*/{LEDGER_NAME}") if not entry.parent.is_symlink())
        if runs:
            return InputsMissing(f"{path} holds runs and is none.", remedy=f"Name one of them, such as {runs[-1]}.")
        reason = f"it has no {LEDGER_NAME}, as after a plan, or a run that ended before it recorded anything"
        return InputsMissing(f"{path} is not the directory of a run: {reason}.", remedy=start)
    if path.is_symlink():
        return InputsMissing(f"{path} leads to {path.readlink()}, which is not there any more.", remedy=start)
    if path.exists():
        perhaps = f", perhaps {path.parent}" if (path.parent / LEDGER_NAME).exists() else ""
        return InputsMissing(f"{path} is a file.", remedy=f"Name the directory of the run{perhaps}.")
    return InputsMissing(f"There is no run {path}.", remedy=start)


def _measured(lines: Iterable[bytes], path: Path) -> tuple[int, int]:
    """The size of the complete lines at the start, and of the rest.

    Raises:
        InputsInvalid: the rest is more than an append that a crash cut off.
    """
    whole, end, broken_line, changed = 0, 0, 0, 0
    for number, line in enumerate(lines, start=1):
        end += len(line)
        if _is_whole(line):
            if broken_line:
                raise _damaged(path, broken_line, because="whole lines follow it")
            whole = end
        else:
            broken_line = broken_line or number
            changed += _is_changed(line)
    if changed > bool(whole):  # one flipped bit in the last line is no reason to refuse all lines before it
        raise _damaged(path, broken_line, because="it is not the end of a file that was cut off")
    return whole, end - whole


def _is_changed(line: bytes) -> bool:
    """Whether a line whose checksum does not fit was written to its end: what a crash leaves is cut, or has zeros."""
    return b"\0" not in line and _ENDED.search(line, max(len(line) - 2 * _TAIL_BYTES, 0)) is not None


def _damaged(path: Path, line: int, *, because: str) -> InputsInvalid:
    return InputsInvalid(
        f"{path}, line {line}: the checksum does not fit, and {because}.",
        remedy="The file was changed or damaged; restore it from a copy. Nothing was altered.",
    )


def move_torn_tail(run_directory: Path) -> None:
    """Move a torn tail to a file of its own, so that a manifest lists whole lines only. The caller holds the lock.

    Raises:
        InputsInvalid: the ledger is damaged.
        DiskError: the tail cannot be moved.
    """
    if LedgerReading(run_directory).torn_bytes:
        with Ledger(run_directory):
            pass


class Ledger:
    """A ledger open for writing. The caller holds the run's lock (`run_lock.held`).

    Attributes:
        events: the events that the ledger had when it was opened, read from the file each time.
        repaired: the size of a torn tail that was moved away, in bytes.
    """

    def __init__(self, run_directory: Path) -> None:
        """Open the ledger, which may be new.

        Raises:
            InputsInvalid: the ledger is damaged.
            DiskError: the ledger cannot be opened.
        """
        self._path = run_directory / LEDGER_NAME
        # The thread of a cancelled `append` goes on, and its file must not be closed meanwhile.
        self._lock = threading.Lock()
        self._refusal = ""
        self.events: Iterable[Event] = ()
        self.repaired = 0
        try:
            if self._path.exists():
                self.events = reading = LedgerReading(run_directory)
                self.repaired = reading.torn_bytes
                if reading.torn_bytes:
                    self._move_torn_tail(reading.whole_bytes)
            self._file = open_private(self._path, os.O_WRONLY | os.O_APPEND)
            durable.sync_directory(run_directory)
        except OSError as error:
            raise _cannot_write(self._path, _cause(error)) from None

    def __enter__(self) -> Self:
        """Use as a context, which closes the file at its end."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Close the file."""
        with self._lock:
            self._refusal = "it is closed"
            os.close(self._file)

    def append_now(self, events: Sequence[Event]) -> None:
        """The same as `append`, where no loop runs.

        Raises:
            DiskError: the events could not be written; the file is as it was.
        """
        self.write(_lines(events))

    async def append(self, events: Sequence[Event]) -> None:
        """Write events and return when they are on the disk.

        Raises:
            DiskError: the events could not be written. Events before them are unchanged.
        """
        if events:
            # Here a loop runs. `status` and `runs` only read, and need not load it.
            import asyncio  # noqa: PLC0415 - see above  # law: inner_import - see above

            await asyncio.to_thread(self.write, _lines(events))

    def write(self, data: bytes | bytearray) -> None:
        """Append bytes and sync them.

        Raises:
            DiskError: the disk is full, the file was deleted, or the sync failed. A failed sync is never tried again:
                the kernel may have dropped the data, and would then report success all the same.
        """
        with self._lock:
            if self._refusal:
                raise _cannot_write(self._path, self._refusal)
            status = os.fstat(self._file)
            if not status.st_nlink:
                raise DiskError(
                    f"{self._path} was deleted while the run was under way. Nothing can be recorded any more, so the "
                    "run ends before it pays for more.",
                    remedy="Start a new run. The embedded services take from the cache what their judges said before.",
                )
            before = status.st_size
            try:
                durable.write_all(self._file, data)
            except OSError as error:
                self._shorten(before)
                raise _cannot_write(self._path, _cause(error)) from None
            try:
                sync_data(self._file)
            except OSError as error:
                self._refusal = f"a sync failed before ({_cause(error)})"
                self._shorten(before)
                raise _cannot_write(self._path, _cause(error)) from None

    def _move_torn_tail(self, whole_bytes: int) -> None:
        """Copy the torn tail to a file of its own, then cut it off; else a power cut could bring it back later."""
        with self._path.open("r+b") as file:
            file.seek(whole_bytes)
            torn = file.read()
            aside = self._path.with_name(f"ledger.torn.{whole_bytes}")
            aside.touch(mode=0o600)
            aside.write_bytes(torn)
            file.truncate(whole_bytes)
            os.fsync(file.fileno())

    def _shorten(self, size: int) -> None:
        """Cut the file back to its last complete line.

        If that fails, the file ends with a torn tail, and nothing may be written after it.
        """
        try:
            os.ftruncate(self._file, size)
        except OSError as error:
            self._refusal = f"a torn line could not be cut off ({_cause(error)})"


def _cause(error: OSError) -> str:
    return error.strerror or str(error)


def _cannot_read(path: Path, error: OSError) -> DiskError:
    return DiskError(f"{path} cannot be read: {_cause(error)}.", remedy="Check the disk and the permissions.")


def _cannot_write(path: Path, cause: str) -> DiskError:
    return DiskError(
        f"{path} cannot be written: {cause}.",
        remedy="Free disk space or check the permissions. What was recorded before is safe.",
    )
