"""The models that can be asked, what they take and what they cost: from `models.toml` and the user's own file.

Prices are in USD per 1,000 tokens. Each names its source and the day on which it was looked up. A model without a
price has an unknown cost, not a cost of 0.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from enum import StrEnum
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.contracts.choices import MOST_JUDGE_CALLS
from eng5_runner.contracts.request import OutputVerbosity, Provider, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.errors import ConfigurationError

USERS_FILE = "ENG5_MODELS_FILE"
CONCURRENCY = "ENG5_JUDGE_CONCURRENCY"
# The providers whose batch API the service speaks.
BATCH_PROVIDERS = frozenset({Provider.OPENAI, Provider.ANTHROPIC})
_PER = 1000
_LONGEST_FILE = 1_000_000
Positive = Annotated[int, Field(gt=0)]
Usd = Annotated[Decimal, Field(ge=0)]


class AnswerForm(StrEnum):
    """What makes a model answer in the right form, the strictest first."""

    SCHEMA = "schema"
    JSON = "json"
    TEXT = "text"


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one answer as its provider counts them.

    Attributes:
        prompt: tokens read, from a cache or not.
        completion: tokens written, thinking included.
        cached: the part of `prompt` that was read from the provider's cache.
        cache_written: the part of `prompt` that was written into that cache.
        billed: USD that the provider says it charged; None if it does not say.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_written: int = 0
    billed: Decimal | None = None


class Rates(WireModel):
    """USD per 1,000 tokens; without a rate of their own, cache reads and cache writes cost as much as `input`."""

    input: Usd
    output: Usd
    cached_input: Usd | None = None
    cache_write: Usd | None = None

    def cost(self, usage: Usage) -> Decimal:
        """USD for these tokens."""
        cached = self.input if self.cached_input is None else self.cached_input
        written = self.input if self.cache_write is None else self.cache_write
        plain = max(usage.prompt - usage.cached - usage.cache_written, 0)
        prompt = plain * self.input + usage.cached * cached + usage.cache_written * written
        return (prompt + usage.completion * self.output) / _PER


class Price(Rates):
    """What a model costs.

    Attributes:
        batch_factor: what an answer of the provider's batch API costs, as a part of these rates. None: as much.
        looked_up: the day on which the price was read at the source.
        source: where the price was read.
        long_prompt_above: tokens. For a longer prompt, the whole call costs the rates of `long_prompt`.
        long_prompt: the rates for long prompts.
    """

    batch_factor: Annotated[Decimal, Field(gt=0, le=1)] | None = None
    looked_up: date
    source: str
    long_prompt_above: Positive | None = None
    long_prompt: Rates | None = None

    def of(self, usage: Usage, *, batched: bool = False) -> Decimal:
        """USD for one answer; `batched`: of the provider's batch API."""
        is_long = self.long_prompt and self.long_prompt_above and usage.prompt > self.long_prompt_above
        rates: Rates = self.long_prompt if self.long_prompt and is_long else self
        factor = self.batch_factor if batched and self.batch_factor is not None else Decimal(1)
        return rates.cost(usage) * factor

    def highest(self) -> dict[str, JsonValue]:
        """The highest rates of all, USD per 1,000 tokens: `input` for what is read, `output` for what is written."""
        tiers = [self, *([self.long_prompt] if self.long_prompt else [])]
        read = [
            rate for tier in tiers for rate in (tier.input, tier.cached_input, tier.cache_write) if rate is not None
        ]
        return {"input": float(max(read)), "output": float(max(tier.output for tier in tiers))}


