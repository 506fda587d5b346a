"""Two CJ and two LLM workers on one Kafka and one PostgreSQL; one of each is killed on the way, then the database."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from pathlib import Path

import pytest

from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, chat
from tests.support.judges.servers import serving as serving_judge
from tests.support.kafka.cluster import Broker, on_real_kafka
from tests.support.kafka.services import Starter, Worker, serving
from tests.support.postgres.fixtures import Database
from tests.support.runner import artefact, newest, run, start
from tests.support.small_study import build_study
from tests.support.stack.texts import essay

pytestmark = [on_real_kafka, pytest.mark.postgres, pytest.mark.slow]

ESSAYS, COMPARISONS = 250, 5000
QUARTER = COMPARISONS // 4
CONCURRENCY = 16
PREFIX = "workers."


class Judge:
    """Notes each prompt that it judges: a witness that knows nothing of our tables."""

    def __init__(self) -> None:
        self.prompts: Counter[str] = Counter()
        self.reached = {count: asyncio.Event() for count in (QUARTER, 2 * QUARTER, 3 * QUARTER)}

    def __call__(self, asked: Asked) -> Said:
        prompt = asked.body["messages"][1]["content"]
        self.prompts[prompt] += 1
        if event := self.reached.get(self.prompts.total()):
            event.set()
        first, second = prompt.split("**Essay A:**")[1].split("**Essay B:**")
        answer = {"winner": "Essay A" if first >= second else "Essay B", "justification": "So.", "confidence": 3}
        return chat(json.dumps(answer), after=0.02)


def large_study(folder: Path) -> Path:
    """The small study with invented students, so many that each round has many pairs."""
    build_study(folder)
    students = folder / "student_essays"
    for number in range(ESSAYS - len(list(students.iterdir())) - len(list((folder / "anchor_essays").iterdir()))):
        (students / f"invented_{number:03}.txt").write_text(essay(number))
    return folder


async def workers(services: Starter) -> tuple[list[Worker], list[Worker], dict[str, str]]:
    """Two of each and a Content Service, ready; and the runner's environment for them."""
    content, *llm = [services.start(name) for name in ("content", "llm", "llm")]
    for worker in (content, *llm):
        await asyncio.to_thread(worker.wait_until_ready)
    neighbours = {
        "CONTENT_SERVICE_URL": f"{content.url}/v1/content",
        "LLM_PROVIDER_SERVICE_URL": ",".join(f"{worker.url}/api/v1" for worker in llm),
    }
    cj = [services.start("cj", **neighbours) for _ in range(2)]
    for worker in cj:
        await asyncio.to_thread(worker.wait_until_ready)
    ours = {"CJ_SERVICE_URL": cj[0].url, "LLM_PROVIDER_SERVICE_URL": f"{llm[0].url}/api/v1"}
    kafka = {name: value for name, value in services.settings.items() if name.startswith("KAFKA_")}
    return cj, llm, neighbours | ours | kafka


async def test_five_thousand_comparisons_with_a_worker_of_each_kind_and_the_database_killed(
    tmp_path: Path, broker: Broker, database: Database
) -> None:
    broker.add_topics(PREFIX)
    study = large_study(tmp_path / "study")
    judge = Judge()
    async with serving_judge(judge) as models:
        settings = environ_for(
            tmp_path, models.url, timeout="300", attempts="1", limits=f"concurrency = {CONCURRENCY}"
        ) | {
            "SERVICE_DATABASE_URL": database.text,
            "KAFKA_BOOTSTRAP_SERVERS": broker.bootstrap,
            "KAFKA_TOPIC_PREFIX": PREFIX,
        }
        async with serving(tmp_path / "services", settings) as services:
            cj, llm, environment = await workers(services)
            runner = start(
                *("--mode", "execute", "--yes", "--assets", study, "--max-comparisons", COMPARISONS, "--seed", 5),
                *("--llm-provider", "openai", "--llm-model", "local-7b"),
                cwd=tmp_path,
                env=environment,
            )
            ended = asyncio.create_task(asyncio.to_thread(runner.wait))
            await until(judge.reached[QUARTER], ended, tmp_path)
            llm[1].kill()
            await until(judge.reached[2 * QUARTER], ended, tmp_path)
            (owner,) = [worker for worker in cj if "batch accepted" in worker.log.read_text()]
            owner.kill()
            await until(judge.reached[3 * QUARTER], ended, tmp_path)
            database.server.stop()
            database.server.spawn()
            await asyncio.to_thread(database.server.wait_until_up)
            code = await ended

    assert code == 0, (tmp_path / "err").read_text()
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0
    made = artefact(newest(tmp_path))["llm_comparisons"]
    assert isinstance(made, list)
    assert len(made) == COMPARISONS
    assert len({(one["essay_a_id"], one["essay_b_id"]) for one in made}) == COMPARISONS
    # The witness: every prompt was judged, and twice at most those that were in a worker's hand when it or the database
    # died.
    assert len(judge.prompts) == COMPARISONS
    assert judge.prompts.total() - COMPARISONS <= 2 * CONCURRENCY
    await recorded_once(database)
    # What was paid for is kept for the next study, by both workers in one cache.
    kept = [line for line in run("cache", "list", "--json", cwd=tmp_path / "services").lines if "judgements" in line]
    assert [line["judgements"] for line in kept] == [COMPARISONS]


async def recorded_once(database: Database) -> None:
    """Nothing is left open, one worker kept each outcome, and only what was interrupted was asked again.

    What the killed worker had in its hand may have been charged: it is recorded as failed, and asked once more.
    """
    connection = await database.connect()
    try:
        asked = await connection.fetchval("SELECT count(*) FROM cj_comparisons")
        assert COMPARISONS <= asked <= COMPARISONS + 2 * CONCURRENCY
        assert await connection.fetchval("SELECT count(*) FROM cj_comparisons WHERE raw IS NOT NULL") == asked
        assert await connection.fetchval("SELECT count(*) FROM llm_comparisons") == asked
        assert await connection.fetchval("SELECT count(*) FROM llm_comparisons WHERE outcome IS NULL") == 0
        workers = await connection.fetch("SELECT worker, count(*) FROM llm_comparisons GROUP BY worker")
        assert len(workers) == 2 and min(row["count"] for row in workers) > COMPARISONS // 20
        assert await connection.fetchval("SELECT count(*) FROM cj_requests WHERE done_at IS NULL") == 0
    finally:
        await connection.close()


async def until(event: asyncio.Event, ended: asyncio.Task[int], folder: Path) -> None:
    """Wait for the event, but not if the runner has ended."""
    waiting = asyncio.create_task(event.wait())
    await asyncio.wait({waiting, ended}, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    assert event.is_set(), (folder / "err").read_text()
