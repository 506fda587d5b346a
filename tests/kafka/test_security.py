"""A cluster that wants to know who comes: the right key opens, each wrong one is told apart, no secret is kept."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest
from pydantic import SecretStr

from eng5_runner.contracts.topics import Topic
from eng5_runner.effects.kafka.broker import connected
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError
from eng5_runner.transport.kafka_settings import KafkaSettings
from tests.support.effects import nothing_left as nothing_left  # noqa: PLC0414 - pytest finds fixtures by their name
from tests.support.kafka.certificates import Certificates
from tests.support.kafka.cluster import PASSWORD, USER, KafkaBroker, on_real_kafka
from tests.support.kafka.followed import EXECUTE, assert_complete
from tests.support.runner import newest, run

pytestmark = on_real_kafka


def test_a_run_over_scram_and_tls_is_complete_and_keeps_no_password(
    study: Path, tmp_path: Path, our_kafka: KafkaBroker, certificates: Certificates, services: Mapping[str, str]
) -> None:
    secret = tmp_path / "password"
    secret.write_text(PASSWORD + "\n")
    env = {**services, **our_kafka.login(), "KAFKA_SASL_PASSWORD_FILE": str(secret)}
    del env["KAFKA_SASL_PASSWORD"]
    ran = run(*EXECUTE, "--assets", study, "--verbose", cwd=tmp_path, env=env)
    assert_complete(ran, tmp_path, our_kafka)
    assert "kafka_user" in (newest(tmp_path) / "config.resolved.toml").read_text()
    assert PASSWORD not in ran.out + ran.err
    for path in newest(tmp_path).rglob("*"):
        assert path.is_dir() or not any(form in path.read_bytes() for form in (b"s3kret", PASSWORD.encode())), path


@pytest.mark.parametrize(
    "refusal",
    [
        ({"KAFKA_SASL_PASSWORD": "wr0ng-canary"}, 77, "invalid credentials with SASL mechanism SCRAM-SHA-512"),
        ({"KAFKA_CA": "other"}, 69, "certificate verify failed"),
        ({"KAFKA_SASL_PASSWORD": "", "KAFKA_SASL_PASSWORD_FILE": "/nowhere"}, 78, "/nowhere cannot be read"),
    ],
)
def test_what_is_wrong_with_the_login_is_told_and_the_password_is_not(
    refusal: tuple[dict[str, str], int, str],
    study: Path,
    tmp_path: Path,
    our_kafka: KafkaBroker,
    certificates: Certificates,
) -> None:
    change, code, told = refusal
    env = our_kafka.login() | change
    if env["KAFKA_CA"] == "other":
        env["KAFKA_CA"] = str(certificates.other_ca)
    refused = run(*EXECUTE, "--assets", study, cwd=tmp_path, env=env)
    assert refused.code == code, refused.err
    assert told in " ".join(refused.err.split())
    for path in (tmp_path / "runs").rglob("*"):
        assert path.is_dir() or b"canary" not in path.read_bytes(), path
    assert "canary" not in refused.out + refused.err


@pytest.mark.parametrize(
    "refusal",
    [
        ({"KAFKA_SASL_PASSWORD": "wr0ng-canary"}, 77, "Kafka", "invalid credentials", "password"),
        ({"KAFKA_CA": "other"}, 69, "Kafka", "certificate verify failed", "cluster"),
        ({"KAFKA_SECURITY_PROTOCOL": "SSL", "KAFKA_SASL_USERNAME": ""}, 77, "Kafka", "certificate", "--kafka-client-"),
        ({"KAFKA_TOPIC_PREFIX": "nowhere."}, 78, "Kafka topics", f"nowhere.{Topic.REQUEST}", "Create them"),
    ],
    ids=["password", "authority", "no certificate", "topics"],
)
def test_preflight_names_what_keeps_us_from_a_real_cluster(
    refusal: tuple[dict[str, str], int, str, str, str],
    study: Path,
    our_kafka: KafkaBroker,
    certificates: Certificates,
    services: Mapping[str, str],
) -> None:
    change, code, about, cause, remedy = refusal
    env = {**services, **our_kafka.login(), **change}
    if env["KAFKA_CA"] == "other":
        env["KAFKA_CA"] = str(certificates.other_ca)
    if env["KAFKA_SECURITY_PROTOCOL"] == "SSL":
        env["KAFKA_BOOTSTRAP_SERVERS"] = our_kafka.at("MUTUAL")
    ran = run("preflight", "--assets", study, "--json", cwd=study.parent, env=env)
    assert ran.code == code, ran.out + ran.err
    (broken,) = [line for line in ran.lines if line["error"]]
    assert broken["about"] == about
    assert cause in broken["error"]["message"] and remedy in broken["error"]["remedy"]
    assert "canary" not in ran.out + ran.err


def settings(broker: KafkaBroker, listener: str, **access: object) -> KafkaSettings:
    return KafkaSettings(
        bootstrap=broker.at(listener),
        client_id="tests",
        **access,
        password=SecretStr(PASSWORD) if access.get("user") else None,
    )


async def outcome(made: KafkaSettings) -> int | RunnerError:
    """The request topic's partitions, or why they cannot be had."""
    try:
        async with connected(made) as broker:
            return (await broker.topology([Topic.REQUEST])).partitions[Topic.REQUEST]
    except RunnerError as error:
        return error


