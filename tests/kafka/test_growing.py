"""Each service in its own process on a cluster that wants a login and grows in mid-run."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

from eng5_runner.contracts.topics import Topic
from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, chat
from tests.support.judges.servers import serving as serving_judge
from tests.support.kafka.cluster import PARTITIONS, PASSWORD, KafkaBroker, add_partitions, on_real_kafka
from tests.support.kafka.followed import ledger, reached
from tests.support.kafka.services import serving, started
from tests.support.runner import Ran, artefact, newest, run, start, wait_for

pytestmark = on_real_kafka

# Records go round in runs of 32: the new partitions come up twice.
COMPARISONS = 320
PREFIX = "growing-run."
# With these a run takes 15 s at least, and clients look for new partitions every 10.
ANSWER_SECONDS, CONCURRENCY = 0.25, 4


def judge(asked: Asked) -> Said:
    """The essay that comes later in the alphabet wins."""
    first, second = asked.body["messages"][1]["content"].split("**Essay A:**")[1].split("**Essay B:**")
    answer = {"winner": "Essay A" if first >= second else "Essay B", "justification": "So.", "confidence": 3}
    return chat(json.dumps(answer), after=ANSWER_SECONDS)


async def test_partitions_that_are_added_in_mid_run_are_used_and_read(
    study: Path, tmp_path: Path, our_kafka: KafkaBroker
) -> None:
    our_kafka.add_topics(PREFIX)
    access = our_kafka.login() | {"KAFKA_TOPIC_PREFIX": PREFIX}
    async with serving_judge(judge) as models:
        settings = environ_for(tmp_path, models.url, limits=f"concurrency = {CONCURRENCY}") | access
        async with serving(tmp_path / "services", settings) as services:
            _, addresses = await started(services)
            environment = access | addresses
            process = start(
                *("--mode", "execute", "--yes", "--assets", study, "--max-comparisons", COMPARISONS, "--seed", 5),
                *("--llm-provider", "openai", "--llm-model", "local-7b"),
                cwd=tmp_path,
                env=environment,
            )
            few = reached(tmp_path, process, "CallbackAccepted", 10)
            await asyncio.to_thread(wait_for, few, what="the first comparisons")
            add_partitions(our_kafka.bootstrap, PREFIX + Topic.COMPARISON, PARTITIONS + 2)
            code = await asyncio.to_thread(process.wait, 120)
            logs = "".join(worker.log.read_text() for worker in services.workers)

    ran = Ran(code, "", (tmp_path / "err").read_text())
    assert ran.code == 0, ran.err
    assert len(artefact(newest(tmp_path))["llm_comparisons"]) == COMPARISONS
    accepted = ledger(tmp_path, "CallbackAccepted")
    assert len({event["key"] for event in accepted}) == len(accepted)
    came_from = {event["position"]["partition"] for event in accepted if event["position"]["topic"] == Topic.COMPARISON}
    assert came_from == set(range(PARTITIONS + 2))
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0
    assert PASSWORD not in logs + ran.err