class Model(WireModel):
    """One model.

    Attributes:
        id: the provider's name for it.
        context: the most tokens that it reads and writes together.
        max_output: the most tokens that it writes.
        max_tokens: the limit of an answer where the request gives none, thinking included.
        temperature: whether it takes one; `without_reasoning`: only with the reasoning effort `none`.
        reasoning_efforts: the efforts that it takes.
        verbosities: the verbosities that it takes.
        answers: what makes it answer in the right form: a schema, JSON mode, or the prompt alone (`text`). None: a
            schema; with a server of the user's own, the first of the three that the server takes.
        answer_seconds: the mean time of an answer, if it is known; a plan's time follows from it.
        log_probabilities: whether it tells those of its answer's tokens, as for `temperature`. None: it is not asked,
            but on a server of the user's own it is, until the server rejects that.
        retires: the last day on which it answers.
        cache_from: the fewest tokens with which a prompt has to begin as others did to be read from the provider's
            cache. None: that is not known.
    """

    id: Annotated[str, Field(min_length=1)]
    provider: Provider
    name: str | None = None
    family: str | None = None
    context: Positive | None = None
    max_output: Positive | None = None
    max_tokens: Positive = 2000
    temperature: Literal["always", "without_reasoning", "never"] = "always"
    reasoning_efforts: tuple[ReasoningEffort, ...] = ()
    verbosities: tuple[OutputVerbosity, ...] = ()
    answers: AnswerForm | None = None
    answer_seconds: Annotated[float, Field(gt=0)] | None = None
    log_probabilities: Literal["always", "without_reasoning", "never"] | None = None
    price: Price | None = None
    cache_from: Positive | None = None
    deprecated: bool = False
    retires: date | None = None
    released: date | None = None
    recommended_for: tuple[str, ...] = ()

    def tells_probabilities(self, effort: ReasoningEffort | None, *, own_server: bool) -> bool:
        """Whether to ask for the log-probabilities of the answer's tokens at this reasoning effort."""
        match self.log_probabilities:
            case "always":
                return True
            case "without_reasoning":
                return effort is ReasoningEffort.NONE
            case "never":
                return False
            case None:
                return own_server

    def is_retired(self, day: date) -> bool:
        """Whether it no longer answers on that day."""
        return self.retires is not None and day > self.retires

    def cost(self, usage: Usage, *, batched: bool = False) -> Decimal | None:
        """USD for one answer, or for one of the provider's batch API; None if the price is unknown."""
        if usage.billed is not None:
            return usage.billed
        return self.price.of(usage, batched=batched) if self.price else None

    def entry(self, *, attempts: int) -> ModelEntry:
        """The model as the service's manifest describes it. A model with a day of retirement counts as deprecated.

        Args:
            attempts: the most requests that the service sends to the provider for one call.
        """
        price = self.price
        return ModelEntry(
            model_id=self.id,
            provider=self.provider.value,
            display_name=self.name or self.id,
            model_family=self.family,
            max_tokens=self.max_output,
            context_window=self.context,
            capabilities={
                "language_model": True,
                "temperature": self.temperature,
                "reasoning_efforts": [effort.value for effort in self.reasoning_efforts],
                "verbosities": [verbosity.value for verbosity in self.verbosities],
                "answers": self.answers or AnswerForm.SCHEMA,
                "attempts": attempts,
                "answer_tokens": self.max_tokens,
                "highest_cost_per_1k": price.highest() if price else None,
                "batch_api": self.provider in BATCH_PROVIDERS,
                "batch_factor": float(price.batch_factor) if price and price.batch_factor else None,
                "price": f"looked up {price.looked_up}: {price.source}" if price else "unknown",
                "retires": self.retires.isoformat() if self.retires else None,
                "retired": self.is_retired(datetime.now(UTC).date()),
            },
            cost_per_1k_input_tokens=float(price.input) if price else None,
            cost_per_1k_output_tokens=float(price.output) if price else None,
            is_deprecated=self.deprecated or self.retires is not None,
            release_date=self.released.isoformat() if self.released else None,
            recommended_for=self.recommended_for or None,
        )