@pytest.mark.usefixtures("nothing_left")
@pytest.mark.parametrize("listener", ["SECURE", "OPEN"])
@pytest.mark.parametrize("mechanism", ["PLAIN", "SCRAM-SHA-256", "SCRAM-SHA-512"])
async def test_every_mechanism_opens(
    listener: str, mechanism: str, our_kafka: KafkaBroker, certificates: Certificates
) -> None:
    secure = listener == "SECURE"
    made = settings(
        our_kafka,
        listener,
        protocol="SASL_SSL" if secure else "SASL_PLAINTEXT",
        mechanism=mechanism,
        user=USER,
        ca=str(certificates.ca) if secure else None,
    )
    assert await outcome(made) == 3
    assert "s3kret" not in repr(made)


@pytest.mark.usefixtures("nothing_left")
async def test_a_clients_certificate_opens_where_one_is_wanted(
    our_kafka: KafkaBroker, certificates: Certificates
) -> None:
    ca, cert, key = (str(path) for path in (certificates.ca, certificates.client, certificates.client_key))
    assert await outcome(settings(our_kafka, "MUTUAL", protocol="SSL", ca=ca, client_cert=cert, client_key=key)) == 3
    without = await outcome(settings(our_kafka, "MUTUAL", protocol="SSL", ca=ca))
    assert isinstance(without, NotAllowed)
    assert "client certificate" in without.message and "--kafka-client-cert" in without.remedy
    half = await outcome(settings(our_kafka, "MUTUAL", protocol="SSL", ca=ca, client_cert=cert))
    assert isinstance(half, ConfigurationError)
    swapped = await outcome(settings(our_kafka, "MUTUAL", protocol="SSL", ca=ca, client_cert=key, client_key=cert))
    assert isinstance(swapped, ConfigurationError)


@pytest.mark.usefixtures("nothing_left")
async def test_a_user_that_is_not_there_and_settings_that_contradict_each_other(
    our_kafka: KafkaBroker, certificates: Certificates
) -> None:
    ca = str(certificates.ca)
    stranger = settings(our_kafka, "SECURE", protocol="SASL_SSL", mechanism="PLAIN", user="nobody", ca=ca)
    assert isinstance(await outcome(stranger), NotAllowed)
    nowhere = await outcome(settings(our_kafka, "SECURE", protocol="SSL", ca="/nowhere.pem"))
    assert isinstance(nowhere, ConfigurationError)
    assert nowhere.message == "--kafka-ca /nowhere.pem cannot be used: No such file or directory."
    for contradiction in ({"user": USER}, {"ca": ca}, {"protocol": "SASL_SSL"}, {"protocol": "SSL", "user": USER}):
        assert isinstance(await outcome(settings(our_kafka, "SECURE", **contradiction)), ConfigurationError)
