"""The upload cache: it may forget, it may not lie, and several runs may use it at once."""

from __future__ import annotations

import zlib
from contextlib import ExitStack
from pathlib import Path

import pytest

from eng5_runner.effects.upload_cache import UploadCache
from eng5_runner.errors import DiskError
from tests.support.processes import python
from tests.support.small_disk import SmallDisk

URL = "http://content.example/v1/content"
TEXT, ID = "a" * 64, "b" * 32

PUTTER = """
import asyncio, sys
from pathlib import Path
from eng5_runner.effects.upload_cache import UploadCache
async def put(cache, first):
    for number in range(first, first + 200):
        await cache.remember({f"{number:064x}": f"{number:032x}"})
asyncio.run(put(UploadCache(Path(sys.argv[1]), service_url=sys.argv[2]), int(sys.argv[3])))
"""


def _only_file(folder: Path) -> Path:
    (path,) = folder.iterdir()
    return path


def _line(entry: str) -> bytes:
    return b"%s %08x\n" % (entry.encode(), zlib.crc32(entry.encode()))


async def test_what_was_remembered_is_there_for_the_next_run(tmp_path: Path) -> None:
    cache = UploadCache(tmp_path / "new" / "folder", service_url=URL)
    assert cache.entries() == {}
    await cache.remember({})
    await cache.remember({TEXT: ID, "c" * 64: "d" * 32})
    await cache.remember({TEXT: "e" * 32})
    again = UploadCache(tmp_path / "new" / "folder", service_url=URL)
    assert again.entries() == {TEXT: "e" * 32, "c" * 64: "d" * 32}
    await again.forget()
    await again.forget()
    assert cache.entries() == {}


async def test_services_do_not_mix(tmp_path: Path) -> None:
    urls = [URL, f"{URL}/", "https://content.example/v1/content", "http://content.example:8001/v1/content"]
    caches = [UploadCache(tmp_path, service_url=url) for url in urls]
    for number, cache in enumerate(caches):
        await cache.remember({TEXT: f"{number:032x}"})
    await caches[3].forget()
    assert [cache.entries().get(TEXT) for cache in caches] == [f"{number:032x}" for number in range(3)] + [None]


@pytest.mark.parametrize(
    "foreign",
    [
        b"",
        b"\0" * 4096,
        b"\xff\xfe" * 50 + b"\n",
        b"{}\n",
        _line("word word"),
        _line(f"{TEXT} {ID[1:]}"),
        _line(f"{TEXT.upper()} {ID}"),
        _line(f"{TEXT} {ID}").replace(b" ", b"\t"),
        _line(f"{TEXT} {ID}").replace(b"\n", b"\r\n"),
        _line(f"{TEXT} {ID}")[:-2] + b"\n",
    ],
)
async def test_lines_that_are_no_entries_are_passed_over(tmp_path: Path, foreign: bytes) -> None:
    cache = UploadCache(tmp_path, service_url=URL)
    await cache.remember({"1" * 64: "2" * 32})
    with _only_file(tmp_path).open("ab") as file:
        file.write(foreign)
    await cache.remember({"3" * 64: "4" * 32})
    assert cache.entries() == {"1" * 64: "2" * 32, "3" * 64: "4" * 32}


async def test_cut_at_any_byte_or_with_any_bit_flipped_it_forgets_but_does_not_lie(memory_folder: Path) -> None:
    cache = UploadCache(memory_folder, service_url=URL)
    true = {f"{number:064x}": f"{number + 7:032x}" for number in range(3)}
    await cache.remember(true)
    path = _only_file(memory_folder)
    data = path.read_bytes()
    for cut in range(len(data)):
        path.write_bytes(data[:cut])
        assert cache.entries().items() <= true.items()
        assert len(cache.entries()) >= data[:cut].count(b"\n") - 1
    for bit in range(8 * len(data)):
        flipped = bytearray(data)
        flipped[bit // 8] ^= 1 << bit % 8
        path.write_bytes(flipped)
        assert cache.entries().items() <= true.items()
        assert len(cache.entries()) >= len(true) - 2


async def test_an_entry_after_a_cut_line_counts(tmp_path: Path) -> None:
    cache = UploadCache(tmp_path, service_url=URL)
    await cache.remember({TEXT: ID})
    path = _only_file(tmp_path)
    path.write_bytes(path.read_bytes()[:-5])
    await cache.remember({"c" * 64: "d" * 32})
    assert cache.entries() == {"c" * 64: "d" * 32}


def test_eight_processes_at_once_lose_nothing(memory_folder: Path) -> None:
    with ExitStack() as stack:
        putters = [stack.enter_context(python(PUTTER, memory_folder, URL, 200 * number)) for number in range(8)]
        assert [putter.wait() for putter in putters] == [0] * 8
    expected = {f"{number:064x}": f"{number:032x}" for number in range(1600)}
    assert UploadCache(memory_folder, service_url=URL).entries() == expected


@pytest.mark.parametrize("leaving", [0, 4096, 5 * 4096])
async def test_a_full_disk_is_told_and_loses_no_entry_that_was_remembered(small_disk: SmallDisk, leaving: int) -> None:
    """The disk takes a part of the last lines without an error first; they must not count as remembered."""
    cache = UploadCache(small_disk.root / "cache", service_url=URL)
    await cache.remember({TEXT: ID})
    small_disk.fill(leaving=leaving)
    many = {f"{number:064x}": f"{number:032x}" for number in range(1000)}
    with pytest.raises(DiskError, match="No space left on device"):
        await cache.remember(many)
    assert cache.entries()[TEXT] == ID
    assert cache.entries().items() <= (many | {TEXT: ID}).items()
    small_disk.free()
    await cache.remember(many)
    assert cache.entries() == many | {TEXT: ID}


async def test_a_folder_that_refuses_is_a_disk_error(small_disk: SmallDisk) -> None:
    cache = UploadCache(small_disk.root, service_url=URL)
    await cache.remember({TEXT: ID})
    small_disk.make_read_only()
    with pytest.raises(DiskError, match=r"ENG5_CACHE_DIR|cannot be written: Read-only file system"):
        await cache.remember({"c" * 64: "d" * 32})
    with pytest.raises(DiskError, match="cannot be removed: Read-only file system"):
        await cache.forget()
    assert cache.entries() == {TEXT: ID}


async def test_without_a_usable_file_nothing_is_known(tmp_path: Path) -> None:
    cache = UploadCache(tmp_path, service_url=URL)
    await cache.remember({TEXT: ID})
    path = _only_file(tmp_path)
    path.unlink()
    path.mkdir()
    assert cache.entries() == {}
    with pytest.raises(DiskError, match="Is a directory"):
        await cache.remember({TEXT: ID})
