"""Files of a run directory: the old one or the new one, never a mix."""

from __future__ import annotations

import signal
import threading
from pathlib import Path

import pytest

from eng5_runner.effects.outputs import create_run_directory, point_latest, read_file, write_atomically
from eng5_runner.errors import DiskError
from tests.support.processes import line, python
from tests.support.small_disk import SmallDisk

SIZE = 1 << 18
OLD, NEW = b"o" * SIZE, b"n" * SIZE

# Writes the one and the other for ever.
REWRITER = """
import sys
from itertools import cycle
from pathlib import Path
from eng5_runner.effects.outputs import write_atomically
for letter in cycle((b"o", b"n")):
    write_atomically(Path(sys.argv[1]), letter * int(sys.argv[2]))
    print("written", flush=True)
"""


def test_a_file_is_written_whole_and_for_its_owner_only(tmp_path: Path) -> None:
    path = tmp_path / "new folder" / "manifest.json"
    write_atomically(path, OLD)
    write_atomically(path, NEW)
    assert read_file(path) == NEW
    assert [each.stat().st_mode & 0o777 for each in (path, path.parent)] == [0o600, 0o700]
    assert list(path.parent.iterdir()) == [path]


def test_whoever_reads_meanwhile_sees_the_old_or_the_new(memory_folder: Path) -> None:
    path = memory_folder / "artefact.json"
    write_atomically(path, OLD)
    over = threading.Event()
    seen = set()

    def read() -> None:
        while not over.is_set():
            seen.add(path.read_bytes())

    reader = threading.Thread(target=read)
    reader.start()
    for _ in range(100):
        write_atomically(path, NEW)
        write_atomically(path, OLD)
    over.set()
    reader.join()
    assert seen <= {OLD, NEW}


@pytest.mark.parametrize("writes", range(1, 7))
def test_a_kill_leaves_the_old_or_the_new(tmp_path: Path, writes: int) -> None:
    path = tmp_path / "artefact.json"
    with python(REWRITER, path, SIZE) as writer:
        for _ in range(writes):
            assert line(writer) == "written"
        writer.send_signal(signal.SIGKILL)
        writer.wait()
    assert path.read_bytes() in {OLD, NEW}
    write_atomically(path, NEW)  # whatever the kill left behind does not stand in the way
    assert list(tmp_path.iterdir()) == [path]


def test_on_a_full_disk_the_old_file_stays_and_no_half_one_is_left(small_disk: SmallDisk) -> None:
    path = small_disk.root / "artefact.json"
    write_atomically(path, OLD)
    small_disk.fill(leaving=SIZE // 2)
    names = set(small_disk.root.iterdir())
    with pytest.raises(DiskError, match=r"artefact\.json cannot be written: No space left on device"):
        write_atomically(path, NEW)
    assert (path.read_bytes(), set(small_disk.root.iterdir())) == (OLD, names)
    small_disk.free()
    write_atomically(path, NEW)
    assert path.read_bytes() == NEW


def test_a_read_only_directory_is_a_disk_error(small_disk: SmallDisk) -> None:
    path = small_disk.root / "artefact.json"
    write_atomically(path, OLD)
    small_disk.make_read_only()
    with pytest.raises(DiskError, match="Read-only file system"):
        write_atomically(path, NEW)
    with pytest.raises(DiskError, match=r"--output-dir|Read-only file system"):
        create_run_directory(small_disk.root, "run")
    assert path.read_bytes() == OLD


@pytest.mark.parametrize("name", ["file/artefact.json", "x" * 300, "x" * 250])
def test_a_name_that_cannot_be_is_a_disk_error(tmp_path: Path, name: str) -> None:
    """Below a file, longer than a name can be, and so long that only the partial file's name is too long."""
    (tmp_path / "file").touch()
    with pytest.raises(DiskError, match="cannot be written"):
        write_atomically(tmp_path / name, NEW)


def test_a_run_directory_is_new_and_latest_leads_to_it(tmp_path: Path) -> None:
    for name in ("first", "second"):
        made = create_run_directory(tmp_path / "runs", name)
        point_latest(tmp_path / "runs", name)
        assert (tmp_path / "runs" / "latest").resolve() == made
        assert made.stat().st_mode & 0o777 == 0o700
    with pytest.raises(DiskError, match="File exists"):
        create_run_directory(tmp_path / "runs", "first")
    assert {path.name for path in (tmp_path / "runs").iterdir()} == {"first", "second", "latest"}


def test_a_file_that_somebody_calls_latest_stays(tmp_path: Path) -> None:
    (tmp_path / "latest").write_text("a list of runs")
    point_latest(tmp_path, "run")
    assert [path.read_text() for path in tmp_path.iterdir()] == ["a list of runs"]


def test_where_no_link_can_be_made_latest_is_left_out(tmp_path: Path) -> None:
    (tmp_path / "latest" / "full").mkdir(parents=True)
    point_latest(tmp_path, "run")
    assert (tmp_path / "latest" / "full").is_dir()


def test_a_file_that_is_not_there_is_a_disk_error(tmp_path: Path) -> None:
    with pytest.raises(DiskError, match=r"nothing\.json cannot be read: No such file"):
        read_file(tmp_path / "nothing.json")
