"""The compose files say what they are meant to: order, health, nothing writable that need not be, no loose ends."""

from __future__ import annotations

import itertools
import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path, PurePosixPath
from typing import Any

import pytest
import typer

from eng5_runner.app.options.table import SETTINGS
from eng5_runner.cli.commands.stack import stack_app
from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.platform.kafka import LARGEST_MESSAGE_BYTES
from eng5_runner.transport.stack_secret import VARIABLE
from tests.support.compose import (
    HULEEDU,
    OWN_STACK,
    ROOT,
    RUNNER,
    by_default,
    mounts,
    ours,
    read,
    seconds,
    services,
)

BIN = Path(sys.executable).parent
ONE_OFFS = {"topics", RUNNER}
DEPENDENCIES = [
    (name, other, wanted)
    for name, service in services(OWN_STACK).items()
    for other, wanted in service.get("depends_on", {}).items()
]


@pytest.mark.parametrize("path", [OWN_STACK, HULEEDU], ids=lambda path: path.name)
def test_the_file_is_valid_by_the_compose_specification(path: Path) -> None:
    checked = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", path],
        capture_output=True,
        text=True,
        check=False,
    )
    assert checked.returncode == 0, checked.stdout + checked.stderr


def test_the_specification_does_refuse(tmp_path: Path) -> None:
    """Or the test above would prove nothing."""
    wrong = tmp_path / "docker-compose.yml"
    wrong.write_text(OWN_STACK.read_text().replace("    read_only: true", "    readonly: true"))
    checked = subprocess.run(
        [BIN / "check-jsonschema", "--builtin-schema", "vendor.compose-spec", wrong], capture_output=True, check=False
    )
    assert checked.returncode == 1


@pytest.mark.parametrize(("name", "other", "wanted"), DEPENDENCIES, ids=[f"{a}-{b}" for a, b, _ in DEPENDENCIES])
def test_who_depends_waits_for_what_can_be_waited_for(name: str, other: str, wanted: Mapping[str, Any]) -> None:
    assert wanted == {"condition": "service_completed_successfully" if other in ONE_OFFS else "service_healthy"}, (
        f"{name} waits for {other}"
    )
    assert other in ONE_OFFS or "healthcheck" in services(OWN_STACK)[other]


def test_the_runner_waits_for_everything_and_nothing_waits_in_a_circle() -> None:
    waits_for = {name: set(service.get("depends_on", {})) for name, service in services(OWN_STACK).items()}

    def all_before(name: str, *path: str) -> set[str]:
        assert name not in path, f"a circle: {path}"
        return waits_for[name].union(*(all_before(other, *path, name) for other in waits_for[name]))

    assert all_before(RUNNER) == set(waits_for) - {RUNNER}


@pytest.mark.parametrize("name", [name for name, service in services(OWN_STACK).items() if "healthcheck" in service])
def test_health_is_asked_without_a_shell_and_of_ours_by_the_tool_itself(name: str) -> None:
    service = services(OWN_STACK)[name]
    check = service["healthcheck"]
    assert check["test"][0] == "CMD"
    assert {"interval", "timeout", "retries", "start_period"} <= check.keys()
    if name in ours():
        assert check["test"][1:] == [
            *("eng5-runner", "stack", "healthcheck"),
            f"http://127.0.0.1:{service['environment']['PORT']}/healthz",
        ]


@pytest.mark.parametrize("name", ours())
def test_our_containers_can_write_only_where_they_must(name: str) -> None:
    service = ours()[name]
    user = by_default(service["user"])
    assert user == "10001:10001"
    assert service["read_only"] is True
    assert service["cap_drop"] == ["ALL"]
    assert service["security_opt"] == ["no-new-privileges:true"]
    assert service["init"] is True
    assert [where.split(":")[0] for where in service["tmpfs"]] == ["/tmp"]
    assert seconds(service["stop_grace_period"]) > 10
    assert not service.get("privileged")


@pytest.mark.parametrize("name", ours())
def test_nothing_is_mounted_over_what_is_installed(name: str) -> None:
    installed = [PurePosixPath(path) for path in ("/opt/eng5-runner", "/usr", "/lib", "/bin", "/etc")]
    for _, target, _ in mounts(ours()[name]):
        assert not any(
            path.is_relative_to(target) or PurePosixPath(target).is_relative_to(path) for path in installed
        ), target


def test_assets_are_read_only_and_runs_are_kept() -> None:
    found = {target: (source, read_only) for source, target, read_only in mounts(ours()[RUNNER])}
    assert found == {"/eng5/assets": ("./examples/eng5_demo", True), "/eng5/runs": ("runs", False)}
    assert "runs" in read(OWN_STACK)["volumes"]
    assert (ROOT / "examples/eng5_demo").is_dir()


def test_the_one_offs_are_not_started_again() -> None:
    assert all(services(OWN_STACK)[name]["restart"] == "no" for name in ONE_OFFS)
    assert services(OWN_STACK)[RUNNER]["profiles"], "`up` would run it without anything to do"


def test_one_image_for_all_of_ours_and_the_others_pinned() -> None:
    assert len({service["image"] for service in ours().values()}) == 1
    for name in services(OWN_STACK).keys() - ours().keys():
        _, _, digest = services(OWN_STACK)[name]["image"].partition("@sha256:")
        assert len(digest) == 64 and set(digest) <= set("0123456789abcdef"), name


