"""Two CJ workers on Kafka and PostgreSQL: one is paused in mid-run and wakes up late, then the cost limit is raised."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path

import pytest

from tests.support.judges.paid import Desk, PaidJudge, desk, wait_until
from tests.support.kafka.cluster import Broker, on_real_kafka
from tests.support.kafka.services import Worker, serving, started
from tests.support.postgres.fixtures import Database
from tests.support.prefork import Process
from tests.support.runner import artefact, ledger_types

pytestmark = [on_real_kafka, pytest.mark.postgres, pytest.mark.slow]

PREFIX = "paused."
WANTED = 120
LIMIT, HIGHER = 0.25, 5
STARTED = '"event": "batch accepted"'


def log_of(worker: Worker) -> str:
    return worker.log.read_text()


async def paused_owner(process: Process, judge: PaidJudge, workers: list[Worker]) -> Worker:
    """The worker that has the batch, stopped in the middle of it."""
    await wait_until(lambda: judge.prompts.total() >= 15 or process.poll() is not None)
    (owner,) = [worker for worker in workers if STARTED in log_of(worker)]
    owner.process.send_signal(signal.SIGSTOP)
    assert process.poll() is None, "the run was over before the worker was paused"
    return owner


async def stopped_at_the_limit(at: Desk, judge: PaidJudge, workers: list[Worker]) -> None:
    """A run whose batch changes hands; the sleeper wakes up when all is done."""
    process = at.start("--max-comparisons", WANTED, "--max-cost", LIMIT)
    owner = await paused_owner(process, judge, workers)
    assert await asyncio.to_thread(process.wait, 120) == 4, (at.folder / "err").read_text()
    owner.process.send_signal(signal.SIGCONT)
    assert judge.spent <= LIMIT


async def test_a_worker_that_wakes_up_late_and_a_raised_limit_cost_nothing_twice(
    tmp_path: Path, broker: Broker, database: Database
) -> None:
    broker.add_topics(PREFIX)
    judge = PaidJudge(after=0.05)
    access = {"KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap, "KAFKA_TOPIC_PREFIX": PREFIX}
    async with desk(tmp_path, judge, limits="concurrency = 4") as begun:
        settings = {**begun.environ, **access, "SERVICE_DATABASE_URL": database.text}
        async with serving(tmp_path / "services", settings) as services:
            workers, addresses = await started(services, cj_workers=2)
            at = Desk(tmp_path, {**begun.environ, **access, **addresses})
            await stopped_at_the_limit(at, judge, workers)
            asked = judge.prompts.total()
            ran = await at.run("resume", at.directory, "--max-cost", HIGHER)
            assert ran.code == 0, ran.err
            assert judge.prompts.total() > asked
            assert all(STARTED in log_of(worker) or "taken over" in log_of(worker) for worker in workers)
    made = artefact(at.directory)
    pairs = {(one["essay_a_id"], one["essay_b_id"]) for one in made["llm_comparisons"]}
    assert len(made["llm_comparisons"]) == len(pairs) == WANTED
    assert judge.prompts.total() == WANTED + len(made["failed_comparisons"]), "something was paid twice"
    assert ledger_types(at.directory).count("RequestPublished") == 2
    assert (await at.run("verify", at.directory)).code == 0
