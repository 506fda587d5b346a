"""The settings of the services: where they are, and how the runner connects to Kafka."""

import re
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Literal

from eng5_runner.app.addresses import AN_ADDRESS, check_address
from eng5_runner.app.options.option import KAFKA, SERVICES, Option
from eng5_runner.core.choices import (
    DEFAULT_CLIENT_ID,
    KafkaMechanism,
    KafkaProtocol,
)


def _topic_prefix(text: str) -> None:
    if not re.fullmatch(r"[A-Za-z0-9._-]{0,100}", text):
        raise ValueError(text)


_A_PREFIX = "at most 100 letters, digits, dots, dashes and underscores"


@dataclass(init=False, repr=False, eq=False, frozen=True, kw_only=True)  # `Settings` makes these methods of all fields
class ServiceSettings:
    """The settings of the services: where they are, and how the runner connects to Kafka."""

    stack: Annotated[
        Literal["auto", "embedded", "remote"],
        Option("Services to use; auto means embedded unless the address of one is given.", SERVICES),
    ] = "auto"
    kafka_bootstrap: Annotated[
        str | None,
        Option(
            "Kafka brokers as host:port, with commas.",
            SERVICES,
            common=True,
            spec="target.kafka_bootstrap",
            env="KAFKA_BOOTSTRAP_SERVERS",
            metavar="BROKERS",
        ),
    ] = None
    kafka_client_id: Annotated[
        str,
        Option(
            "Name of the runner in the cluster's logs.",
            SERVICES,
            spec="target.kafka_client_id",
            env="KAFKA_CLIENT_ID",
            metavar="NAME",
        ),
    ] = DEFAULT_CLIENT_ID
    kafka_security_protocol: Annotated[
        KafkaProtocol,
        Option(
            "How the connection is secured.",
            KAFKA,
            spec="target.kafka_access.protocol",
            env="KAFKA_SECURITY_PROTOCOL",
        ),
    ] = "PLAINTEXT"
    kafka_sasl_mechanism: Annotated[
        KafkaMechanism,
        Option("How the password is sent.", KAFKA, spec="target.kafka_access.mechanism", env="KAFKA_SASL_MECHANISM"),
    ] = "PLAIN"
    kafka_user: Annotated[
        str | None,
        Option(
            "Kafka user; the password comes from KAFKA_SASL_PASSWORD or the file that KAFKA_SASL_PASSWORD_FILE names.",
            KAFKA,
            spec="target.kafka_access.user",
            env="KAFKA_SASL_USERNAME",
            metavar="NAME",
        ),
    ] = None
    kafka_ca: Annotated[
        Path | None,
        Option(
            "PEM file of the authority that signed the broker's certificate.",
            KAFKA,
            spec="target.kafka_access.ca",
            env="KAFKA_CA",
            metavar="FILE",
            default="the system's authorities",
        ),
    ] = None
    kafka_client_cert: Annotated[
        Path | None,
        Option(
            "PEM file of the runner's certificate.",
            KAFKA,
            spec="target.kafka_access.client_cert",
            env="KAFKA_CLIENT_CERT",
            metavar="FILE",
        ),
    ] = None
    kafka_client_key: Annotated[
        Path | None,
        Option(
            "PEM file of the certificate's key.",
            KAFKA,
            spec="target.kafka_access.client_key",
            env="KAFKA_CLIENT_KEY",
            metavar="FILE",
        ),
    ] = None
    kafka_topic_prefix: Annotated[
        str,
        Option(
            "Text before the names of all topics, such as `school.`.",
            SERVICES,
            spec="target.topic_prefix",
            env="KAFKA_TOPIC_PREFIX",
            check=_topic_prefix,
            expects=_A_PREFIX,
        ),
    ] = ""
    content_service_url: Annotated[
        str | None,
        Option(
            "Content Service, with its path …/v1/content.",
            SERVICES,
            common=True,
            spec="target.content_service_url",
            env="CONTENT_SERVICE_URL",
            metavar="URL",
            check=check_address,
            expects=AN_ADDRESS,
        ),
    ] = None
    cj_service_url: Annotated[
        str | None,
        Option(
            "CJ service.",
            SERVICES,
            common=True,
            spec="target.cj_service_url",
            env="CJ_SERVICE_URL",
            metavar="URL",
            check=check_address,
            expects=AN_ADDRESS,
        ),
    ] = None
    llm_provider_service_url: Annotated[
        str | None,
        Option(
            "LLM Provider Service, with its path …/api/v1.",
            SERVICES,
            spec="target.llm_provider_service_url",
            env="LLM_PROVIDER_SERVICE_URL",
            metavar="URL",
            check=check_address,
            expects=AN_ADDRESS,
        ),
    ] = None
