"""The secret that embedded services share with their clients, so that no other user of the machine can use them.

An HTTP request carries the secret itself in a header. A Kafka record carries a signature, because everybody who reaches
the broker can read its records:

    secret = StackSecret.new()
    session.post(url, headers=secret.http_headers)
    producer.send(topic, value, headers=secret.kafka_headers(topic, value))

Services of the field have no such secret, and nothing changes for them.
"""

from __future__ import annotations

import hashlib
import hmac
import re
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field

from eng5_runner.errors import ConfigurationError

VARIABLE = "ENG5_STACK_SECRET"
HTTP_HEADER = "X-ENG5-Stack-Secret"
KAFKA_HEADER = "eng5-signature"
_FIT = re.compile(r"[!-~]{32,}")


@dataclass(frozen=True, slots=True)
class StackSecret:
    """The secret of one stack.

    Attributes:
        value: at least 32 printable ASCII characters without spaces.
    """

    value: str = field(repr=False)

    @classmethod
    def new(cls) -> StackSecret:
        """A random secret."""
        return cls(secrets.token_urlsafe(32))

    @classmethod
    def of(cls, environment: Mapping[str, str]) -> StackSecret | None:
        """The secret in `ENG5_STACK_SECRET`, or None if the variable is not set.

        Raises:
            ConfigurationError: the variable does not hold a secret.
        """
        text = environment.get(VARIABLE, "").strip()
        if text and not _FIT.fullmatch(text):
            raise ConfigurationError(
                f"{VARIABLE} does not hold a secret.",
                remedy="Set it to what `stack up` prints, or to 32 or more letters and digits.",
            )
        return cls(text) if text else None

    @property
    def http_headers(self) -> dict[str, str]:
        """What a request to a service carries."""
        return {HTTP_HEADER: self.value}

    def is_in(self, headers: Mapping[str, str]) -> bool:
        """Whether a request carries the secret."""
        return hmac.compare_digest(headers.get(HTTP_HEADER, "").encode(), self.value.encode())

    def kafka_headers(self, topic: str, value: bytes) -> list[tuple[str, bytes]]:
        """What a record carries: the HMAC-SHA-256 (RFC 2104) of topic and value.

        The topic is part of it, so that nobody can move a record to another topic.
        """
        digest = hmac.digest(self.value.encode(), topic.encode() + b"\0" + value, hashlib.sha256)
        return [(KAFKA_HEADER, digest)]

    def has_signed(self, topic: str, value: bytes, *, headers: Iterable[tuple[str, bytes]]) -> bool:
        """Whether a record was written by somebody who knows the secret."""
        (_, expected), *_ = self.kafka_headers(topic, value)
        return any(name == KAFKA_HEADER and hmac.compare_digest(given or b"", expected) for name, given in headers)
