"""The models that can be asked, what they take and what they cost: `models.toml` and the user's own file.

Prices are in USD per 1,000 tokens, each with the day on which it was looked up and where. A model without a price has
no cost, which is something else than a cost of 0.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from importlib.resources import files
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.contracts.request import LLMConfigOverrides, OutputVerbosity, Provider, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.errors import ConfigurationError

USERS_FILE = "ENG5_MODELS_FILE"
_PER = 1000
_LONGEST_FILE = 1_000_000
Positive = Annotated[int, Field(gt=0)]
Usd = Annotated[Decimal, Field(ge=0)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Usage:
    """The tokens of one answer as its provider counts them.

    Attributes:
        prompt: all that was read, from a cache or not.
        completion: all that was written, thinking included.
        cached: of `prompt`, read from the provider's cache.
        cache_written: of `prompt`, written into that cache.
        billed: USD, if the provider says itself what it charged.
    """

    prompt: int = 0
    completion: int = 0
    cached: int = 0
    cache_written: int = 0
    billed: Decimal | None = None


class Rates(WireModel):
    """USD per 1,000 tokens. What is read from or written into the provider's cache costs like `input` if not given."""

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
        looked_up: when.
        source: where.
        long_prompt_above: prompts of more tokens than this cost `long_prompt` in all.
    """

    looked_up: date
    source: str
    long_prompt_above: Positive | None = None
    long_prompt: Rates | None = None

    def of(self, usage: Usage) -> Decimal:
        """USD for one answer."""
        if self.long_prompt and self.long_prompt_above and usage.prompt > self.long_prompt_above:
            return self.long_prompt.cost(usage)
        return self.cost(usage)

    def highest(self) -> dict[str, JsonValue]:
        """USD per 1,000 tokens that nothing costs more than, read and written."""
        rates = [self, *([self.long_prompt] if self.long_prompt else [])]
        read = [
            rate for each in rates for rate in (each.input, each.cached_input, each.cache_write) if rate is not None
        ]
        return {"input": float(max(read)), "output": float(max(each.output for each in rates))}


class Model(WireModel):
    """One model.

    Attributes:
        id: what its provider calls it.
        context: tokens that it reads and writes together at most.
        max_output: tokens that it writes at most.
        max_tokens: what it may write where nobody says otherwise, thinking included.
        temperature: whether it takes one; `without_reasoning` only with the reasoning effort `none`.
        reasoning_efforts: those that it takes.
        verbosities: those that it takes.
        answers: how it is held to the form of the answer: by schema, as any JSON, or by the words of the prompt.
        retires: the last day on which it answers.
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
    answers: Literal["schema", "json", "text"] = "schema"
    price: Price | None = None
    deprecated: bool = False
    retires: date | None = None
    released: date | None = None
    recommended_for: tuple[str, ...] = ()

    def is_retired(self, day: date) -> bool:
        """Whether it does not answer any more on that day."""
        return self.retires is not None and day > self.retires

    def refuses(self, overrides: LLMConfigOverrides) -> str | None:
        """Why it cannot be asked with these overrides, naming the parameter; None if it can."""
        if self.is_retired(datetime.now(UTC).date()):
            return f"model_override: {self.id} was retired on {self.retires}"
        effort, verbosity, most = overrides.reasoning_effort, overrides.output_verbosity, self.max_output
        if effort is not None and effort not in self.reasoning_efforts:
            return self._takes("reasoning_effort", not_=effort, but=self.reasoning_efforts)
        if verbosity is not None and verbosity not in self.verbosities:
            return self._takes("output_verbosity", not_=verbosity, but=self.verbosities)
        if overrides.max_tokens_override is not None and most is not None and overrides.max_tokens_override > most:
            return f"max_tokens_override: {self.id} writes at most {most} tokens"
        if overrides.temperature_override is None or self.temperature == "always":
            return None
        if self.temperature == "never":
            return f"temperature_override: {self.id} takes no temperature"
        if effort is not ReasoningEffort.NONE:
            return f"temperature_override: {self.id} takes a temperature only with the reasoning effort none"
        return None

    def _takes(self, parameter: str, *, not_: str, but: tuple[str, ...]) -> str:
        return f"{parameter}: {self.id} takes {', '.join(but) or 'none of its values'}, not {not_}"

    def cost(self, usage: Usage) -> Decimal | None:
        """USD for one answer; None where the price is not known."""
        if usage.billed is not None:
            return usage.billed
        return self.price.of(usage) if self.price else None

    def entry(self, *, attempts: int) -> ModelEntry:
        """How the service's manifest tells of it; `attempts` is how often its provider is asked one question at most.

        A model whose end is announced is deprecated.
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
                "answers": self.answers,
                "attempts": attempts,
                "answer_tokens": self.max_tokens,
                "highest_cost_per_1k": price.highest() if price else None,
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
    """How a provider may be asked.

    Attributes:
        requests_per_minute: None for no limit of our own.
        tokens_per_minute: read and written together; None for no limit of our own.
        concurrency: questions at the same time.
        timeout_seconds: for one attempt.
        attempts: for one question, the first included.
        patience_seconds: for one question, all attempts and pauses included.
        failures_in_a_row: after so many the provider is left alone for a while.
        pause_seconds: for so long.
    """

    requests_per_minute: Annotated[float, Field(gt=0)] | None = None
    tokens_per_minute: Annotated[float, Field(gt=0)] | None = None
    concurrency: Positive = 16
    timeout_seconds: Annotated[float, Field(gt=0)] = 120.0
    attempts: Positive = 6
    patience_seconds: Annotated[float, Field(gt=0)] = 600.0
    failures_in_a_row: Positive = 10
    pause_seconds: Annotated[float, Field(gt=0)] = 30.0


class Manifest(WireModel):
    """All models, and how their providers may be asked."""

    models: tuple[Model, ...] = ()
    limits: dict[Provider, Limits] = Field(default_factory=dict)

    def of(self, provider: Provider) -> tuple[Model, ...]:
        """A provider's models; the first one is its default."""
        return tuple(model for model in self.models if model.provider is provider)

    def limits_of(self, provider: Provider) -> Limits:
        """How a provider may be asked."""
        return self.limits.get(provider) or Limits()

    def before(self, other: Manifest) -> Manifest:
        """Both; where both tell of the same model or provider, this one is right."""
        known = {(model.provider, model.id) for model in self.models}
        rest = (model for model in other.models if (model.provider, model.id) not in known)
        return Manifest(models=(*self.models, *rest), limits=other.limits | self.limits)


def built_in() -> Manifest:
    """The models that come with the package."""
    text = (files("eng5_runner.judges") / "models.toml").read_text("utf-8")
    return Manifest.model_validate(tomllib.loads(text, parse_float=Decimal))


def users_own(environ: Mapping[str, str]) -> Manifest:
    """The models of the user's file, none without one.

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
