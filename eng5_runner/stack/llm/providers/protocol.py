"""What is asked of a provider, what comes back, and how an attempt fails: the words between us and each client."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Protocol

from eng5_runner.contracts.request import OutputVerbosity, ReasoningEffort
from eng5_runner.judges.manifest import Model, Usage

_LONGEST_WAIT = 120.0
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z_.]{0,63}")  # no digits: a key has some
_OK_TO_ASK_AGAIN = frozenset({408, 409, 425, 429, 500, 502, 503, 504, 529})


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One question as it goes to a provider.

    Attributes:
        model: whom.
        system: the system prompt.
        prompt: the user's prompt, exactly as it was hashed.
        max_tokens: that the answer may have.
        temperature: None for the model's own.
        effort: None for the model's own.
        verbosity: None for the model's own.
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


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """What a provider answered; `usage` is None where it does not say."""

    text: str
    end: End
    usage: Usage | None


class AttemptFailed(Exception):
    """No answer this time. The message holds nothing of the provider's text, which can repeat a key or an essay.

    Attributes:
        error_code: the contract's.
        message: for people.
        again: whether another attempt can help.
        wait: seconds until then, if the provider says so.
        ill: whether it tells that the provider is not well, and not that it is busy or the question wrong.
    """

    def __init__(
        self, error_code: str, message: str, *, again: bool = False, wait: float | None = None, ill: bool = False
    ) -> None:
        super().__init__(message)
        self.error_code = error_code
        self.message = message
        self.again = again
        self.wait = wait
        self.ill = ill


class ProviderClient(Protocol):
    """A provider's client library, seen from here."""

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        ...

    async def close(self) -> None:
        """Let go of its connections."""
        ...


def unreachable() -> AttemptFailed:
    """Nobody answered."""
    return AttemptFailed("LLM_PROVIDER_UNAVAILABLE", "the provider could not be reached", again=True, ill=True)


def too_slow() -> AttemptFailed:
    """The attempt's time was up. It may be charged, so whoever keeps the money decides about another one."""
    return AttemptFailed("LLM_PROVIDER_TIMEOUT", "the provider did not answer in time", ill=True)


def nonsense() -> AttemptFailed:
    """What came was not of the provider's own form."""
    return AttemptFailed(
        "LLM_PROVIDER_API_ERROR", "the provider's answer is not of its API's form", again=True, ill=True
    )


def by_status(
    status: int, headers: Mapping[str, str], *, reason: str | None, param: str | None = None
) -> AttemptFailed:
    """What an HTTP status means.

    Args:
        status: from 400 on.
        headers: of the answer.
        reason: the provider's short name for the error, such as `context_length_exceeded`.
        param: the parameter that it complains of.
    """
    reason, param = plain(reason), plain(param)
    told = f"the provider answered {status}" + (f" {reason}" if reason else "") + (f" ({param})" if param else "")
    if reason in ("insufficient_quota", "billing_error") or status == 402:  # noqa: PLR2004 - payment required
        return AttemptFailed("LLM_COST_LIMIT_EXCEEDED", f"{told}: the account has no money or quota left")
    if reason == "context_length_exceeded" or status == 413:  # noqa: PLR2004 - content too large
        return AttemptFailed("LLM_CONTENT_TOO_LONG", f"{told}: the prompt is too long for the model")
    if status in (401, 403):
        return AttemptFailed("LLM_CONFIGURATION_ERROR", f"{told}: the key is not accepted")
    if status == 404:  # noqa: PLR2004 - not found
        return AttemptFailed("LLM_CONFIGURATION_ERROR", f"{told}: there is no such model, or the key may not use it")
    wait = retry_after(headers)
    if status == 429:  # noqa: PLR2004 - too many requests
        return AttemptFailed("LLM_PROVIDER_RATE_LIMIT", told, again=True, wait=wait)
    if status in _OK_TO_ASK_AGAIN:
        code = "LLM_PROVIDER_UNAVAILABLE" if status in (502, 503, 504, 529) else "LLM_PROVIDER_API_ERROR"
        return AttemptFailed(code, told, again=True, wait=wait, ill=True)
    if status in (400, 422):
        code = "LLM_CONFIGURATION_ERROR" if param or "unsupported" in reason else "LLM_PROVIDER_API_ERROR"
        return AttemptFailed(code, told)
    return AttemptFailed("LLM_PROVIDER_API_ERROR", told, ill=status >= 500)  # noqa: PLR2004 - the server's own errors


def plain(name: str | None) -> str:
    """A provider's short name if it is one, so that no sentence of its gets into our messages."""
    return name if name and _PLAIN_NAME.fullmatch(name) else ""


def retry_after(headers: Mapping[str, str]) -> float | None:
    """Seconds that a provider asks us to wait, at most 120; None if it does not say, or not readably."""
    for name, unit in (("retry-after-ms", 0.001), ("retry-after", 1.0)):
        told = headers.get(name, "").strip()
        if re.fullmatch(r"\d{1,9}(\.\d{1,9})?", told):
            return min(float(told) * unit, _LONGEST_WAIT)
    return _until(headers.get("retry-after"), headers.get("date"))


def _until(then: str | None, now: str | None) -> float | None:
    """Seconds between two HTTP dates, by the provider's own clock."""
    try:
        seconds = (parsedate_to_datetime(then or "") - parsedate_to_datetime(now or "")).total_seconds()
    except (ValueError, TypeError, OverflowError):
        return None
    return min(max(seconds, 0.0), _LONGEST_WAIT)