class Limits(WireModel):
    """The limits that the service keeps when it calls a provider.

    Attributes:
        requests_per_minute: None for no limit of our own.
        tokens_per_minute: read and written together; None for no limit of our own.
        concurrency: calls at the same time, at most. Fewer are made while the provider refuses some.
        timeout_seconds: of one attempt.
        attempts: of one call, the first included.
        patience_seconds: time limit of one call, all attempts and pauses included.
        failures_in_a_row: after so many failures the service stops calling the provider for a while.
        pause_seconds: the length of that pause.
        batch_requests: the most requests of one batch; None for as many as the batch API takes.
        batch_bytes: the most bytes of one batch, likewise.
        batch_collect_seconds: without a new comparison for so long, those that wait are put into batches.
        batch_poll_seconds: the longest time between two looks at a batch that is not finished.
        batch_settle_seconds: after a request to make a batch was cut off, the time in which the batch can still appear
            in the provider's list.
    """

    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    concurrency: Positive = 64
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    attempts: Positive = 6
    patience_seconds: Annotated[float, Field(gt=0)] = 600.0
    failures_in_a_row: Positive = 10
    pause_seconds: Annotated[float, Field(gt=0)] = 30.0
    batch_requests: Positive | None = None
    batch_bytes: Positive | None = None
    batch_collect_seconds: Annotated[float, Field(gt=0)] = 2.0
    batch_poll_seconds: Annotated[float, Field(gt=0)] = 60.0
    batch_settle_seconds: Annotated[float, Field(ge=0)] = 60.0


class Manifest(WireModel):
    """Models, and the limits of their providers."""

    models: tuple[Model, ...] = ()
    limits: dict[Provider, Limits] = Field(default_factory=dict)

    def of(self, provider: Provider) -> tuple[Model, ...]:
        """A provider's models; the first one is its default."""
        return tuple(model for model in self.models if model.provider is provider)

    def limits_of(self, provider: Provider) -> Limits:
        """A provider's limits."""
        return self.limits.get(provider) or Limits()

    def before(self, other: Manifest) -> Manifest:
        """Both manifests together; this one wins where both have the same model or provider."""
        known = {(model.provider, model.id) for model in self.models}
        rest = (model for model in other.models if (model.provider, model.id) not in known)
        return Manifest(models=(*self.models, *rest), limits=other.limits | self.limits)


@cache
def built_in() -> Manifest:
    """The models that come with the package. To read them takes 7 ms, and a plan looks at them sixteen times."""
    text = (files("eng5_runner.judges") / "models.toml").read_text("utf-8")
    return Manifest.model_validate(tomllib.loads(text, parse_float=Decimal))


def with_concurrency(environ: Mapping[str, str], calls: int | None) -> Mapping[str, str]:
    """The environment with so many calls at the same time; None for as many as it says itself."""
    return environ if calls is None else {**environ, CONCURRENCY: str(calls)}


def users_own(environ: Mapping[str, str]) -> Manifest:
    """The models of the user's own file, and the limits of that file and of the environment.

    Raises:
        ConfigurationError: the file cannot be read, or is not such a file; the number in the environment is none.
    """
    own, wanted = _of_file(environ), environ.get(CONCURRENCY, "").strip()
    if not wanted:
        return own
    if not wanted.isascii() or not wanted.isdigit() or not 0 < int(wanted) <= MOST_JUDGE_CALLS:
        raise ConfigurationError(
            f"{CONCURRENCY} is not a whole number from 1 to {MOST_JUDGE_CALLS}.",
            remedy="Set it to the number of calls that the provider takes at the same time, or unset it.",
        )
    known = own.before(built_in())
    limits = {
        provider: known.limits_of(provider).model_copy(update={"concurrency": int(wanted)}) for provider in Provider
    }
    return own.model_copy(update={"limits": limits})


def _of_file(environ: Mapping[str, str]) -> Manifest:
    """The models of the user's own file; no models without such a file.

    Raises:
        ConfigurationError: the file cannot be read, or is not such a file.
    """
    named = environ.get(USERS_FILE)
    if not named:
        return Manifest()
    remedy = f"Correct the file, or {USERS_FILE}; docs/judges.md shows its form."
    try:
        with Path(named).open("rb") as file:
            text = file.read(_LONGEST_FILE).decode("utf-8")
        return Manifest.model_validate(tomllib.loads(text, parse_float=Decimal))
    except OSError as error:
        raise ConfigurationError(f"{USERS_FILE}: {named}: {error.strerror}.", remedy=remedy) from None
    except ValidationError as error:
        raise ConfigurationError(f"{USERS_FILE}: {named}: {describe(error)}.", remedy=remedy) from None
    except ValueError as error:
        raise ConfigurationError(f"{USERS_FILE}: {named}: no TOML: {error}.", remedy=remedy) from None
