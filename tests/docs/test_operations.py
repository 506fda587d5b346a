"""What docs/operations shows fits what a run really says: each metric, each label, each field of the log."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from pathlib import Path

import pytest
from confluent_kafka import Producer
from prometheus_client import Counter, Gauge

from eng5_runner.app.metrics import OUTCOMES, RunMetrics
from eng5_runner.contracts.topics import Topic
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.kafka.records import stack_on_a_fresh
from tests.support.runner import ledger_types, newest, run, start, wait_for
from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
DASHBOARD = json.loads((OPERATIONS / "grafana-dashboard.json").read_text())
TEXT = (OPERATIONS / "README.md").read_text()
TRACE = {"TRACEPARENT": "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01"}
# A label that Prometheus sets itself.
ANYBODYS = {"instance"}


def registered() -> dict[str, set[str]]:
    """Each metric of a run with its labels, as it is scraped."""
    return {
        family.name + ("_total" if family.type == "counter" else ""): set(metric._labelnames)
        for metric in vars(RunMetrics()).values()
        if isinstance(metric, Counter | Gauge)
        for family in metric.describe()
    }


def expressions() -> Iterator[str]:
    for panel in DASHBOARD["panels"]:
        for target in panel["targets"]:
            yield target["expr"]


def test_the_dashboard_is_one_that_can_be_imported() -> None:
    """By what Grafana asks of it: a title, a schema version, panels that do not overlap, a data source to choose."""
    assert DASHBOARD["title"] and DASHBOARD["schemaVersion"] >= 36 and "id" not in DASHBOARD
    assert len({panel["id"] for panel in DASHBOARD["panels"]}) == len(DASHBOARD["panels"])
    places = [
        (x, y)
        for panel in DASHBOARD["panels"]
        for x in range(panel["gridPos"]["x"], panel["gridPos"]["x"] + panel["gridPos"]["w"])
        for y in range(panel["gridPos"]["y"], panel["gridPos"]["y"] + panel["gridPos"]["h"])
    ]
    assert len(places) == len(set(places)) and max(x for x, _ in places) < 24
    (source,) = [one["name"] for one in DASHBOARD["templating"]["list"] if one["type"] == "datasource"]
    assert {panel["datasource"]["uid"] for panel in DASHBOARD["panels"]} == {f"${{{source}}}"}


@pytest.mark.parametrize("expression", list(expressions()))
def test_the_dashboard_asks_for_metrics_and_labels_that_there_are(expression: str) -> None:
    (metric,) = re.findall(r"eng5_\w+", expression)
    labels = registered()[metric] | ANYBODYS
    grouped = [name for names in re.findall(r"by \(([^)]*)\)", expression) for name in names.split(", ")]
    selected = re.findall(r"(\w+)\s*=~?", expression)
    assert {*grouped, *selected} <= labels, expression
    for outcome in re.findall(r'outcome=~?"([^"]*)"', expression):
        assert set(outcome.split("|")) <= set(OUTCOMES)
    assert expression.count("(") == expression.count(")") and expression.count("{") == expression.count("}")


def test_every_metric_is_on_the_dashboard_and_in_the_table() -> None:
    shown = {metric for expression in expressions() for metric in re.findall(r"eng5_\w+", expression)}
    assert shown == registered().keys()
    rows = dict(re.findall(r"^\| `(eng5_\w+)` \| ([^|]*)\|", TEXT, re.MULTILINE))
    assert {name: set(re.findall(r"`(\w+)`", labels)) for name, labels in rows.items()} == registered()
    assert set(re.search(r"`outcome`: ([^|]*)\|", TEXT)[1].strip().split(", ")) == set(OUTCOMES)


def queries() -> list[str]:
    return [line for block in re.findall(r"```logql\n(.*?)```", TEXT, re.DOTALL) for line in block.splitlines()]


@pytest.fixture
def logged(study: Path, tmp_path: Path) -> Mapping[str, set[str]]:
    """The fields of each event in the log of a run that meets trouble: a damaged callback, a broker that goes."""
    with MockCluster() as cluster:
        for topic in Topic:
            cluster.create_topic(topic, partitions=4)
        with stack_on_a_fresh(cluster.bootstrap, tmp_path / "services") as environment:
            arguments = ("--mode", "execute", "--assets", study, "--verbose", "--max-comparisons", 300)
            process = start(*arguments, cwd=tmp_path, env={**environment, **TRACE})
            wait_for(lambda: process.poll() is not None or _has_accepted(tmp_path), what="the first comparison")
            _damage(tmp_path, cluster.bootstrap)
            cluster.down()
            log = newest(tmp_path) / "run.log.jsonl"
            wait_for(lambda: '"event": "trouble"' in log.read_text(), what="the outage to be noticed")
            cluster.up()
            assert process.wait(timeout=120) == 3, (tmp_path / "err").read_text()
    arguments = ("--mode", "execute", "--yes", "--assets", study)
    lost = run(*arguments, cwd=tmp_path, env={"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"})
    assert lost.code == 69
    found: dict[str, set[str]] = {}
    for log in (tmp_path / "runs").glob("[0-9]*/run.log.jsonl"):
        for line in map(json.loads, log.read_text().splitlines()):
            found.setdefault(line["event"], set()).update(line)
    return found


def _has_accepted(tmp_path: Path) -> bool:
    return (tmp_path / "runs" / "latest").exists() and "CallbackAccepted" in ledger_types(newest(tmp_path))


def _damage(tmp_path: Path, bootstrap: str) -> None:
    lines = (newest(tmp_path) / "ledger.jsonl").read_text().splitlines(keepends=True)
    events = [json.loads(line) for line in lines if line.endswith("}\n")]
    broken = json.loads(next(one["raw"] for one in events if one["type"] == "CallbackAccepted"))
    broken["data"] |= {"request_id": "damaged", "winner": "Essay C"}
    producer = Producer({"bootstrap.servers": bootstrap, "log_level": 0})
    producer.produce(Topic.COMPARISON, json.dumps(broken).encode())
    assert producer.flush(30) == 0


def test_the_queries_ask_for_fields_that_the_log_has(logged: Mapping[str, set[str]]) -> None:
    every = {field for fields in logged.values() for field in fields}
    assert len(queries()) >= 8
    for query in queries():
        assert query.count("{") == query.count("}") and query.count('"') % 2 == 0
        stages = query.partition("| json")[2]
        events = re.findall(r'event="(\w+)"', stages)
        asked = {name for name, _ in re.findall(r'(\w+)(=~?|!=)"', stages)} - {"event"}
        asked |= set(re.findall(r"\{\{\.(\w+)\}\}", stages)) | set(re.findall(r"unwrap (\w+)", stages))
        asked |= set(re.findall(r"by \((\w+)\)", query))
        there = set.union(*(logged.get(event, set()) for event in events)) if events else every
        assert asked <= there, query
