"""What is kept of files between readings: unchanged ones are not read again, and nothing wrong is ever taken over."""

from __future__ import annotations

import gc
import os
import shutil
import time
from collections.abc import Callable
from pathlib import Path

import orjson
import pytest

from eng5_runner.canonical import sha256_hex
from eng5_runner.errors import InputsInvalid
from eng5_runner.inventory import known_files
from eng5_runner.inventory.document_text import DocumentText
from eng5_runner.inventory.known_files import FileRecord, KnownFiles, stamp_of
from eng5_runner.inventory.read import Assets, ReadingOptions, Texts, read_assets
from eng5_runner.inventory.safe_files import AssetPath
from eng5_runner.inventory.scanned import ScannedFile, record_of
from eng5_runner.judges.prompts import EssayLength
from eng5_runner.planning.candidates import lengths_of

# Its files are older than two seconds.
DEMO = Path(__file__).parents[2] / "examples" / "eng5_demo"
RECORD = FileRecord(
    "txt", "a" * 64, "utf-8", "b" * 64, 3, 9, EssayLength(9, 9, 62), "c" * 64, [("short_text", {"words": 3})], [], 11
)
SCALE = "eng5_np_legacy_9_step"
SETTINGS = ("utf-8", "en")
_HOUR = 3_600_000_000_000


def read_demo(cache: Path) -> Assets:
    return read_assets(DEMO, grade_scale=SCALE, reading=ReadingOptions(cache_folder=cache))


def kept_file(cache: Path) -> Path:
    (path,) = cache.iterdir()
    return path


def known(cache: Path, *, settings: tuple[str, ...] = SETTINGS) -> KnownFiles:
    return KnownFiles(cache, root=Path("/study"), settings=settings)


@pytest.fixture
def essay(tmp_path: Path) -> Path:
    """A file of which a record is kept, as if it had been read in an hour."""
    path = tmp_path / "essay.txt"
    path.write_text("I like cats")
    files = known(tmp_path / "cache")
    files.keep(path.stat(), RECORD, read_at=time.time_ns() + _HOUR)
    files.save()
    return path


def test_a_second_reading_gives_the_same(tmp_path: Path) -> None:
    first, second = read_demo(tmp_path), read_demo(tmp_path)
    assert (second.inputs, second.findings, second.notes) == (first.inputs, first.findings, first.notes)
    assert second.texts.keys() == first.texts.keys()
    assert dict(second.texts) == dict(first.texts)
    assert second.lengths == first.lengths == lengths_of(first.texts)


@pytest.mark.parametrize("is_linked", [True, False])
def test_a_second_reading_says_the_same_of_odd_files(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, *, is_linked: bool
) -> None:
    """A decomposed name, what a text shows and what its reader remarks; and an essay's file that is the prompt too."""
    monkeypatch.setattr(known_files, "YOUNG_NANOSECONDS", -_HOUR)  # law: patches - two seconds of waiting prove no more
    folder = shutil.copytree(DEMO, tmp_path / "assets")
    essays = folder / "student_essays"
    (essays / "A\u030asa.txt").write_text("I like \x01 cats.")
    (folder / "prompt.md").unlink()
    if is_linked:
        os.link(essays / "A\u030asa.txt", folder / "prompt.txt")
    else:
        (folder / "eng5.toml").write_text('[assets]\nprompt = "student_essays/A\u030asa.txt"', encoding="utf-8")
    first, second = (
        read_assets(folder, grade_scale=SCALE, reading=ReadingOptions(cache_folder=tmp_path / "cache")) for _ in "12"
    )
    assert first.inputs is not None
    assert {"control_characters", "short_text"} <= {finding.kind for finding in first.findings}
    assert (second.inputs, second.findings, second.notes) == (first.inputs, first.findings, first.notes)


def test_an_unchanged_file_is_not_read_again(tmp_path: Path) -> None:
    """The record counts, as a false one shows."""
    read_demo(tmp_path)
    path = kept_file(tmp_path)
    stored = orjson.loads(path.read_bytes()[64:])
    for kept in stored["files"].values():
        kept[4], kept[6] = 77, [1, 2, 3]
    body = orjson.dumps(stored)
    path.write_bytes(sha256_hex(body).encode() + body)
    again = read_demo(tmp_path)
    assert again.inputs is not None
    assert {student.word_count for student in again.inputs.students} == {77}
    assert {again.lengths[student.text_sha256] for student in again.inputs.students} == {EssayLength(1, 2, 3)}


def test_no_text_and_no_name_is_kept(tmp_path: Path) -> None:
    assets = read_demo(tmp_path)
    assert assets.inputs is not None
    kept = kept_file(tmp_path).read_bytes()
    words = {word for text in assets.texts.values() for word in text.split() if len(word) > 6}
    assert words and not [word for word in words if word in kept]
    assert not [student for student in assets.inputs.students if student.file.file_name.encode() in kept]


def test_the_record_of_an_unchanged_file_is_found(essay: Path, tmp_path: Path) -> None:
    found = known(tmp_path / "cache").find(stamp_of(essay.stat(), "txt"))
    assert found is not None
    assert found == RECORD
    assert known(tmp_path / "cache").find(stamp_of(essay.stat(), "md")) is None
    assert known(tmp_path / "cache", settings=("utf-8", "sv")).find(stamp_of(essay.stat(), "txt")) is None


