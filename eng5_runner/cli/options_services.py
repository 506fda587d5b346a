"""The options that say where the services are and where runs go."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from eng5_runner.cli.option import option

_SERVICES, _KAFKA, _OUTPUT = "Services", "Kafka's security", "Output"

Stack: TypeAlias = Annotated[
    Literal["auto", "embedded", "remote"] | None,
    option(_SERVICES, "auto: embedded unless a service is given. (default: auto)", "--stack", env="ENG5_STACK"),
]
KafkaBootstrap: TypeAlias = Annotated[
    str | None,
    option(_SERVICES, "host:port, comma separated.", "--kafka-bootstrap", env="KAFKA_BOOTSTRAP_SERVERS"),
]
KafkaClientId: TypeAlias = Annotated[
    str | None, option(_SERVICES, "Our name in the cluster's logs.", "--kafka-client-id", env="KAFKA_CLIENT_ID")
]
KafkaSecurityProtocol: TypeAlias = Annotated[
    str | None,
    option(
        _KAFKA,
        "PLAINTEXT, SSL, SASL_PLAINTEXT or SASL_SSL. (default: PLAINTEXT)",
        "--kafka-security-protocol",
        env="KAFKA_SECURITY_PROTOCOL",
    ),
]
KafkaSaslMechanism: TypeAlias = Annotated[
    str | None,
    option(
        _KAFKA,
        "PLAIN, SCRAM-SHA-256 or SCRAM-SHA-512. (default: PLAIN)",
        "--kafka-sasl-mechanism",
        env="KAFKA_SASL_MECHANISM",
    ),
]
KafkaUser: TypeAlias = Annotated[
    str | None,
    option(
        _KAFKA,
        "The user; the password is KAFKA_SASL_PASSWORD, or in the file KAFKA_SASL_PASSWORD_FILE.",
        "--kafka-user",
        env="KAFKA_SASL_USERNAME",
    ),
]
KafkaCa: TypeAlias = Annotated[
    Path | None,
    option(_KAFKA, "PEM file of the broker's authority. (default: the system's)", "--kafka-ca", env="KAFKA_CA"),
]
KafkaClientCert: TypeAlias = Annotated[
    Path | None, option(_KAFKA, "PEM file of our certificate.", "--kafka-client-cert", env="KAFKA_CLIENT_CERT")
]
KafkaClientKey: TypeAlias = Annotated[
    Path | None, option(_KAFKA, "PEM file of its key.", "--kafka-client-key", env="KAFKA_CLIENT_KEY")
]
KafkaTopicPrefix: TypeAlias = Annotated[
    str | None,
    option(_KAFKA, "Stands before the topics' names.", "--kafka-topic-prefix", env="KAFKA_TOPIC_PREFIX"),
]
ContentServiceUrl: TypeAlias = Annotated[
    str | None,
    option(_SERVICES, "With its path, …/v1/content.", "--content-service-url", env="CONTENT_SERVICE_URL"),
]
CjServiceUrl: TypeAlias = Annotated[
    str | None, option(_SERVICES, "The CJ service.", "--cj-service-url", env="CJ_SERVICE_URL")
]
LlmProviderServiceUrl: TypeAlias = Annotated[
    str | None,
    option(_SERVICES, "With its path, …/api/v1.", "--llm-provider-service-url", env="LLM_PROVIDER_SERVICE_URL"),
]
UploadConcurrency: TypeAlias = Annotated[
    int | None,
    option(_SERVICES, "Uploads at the same time. (default: 32)", "--upload-concurrency", env="ENG5_UPLOAD_CONCURRENCY"),
]
ForceReupload: TypeAlias = Annotated[
    bool | None,
    option(_SERVICES, "Do not believe the upload cache.", "--force-reupload", env="ENG5_FORCE_REUPLOAD"),
]
OutputDir: TypeAlias = Annotated[
    Path | None, option(_OUTPUT, "Where runs go. (default: runs)", "--output-dir", env="ENG5_OUTPUT_DIR")
]
MetricsPort: TypeAlias = Annotated[
    int | None,
    option(_OUTPUT, "Prometheus metrics on this loopback port.", "--metrics-port", env="ENG5_METRICS_PORT"),
]
Json: TypeAlias = Annotated[bool | None, option(_OUTPUT, "JSON lines on standard output.", "--json", env="ENG5_JSON")]
Verbose: TypeAlias = Annotated[
    bool | None, option(_OUTPUT, "Debug lines in the log as well.", "--verbose", env="ENG5_VERBOSE")
]
