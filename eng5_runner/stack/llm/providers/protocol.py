"""The protocol between a judge and its provider's client: a call, a reply, and the ways in which an attempt fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Protocol

from eng5_runner.contracts.request import OutputVerbosity, ReasoningEffort
from eng5_runner.judges.manifest import Model, Usage
from eng5_runner.stack.llm.judge import Served

_LONGEST_WAIT = 120.0
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z_.]{0,63}")  # no digits: a key has some
_SHOWABLE = re.compile(r"[\x20-\x7e]{1,200}")
_OK_TO_ASK_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to a provider.

    Attributes:
        model: the model that answers.
        system: the system prompt.
        prompt: the user prompt, exactly as it was hashed.
        max_tokens: the most tokens of the answer.
        temperature: None for the model's default.
        effort: None for the model's default.
        verbosity: None for the model's default.
    """

    model: Model
    system: str
    prompt: str
    max_tokens: int
    temperature: float | None
    effort: ReasoningEffort | None
    verbosity: OutputVerbosity | None


class End(Enum):
    """How an answer ended."""

    DONE = "done"
    CUT = "cut"
    REFUSED = "refused"


def served_by(model: object, fingerprint: object = None) -> Served | None:
    """What an answer says of the model behind it; a name that is none counts as missing."""
    names = (name if isinstance(name, str) and _SHOWABLE.fullmatch(name) else None for name in (model, fingerprint))
    served = Served(*names)
    return None if served == Served() else served


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A provider's answer; `usage` is None if the provider does not report it, and so is what it was `served` by."""

    text: str
    end: End
    usage: Usage | None
    served: Served | None = None


class AttemptFailed(Exception):
    """An attempt without an answer. The message has no text of the provider, which can repeat a key or an essay.

    Attributes:
        error_code: the contract's.
        message: for people.
        again: whether another attempt can help.
        wait: seconds until then, if the provider gives them.
        unhealthy: whether the provider itself failed; false if it is busy or the request is wrong.
    """

    def __init__(
        self, error_code: str, message: str, *, again: bool = False, wait: float | None = None, unhealthy: bool = False
    ) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.again = again
        self.wait = wait
        self.unhealthy = unhealthy


class ProviderClient(Protocol):
    """What a judge needs of a provider's client library."""

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


def unreachable() -> AttemptFailed:
    """The failure when no connection can be made."""
    return AttemptFailed("LLM_PROVIDER_UNAVAILABLE", "the provider could not be reached", again=True, unhealthy=True)


def too_slow() -> AttemptFailed:
    """The failure when an attempt times out. It may be charged, so only the CJ service, which counts costs, retries."""
    return AttemptFailed("LLM_PROVIDER_TIMEOUT", "the provider did not answer in time", unhealthy=True)


def malformed() -> AttemptFailed:
    """The failure when an answer is not of the API's form."""
    return AttemptFailed(
        "LLM_PROVIDER_API_ERROR", "the provider's answer is not of its API's form", again=True, unhealthy=True
    )


def by_status(
    status: int, headers: Mapping[str, str], *, reason: str | None, param: str | None = None
) -> AttemptFailed:
    """The failure of an HTTP status.

    Args:
        status: from 400 on.
        headers: of the answer.
        reason: the provider's short name for the error, such as `context_length_exceeded`.
        param: the parameter that the provider rejects.
    """
    reason, param = plain(reason), plain(param)
    message = f"the provider answered {status}" + (f" {reason}" if reason else "") + (f" ({param})" if param else "")
    if reason in ("insufficient_quota", "billing_error") or status == 402:  # noqa: PLR2004 - payment required
        return AttemptFailed("LLM_COST_LIMIT_EXCEEDED", f"{message}: the account has no money or quota left")
    if reason == "context_length_exceeded" or status == 413:  # noqa: PLR2004 - content too large
        return AttemptFailed("LLM_CONTENT_TOO_LONG", f"{message}: the prompt is too long for the model")
    if status in (401, 403):
        return AttemptFailed("LLM_CONFIGURATION_ERROR", f"{message}: the key is not accepted")
    if status == 404:  # noqa: PLR2004 - not found
        return AttemptFailed("LLM_CONFIGURATION_ERROR", f"{message}: there is no such model, or the key may not use it")
    wait = retry_after(headers)
    if status == 429:  # noqa: PLR2004 - too many requests
        return AttemptFailed("LLM_PROVIDER_RATE_LIMIT", message, again=True, wait=wait)
    if status in _OK_TO_ASK_AGAIN:
        code = "LLM_PROVIDER_UNAVAILABLE" if status in (502, 503, 504, 529) else "LLM_PROVIDER_API_ERROR"
        return AttemptFailed(code, message, again=True, wait=wait, unhealthy=True)
    if status in (400, 422):
        code = "LLM_CONFIGURATION_ERROR" if param or "unsupported" in reason else "LLM_PROVIDER_API_ERROR"
        return AttemptFailed(code, message)
    return AttemptFailed("LLM_PROVIDER_API_ERROR", message, unhealthy=status >= 500)  # noqa: PLR2004 - the server's own errors


def plain(name: str | None) -> str:
    """A provider's short name for an error; empty for any other text, which must not get into our messages."""
    return name if name and _PLAIN_NAME.fullmatch(name) else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks us to wait, at most 120; None without a readable header."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        value = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", value):
            return min(float(value) * unit, _LONGEST_WAIT)
    return _until(headers.get("retry-after"), headers.get("date"))


def _until(then: str | None, now: str | None) -> float | None:
    """Seconds between two HTTP dates, by the provider's own clock."""
    try:
        seconds = (parsedate_to_datetime(then or "") - parsedate_to_datetime(now or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