@pytest.mark.parametrize("place", [1, 2, 6])
def test_another_inode_device_or_size_is_another_stamp(place: int) -> None:
    before = [1] * 10
    after = [*before[:place], 2, *before[place + 1 :]]
    assert stamp_of(os.stat_result(before)) != stamp_of(os.stat_result(after))


@pytest.mark.parametrize("time_of", ["st_mtime_ns", "st_ctime_ns"])
def test_another_time_of_modification_or_change_is_another_stamp(time_of: str) -> None:
    times = {"st_mtime_ns": 1, "st_ctime_ns": 1}
    assert stamp_of(os.stat_result([1] * 10, times)) != stamp_of(os.stat_result([1] * 10, times | {time_of: 2}))


def longer(path: Path) -> None:
    path.write_text("I like cats!")


def other_words_at_the_same_time(path: Path) -> None:
    """Of the same length, with the old time of modification put back."""
    before = path.stat()
    path.write_text("I like dogs")
    os.utime(path, ns=(before.st_atime_ns, before.st_mtime_ns))


def other_file(path: Path) -> None:
    before = path.stat()
    beside = path.with_name("other.txt")
    beside.write_text("I like rats")
    os.utime(beside, ns=(before.st_atime_ns, before.st_mtime_ns))
    beside.replace(path)


@pytest.mark.parametrize("change", [longer, other_words_at_the_same_time, other_file])
def test_a_changed_file_is_read_again(essay: Path, tmp_path: Path, change: Callable[[Path], None]) -> None:
    time.sleep(0.02)  # the grain of this disk's time stamps
    change(essay)
    assert known(tmp_path / "cache").find(stamp_of(essay.stat(), "txt")) is None


@pytest.mark.parametrize(("seconds", "is_kept"), [(0, False), (1.9, False), (2.1, True)])
def test_a_young_file_is_not_kept(tmp_path: Path, seconds: float, *, is_kept: bool) -> None:
    """It could change again within the grain of its time stamps."""
    essay = tmp_path / "essay.txt"
    essay.write_text("I like cats")
    files = known(tmp_path)
    status = essay.stat()
    files.keep(status, RECORD, read_at=max(status.st_mtime_ns, status.st_ctime_ns) + int(seconds * 1e9))
    files.save()
    assert (known(tmp_path).find(stamp_of(essay.stat(), "txt")) is not None) == is_kept


@pytest.mark.parametrize(
    "spoil",
    [
        lambda data: b"",
        lambda data: data[:40],
        lambda data: data[:64],
        lambda data: data[:-1],
        lambda data: data + b"}",
        lambda data: data.replace(b"aaaa", b"dddd"),
        lambda data: signed(b"[]"),
        lambda data: signed(b"no JSON"),
        lambda data: signed(data[64:].replace(b'"version":"', b'"version":"9')),
    ],
)
def test_a_torn_or_foreign_file_counts_as_none(essay: Path, tmp_path: Path, spoil: Callable[[bytes], bytes]) -> None:
    path = kept_file(tmp_path / "cache")
    path.write_bytes(spoil(path.read_bytes()))
    files = known(tmp_path / "cache")
    assert files.find(stamp_of(essay.stat(), "txt")) is None
    files.keep(essay.stat(), RECORD, read_at=time.time_ns() + _HOUR)
    files.save()
    assert known(tmp_path / "cache").find(stamp_of(essay.stat(), "txt")) is not None, "it was replaced"


def signed(body: bytes) -> bytes:
    return sha256_hex(body).encode() + body


def test_a_folder_that_cannot_be_written_costs_nothing_but_time(tmp_path: Path) -> None:
    blocked = tmp_path / "cache"
    blocked.write_text("a file where the folder should be")
    assert read_demo(blocked).inputs == read_demo(tmp_path / "good").inputs


def test_files_that_are_gone_are_forgotten(essay: Path, tmp_path: Path) -> None:
    known(tmp_path / "cache").save()
    assert known(tmp_path / "cache").find(stamp_of(essay.stat(), "txt")) is None


@pytest.mark.parametrize("later", ["I like dogs.", ""])
def test_a_text_that_changed_while_in_use_is_refused(tmp_path: Path, later: str) -> None:
    path = tmp_path / "essay.txt"
    path.write_text("I like cats.")
    record = record_of(
        path.read_bytes(), DocumentText("I like cats."), file_format="txt", encoding="utf-8", language="en"
    )
    file = ScannedFile(source_path="essay.txt", own_name="essay.txt", record=record, text=None)
    places = {"essay.txt": AssetPath(source_path="essay.txt", name="essay.txt", place=str(path), suffix="txt")}
    assert Texts([file], places=places, encoding=None)[record.text_sha256] == b"I like cats."
    path.write_text(later)
    texts = Texts([file], places=places, encoding=None)
    assert record.text_sha256 in texts
    with pytest.raises(InputsInvalid, match=r"essay\.txt was changed while it was in use"):
        texts[record.text_sha256]


def test_a_reading_leaves_garbage_collection_as_it_was(tmp_path: Path) -> None:
    gc.freeze()
    try:
        read_demo(tmp_path)
        assert gc.isenabled() and gc.get_freeze_count()
    finally:
        gc.unfreeze()
    gc.disable()
    try:
        read_demo(tmp_path)
        assert not gc.isenabled() and not gc.get_freeze_count()
    finally:
        gc.enable()
