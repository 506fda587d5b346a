"""A data directory of version 1, as it was left: two batches, one finished and one cut off in the judge's hand."""

from __future__ import annotations

import sqlite3
from pathlib import Path

import pytest

from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import DiskError
from eng5_runner.judges.catalogue import BASELINE_MODEL
from eng5_runner.stack.cj.plan import request_digest
from eng5_runner.stack.platform.migrations import SCHEMA_VERSION
from eng5_runner.stack.platform.store import FILE_NAME, open_store
from tests.support.stack.driver import RecordingJudge, running

DATA = Path(__file__).with_name("data")


@pytest.fixture
def old(tmp_path: Path) -> Path:
    folder = tmp_path / "old"
    folder.mkdir()
    stored, then, now = DATA / "version_1.sqlite", DATA / "version_1.unfinished.json", unfinished()
    digests = [digest(raw).encode() for raw in (then.read_bytes(), now)]
    (folder / FILE_NAME).write_bytes(of_todays_baseline(stored.read_bytes()).replace(*digests))
    return folder


def unfinished() -> bytes:
    """The request whose batch was cut off."""
    return of_todays_baseline((DATA / "version_1.unfinished.json").read_bytes())


def of_todays_baseline(data: bytes) -> bytes:
    """As if today's offline baseline had judged: the one of then is gone, as a model of a provider is not."""
    then = b"offline-baseline-1"
    assert len(then) == len(BASELINE_MODEL), "the name has its place in the pages of the database"
    return data.replace(then, BASELINE_MODEL.encode())


def digest(request: bytes) -> str:
    return request_digest(Envelope[CJAssessmentRequest].model_validate_json(request, extra="ignore"))


def asked(folder: Path, query: str) -> list[tuple[object, ...]]:
    connection = sqlite3.connect(folder / FILE_NAME)
    try:
        return connection.execute(query).fetchall()
    finally:
        connection.close()


def shape(folder: Path) -> dict[str, set[tuple[object, ...]]]:
    """Columns by table with type, not-null and key, and the indexes with what they hold."""
    tables = [str(name) for (name,) in asked(folder, "SELECT name FROM sqlite_master WHERE type = 'table'")]
    found = {name: {row[1:] for row in asked(folder, f"PRAGMA table_info({name})")} for name in tables}
    for table in tables:
        for _, index, unique, _, partial in asked(folder, f"PRAGMA index_list({table})"):
            columns = tuple(name for _, _, name in asked(folder, f"PRAGMA index_info({index})"))
            found[table].add((unique, partial, columns))
    # The place of a column among the others says when it came, and nothing else.
    return found


async def test_an_old_file_becomes_what_a_new_one_is(old: Path, tmp_path: Path) -> None:
    assert asked(old, "SELECT version FROM stack_schema") == [(1,)]
    for folder in (old, tmp_path / "new"):
        async with open_store(folder):
            pass
    assert shape(old) == shape(tmp_path / "new")
    assert asked(old, "SELECT version FROM stack_schema") == [(SCHEMA_VERSION,)]
    assert asked(old, "SELECT count(*) FROM cj_comparisons") == [(6,)]


async def test_a_step_that_fails_leaves_the_file_as_it_was(old: Path) -> None:
    connection = sqlite3.connect(old / FILE_NAME)
    connection.execute("CREATE TABLE cj_requests (somebody_else_s TEXT)")
    connection.close()
    before = shape(old)

    with pytest.raises(DiskError, match="cj_requests already exists"):
        async with open_store(old):
            pass

    assert shape(old) == before
    assert asked(old, "SELECT version FROM stack_schema") == [(1,)]


async def test_a_batch_that_version_1_finished_is_answered_again(old: Path) -> None:
    answered = {raw for (raw,) in asked(old, "SELECT raw FROM cj_comparisons WHERE cj_batch_id = 1")}
    closing = {raw for (raw,) in asked(old, "SELECT raw FROM cj_closing_events")}
    judge = RecordingJudge()
    async with running(old, judge=judge) as stack:
        stack.from_before = frozenset({*answered, *closing})
        batch = await stack.run((DATA / "version_1.request.json").read_bytes())

    assert set(batch.raw(Topic.COMPARISON)) == answered
    assert {*batch.raw(Topic.COMPLETED), *batch.raw(Topic.RESULT)} == closing
    finished = {one.correlation_id for one in batch.comparisons}
    assert len(finished) == 3


async def test_a_batch_that_version_1_left_is_finished(old: Path) -> None:
    before = {raw for (raw,) in asked(old, "SELECT raw FROM cj_comparisons WHERE raw IS NOT NULL AND cj_batch_id = 2")}
    judge = RecordingJudge()
    async with running(old, judge=judge) as stack:
        batch = await stack.run(unfinished())

    assert before and before <= set(batch.raw(Topic.COMPARISON))
    assert len({one.request_id for one in batch.comparisons}) == len(set(batch.pairs)) == 6
    assert len(judge.prompts) == 6 - len(before)
