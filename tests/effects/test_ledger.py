"""The ledger file: what was acknowledged stays, what is damaged is seen, and one process at a time writes."""

from __future__ import annotations

import asyncio
import os
import signal
import tempfile
import threading
import zlib
from concurrent.futures import ThreadPoolExecutor
from itertools import count
from pathlib import Path
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.core.events import Event, ListeningFrom, OffsetsLost, Position
from eng5_runner.effects.ledger import LEDGER_NAME, Ledger, LedgerReading
from eng5_runner.errors import DiskError, InputsInvalid, InputsMissing
from tests.effects.samples import AT, one_of_each, rejected, uploaded
from tests.support.processes import in_memory, line, python
from tests.support.small_disk import SmallDisk

WRITER = """
import asyncio, sys
from itertools import count
from pathlib import Path
from eng5_runner.effects.ledger import Ledger
from tests.effects.samples import uploaded
async def write(ledger):
    for number in count():
        await ledger.append([uploaded(number)])
        print(number, flush=True)
with Ledger(Path(sys.argv[1])) as ledger:
    asyncio.run(write(ledger))
"""

LIMITED = """
import asyncio, resource, signal, sys
from pathlib import Path
from eng5_runner.effects.ledger import Ledger
from eng5_runner.errors import DiskError
from tests.effects.samples import uploaded
async def fill(ledger):
    number = 0
    while True:
        try:
            await ledger.append([uploaded(number), uploaded(number + 1)])
        except DiskError as error:
            print(number, error, flush=True)
            return number
        number += 2
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
with Ledger(Path(sys.argv[1])) as ledger:
    resource.setrlimit(resource.RLIMIT_FSIZE, (int(sys.argv[2]), hard))
    number = asyncio.run(fill(ledger))
    resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
    asyncio.run(ledger.append([uploaded(number)]))
"""

# The kernel itself refuses fdatasync from here on, by a seccomp filter: no disk fails on request.
NO_SYNC = """
import asyncio, ctypes, errno, struct, sys
from pathlib import Path
from eng5_runner.effects.ledger import Ledger
from eng5_runner.errors import DiskError
from tests.effects.samples import uploaded
FDATASYNC, SECCOMP = {"x86_64": (75, 317), "aarch64": (83, 277)}[sys.argv[2]]
def refuse_fdatasync():
    code = (  # load the call's number; if it is fdatasync return EIO; else allow
        (0x20, 0, 0, 0),
        (0x15, 0, 1, FDATASYNC),
        (0x06, 0, 0, 0x00050000 | errno.EIO),
        (0x06, 0, 0, 0x7FFF0000),
    )
    program = ctypes.create_string_buffer(b"".join(struct.pack("HBBI", *each) for each in code))
    header = ctypes.create_string_buffer(struct.pack("HL", len(code), ctypes.addressof(program)))
    libc = ctypes.CDLL(None)
    assert libc.prctl(38, 1, 0, 0, 0) == 0  # no new privileges, which a filter needs
    assert libc.syscall(SECCOMP, 1, 1, header) == 0  # a filter for all threads
async def main(ledger):
    await ledger.append([uploaded(0)])
    refuse_fdatasync()
    for number in (1, 2):
        try:
            await ledger.append([uploaded(number)])
        except DiskError as error:
            print(error, flush=True)
with Ledger(Path(sys.argv[1])) as ledger:
    asyncio.run(main(ledger))
"""


async def _written(folder: Path, *events: Event) -> bytes:
    with Ledger(folder) as ledger:
        await ledger.append(events)
    return (folder / LEDGER_NAME).read_bytes()


async def _append_until_refused(ledger: Ledger) -> tuple[int, DiskError]:
    """How many events were acknowledged, and the refusal."""
    for first in count(step=7):
        try:
            await ledger.append([uploaded(number) for number in range(first, first + 7)])
        except DiskError as error:
            return first, error
    raise AssertionError("count has no end")


def _names(folder: Path) -> set[str]:
    return {path.name for path in folder.iterdir()}


