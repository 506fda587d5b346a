"""How a cluster is reached and how it lets us in, as its client library wants to be told."""

from __future__ import annotations

import ssl
from collections.abc import Mapping
from dataclasses import dataclass, field

from pydantic import SecretStr

from eng5_runner.core.spec import KafkaAccess
from eng5_runner.errors import ConfigurationError

REQUEST_TIMEOUT_MS = 10_000
RETRY_BACKOFF_MS = 100  # aiokafka sleeps this long for the metadata of each topic that it has not met yet


@dataclass(frozen=True, slots=True, kw_only=True)
class KafkaSettings:
    """How to reach the cluster.

    Attributes:
        bootstrap: `host:port`, comma separated.
        client_id: our name in the cluster's logs.
        access: how it lets us in.
        password: of `access.user`.
        topic_prefix: stands before each topic's name in this cluster; outside of the Kafka clients nobody knows of it.
        record_headers: sent with each record, such as a trace's.
    """

    bootstrap: str
    client_id: str
    access: KafkaAccess = field(default_factory=KafkaAccess)
    password: SecretStr | None = field(default=None, repr=False)
    topic_prefix: str = ""
    record_headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def addresses(self) -> tuple[str, ...]:
        """The bootstrap addresses one by one."""
        return tuple(part.strip() for part in self.bootstrap.split(",") if part.strip())

    def arguments(self) -> dict[str, object]:
        """What every client of aiokafka is made with.

        Raises:
            ConfigurationError: the settings contradict each other, or a file of them cannot be used.
        """
        return {
            "bootstrap_servers": list(self.addresses),
            "client_id": self.client_id,
            "request_timeout_ms": REQUEST_TIMEOUT_MS,
            "retry_backoff_ms": RETRY_BACKOFF_MS,
            "security_protocol": self.access.protocol,
            **self._login(),
            **self._tls(),
        }

    def _login(self) -> dict[str, object]:
        access = self.access
        if not access.protocol.startswith("SASL"):
            if access.user is not None:
                raise _contradiction("a Kafka user is given", "the protocol SASL_SSL or SASL_PLAINTEXT")
            return {}
        if access.user is None:
            raise _contradiction(f"{access.protocol} is asked for", "--kafka-user (KAFKA_SASL_USERNAME)")
        if self.password is None:
            raise _contradiction(
                f"{access.protocol} is asked for",
                "the password: KAFKA_SASL_PASSWORD in the environment, or a file that KAFKA_SASL_PASSWORD_FILE names",
            )
        return {
            "sasl_mechanism": access.mechanism,
            "sasl_plain_username": access.user,
            "sasl_plain_password": self.password.get_secret_value(),
        }

    def _tls(self) -> dict[str, object]:
        access = self.access
        if not access.protocol.endswith("SSL"):
            if access.ca or access.client_cert or access.client_key:
                raise _contradiction("certificates for Kafka are given", "the protocol SSL or SASL_SSL")
            return {}
        if (access.client_cert is None) != (access.client_key is None):
            raise _contradiction("one of --kafka-client-cert and --kafka-client-key is given", "the other")
        return {"ssl_context": _context(access)}


def _context(access: KafkaAccess) -> ssl.SSLContext:
    """Verifies the broker's certificate and its name, always."""
    try:
        context = ssl.create_default_context(cafile=access.ca)
    except OSError as error:
        raise _unusable("--kafka-ca", access.ca, error=error) from None
    if access.client_cert is not None:
        try:
            # A password is given so that nothing is asked at the terminal; a key that needs one is refused.
            context.load_cert_chain(access.client_cert, access.client_key, password="")
        except OSError as error:
            raise _unusable("--kafka-client-cert and --kafka-client-key", access.client_cert, error=error) from None
    return context


def _contradiction(given: str, needed: str) -> ConfigurationError:
    return ConfigurationError(f"The Kafka settings do not fit together: {given}.", remedy=f"It needs {needed}.")


def _unusable(option: str, path: str | None, *, error: OSError) -> ConfigurationError:
    cause = error.strerror if error.strerror and not isinstance(error, ssl.SSLError) else "no PEM file that fits"
    return ConfigurationError(f"{option} {path} cannot be used: {cause}.", remedy="Name PEM files without a password.")
