"""The protocol between a judge and its provider's client: a call, a reply, and the ways in which an attempt fails."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from email.utils import parsedate_to_datetime
from enum import Enum
from typing import Protocol

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.contracts.request import OutputVerbosity, ReasoningEffort
from eng5_runner.judges.manifest import AnswerForm, Model, Usage
from eng5_runner.stack.llm.judge import AnswerChance, Served

_LONGEST_WAIT = 120.0
_PLAIN_NAME = re.compile(r"[A-Za-z][A-Za-z_.]{0,63}")  # no digits: a key has some
_SHOWABLE = re.compile(r"[\x20-\x7e]{1,200}")
_TOO_LONG = re.compile(
    r"context.?(length|size|window)|(prompt|input|request) is too (long|large)|too many tokens", re.IGNORECASE
)
_FLAGGED = re.compile(r"flagged|moderation|content.?(policy|filter)|safety", re.IGNORECASE)
# The provider says that it has not answered: it is busy, or did not take the request.
_NOT_ANSWERED = frozenset({408, 409, 425, 429, 503, 529})
# The provider does not take the request as it is.
_REJECTED = frozenset({400, 415, 422, 501})
_FORM_PARAMETERS = ("response_format", "output_config", "json_schema", "logprobs", "top_logprobs")
# OpenAI says so with the status 403, which otherwise means a wrong key.
_FORBIDS = frozenset({400, 403, 422})
_NO_LOG_PROBABILITIES = re.compile(r"\blogprobs?\b", re.IGNORECASE)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One call to a provider.

    Attributes:
        model: the model that answers.
        system: the system prompt.
        prompt: the user prompt, exactly as it was hashed.
        shared: where parts of `prompt` end that other calls begin with as well, ascending, in characters.
        max_tokens: the most tokens of the answer.
        form: what makes the model answer in the right form.
        temperature: None for the model's default.
        effort: None for the model's default.
        verbosity: None for the model's default.
        log_probabilities: whether to ask for those of the answer's tokens.
    """

    model: Model
    system: str
    prompt: str
    shared: tuple[int, ...]
    max_tokens: int
    form: AnswerForm
    temperature: float | None
    effort: ReasoningEffort | None
    verbosity: OutputVerbosity | None
    log_probabilities: bool = False


class End(Enum):
    """How an answer ended. An unreadable one is not of the API's form."""

    DONE = "done"
    CUT = "cut"
    REFUSED = "refused"
    UNREADABLE = "unreadable"


def served_by(model: object, fingerprint: object = None) -> Served | None:
    """What an answer says of the model behind it; a name that is none counts as missing."""
    names = (name if isinstance(name, str) and _SHOWABLE.fullmatch(name) else None for name in (model, fingerprint))
    served = Served(*names)
    return None if served == Served() else served


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    """A provider's answer.

    Attributes:
        usage: None if the answer does not say in a credible way what it took.
        served: by which version of the model; None if the provider does not say.
        seconds: from the request to the answer; None if that was not measured.
        chance: how probable the answer was to the model; None if the provider does not say.
    """

    text: str
    end: End
    usage: Usage | None
    served: Served | None = None
    seconds: float | None = field(default=None, repr=False)
    chance: AnswerChance | None = None


@dataclass(frozen=True, slots=True)
class ListedModel:
    """A model in an API's own list; `context` is the most tokens that it reads and writes, if the list says."""

    id: str
    context: int | None = None


class Retry(Enum):
    """Who asks again after a failed attempt.

    Attributes:
        HERE: this service; the attempt was not charged.
        CLIENT: only the client, which counts costs: the attempt may have been charged.
        NEVER: nobody; the same request would fail again. It was not charged.
    """

    HERE = "here"
    CLIENT = "client"
    NEVER = "never"


class AttemptFailed(Exception):
    """An attempt without an answer. The message has no text of the provider, which can repeat a key or an essay.

    Attributes:
        error_code: the contract's.
        message: for people.
        retry: who asks again, and so whether it may have been charged.
        wait: seconds until then, if the provider gives them.
        unhealthy: whether the provider itself failed; false if it is busy or the request is wrong.
        is_rejection: whether the server does not take the request as it is, perhaps because of the form of the answer.
        status: of the HTTP answer; None without one.
    """

    def __init__(
        self,
        error_code: str,
        message: str,
        *,
        retry: Retry,
        wait: float | None = None,
        unhealthy: bool = False,
        is_rejection: bool = False,
        status: int | None = None,
    ) -> None:
        super().__init__(message)
        self.status = status
        self.error_code = error_code
        self.message = message
        self.retry = retry
        self.wait = wait
        self.unhealthy = unhealthy
        self.is_rejection = is_rejection

    @property
    def is_refusal(self) -> bool:
        """Whether the provider refused the call because there are too many."""
        return self.error_code == "LLM_PROVIDER_RATE_LIMIT"