async def test_every_kind_of_event_comes_back_as_it_was(tmp_path: Path) -> None:
    events = one_of_each()
    assert {type(event) for event in events} == set(get_args(Event))
    data = await _written(tmp_path, *events)
    assert data.count(b"\n") == len(events)
    assert tuple(LedgerReading(tmp_path)) == events
    with Ledger(tmp_path) as ledger:
        assert (tuple(ledger.events), ledger.repaired) == (events, 0)


async def test_cut_at_any_byte_the_whole_lines_before_the_cut_are_left(memory_folder: Path) -> None:
    events = one_of_each()
    data = await _written(memory_folder, *events)
    for cut in range(data.index(b"\n") + 1, len(data) + 1):
        (memory_folder / LEDGER_NAME).write_bytes(data[:cut])
        contents = LedgerReading(memory_folder)
        whole = data[:cut].rfind(b"\n") + 1
        assert tuple(contents) == events[: data[:cut].count(b"\n")]
        assert (contents.whole_bytes, contents.torn_bytes) == (whole, cut - whole)


async def test_a_torn_tail_is_kept_aside_and_writing_goes_on_after_the_whole_lines(memory_folder: Path) -> None:
    events = (uploaded(0), uploaded(1))
    data = await _written(memory_folder, *events)
    whole = data.index(b"\n") + 1
    for cut in range(whole + 1, len(data)):
        (memory_folder / LEDGER_NAME).write_bytes(data[:cut])
        with Ledger(memory_folder) as ledger:
            assert (tuple(ledger.events), ledger.repaired) == (events[:1], cut - whole)
            await ledger.append([uploaded(2)])
        aside = memory_folder / f"ledger.torn.{whole}"
        assert (aside.read_bytes(), aside.stat().st_mode & 0o077) == (data[whole:cut], 0)
        assert tuple(LedgerReading(memory_folder)) == (events[0], uploaded(2))
        aside.unlink()


async def test_any_flipped_bit_is_seen_and_no_event_is_made_of_it(memory_folder: Path) -> None:
    events = tuple(map(uploaded, range(3)))
    data = await _written(memory_folder, *events)
    last = data.rindex(b"\n", 0, -1) + 1
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        (memory_folder / LEDGER_NAME).write_bytes(flipped)
        if bit < 8 * (last - 1):
            with pytest.raises(InputsInvalid):
                LedgerReading(memory_folder)
        else:
            contents = LedgerReading(memory_folder)  # a torn tail: nothing whole follows
            assert tuple(contents) == (events[:2] if bit >= 8 * last else events[:1])
            assert contents.torn_bytes == len(data) - contents.whole_bytes > 0


@given(st.binary(min_size=1) | st.text(min_size=1, alphabet='\r\n{}",_crc0').map(str.encode))
def test_whatever_stands_after_the_whole_lines_is_no_event(rubbish: bytes) -> None:
    events = one_of_each()[-2:]
    with tempfile.TemporaryDirectory(dir=in_memory()) as folder:
        asyncio.run(_written(Path(folder), *events))
        with (Path(folder) / LEDGER_NAME).open("ab") as file:
            file.write(rubbish)
        contents = LedgerReading(Path(folder))
        assert (tuple(contents), contents.torn_bytes) == (events, len(rubbish))


@pytest.mark.parametrize("bad", [b"", b"{}", b'{"type":"RunClosed"}', b"\xff\xfe", b'{"a":1,"_crc":"00000000"}'])
async def test_a_bad_line_in_the_middle_is_refused_and_nothing_is_altered(tmp_path: Path, bad: bytes) -> None:
    lines = (await _written(tmp_path, uploaded(0), uploaded(1))).splitlines(keepends=True)
    damaged = lines[0] + bad + b"\n" + lines[1]
    (tmp_path / LEDGER_NAME).write_bytes(damaged)
    with pytest.raises(InputsInvalid, match="line 2: the checksum"):
        LedgerReading(tmp_path)
    with pytest.raises(InputsInvalid, match="line 2: the checksum"):
        Ledger(tmp_path)
    assert (tmp_path / LEDGER_NAME).read_bytes() == damaged
    assert _names(tmp_path) == {LEDGER_NAME}
    (tmp_path / LEDGER_NAME).write_bytes(b"".join(lines))  # restored from a copy
    with Ledger(tmp_path) as ledger:
        assert tuple(ledger.events) == (uploaded(0), uploaded(1))


