"""What holds the stack together: the pace, the store, the launch and the end."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pytest
from sqlalchemy import select, update

from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ConfigurationError, DiskError, ServiceUnavailable, TemporaryFailure
from eng5_runner.stack import launch
from eng5_runner.stack.cj.outcome import may_be_of
from eng5_runner.stack.launch import StackAddresses, serve
from eng5_runner.stack.llm.judge import Question, Verdict
from eng5_runner.stack.llm.pace import Pace
from eng5_runner.stack.llm.providers.entries import JudgeEntry, offline_baseline
from eng5_runner.stack.platform.broker import embedded_broker
from eng5_runner.stack.platform.group_commit import Closed, GroupCommit
from eng5_runner.stack.platform.kafka import Pacer, open_publisher, open_reader
from eng5_runner.stack.platform.migrations import SCHEMA_VERSION
from eng5_runner.stack.platform.store import Store, open_store
from eng5_runner.stack.platform.tables import stack_schema
from eng5_runner.stack.platform.transactions import Transaction, undisturbed
from eng5_runner.transport.kafka import stop_client
from tests.support.quick_loop import run_quickly
from tests.support.stack.driver import client, embedded, request, running


def pacer(now: list[float]) -> Pacer:
    return Pacer(rate=100.0, burst=200.0, clock=lambda: now[0])


def test_the_pace_lets_a_burst_through_and_then_the_rate() -> None:
    now = [0.0]
    paced = pacer(now)

    delays = [paced.delay(topic="t", partition=0, size=100) for _ in range(4)]

    assert delays == [0, 0, 1, 2]
    assert paced.delay(topic="t", partition=1, size=200) == 0
    now[0] = 100.0
    assert paced.delay(topic="t", partition=0, size=200) == 0


async def test_messages_without_a_key_go_round_all_partitions() -> None:
    async with (
        embedded_broker() as bootstrap,
        open_publisher(embedded(bootstrap)) as publisher,
        open_reader(embedded(bootstrap), Topic.COMPARISON) as reader,
    ):
        await publisher.publish_all(Topic.COMPARISON.value, (str(number).encode() for number in range(320)))
        ends = await reader.end_offsets(reader.assignment())

    assert len(ends) >= 4
    assert sum(ends.values()) == 320
    assert max(ends.values()) - min(ends.values()) <= 32


async def test_all_topics_are_there_before_anybody_looks() -> None:
    async with (
        embedded_broker() as bootstrap,
        open_reader(embedded(bootstrap), Topic.REQUEST) as reader,
    ):
        assert {str(topic) for topic in Topic} <= await reader.topics()


async def test_a_spurious_cancellation_of_a_client_s_stop_goes_no_further() -> None:
    class Client:
        async def stop(self) -> None:
            raise asyncio.CancelledError

    await stop_client(Client())  # type: ignore[arg-type]


async def test_a_real_cancellation_goes_on() -> None:
    class Client:
        async def stop(self) -> None:
            await asyncio.sleep(60)

    task = asyncio.create_task(stop_client(Client()))  # type: ignore[arg-type]
    await asyncio.sleep(0)
    task.cancel()

    with pytest.raises(asyncio.CancelledError):
        await task


async def test_a_group_commit_writes_what_came_meanwhile_together_and_in_order() -> None:
    groups: list[list[int]] = []

    async def write(group: object) -> list[int]:
        assert isinstance(group, list)
        groups.append(group)
        await asyncio.sleep(0.01)
        return [number * 10 for number in group]

    commits: GroupCommit[int, int] = GroupCommit(write)
    running_commits = commits.start(asyncio.create_task)
    results = await asyncio.gather(*(commits.add(number) for number in range(1200)))
    running_commits.cancel()

    assert results == [number * 10 for number in range(1200)]
    assert [len(group) for group in groups] == [500, 500, 200]


@pytest.mark.parametrize(
    ("raw", "is_read"),
    [
        (b'{"data": {"request_metadata": {"bos_batch_id": "ours"}}}', True),
        (b'{"data": {"request_metadata": {"bos_batch_id": "\\u006furs"}}}', True),
        (b'{"data": {"request_metadata": {"bos_batch_id": 5, "batch_id": "ours"}}}', True),
        (b'{"data": {"request_metadata": {"bos_batch_id": "theirs"}}}', False),
        (b'{"data": {"request_metadata": {"batch_id": "theirs"}, "note": "ours"}}', False),
        (b'{"data": {"request_metadata": {}}}', True),
        (b'{"data": {"request_metadata": null}}', True),
        (b'{"data": {"request_metadata": {"bos_batch_id": "theirs"}, "confidence": NaN}}', True),
        (b"no result", True),
        (b"[" * 100_000, True),
        (b"\xff", True),
    ],
)
def test_only_a_result_that_says_another_batch_is_not_read(raw: bytes, is_read: bool) -> None:
    assert may_be_of({"ours"}, raw) is is_read


async def test_nobody_waits_for_a_group_commit_that_has_ended() -> None:
    async def write(_: object) -> list[None]:
        await asyncio.sleep(60)
        return []

    commits: GroupCommit[int, None] = GroupCommit(write)
    writing = commits.start(asyncio.create_task)
    early = asyncio.create_task(commits.add(1))
    await asyncio.sleep(0.01)
    later = asyncio.create_task(commits.add(2))
    await asyncio.sleep(0.01)
    writing.cancel()

    for waiter in (early, later, asyncio.create_task(commits.add(3))):
        with pytest.raises(Closed):
            await waiter


async def test_nobody_waits_for_a_group_commit_that_was_cancelled_before_it_began() -> None:
    async def write(_: object) -> list[None]:
        raise AssertionError("nothing is written")

    commits: GroupCommit[int, None] = GroupCommit(write)
    commits.start(asyncio.create_task).cancel()
    waiter = asyncio.create_task(commits.add(1))

    async with asyncio.timeout(10):
        with pytest.raises(Closed):
            await waiter


async def test_a_group_commit_rests_as_long_as_a_write_took_and_writes_at_once_after_a_silence() -> None:
    groups: list[list[int]] = []
    is_slow = True

    async def write(group: object) -> list[int]:
        assert isinstance(group, list)
        groups.append(group)
        await asyncio.sleep(0.05 if is_slow else 0)
        return group

    commits: GroupCommit[int, int] = GroupCommit(write)
    writing = commits.start(asyncio.create_task)
    await commits.add(1)
    rest = [asyncio.create_task(commits.add(2))]
    await asyncio.sleep(0)  # the second is there, and is not written yet
    rest.append(asyncio.create_task(commits.add(3)))
    await asyncio.gather(*rest)
    writing.cancel()

    assert groups == [[1], [2, 3]]


@pytest.mark.parametrize(("sharing", "written"), [(1, [[1], [2], [3]]), (3, [[1], [2, 3]])])
def test_of_several_workers_each_rests_so_many_times_longer_between_groups(
    sharing: int, written: list[list[int]]
) -> None:
    groups: list[object] = []

    async def write(group: object) -> list[int]:
        assert isinstance(group, list)
        groups.append(group)
        await asyncio.sleep(0.01)
        return group

    async def work() -> None:
        commits: GroupCommit[int, int] = GroupCommit(write)
        commits.sharing = sharing
        writing = commits.start(asyncio.create_task)
        await commits.add(1)
        second = asyncio.create_task(commits.add(2))
        await asyncio.sleep(0.025)
        await asyncio.gather(second, commits.add(3))
        writing.cancel()

    run_quickly(work())

    assert groups == written


def test_of_several_workers_each_takes_so_many_times_less_often_and_what_it_will_ask_meanwhile() -> None:
    now = 0.0
    pace = Pace(lambda: now)
    pace.took = 0.02
    alone = pace.wait
    for _ in range(100):
        pace.answered()
    now = 1.0
    ahead_alone, pace.sharing = pace.ahead(), 4
    now = 1.1  # too early to count again

    assert (alone, ahead_alone) == (0.02, 0)
    assert (pace.wait, pace.ahead()) == (pytest.approx(0.08), 10)

    now = 2.0
    pace.took = 1.0

    assert (pace.wait, pace.ahead()) == (0.1, 0)  # no answer came lately


async def test_a_store_of_another_schema_version_is_refused(tmp_path: Path) -> None:
    async with open_store(tmp_path) as store:
        await store.once(lambda connection: connection.execute(update(stack_schema).values(version=99)))

    with pytest.raises(ConfigurationError, match="schema version 99"):
        async with open_store(tmp_path):
            pass


async def test_cancelled_transactions_leave_no_lock_behind(tmp_path: Path) -> None:
    async def write(store: Store) -> None:
        statement = update(stack_schema).values(version=SCHEMA_VERSION)
        while True:
            await store.once(lambda connection: connection.execute(statement))

    moments = random.Random(7)
    for _ in range(40):
        async with open_store(tmp_path) as store:
            writers = [asyncio.create_task(write(store)) for _ in range(3)]
            await asyncio.sleep(moments.random() / 100)
            for writer in writers:
                writer.cancel()
            await asyncio.wait(writers)
            assert all(writer.cancelled() for writer in writers)


async def test_work_in_a_file_that_waits_for_something_else_is_rolled_back_as_a_bug(tmp_path: Path) -> None:
    async def work(connection: Transaction) -> None:
        await connection.execute(update(stack_schema).values(version=99))
        await asyncio.sleep(0)

    async with open_store(tmp_path) as store:
        with pytest.raises(AssertionError, match="may only wait for its statements"):
            await store.carry_out(work)
        row = await store.row(select(stack_schema.c.version))
    assert row is not None and row.version == SCHEMA_VERSION


async def test_work_that_was_cancelled_is_done_all_the_same() -> None:
    done = asyncio.Event()

    async def work() -> None:
        await asyncio.sleep(0.01)
        done.set()

    waiter = asyncio.create_task(undisturbed(work()))
    for _ in range(2):
        await asyncio.sleep(0)
        waiter.cancel()

    with pytest.raises(asyncio.CancelledError):
        await waiter
    assert done.is_set()


async def test_a_directory_serves_one_stack_at_a_time(tmp_path: Path) -> None:
    async with open_store(tmp_path):
        with pytest.raises(TemporaryFailure, match="another stack"):
            async with open_store(tmp_path, patience=0.0):
                pass

    async with open_store(tmp_path, patience=0.0):
        pass


def not_a_database(at: Path) -> None:
    at.mkdir()
    (at / "stack.sqlite").write_bytes(b"this is no database" * 100)


@pytest.mark.parametrize("spoil", [lambda at: at.write_text("a file"), not_a_database])
async def test_an_unusable_directory_is_told(tmp_path: Path, spoil: Callable[[Path], object]) -> None:
    spoil(tmp_path / "data")

    with pytest.raises(DiskError, match="cannot be used"):
        async with open_store(tmp_path / "data"):
            pass


async def test_the_addresses_are_told_as_the_field_s_variables_and_hide_the_token(tmp_path: Path) -> None:
    async with running(tmp_path) as stack:
        environment = stack.at.environment()
        assert set(environment) == {
            "KAFKA_BOOTSTRAP_SERVERS",
            "CONTENT_SERVICE_URL",
            "CJ_SERVICE_URL",
            "LLM_PROVIDER_SERVICE_URL",
            "IDENTITY_SERVICE_URL",
            "HULEEDU_ADMIN_TOKEN",
        }
        assert stack.at.content_service_url.endswith("/v1/content")
        assert stack.at.llm_provider_service_url.endswith("/api/v1")
        assert stack.at.admin_token not in repr(stack.at)


async def test_a_start_that_fails_makes_no_administrator_whose_password_nobody_knows(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    async def not_healthy(*_: object) -> None:
        raise ServiceUnavailable("one does not answer", remedy="Try again.")

    with monkeypatch.context() as patched:
        patched.setattr(launch, "_all_healthy", not_healthy)  # law: patches - no service of ours fails so late
        with pytest.raises(ServiceUnavailable):
            await serve(tmp_path, ready=lambda _: None, stop=asyncio.Event())
    async with running(tmp_path) as stack:
        assert stack.at.first_admin is not None


async def test_the_end_leaves_nothing_behind(tmp_path: Path) -> None:
    before = asyncio.all_tasks()
    async with running(tmp_path) as stack:
        await stack.run(request(await stack.essays(3), metadata={"max_comparisons": 3}))
        at = stack.at

    assert asyncio.all_tasks() == before
    async with aiohttp.ClientSession() as http:
        for url in (at.content_service_url, at.cj_service_url, at.llm_provider_service_url):
            with pytest.raises(aiohttp.ClientConnectorError):
                await http.get(url)


async def test_two_stacks_live_side_by_side(tmp_path: Path) -> None:
    async with running(tmp_path / "a") as one, running(tmp_path / "b") as other:
        assert not set(one.at.environment().values()) & set(other.at.environment().values())
        storage_id = await one.upload("only here")
        async with other.http.get(f"{other.at.content_service_url}/{storage_id}") as response:
            assert response.status == 404


async def test_a_service_that_dies_ends_the_stack_loudly(tmp_path: Path) -> None:
    async def broken(_: Question) -> Verdict:
        raise DiskError("the disk is full", remedy="Make room.")

    up: asyncio.Future[StackAddresses] = asyncio.get_running_loop().create_future()
    judges = (JudgeEntry(offline_baseline().model, broken),)
    task = asyncio.create_task(serve(tmp_path, ready=up.set_result, stop=asyncio.Event(), judges=judges))

    async with client(await up) as stack:
        await stack.publish(request(await stack.essays(2)))
        await asyncio.wait({task}, timeout=30)

    with pytest.raises(ExceptionGroup) as died:
        task.result()
    assert died.group_contains(DiskError, match="the disk is full")
