"""Workers that share a database: each piece of work in one hand, and in another when that one is dead."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime
from pathlib import Path
from uuid import uuid4

import asyncpg
import pytest
from sqlalchemy import Table, select, update

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.contracts.services import ComparisonBody
from eng5_runner.stack.cj.inbox import Inbox, LeaseLost
from eng5_runner.stack.cj.plan import BatchPlan
from eng5_runner.stack.cj.repository import BatchRepository, PairAttempt
from eng5_runner.stack.llm.queue import AlreadyQueued, Entry, Full, QueueRepository, new_entry
from eng5_runner.stack.platform.server_database import open_database
from eng5_runner.stack.platform.store import Store, open_store
from eng5_runner.stack.platform.tables import cj_comparisons, cj_requests, llm_comparisons
from tests.postgres.detour import detour
from tests.support.postgres.fixtures import PASSWORD, Database


@pytest.fixture(params=["sqlite", "postgres"])
def place(request: pytest.FixtureRequest, tmp_path: Path) -> Path | Database:
    return tmp_path if request.param == "sqlite" else request.getfixturevalue("database")


@pytest.fixture
async def store(place: Path | Database) -> AsyncIterator[Store]:
    async with open_store(place) if isinstance(place, Path) else open_database(place.url) as opened:
        yield opened


@asynccontextmanager
async def worker(store: Store, *, length: int = 1000) -> AsyncIterator[QueueRepository]:
    record = QueueRepository(store, length=length)
    writing = record.start(asyncio.create_task)
    try:
        yield record
    finally:
        for task in writing:
            task.cancel()
            with suppress(asyncio.CancelledError):
                await task


def entry(correlation_id: str | None = None) -> Entry:
    body = ComparisonBody(
        user_prompt="Which one?",
        callback_topic="topic",
        llm_config_overrides=LLMConfigOverrides(),
        correlation_id=correlation_id or str(uuid4()),
        metadata={},
    )
    return new_entry(body, "0" * 64)


async def die(store: Store, table: Table) -> None:
    """Let all leases end, as if their holders had not been heard of for long."""
    await store.carry_out(lambda connection: connection.execute(update(table).values(lease_until=1.0)))


async def test_each_comparison_is_accepted_once_and_taken_by_one_worker(store: Store) -> None:
    ids = [str(uuid4()) for _ in range(300)]
    async with worker(store) as one, worker(store) as other:
        known = await asyncio.gather(*(record.accepted.add(entry(name)) for name in ids for record in (one, other)))
        queue_ids = {answer.queue_id for answer in known if isinstance(answer, AlreadyQueued)}
        assert len(queue_ids) == len(ids)

        async def take_all(record: QueueRepository) -> list[str]:
            taken: list[str] = []
            while found := await record.take(7, leased=taken):
                taken += [each.queue_id for each in found]
            return taken

        shares = await asyncio.gather(take_all(one), take_all(other))
    assert all(shares)
    assert sorted([*shares[0], *shares[1]]) == sorted(queue_ids)


async def test_a_living_worker_keeps_what_it_has_and_a_dead_one_s_goes_to_the_next(store: Store) -> None:
    async with worker(store) as dead, worker(store) as alive:
        await asyncio.gather(*(dead.accepted.add(entry()) for _ in range(5)))
        first = await dead.take(5, leased=())
        held = {each.queue_id for each in first}
        begun = {each.queue_id for each in first[:2]}
        await asyncio.gather(*map(dead.begun.add, begun))
        assert await alive.take(5, leased=()) == []
        await die(store, llm_comparisons)
        await dead.renew(held)  # it was not dead
        assert await alive.take(5, leased=()) == []
        await die(store, llm_comparisons)
        taken: list[Entry] = []
        async with asyncio.timeout(60):
            while not taken:  # a server that has only just started lets everybody renew first
                taken = await alive.take(5, leased=())
                await asyncio.sleep(0.1)
        assert {each.queue_id for each in taken} == held
        assert not any(each.was_begun for each in first), "what was taken need not have been asked"
        assert {each.queue_id for each in taken if each.was_begun} == begun


async def test_after_a_start_of_the_database_everybody_gets_to_renew_before_anybody_takes(database: Database) -> None:
    async with open_database(database.url) as store, worker(store) as held, worker(store) as other:
        await asyncio.gather(*(held.accepted.add(entry()) for _ in range(5)))
        taken = {each.queue_id for each in await held.take(5, leased=())}
        await die(store, llm_comparisons)  # all leases ran out while the database was away
        database.server.stop()
        database.server.start()
        assert await other.take(5, leased=()) == []
        await held.renew(taken)
        assert await other.take(5, leased=()) == []
        lapsed = await store.rows(select(llm_comparisons.c.lease_until).where(llm_comparisons.c.lease_until < 2.0))
        assert (len(taken), lapsed) == (5, [])


async def test_a_worker_does_not_take_what_it_has_in_hand_though_the_lease_has_lapsed(store: Store) -> None:
    async with worker(store) as sleeper:
        await sleeper.accepted.add(entry())
        (held,) = await sleeper.take(5, leased=())
        await die(store, llm_comparisons)
        known = await sleeper.accepted.add(entry())
        assert isinstance(known, AlreadyQueued)
        assert [each.queue_id for each in await sleeper.take(5, leased={held.queue_id})] == [known.queue_id]


async def test_what_a_worker_has_without_knowing_it_is_not_renewed_and_is_taken(store: Store) -> None:
    async with worker(store) as record:
        await record.accepted.add(entry())
        (lost,) = await record.take(5, leased=())  # and its answer never came
        before = await store.row(select(llm_comparisons.c.lease_until))
        await record.renew(())
        assert await store.row(select(llm_comparisons.c.lease_until)) == before
        (found,) = await record.take(5, leased=())
        assert (found.queue_id, found.was_begun) == (lost.queue_id, False)  # so it is asked, for the first time


async def test_a_commit_whose_answer_is_lost_is_found_done(database: Database) -> None:
    async with detour(database.url) as way, open_database(way.url) as store, worker(store) as record:
        known = await record.accepted.add(entry())
        assert isinstance(known, AlreadyQueued)
        way.to_lose = 1
        (taken,) = await record.take(5, leased=())
        assert (taken.queue_id, taken.was_begun) == (known.queue_id, False)
        way.to_lose = 1
        assert await record.finished.add((taken.queue_id, b"outcome"))
        assert way.to_lose == 0


async def test_a_worker_with_free_places_holds_what_it_accepts(store: Store) -> None:
    held: list[Entry] = []
    async with worker(store) as one, worker(store) as other:
        one.offer(2, hold=held.append)
        answers = await asyncio.gather(*(one.accepted.add(entry()) for _ in range(3)))
        known = [answer.queue_id for answer in answers if isinstance(answer, AlreadyQueued)]
        assert [each.queue_id for each in held] == known[:2]
        assert (one.may_wait, await one.waiting()) == (True, 1)
        assert [each.queue_id for each in await other.take(5, leased=())] == known[2:]
        assert await one.take(5, leased=known[:2]) == []
        await one.release()
        assert {each.queue_id for each in await other.take(5, leased=known[2:])} == set(known[:2])


async def test_what_was_accepted_when_the_answer_was_lost_is_held_by_nobody_and_taken(database: Database) -> None:
    held: list[Entry] = []
    async with detour(database.url) as way, open_database(way.url) as store, worker(store) as record:
        record.offer(1, hold=held.append)
        way.to_lose = 1
        known = await record.accepted.add(entry())
        assert isinstance(known, AlreadyQueued)
        assert (way.to_lose, held) == (0, [])
        assert [each.queue_id for each in await record.take(5, leased=())] == [known.queue_id]


async def test_leases_are_renewed_in_the_order_in_which_outcomes_are_stored(database: Database) -> None:
    """Who waits for the first one has locked none of the others, so nobody waits in a circle."""
    waiting = "SELECT count(*) FROM pg_stat_activity WHERE wait_event_type = 'Lock'"
    lock = "SELECT 1 FROM llm_comparisons WHERE queue_id = ANY($1) FOR UPDATE NOWAIT"
    entries = sorted((entry() for _ in range(9)), key=lambda each: each.queue_id, reverse=True)
    *others, first = [each.queue_id for each in entries]
    async with open_database(database.url) as store, worker(store) as record:
        await asyncio.gather(*map(record.accepted.add, entries))
        await record.take(9, leased=())
        outside = await asyncpg.connect(
            host="127.0.0.1", port=database.server.port, user=database.user, password=PASSWORD, database=database.name
        )
        async with outside.transaction():
            await outside.execute(lock, [first])
            renewing = asyncio.create_task(record.renew([first, *others]))
            while not await outside.fetchval(waiting):  # noqa: ASYNC110 - the server tells nobody of it
                await asyncio.sleep(0.01)
            await outside.execute(lock, others)
        await renewing
        await outside.close()


async def test_what_is_given_back_need_not_wait(store: Store) -> None:
    async with worker(store) as ending, worker(store) as other:
        await ending.accepted.add(entry())
        assert len(await ending.take(5, leased=())) == 1
        await ending.release()
        assert len(await other.take(5, leased=())) == 1


async def test_of_two_outcomes_the_first_stands_and_is_the_only_one_told(store: Store) -> None:
    async with worker(store) as one, worker(store) as other:
        known = await one.accepted.add(entry())
        assert isinstance(known, AlreadyQueued)
        assert await other.finished.add((known.queue_id, b"first"))
        assert not await one.finished.add((known.queue_id, b"second"))
        assert not await other.finished.add((known.queue_id, b"third"))  # its own, but not what was told
        assert await other.finished.add((known.queue_id, b"first"))  # as when the answer to a commit was lost
        row = await store.row(select(llm_comparisons.c.outcome))
    assert row is not None and row.outcome == b"first"


async def test_a_full_queue_takes_nothing_new_and_still_knows_the_old(store: Store) -> None:
    old = entry()
    async with worker(store, length=2) as record:
        answers = [await record.accepted.add(each) for each in (old, entry(), entry(), old)]
        assert [isinstance(answer, Full) for answer in answers] == [False, False, True, False]
        await record.take(1, leased=())
        assert isinstance(await record.accepted.add(entry()), AlreadyQueued)


PLAN = BatchPlan(
    batch_id=str(uuid4()),
    correlation_id=uuid4(),
    assignment_id=None,
    course_code="ENG5",
    user_id="tester",
    grade_scale=None,
    essays=(),
    seed=1,
    budget=1,
    task=None,
    criteria=None,
    overrides=LLMConfigOverrides(),
    accepted_at=datetime.now(UTC),
)


def question(name: str) -> PairAttempt:
    return PairAttempt(wave=0, place=0, attempt=0, essay_a_id=name, essay_b_id="b", correlation_id=str(uuid4()))


async def test_whoever_was_given_up_for_dead_decides_nothing_any_more(store: Store) -> None:
    ghost, heir = Inbox(store), Inbox(store)
    await ghost.put([("batch", b"request")])
    (held,) = await ghost.take(9, leased=())
    record = BatchRepository(store, held)
    batch = await record.accept(PLAN, "0" * 64)
    await record.add(batch.number, [question("before")])
    await die(store, cj_requests)
    found = []
    async with asyncio.timeout(60):
        while not found:
            found = await heir.take(9, leased=())
            await asyncio.sleep(0.1)

    for late in (
        record.add(batch.number, [question("after")]),
        record.close(batch.number, [("topic", b"event")]),
        record.accept(PLAN, "1" * 64),
        ghost.note(held, done=True),
    ):
        with pytest.raises(LeaseLost):
            await late
    assert await ghost.renew({held.number}) == set()
    assert await heir.renew({held.number}) == {held.number}
    (asked,) = await store.rows(select(cj_comparisons.c.essay_a_id))
    assert asked.essay_a_id == "before"
    assert await BatchRepository(store, found[0]).closing(batch.number) == []


async def test_a_request_that_comes_again_waits_for_its_batch_to_be_over(store: Store) -> None:
    requests = Inbox(store)
    await requests.put([("batch", b"first"), ("batch", b"first")])
    (held,) = await requests.take(9, leased=())
    await requests.note(held)
    await requests.put([("batch", b"again")])
    assert await requests.take(9, leased={held.number}) == []
    await requests.note(held, done=True)
    assert await requests.take(9, leased=()) == []
    await requests.put([("batch", b"again")])
    (fresh,) = await requests.take(9, leased=())
    assert (fresh.raw, fresh.answered) == (b"again", False)