@pytest.mark.parametrize(("old", "new", "line"), [(b"\n", b"\r\n", 1), (b'"v":1', b'"v": 1', 1), (b'02"', b'03"', 3)])
async def test_lines_that_an_editor_changed_are_no_torn_tail(tmp_path: Path, old: bytes, new: bytes, line: int) -> None:
    data = await _written(tmp_path, *map(uploaded, (0, 1, 2, 2)))
    changed = data.replace(old, new)
    assert changed != data
    (tmp_path / LEDGER_NAME).write_bytes(changed)
    with pytest.raises(InputsInvalid, match=f"line {line}: the checksum"):
        Ledger(tmp_path)
    assert (tmp_path / LEDGER_NAME).read_bytes() == changed
    assert _names(tmp_path) == {LEDGER_NAME}


@pytest.mark.parametrize("order", [(5, 6, 6), (6, 5), (5, 6, 5)])
async def test_a_line_that_was_doubled_or_moved_is_named(tmp_path: Path, order: tuple[int, ...]) -> None:
    await _written(tmp_path, uploaded(0), *map(rejected, order))
    with pytest.raises(InputsInvalid, match=rf"line {len(order) + 1}: message {order[-1]} of t \[0\] was read before"):
        tuple(LedgerReading(tmp_path))


async def test_messages_of_topics_that_were_made_again_are_new(tmp_path: Path) -> None:
    again = ListeningFrom(at=AT, cluster_id="c", request_ends=(), callback_ends=())
    lost = OffsetsLost(at=AT, position=Position(topic="t", partition=0, offset=7), resumed_at=2)
    events = (rejected(5), rejected(6), again, rejected(5), rejected(6), lost, rejected(2))
    await _written(tmp_path, *events)
    assert tuple(LedgerReading(tmp_path)) == events


@pytest.mark.parametrize("body", [b'{"type":"EssayBurnt","v":1', b'{"type":"EssayUploaded","v":2', b"{"])
async def test_an_event_of_another_version_is_named_by_its_line(tmp_path: Path, body: bytes) -> None:
    data = await _written(tmp_path, uploaded(0))
    stranger = b'%s,"_crc":"%08x"}\n' % (body, zlib.crc32(body))
    (tmp_path / LEDGER_NAME).write_bytes(data + stranger)
    with pytest.raises(InputsInvalid, match="line 2: not an event that this version knows"):
        tuple(LedgerReading(tmp_path))


def test_a_folder_without_a_ledger_is_told_from_one_that_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(InputsMissing):
        LedgerReading(tmp_path)
    (tmp_path / LEDGER_NAME).mkdir()
    with pytest.raises(DiskError, match="Is a directory"):
        LedgerReading(tmp_path)
    with pytest.raises(DiskError, match="No such file"):
        Ledger(tmp_path / "nowhere")


@pytest.mark.parametrize("acknowledged", [1, 7, 40])
def test_what_was_acknowledged_before_a_kill_is_there_in_order(tmp_path: Path, acknowledged: int) -> None:
    with python(WRITER, tmp_path) as writer:
        for number in range(acknowledged):
            assert line(writer) == str(number)
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    with Ledger(tmp_path) as ledger:
        found = tuple(ledger.events)
    assert len(found) >= acknowledged
    assert found == tuple(map(uploaded, range(len(found))))


