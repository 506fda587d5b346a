"""The whole way on each broker: one request out whatever happens, all comparisons in, or it is said."""

from __future__ import annotations

import re
import signal
from collections.abc import Mapping
from pathlib import Path

from eng5_runner.contracts.topics import CALLBACK_TOPICS, Topic
from tests.support.kafka.cluster import PARTITIONS, Broker, OwnBroker, admin, on_real_kafka
from tests.support.kafka.followed import BUDGET, EXECUTE, assert_complete, ledger, reached, requests_of
from tests.support.kafka.records import values_in
from tests.support.runner import artefact, ledger_types, newest, run, start, wait_for


def test_a_run_on_several_partitions_is_complete_and_verified(
    study: Path, tmp_path: Path, broker: Broker, services: Mapping[str, str]
) -> None:
    ran = run(*EXECUTE, "--assets", study, cwd=tmp_path, env=services)
    assert_complete(ran, tmp_path, broker)
    came_from = {
        (event["position"]["topic"], event["position"]["partition"]) for event in ledger(tmp_path, "CallbackAccepted")
    }
    assert len([where for where in came_from if where[0] == Topic.COMPARISON]) == PARTITIONS


def test_killed_in_mid_run_it_goes_on_and_asks_nothing_twice(
    study: Path, tmp_path: Path, broker: Broker, services: Mapping[str, str]
) -> None:
    process = start(*EXECUTE, "--assets", study, cwd=tmp_path, env=services)
    wait_for(reached(tmp_path, process, "CallbackAccepted", 20), what="the first comparisons")
    process.send_signal(signal.SIGKILL)
    process.wait()
    resumed = run("resume", newest(tmp_path), "--yes", cwd=tmp_path, env=services)
    assert len(ledger(tmp_path, "ListeningFrom")) == 1, "the cluster is the same, so nothing is sent again"
    assert_complete(resumed, tmp_path, broker)


def test_killed_between_the_record_and_its_acknowledgement_it_finds_the_record(
    study: Path, tmp_path: Path, own_broker: OwnBroker, services: Mapping[str, str]
) -> None:
    with own_broker.deaf() as deaf:
        env = {**services, "KAFKA_BOOTSTRAP_SERVERS": deaf.bootstrap}
        process = start(*EXECUTE, "--assets", study, cwd=tmp_path, env=env)
        wait_for(lambda: deaf.has_lost_one() or process.poll() is not None, what="the request in the topic")
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert ledger_types(newest(tmp_path))[-1] == "RequestPrepared"
        deaf.mend()
        resumed = run("resume", newest(tmp_path), "--yes", cwd=tmp_path, env=env)
        assert_complete(resumed, tmp_path, own_broker)
    assert [event["found"] for event in ledger(tmp_path, "RequestPublished")] == [True]


def test_callbacks_that_retention_removed_unread_are_counted_and_end_in_3(
    study: Path, tmp_path: Path, broker: Broker, services: Mapping[str, str]
) -> None:
    process = start(*EXECUTE, "--assets", study, cwd=tmp_path, env=services)
    wait_for(reached(tmp_path, process, "RequestPublished"), what="the request")
    process.send_signal(signal.SIGKILL)
    process.wait()
    run_id = ledger(tmp_path, "RunStarted")[0]["spec"]["run_id"].encode()
    wait_for(lambda: any(run_id in value for value in values_in(broker.bootstrap, Topic.COMPLETED)), what="the end")
    read = len(ledger(tmp_path, "CallbackAccepted"))
    broker.forget([Topic.COMPARISON])
    resumed = run("resume", newest(tmp_path), "--yes", cwd=tmp_path, env=services)
    assert resumed.code == 3, resumed.err
    lost = sum(event["resumed_at"] - event["position"]["offset"] for event in ledger(tmp_path, "OffsetsLost"))
    assert lost >= BUDGET - read
    assert f"{lost} " in resumed.err and "dropped by the broker" in resumed.err
    made = artefact(newest(tmp_path))
    assert made["runner_status"]["partial_data"] is True
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


def test_missing_topics_are_named_and_not_created(
    study: Path, tmp_path: Path, broker: Broker, services: Mapping[str, str]
) -> None:
    before = set(admin(broker.bootstrap).list_topics(timeout=10).topics)
    refused = run(*EXECUTE, "--assets", study, cwd=tmp_path, env={**services, "KAFKA_TOPIC_PREFIX": "nowhere."})
    assert refused.code == 78, refused.err
    for topic in (Topic.REQUEST, *CALLBACK_TOPICS):
        # Near is whatever other tests have made there, with a prefix of their own.
        assert re.search(rf"nowhere\.{re.escape(topic)} \(near: \S*{re.escape(topic)}", " ".join(refused.err.split()))
    assert set(admin(broker.bootstrap).list_topics(timeout=10).topics) == before


@on_real_kafka
def test_a_request_above_the_topics_limit_is_the_inputs_fault(
    study: Path, tmp_path: Path, broker: Broker, services: Mapping[str, str]
) -> None:
    (tmp_path / "prompt.txt").write_text("Judge the essays with care. " * 5000)
    refused = run(*EXECUTE, "--assets", study, "--system-prompt", "prompt.txt", cwd=tmp_path, env=services)
    assert refused.code == 65, refused.err
    assert "max.message.bytes" in refused.err
    assert requests_of(tmp_path, broker) == 0
