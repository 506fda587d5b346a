"""What a cluster refuses, in words: topics that are not there, a request too large or of unknown fate."""

from __future__ import annotations

from collections.abc import Sequence
from difflib import get_close_matches

from eng5_runner.errors import ConfigurationError, InputsInvalid, TemporaryFailure


def missing_topics(missing: Sequence[str], there: Sequence[str]) -> ConfigurationError:
    """The error for topics that are not there; each is told with those that are named alike."""
    told = []
    for topic in missing:
        near = get_close_matches(topic, there, n=2)
        told.append(f"{topic} (near: {', '.join(near)})" if near else topic)
    return ConfigurationError(
        f"Topics are missing from the cluster: {'; '.join(told)}.",
        remedy="Create them, let this user see them (DESCRIBE), or check the bootstrap address; none is created here.",
    )


def too_large(value: bytes, topic: str) -> InputsInvalid:
    """The error for a request that the topic does not take."""
    return InputsInvalid(
        f"The request has {len(value)} bytes, more than the cluster takes in {topic}.",
        remedy="Send fewer essays in a run or raise the topic's max.message.bytes.",
    )


def outcome_unknown(topic: str, *, patience: float, error: Exception) -> TemporaryFailure:
    """The error for a request that may be in the topic or not."""
    cause = f"none came within {patience:.0f} s" if isinstance(error, TimeoutError) else type(error).__name__
    return TemporaryFailure(
        f"No acknowledgement of the request from {topic} ({cause}): it may have arrived or not.",
        remedy="`resume` looks for it in the topic and sends the identical bytes only if it is not there.",
    )