async def test_batches_that_are_appended_at_the_same_time_stay_whole(tmp_path: Path) -> None:
    with Ledger(tmp_path) as ledger:
        batches = [[uploaded(100 * batch + number) for number in range(50)] for batch in range(20)]
        await asyncio.gather(*map(ledger.append, batches))
    events = tuple(LedgerReading(tmp_path))
    found = [list(events[at : at + 50]) for at in range(0, len(events), 50)]
    assert sorted(found, key=lambda batch: batch[0].model_dump_json()) == batches


async def test_an_append_that_was_cancelled_writes_to_no_file_that_is_opened_later(tmp_path: Path) -> None:
    """A thread cannot be cancelled: it wakes up when its file is closed and the number is another file's."""
    loop = asyncio.get_running_loop()
    executor = ThreadPoolExecutor(1)
    loop.set_default_executor(executor)
    gate = threading.Event()
    executor.submit(gate.wait)
    with Ledger(tmp_path) as ledger:
        appending = asyncio.create_task(ledger.append([uploaded(0)]))
        await asyncio.sleep(0)
        appending.cancel()
        with pytest.raises(asyncio.CancelledError):
            await appending
        waiting = executor.submit(ledger.write, b"bytes that come too late\n")
    strangers = [tmp_path / f"other{number}" for number in range(4)]
    files = [path.open("wb", buffering=0) for path in strangers]
    gate.set()
    with pytest.raises(DiskError, match="it is closed"):
        waiting.result()
    for file in files:
        file.close()
    assert [path.read_bytes() for path in (*strangers, tmp_path / LEDGER_NAME)] == [b""] * 5


@pytest.mark.parametrize("leaving", [0, 4096, 3 * 4096, 20 * 4096])
async def test_a_full_disk_keeps_what_was_acknowledged_and_room_lets_it_go_on(
    small_disk: SmallDisk, leaving: int
) -> None:
    run = small_disk.root / "run"
    run.mkdir()
    with Ledger(run) as ledger:
        small_disk.fill(leaving=leaving)
        acknowledged, refusal = await _append_until_refused(ledger)
        assert "No space left on device" in refusal.message
        contents = LedgerReading(run)
        assert tuple(contents) == tuple(map(uploaded, range(acknowledged)))
        assert contents.torn_bytes == 0
        with pytest.raises(DiskError):
            await ledger.append([uploaded(number) for number in range(100)])
        small_disk.free()
        await ledger.append([uploaded(acknowledged)])
    assert tuple(LedgerReading(run)) == tuple(map(uploaded, range(acknowledged + 1)))


@pytest.mark.parametrize("limit", [1000, 1001, 5000, 20_000])
def test_a_quota_keeps_what_was_acknowledged_and_lifting_it_lets_it_go_on(tmp_path: Path, limit: int) -> None:
    """The same without root: the kernel's limit on a file's size takes part of a line, too."""
    with python(LIMITED, tmp_path, limit) as writer:
        acknowledged, _, told = line(writer).partition(" ")
        assert "File too large" in told
        assert writer.wait() == 0
    contents = LedgerReading(tmp_path)
    assert tuple(contents) == tuple(map(uploaded, range(int(acknowledged) + 1)))
    assert contents.torn_bytes == 0


@pytest.mark.skipif(os.uname().machine not in {"x86_64", "aarch64"}, reason="the call's number is not known")
def test_after_a_failed_sync_nothing_more_is_written(tmp_path: Path) -> None:
    """The kernel may have dropped the pages, and a second sync would report a success that is none."""
    with python(NO_SYNC, tmp_path, os.uname().machine) as writer:
        assert "Input/output error" in line(writer)
        assert "a sync failed before (Input/output error)" in line(writer)
        assert writer.wait() == 0
    assert tuple(LedgerReading(tmp_path)) == (uploaded(0),)


async def test_a_deleted_ledger_takes_nothing_more(tmp_path: Path) -> None:
    """What is written into a file without a name is gone with the process, and a run pays for it."""
    with Ledger(tmp_path) as ledger:
        await ledger.append([uploaded(1)])
        (tmp_path / LEDGER_NAME).unlink()
        with pytest.raises(DiskError, match="was deleted while the run was under way"):
            await ledger.append([uploaded(2)])
