"""How to reach a Kafka cluster and log in to it, as arguments of the client library."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from eng5_runner.errors import ConfigurationError
from eng5_runner.transport.stack_secret import StackSecret

REQUEST_TIMEOUT_MS = 10_000
RETRY_BACKOFF_MS = 100  # aiokafka sleeps this long for the metadata of each topic that is new to it


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """How to reach the cluster.

    Attributes:
        bootstrap: `host:port`, comma separated.
        client_id: our name in the cluster's logs.
        protocol: `PLAINTEXT`, `SSL`, `SASL_PLAINTEXT` or `SASL_SSL`.
        mechanism: of the login, for the SASL protocols: `PLAIN`, `SCRAM-SHA-256` or `SCRAM-SHA-512`.
        user: for the SASL protocols.
        password: of `user`.
        ca: a PEM file with the authority that signed the broker's certificate; None for the system's authorities.
        client_cert: a PEM file with our own certificate, for a cluster that wants one.
        client_key: a PEM file with the key of `client_cert`.
        topic_prefix: the start of each topic's name in this cluster. Only the Kafka clients use it.
        record_headers: sent with each record, such as those of a trace.
        secret: of the embedded stack; signs the records that we write and must have signed those that we read.
    """

    bootstrap: str
    client_id: str
    protocol: str = "PLAINTEXT"
    mechanism: str = "PLAIN"
    user: str | None = None
    password: SecretStr | None = field(default=None, repr=False)
    ca: str | None = None
    client_cert: str | None = None
    client_key: str | None = None
    topic_prefix: str = ""
    record_headers: Mapping[str, str] = field(default_factory=dict)
    secret: StackSecret | None = None

    @property
    def addresses(self) -> tuple[str, ...]:
        """The bootstrap addresses one by one."""
        return tuple(part.strip() for part in self.bootstrap.split(",") if part.strip())

    def arguments(self) -> dict[str, object]:
        """The arguments of every aiokafka client.

        Raises:
            ConfigurationError: the settings contradict each other, or a file of them cannot be used.
        """
        return {
            "bootstrap_servers": list(self.addresses),
            "client_id": self.client_id,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": RETRY_BACKOFF_MS,
            "security_protocol": self.protocol,
            **self._login(),
            **self._tls(),
        }

    def _login(self) -> dict[str, object]:
        if not self.protocol.startswith("SASL"):
            if self.user is not None:
                raise _contradiction("a Kafka user is given", "the protocol SASL_SSL or SASL_PLAINTEXT")
            return {}
        if self.user is None:
            raise _contradiction(f"{self.protocol} is asked for", "--kafka-user (KAFKA_SASL_USERNAME)")
        if self.password is None:
            raise _contradiction(
                f"{self.protocol} is asked for",
                "the password: KAFKA_SASL_PASSWORD in the environment, or a file that KAFKA_SASL_PASSWORD_FILE names",
            )
        return {
            "sasl_mechanism": self.mechanism,
            "sasl_plain_username": self.user,
            "sasl_plain_password": self.password.get_secret_value(),
        }

    def _tls(self) -> dict[str, object]:
        if not self.protocol.endswith("SSL"):
            if self.ca or self.client_cert or self.client_key:
                raise _contradiction("certificates for Kafka are given", "the protocol SSL or SASL_SSL")
            return {}
        if (self.client_cert is None) != (self.client_key is None):
            raise _contradiction("one of --kafka-client-cert and --kafka-client-key is given", "the other")
        return {"ssl_context": self._ssl_context()}

    def _ssl_context(self) -> ssl.SSLContext:
        """Verifies the broker's certificate and its name, always."""
        try:
            context = ssl.create_default_context(cafile=self.ca)
        except OSError as error:
            raise _unusable("--kafka-ca", self.ca, error=error) from None
        if self.client_cert is not None:
            try:
                # The password keeps OpenSSL from asking at the terminal; a key that needs a password is refused.
                context.load_cert_chain(self.client_cert, self.client_key, password="")
            except OSError as error:
                raise _unusable("--kafka-client-cert and --kafka-client-key", self.client_cert, error=error) from None
        return context


def _contradiction(given: str, needed: str) -> ConfigurationError:
    return ConfigurationError(f"The Kafka settings contradict each other: {given}.", remedy=f"That needs {needed}.")


def _unusable(option: str, path: str | None, *, error: OSError) -> ConfigurationError:
    cause = error.strerror if error.strerror and not isinstance(error, ssl.SSLError) else "no PEM file that fits"
    return ConfigurationError(f"{option} {path} cannot be used: {cause}.", remedy="Name PEM files without a password.")
