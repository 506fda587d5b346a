"""Containers that can judge: how keys reach the LLM service, the libraries of the image, metrics in the network."""

from __future__ import annotations

import os
import re
import socket
import urllib.request
from pathlib import Path

import aiohttp
import pytest

from eng5_runner.app.environment import load_key_files
from eng5_runner.app.metrics import measured
from eng5_runner.contracts.request import Provider
from eng5_runner.contracts.topics import Topic
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.credentials import PLACES, PLAIN_HTTP
from eng5_runner.judges.manifest import USERS_FILE
from tests.support.compose import OWN_STACK, RUNNER, by_default, mounts, ours, read
from tests.support.kafka.cluster import free_ports
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.kafka.services import serving
from tests.support.runner import run
from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here

LLM = "llm_provider"
KEY = "sk-canary-of-a-secret"


# ---- the compose file -----------------------------------------------------------------------------------------------


def test_the_llm_service_gets_every_setting_of_judges_that_it_reads() -> None:
    read_by_it = {USERS_FILE, PLAIN_HTTP}
    for place in PLACES.values():
        read_by_it |= {place.key, place.key_file, place.base_url}
    environment = ours()[LLM]["environment"]
    about_judges = {name for name in environment if name.startswith("ENG5_") or "_API_KEY" in name}
    assert about_judges - {"ENG5_STACK_SECRET"} == read_by_it
    for place in PLACES.values():  # from the environment or `.env`; not set where they are not set there
        assert environment[place.key] is None and environment[place.base_url] is None


def test_no_other_service_gets_a_key() -> None:
    keys = {name for place in PLACES.values() for name in (place.key, place.key_file)}
    for name, service in ours().items():
        assert name == LLM or (keys.isdisjoint(service["environment"]) and "secrets" not in service)


def test_each_key_may_be_a_secret_and_none_must_be() -> None:
    secrets = read(OWN_STACK)["secrets"]
    files = {name: ours()[LLM]["environment"][place.key_file] for name, place in PLACES.items()}
    assert set(files.values()) == {f"/run/secrets/{secret}" for secret in secrets}
    assert set(ours()[LLM]["secrets"]) == set(secrets)
    head = OWN_STACK.read_text().partition("\nname:")[0]
    for secret in secrets.values():
        assert by_default(secret["file"]) == os.devnull, "a secret that nobody names is empty"
        assert re.match(r"\$\{(\w+):-", secret["file"])[1] in head


def test_the_file_of_models_is_mounted_where_the_service_looks() -> None:
    found = {target: (source, read_only) for source, target, read_only in mounts(ours()[LLM])}
    assert found == {ours()[LLM]["environment"][USERS_FILE]: (os.devnull, True)}


def test_metrics_of_the_runner_are_served_to_the_network() -> None:
    environment = ours()[RUNNER]["environment"]
    assert environment["ENG5_METRICS_HOST"] == "0.0.0.0"
    assert environment["ENG5_METRICS_PORT"] is None


# ---- the service ----------------------------------------------------------------------------------------------------


async def providers(folder: Path, settings: dict[str, str]) -> tuple[set[str], str]:
    """The providers that a started service can ask, and its log."""
    with MockCluster() as cluster:
        for topic in Topic:
            cluster.create_topic(topic, partitions=1)
        async with serving(folder, {"KAFKA_BOOTSTRAP_SERVERS": cluster.bootstrap, **settings}) as services:
            llm = services.start("llm")
            llm.wait_until_ready()
            async with aiohttp.ClientSession() as http, http.get(f"{llm.url}/api/v1/models") as answer:
                known = (await answer.json())["providers"]
            return {name for name, models in known.items() if models}, llm.log.read_text()


async def test_a_started_service_reads_its_key_from_a_secret(tmp_path: Path) -> None:
    (tmp_path / "key").write_text(f"{KEY}\n")
    place = PLACES[Provider.ANTHROPIC]
    found, log = await providers(
        tmp_path, {place.key_file: str(tmp_path / "key"), PLACES[Provider.OPENAI].key_file: os.devnull}
    )
    assert found == {"mock", "anthropic"}
    assert KEY not in log


def test_a_secret_that_cannot_be_read_is_named(tmp_path: Path) -> None:
    ended = run("stack", "serve", "llm", cwd=tmp_path, env={"OPENAI_API_KEY_FILE": str(tmp_path / "nothing")})
    assert ended.code == 78, ended.err
    assert f"OPENAI_API_KEY_FILE {tmp_path / 'nothing'} cannot be read" in ended.err


@pytest.mark.parametrize(
    ("variable", "text", "key"),
    [("", f"{KEY}\n", KEY), ("", "", None), ("sk-own", f"{KEY}\n", "sk-own")],
    ids=["of the file", "none in an empty file", "of the variable"],
)
def test_a_key_is_that_of_the_variable_or_of_the_file(
    variable: str, text: str, key: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    place = PLACES[Provider.OPENAI]
    (tmp_path / "key").write_text(text)
    monkeypatch.setenv(place.key, variable)
    if not variable:
        monkeypatch.delenv(place.key)
    monkeypatch.setenv(place.key_file, str(tmp_path / "key"))
    load_key_files()
    assert os.environ.get(place.key) == key


# ---- metrics --------------------------------------------------------------------------------------------------------


def test_metrics_are_served_at_the_address_that_is_given_and_nowhere_else() -> None:
    (port,) = free_ports(1)
    with measured(port=port, host="127.0.0.2"):
        with urllib.request.urlopen(f"http://127.0.0.2:{port}/metrics", timeout=5) as answer:
            assert b"eng5_callbacks_total" in answer.read()
        with pytest.raises(ConnectionRefusedError), socket.create_connection(("127.0.0.1", port), timeout=5):
            pass


def test_an_address_of_another_machine_is_refused(study: Path, tmp_path: Path) -> None:
    with (
        pytest.raises(ConfigurationError, match=r"cannot be used at 203\.0\.113\.1"),
        measured(port=free_ports(1)[0], host="203.0.113.1"),
    ):
        pass
    env = {"ENG5_METRICS_HOST": "203.0.113.1", "ENG5_METRICS_PORT": str(free_ports(1)[0])}
    refused = run("--mode", "execute", "--assets", study, cwd=tmp_path, env=env)
    assert refused.code == 78 and "cannot be used at 203.0.113.1" in refused.err
    assert "--metrics-host" in refused.err