def test_nothing_is_published_to_the_machine() -> None:
    assert not any("ports" in service or "network_mode" in service for service in services(OWN_STACK).values())


@pytest.mark.parametrize("name", ours())
def test_addresses_name_a_service_and_its_port(name: str) -> None:
    ports = {other: service["environment"]["PORT"] for other, service in ours().items() if other != RUNNER}
    ports |= {"kafka": "9092", "postgres": "5432"}
    service = ours()[name]
    for variable, value in service["environment"].items():
        if value is not None and variable.endswith(("_URL", "_SERVERS")):
            host, _, port = by_default(value).split("//")[-1].split("@")[-1].split("/")[0].partition(":")
            assert port == ports[host], f"{name}: {variable}={value}"
            assert host in service["depends_on"], f"{name} asks {host} without waiting for it"


def test_the_runner_is_told_by_variables_that_it_reads() -> None:
    read_by_options = {setting.env for setting in SETTINGS} | {VARIABLE}
    told = ours()[RUNNER]["environment"].keys() | services(HULEEDU)[RUNNER]["environment"].keys()
    about_services = {name for name in told if name.startswith(("KAFKA_", "ENG5_", "CONTENT_", "CJ_", "LLM_"))}
    assert about_services and about_services <= read_by_options


@pytest.mark.parametrize("name", [name for name in ours() if name != RUNNER])
def test_the_services_commands_exist(name: str) -> None:
    stack = typer.main.get_command(stack_app)
    assert {"serve", "healthcheck"} <= set(getattr(stack, "commands", ()))
    assert ours()[name]["command"][:2] == ["stack", "serve"]


# ---- topics ---------------------------------------------------------------------------------------------------------


def _make_topics(kafka_topics: str, folder: Path) -> subprocess.CompletedProcess[str]:
    """Runs the one-off's script with a program of ours in the place of Kafka's."""
    program = folder / "kafka-topics.sh"
    program.write_text(f"#!/bin/bash\n{kafka_topics}\n")
    program.chmod(0o755)
    service = services(OWN_STACK)["topics"]
    script, *arguments = service["command"]
    script = script.replace("$$", "$").replace("/opt/kafka/bin/kafka-topics.sh", str(program))
    return subprocess.run(
        [*service["entrypoint"], script, *arguments],
        capture_output=True,
        text=True,
        check=False,
        env={"PATH": os.environ["PATH"]},
    )


def test_the_topics_are_made_that_the_contract_names(tmp_path: Path) -> None:
    made = _make_topics('echo "$@"', tmp_path)
    assert made.returncode == 0, made.stderr
    asked = [line.split() for line in made.stdout.splitlines()]
    assert [line[line.index("--topic") + 1] for line in asked] == [topic.value for topic in Topic]
    assert all("--create" in line and "--if-not-exists" in line for line in asked)


def test_the_broker_takes_what_the_services_write(tmp_path: Path) -> None:
    """Also into topics of an earlier version, which has set no limit of theirs."""
    made = _make_topics('echo "$@"', tmp_path).stdout.splitlines()
    assert len(made) == len(Topic)
    assert all(f"--config max.message.bytes={LARGEST_MESSAGE_BYTES}" in line for line in made)
    kafka = services(OWN_STACK)["kafka"]["environment"]
    assert int(kafka["KAFKA_MESSAGE_MAX_BYTES"]) == LARGEST_MESSAGE_BYTES


@pytest.mark.parametrize("nth", range(1, len(Topic) + 1))
def test_a_topic_that_cannot_be_made_ends_the_one_off_in_failure(nth: int, tmp_path: Path) -> None:
    made = _make_topics(f'echo . >> {tmp_path}/calls; [ "$(wc -l < {tmp_path}/calls)" -ne {nth} ]', tmp_path)
    assert made.returncode != 0


def test_topics_are_not_made_by_asking_for_them() -> None:
    assert services(OWN_STACK)["kafka"]["environment"]["KAFKA_AUTO_CREATE_TOPICS_ENABLE"] == "false"


# ---- in HuleEdu's network -------------------------------------------------------------------------------------------


def test_in_huleedus_network_only_the_runner_is_left() -> None:
    base, over = services(OWN_STACK), services(HULEEDU)
    assert over.keys() == base.keys()
    assert all(over[name]["profiles"] for name in over if name != RUNNER)
    assert {profile for name in over if name != RUNNER for profile in over[name]["profiles"]}.isdisjoint(
        base[RUNNER]["profiles"]
    )
    assert over[RUNNER]["depends_on"] == {
        name: dict(wanted) | {"required": False} for name, wanted in base[RUNNER]["depends_on"].items()
    }


def test_in_huleedus_network_no_address_and_no_secret_of_ours_is_left() -> None:
    base, over = services(OWN_STACK)[RUNNER]["environment"], services(HULEEDU)[RUNNER]["environment"]
    for variable in base:
        if variable.endswith(("_URL", "_SERVERS", "_KEY")):
            value = over[variable]
            assert value is None or value.startswith(f"${{{variable}:?"), variable


def test_the_network_is_huleedus() -> None:
    assert read(HULEEDU)["networks"]["default"]["external"] is True
    both = itertools.chain(services(OWN_STACK).values(), services(HULEEDU).values())
    assert not any("networks" in service for service in both), "all are in the default network, which is replaced"