class ProviderClient(Protocol):
    """What a judge needs of a provider's client."""

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        ...

    async def models(self, url: str) -> tuple[ListedModel, ...]:
        """The models that the API at this address lists, which costs nothing; none if it has no list.

        Raises:
            AttemptFailed: there is no answer.
        """
        ...

    async def close(self) -> None:
        """Close its connections."""
        ...


def unreachable() -> AttemptFailed:
    """The failure when no connection can be made."""
    return AttemptFailed(
        "LLM_PROVIDER_UNAVAILABLE", "the provider could not be reached", retry=Retry.HERE, unhealthy=True
    )


def too_slow() -> AttemptFailed:
    """The failure when an attempt times out. The provider may have answered, and may charge."""
    message = f"the provider did not answer in time; {MAY_BE_CHARGED}"
    return AttemptFailed("LLM_PROVIDER_TIMEOUT", message, retry=Retry.CLIENT, unhealthy=True)


def cut_off() -> AttemptFailed:
    """The failure when the connection breaks after the request was sent."""
    message = f"the connection broke before the answer was whole; {MAY_BE_CHARGED}"
    return AttemptFailed("LLM_PROVIDER_UNAVAILABLE", message, retry=Retry.CLIENT, unhealthy=True)


@dataclass(frozen=True, slots=True)
class ProviderError:
    """What an error answer says.

    Attributes:
        reason: the provider's short name for the error, such as `context_length_exceeded`.
        param: the parameter that the provider rejects.
        message: the provider's words. They are searched, and never shown.
    """

    reason: str | None = None
    param: str | None = None
    message: str = ""

    @classmethod
    def of(cls, body: object) -> ProviderError:
        """The error in a JSON body: under `error`, or the body itself."""
        error = body.get("error", body) if isinstance(body, dict) else body
        if isinstance(error, str):
            return cls(message=error)
        if not isinstance(error, dict):
            return cls()
        names = (error.get("code"), error.get("type"))  # a code that is a number is the status
        return cls(
            reason=next((name for name in names if isinstance(name, str) and name), None),
            param=error["param"] if isinstance(error.get("param"), str) else None,
            message=str(error.get("message") or ""),
        )


def by_status(status: int, headers: Mapping[str, str], *, error: ProviderError) -> AttemptFailed:
    """The failure of an HTTP status.

    Args:
        status: any but 200.
        headers: of the answer, whatever the case of their names.
        error: the answer.
    """
    reason, param = plain(error.reason), plain(error.param)
    message = f"the provider answered {status}" + (f" {reason}" if reason else "") + (f" ({param})" if param else "")
    final = _final(status, reason, param=param, text=f"{error.reason} {error.message}")
    if final is not None:
        code, why = final
        is_rejection = status in _REJECTED and not why and (not param or param.startswith(_FORM_PARAMETERS))
        is_rejection = is_rejection or (status in _FORBIDS and bool(_NO_LOG_PROBABILITIES.search(error.message)))
        return AttemptFailed(code, f"{message}{why}", retry=Retry.NEVER, is_rejection=is_rejection, status=status)
    wait = retry_after(headers)
    if status == 429:  # noqa: PLR2004 - too many requests
        return AttemptFailed("LLM_PROVIDER_RATE_LIMIT", message, retry=Retry.HERE, wait=wait, status=status)
    code = "LLM_PROVIDER_UNAVAILABLE" if status in (502, 503, 504, 529) else "LLM_PROVIDER_API_ERROR"
    # Any other error of the server: a gateway can lose an answer that the model behind it has given.
    retry = Retry.HERE if status in _NOT_ANSWERED else Retry.CLIENT
    return AttemptFailed(code, message, retry=retry, wait=wait, unhealthy=True, status=status)


def _final(status: int, reason: str, *, param: str, text: str) -> tuple[str, str] | None:
    """The code of a failure that another attempt does not help against, and what to add to its message."""
    if reason in ("insufficient_quota", "billing_error") or status == 402:  # noqa: PLR2004 - payment required
        return "LLM_COST_LIMIT_EXCEEDED", ": the account has no money or quota left"
    if status in _NOT_ANSWERED or (status >= 500 and status not in _REJECTED):  # noqa: PLR2004 - the server's errors
        return None
    if status == 413 or _TOO_LONG.search(text):  # noqa: PLR2004 - content too large
        return "LLM_CONTENT_TOO_LONG", ": the prompt is too long for the model"
    if status != 401 and _FLAGGED.search(text):  # noqa: PLR2004 - not authenticated
        return "LLM_INVALID_RESPONSE", ": a filter of the provider refused the text"
    if status in (401, 403):
        return "LLM_CONFIGURATION_ERROR", ": the key is not accepted"
    if status == 404:  # noqa: PLR2004 - not found
        return "LLM_CONFIGURATION_ERROR", ": there is no such model at this address, or the key may not use it"
    if param or "unsupported" in reason:
        return "LLM_CONFIGURATION_ERROR", ""
    return "LLM_PROVIDER_API_ERROR", ""


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
