"""The tokens, USD and seconds that comparisons take, each as an interval, before any comparison is made.

Assumptions, unless a pilot run has measured the figures:

- Characters per token. English 2.7 to 4.7: four is OpenAI's rule of thumb, and the bundled study counted with `ctok`
  1.3 (a reconstruction of Claude's vocabularies) has 3.1 to 4.5 in essays and 2.7 to 4.4 in instructions, the low
  figures with the newer vocabulary. Swedish 2.1 to 3.7: a paragraph counted in the same way has 2.3 to 3.1.
- An answer has 40 to 200 tokens: a verdict with a short or a full justification of at most 400 characters. A reasoning
  model first writes as many tokens as `_THINKING` says; that is our guess.
- The first token comes after 1 to 4 seconds, and then 150 to 30 tokens a second, unless the user's file of models says
  how many seconds an answer takes. `pace` says what follows for the whole study on an embedded stack.

`at most` is the worst case instead, by `judges.cost_bound`: each answer uses all its tokens, every retry is spent.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from decimal import Decimal
from types import MappingProxyType

from eng5_runner.contracts.request import Language, LLMConfigOverrides, Provider, ReasoningEffort
from eng5_runner.contracts.services import ModelEntry
from eng5_runner.judges.catalogue import KnownModel
from eng5_runner.judges.cost_bound import ATTEMPTS, answer_tokens, call_at_most_usd
from eng5_runner.judges.manifest import Limits, Price, Rates
from eng5_runner.judges.templates import SYSTEM
from eng5_runner.judges.trial import TRIAL_TOKENS, trial_prompt
from eng5_runner.planning.pace import Schedule, answer_times
from eng5_runner.planning.prompt_cache import Asking, Order, hits_of_first_essay, hits_of_task

_CHARACTERS_PER_TOKEN: Mapping[Language, tuple[float, float]] = MappingProxyType(
    {Language.ENGLISH: (2.7, 4.7), Language.SWEDISH: (2.1, 3.7)}
)
_ANSWER = (40.0, 200.0)
_THINKING: Mapping[ReasoningEffort | None, tuple[float, float]] = MappingProxyType(
    {
        ReasoningEffort.NONE: (0.0, 0.0),
        ReasoningEffort.LOW: (0.0, 1000.0),
        ReasoningEffort.MEDIUM: (200.0, 3000.0),
        ReasoningEffort.HIGH: (500.0, 8000.0),
        None: (0.0, 3000.0),
    }
)
_QUICK, _SLOW = (1.0, 150.0), (4.0, 30.0)  # seconds before the first token, tokens a second after it
_SECONDS_OF_BASELINE = (0.002, 0.02)
_SECONDS_OF_STACK = (0.002, 0.01)  # its own work for a comparison
_VARIES_BY = 1.15  # a mean that is known from elsewhere
_CACHED_FROM = (512, 4096)  # tokens from which on models of which that is not known may cache a prompt's beginning
_MINUTE = 60.0
_PER = 1000.0
# Where a price is from that is not of our list.
SERVICE_SOURCE = "the LLM provider service's own /models"
_FREE = Rates(input=Decimal(0), output=Decimal(0))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From a low to a high end; both ends are likely."""

    low: float
    high: float

    def times(self, factor: float) -> Interval:
        """The interval with both ends multiplied by a factor."""
        return Interval(low=self.low * factor, high=self.high * factor)

    def plus(self, other: Interval) -> Interval:
        """The interval from the sum of the low ends to the sum of the high ends."""
        return Interval(low=self.low + other.low, high=self.high + other.high)


_NOTHING = Interval(low=0.0, high=0.0)


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPricing:
    """What determines the cost and the pace of a model.

    Attributes:
        entry: the model as the LLM provider's manifest describes it.
        max_tokens: the most tokens of an answer; None if nobody says.
        price: None if it is unknown, which is not a price of 0.
        limits: of its provider.
        ready: whether there is a key or an address for its provider.
        answer_seconds: the mean time of an answer, if the user's file of models says it.
        cache_from: the fewest tokens of a prompt's beginning that its provider's cache keeps; None if unknown.
        from_service: whether the price is what the given LLM provider service says, and not one of our list.
    """

    entry: ModelEntry
    max_tokens: int | None = None
    price: Price | None = None
    limits: Limits = field(default_factory=Limits)
    ready: bool = True
    answer_seconds: float | None = None
    cache_from: int | None = None
    from_service: bool = False

    @classmethod
    def of(cls, known: KnownModel, judge: LLMConfigOverrides) -> ModelPricing:
        """The pricing of a known model with a run's settings of the judge."""
        return cls(
            entry=known.entry,
            max_tokens=answer_tokens(known.entry, judge),
            price=known.model.price if known.model else None,
            limits=known.limits,
            ready=known.reachable,
            answer_seconds=known.model.answer_seconds if known.model else None,
            cache_from=known.model.cache_from if known.model else None,
        )

    @classmethod
    def of_service(cls, entry: ModelEntry, judge: LLMConfigOverrides, *, day: date) -> ModelPricing:
        """The pricing of a model that a given service lists, at the service's own price of that day."""
        read, written = entry.cost_per_1k_input_tokens, entry.cost_per_1k_output_tokens
        price = None
        if read is not None and written is not None:
            rates = Decimal(str(read)), Decimal(str(written))
            price = Price(input=rates[0], output=rates[1], looked_up=day, source=SERVICE_SOURCE)
        return cls(entry=entry, max_tokens=answer_tokens(entry, judge), price=price, from_service=True)

    @property
    def offline(self) -> bool:
        """Whether it is no language model: it costs nothing and answers at once."""
        return (self.entry.capabilities or {}).get("language_model") is False

    @property
    def caches_marked_texts(self) -> bool:
        """Whether its provider keeps what is marked, and reliably so; others keep what they can, by themselves."""
        return self.entry.provider == Provider.ANTHROPIC

    @property
    def stated_answer(self) -> Interval | None:
        """Seconds of an answer on average, by the user's file of models; None if it does not say them."""
        if self.answer_seconds is None:
            return None
        return Interval(low=self.answer_seconds / _VARIES_BY, high=self.answer_seconds * _VARIES_BY)

    @property
    def thinks(self) -> bool:
        """Whether it writes reasoning tokens, which are paid for and are not part of the answer."""
        return bool((self.entry.capabilities or {}).get("reasoning_efforts"))

    def facts(self) -> dict[str, object]:
        """The same for programs, prices in USD per 1,000 tokens."""
        price, limits = self.price, self.limits
        return {
            "provider": self.entry.provider,
            "model": self.entry.model_id,
            "offline": self.offline,
            "ready": self.ready,
            "thinks": self.thinks,
            "max_tokens": self.max_tokens,
            "context": self.entry.context_window,
            "prices": _rates(_FREE if self.offline else price),
            "looked_up": price.looked_up.isoformat() if price else None,
            "source": price.source if price else None,
            "long_prompt_above": price.long_prompt_above if price else None,
            "long_prices": _rates(price.long_prompt) if price else None,
            "requests_per_minute": limits.requests_per_minute,
            "tokens_per_minute": limits.tokens_per_minute,
            "concurrency": limits.concurrency,
            "cache_from": self.cache_from,
            "attempts": ATTEMPTS,
        }


def _rates(rates: Rates | None) -> dict[str, float | None] | None:
    if rates is None:
        return None
    amounts = rates.model_dump(include=set(Rates.model_fields))
    return {name: None if amount is None else float(amount) for name, amount in amounts.items()}


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSize:
    """How long the prompts are, in characters of the texts as they are sent.

    Attributes:
        prefix: what comes first and is the same each time: system prompt, task, criteria. A provider may cache it.
        rest: headings and question.
        form: the schema of the answer, which some providers count as read.
        essays: the two essays together, on average; each essay is shown equally often.
        longest: the two longest essays together.
        longest_bytes: the prompt with the two longest essays, in bytes of UTF-8.
    """

    prefix: int
    rest: int
    form: int
    essays: float
    longest: int
    longest_bytes: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How many comparisons are made, and how.

    Attributes:
        comparisons: in all.
        at_once: pairs of a wave.
        free_waves: the first waves on an embedded stack, which follow from no answers; infinitely many in a balanced
            design. None for a given service, whose next wave begins when the last one is answered.
        pause: seconds that the service may be silent between waves.
        judge: the judge's settings in the request.
        limit: the cost limit, USD.
        essays: that are compared.
        order: in which an embedded stack asks.
    """

    comparisons: int
    at_once: int
    free_waves: float | None = None
    pause: float = 0.0
    judge: LLMConfigOverrides = field(default_factory=LLMConfigOverrides)
    limit: float | None = None
    essays: int = 0
    order: Order = Order.ROUNDS

    @property
    def waves(self) -> int:
        """The number of waves."""
        return -(-self.comparisons // self.at_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the comparisons take with one model.

    Attributes:
        comparisons: in all.
        prompt_tokens: read for one comparison.
        cached: the share of these that comes from the provider's cache, 0 to 1; None where nothing can be said.
        completion_tokens: written for one comparison.
        usd: for all comparisons; None if the price is unknown.
        call_at_most_usd: the most that one call can cost; None if that is unknown.
        usd_at_most: for all comparisons, if each call costs that much and each comparison needs all its attempts.
        seconds: for all comparisons.
        answer_seconds: the mean time of one answer; None where no language model is asked.
        within_limit: comparisons that the cost limit is likely to pay for.
        within_limit_at_least: comparisons that the cost limit pays for in the worst case.
        too_long: whether the longest pair may not fit into the model's context.
        measured: whether tokens and money are from a pilot run.
        paced: whether the time is.
    """

    pricing: ModelPricing
    comparisons: int
    prompt_tokens: Interval
    completion_tokens: Interval
    usd: Interval | None
    call_at_most_usd: float | None
    usd_at_most: float | None
    seconds: Interval
    answer_seconds: Interval | None
    within_limit: Interval | None
    within_limit_at_least: int | None
    too_long: bool = False
    measured: bool = False
    paced: bool = False
    cached: Interval | None = None


def estimate(pricing: ModelPricing, size: PromptSize, *, work: Workload, language: Language) -> Estimate:
    """What the comparisons take with a model, by the assumptions above."""
    few, many = _CHARACTERS_PER_TOKEN[language]
    prompt = Interval(
        low=(size.prefix + size.rest + size.essays) / many,
        high=(size.prefix + size.rest + size.form + size.essays) / few,
    )
    written = _written(pricing, work.judge.reasoning_effort)
    longest = (size.prefix + size.rest + size.form + size.longest) / few
    answer = _answer_seconds(pricing, written)
    cached = _cached_share(pricing, size, work=work, per_token=(few, many), seconds=answer.high)
    from_cache = size.prefix / many if cached is None else cached.high * prompt.low
    marked = size.prefix + (size.essays / 2 if work.order is Order.ONE_BY_ONE else 0.0)
    into_cache = marked / few if pricing.caches_marked_texts else prompt.high
    usd = _usd(pricing, prompt=prompt, cached=(from_cache, into_cache), written=written)
    bound = call_at_most_usd(pricing.entry, prompt_bytes=size.longest_bytes, overrides=work.judge)
    call = None if bound is None else float(bound)
    at_most = None if call is None else call * ATTEMPTS
    context = pricing.entry.context_window
    return Estimate(
        pricing=pricing,
        comparisons=work.comparisons,
        prompt_tokens=prompt,
        completion_tokens=written,
        usd=usd and usd.times(work.comparisons),
        call_at_most_usd=call,
        usd_at_most=None if at_most is None else at_most * work.comparisons,
        seconds=study_seconds(
            pricing, answer=answer, work=work, of_each=CallCost(tokens=prompt.plus(written), usd=usd, most_usd=call)
        ),
        answer_seconds=None if pricing.offline else answer,
        within_limit=within_limit(usd, limit=work.limit),
        within_limit_at_least=None if not at_most or work.limit is None else math.floor(work.limit / at_most),
        too_long=context is not None and longest + written.high > context,
        cached=cached,
    )


def trial_estimate(judge: Estimate | None, *, work: Workload) -> Interval | None:
    """USD of the trial question; None where no language model is asked, or its price is unknown."""
    if judge is None or judge.usd is None or judge.pricing.offline:
        return None
    read = len(trial_prompt()) + len(work.judge.system_prompt_override or SYSTEM.text)
    few, many = _CHARACTERS_PER_TOKEN[Language.ENGLISH]
    prompt = Interval(low=read / many, high=read / few)
    written = Interval(low=_ANSWER[0], high=float(TRIAL_TOKENS))
    return _usd(judge.pricing, prompt=prompt, cached=(0.0, 0.0), written=written)


def longest_pair_tokens(size: PromptSize, *, language: Language) -> Interval:
    """Tokens of the prompt with the two longest essays, its shortest answer included."""
    few, many = _CHARACTERS_PER_TOKEN[language]
    characters = size.prefix + size.rest + size.longest
    return Interval(low=characters / many + _ANSWER[0], high=(characters + size.form) / few + _ANSWER[1])


def _cached_share(
    pricing: ModelPricing, size: PromptSize, *, work: Workload, per_token: tuple[float, float], seconds: float
) -> Interval | None:
    """The share of the tokens read that comes from the provider's cache.

    A cache of marked texts keeps the task, and the first essay where comparisons are asked one by one. One that works
    by itself keeps both, and promises nothing.
    """
    if pricing.offline or work.free_waves is None or not work.essays:
        return None
    asking = Asking(
        comparisons=work.comparisons,
        essays=work.essays,
        concurrency=pricing.limits.concurrency,
        answer_seconds=seconds,
        order=work.order,
    )
    marked = pricing.caches_marked_texts
    of_task, of_essay = hits_of_task(asking), hits_of_first_essay(asking)
    task, both = float(size.prefix), size.prefix + size.essays / 2
    read = size.prefix + size.rest + size.essays
    keeps_essay = not marked or work.order is Order.ONE_BY_ONE

    def characters(end: int, *, per_token: float, fewest: int) -> float:
        kept_task = task if task >= fewest * per_token else 0.0
        kept_both = both if keeps_essay and both >= fewest * per_token else kept_task
        return of_essay[end] * kept_both + max(of_task[end] - of_essay[end], 0.0) * kept_task

    fewest = _CACHED_FROM if pricing.cache_from is None else (pricing.cache_from, pricing.cache_from)
    low = characters(0, per_token=per_token[1], fewest=fewest[1]) / (read + size.form) if marked else 0.0
    return Interval(low=low, high=characters(1, per_token=per_token[0], fewest=fewest[0]) / read)


def _written(pricing: ModelPricing, effort: ReasoningEffort | None) -> Interval:
    """Tokens of an answer, reasoning included."""
    thinking = _THINKING[effort] if pricing.thinks else (0.0, 0.0)
    most = math.inf if pricing.max_tokens is None else float(pricing.max_tokens)
    return Interval(low=min(_ANSWER[0] + thinking[0], most), high=min(_ANSWER[1] + thinking[1], most))


def _usd(pricing: ModelPricing, *, prompt: Interval, cached: tuple[float, float], written: Interval) -> Interval | None:
    """USD of one comparison.

    Args:
        pricing: of the model.
        prompt: tokens read.
        cached: tokens of these that are read from the cache at best, and that are written into it at worst.
        written: tokens of the answer.
    """
    price = pricing.price
    if pricing.offline:
        return Interval(low=0.0, high=0.0)
    if price is None:
        return None
    rate = float(price.input)
    from_cache = rate if price.cached_input is None else float(price.cached_input)
    low = cached[0] * min(from_cache, rate) + (prompt.low - cached[0]) * rate + written.low * float(price.output)
    is_long = price.long_prompt is not None and prompt.high > (price.long_prompt_above or math.inf)
    rates: Rates = price.long_prompt if price.long_prompt and is_long else price
    into_cache = max(rates.input, rates.cache_write or rates.input)
    read = cached[1] * float(into_cache) + (prompt.high - cached[1]) * float(rates.input)
    return Interval(low=low, high=read + written.high * float(rates.output)).times(1 / _PER)


def within_limit(usd: Interval | None, *, limit: float | None) -> Interval | None:
    """Comparisons that a limit pays for; `usd` is for one comparison. None without a limit or a price."""
    if limit is None or usd is None or not usd.low or not usd.high:
        return None
    return Interval(low=math.floor(limit / usd.high), high=math.floor(limit / usd.low))


def _answer_seconds(pricing: ModelPricing, written: Interval) -> Interval:
    """The mean time of an answer."""
    return pricing.stated_answer or Interval(
        low=_QUICK[0] + written.low / _QUICK[1], high=_SLOW[0] + written.high / _SLOW[1]
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class CallCost:
    """What one call uses of the limits.

    Attributes:
        tokens: read and written; None to leave their limit out.
        usd: on average; None if the price is unknown.
        most_usd: the most that it can be; None if that is unknown.
    """

    tokens: Interval | None = None
    usd: Interval | None = None
    most_usd: float | None = None


def study_seconds(
    pricing: ModelPricing, *, answer: Interval, work: Workload, of_each: CallCost = CallCost()
) -> Interval:
    """Seconds of all comparisons.

    Args:
        pricing: of the judge, with the limits of its provider.
        answer: seconds of one answer on average.
        work: the comparisons.
        of_each: what one of them uses of the limits of a minute and of the cost.
    """
    tokens, usd = of_each.tokens or _NOTHING, of_each.usd or _NOTHING
    low, high = (
        _calls_seconds(pricing, answer=seconds, work=work, every=_every(pricing.limits, tokens=read), shares=shares)
        for seconds, read, shares in (
            (answer.low, tokens.low, (usd.low, of_each.most_usd)),
            (answer.high, tokens.high, (usd.high, of_each.most_usd)),
        )
    )
    quick, slow = (work.comparisons * own for own in (_SECONDS_OF_BASELINE if pricing.offline else _SECONDS_OF_STACK))
    return Interval(low=max(low, quick), high=max(high, slow) + work.waves * work.pause)


def _calls_seconds(
    pricing: ModelPricing, *, answer: float, work: Workload, every: float, shares: tuple[float, float | None]
) -> float:
    """Seconds of all calls.

    Args:
        pricing: of the judge.
        answer: seconds of one.
        work: the comparisons.
        every: seconds between two starts.
        shares: USD of a call on average, 0 if it is unknown, and at most.
    """
    concurrency = pricing.limits.concurrency
    if pricing.offline:
        return 0.0
    if not answer:  # a recorded one, in less than the clock shows: only the limits of a minute take time
        return every * work.comparisons
    if work.free_waves is None:
        calls = work.waves * math.ceil(min(work.at_once, work.comparisons) / concurrency)
        return max(answer * calls, every * work.comparisons)
    schedule = Schedule(
        comparisons=work.comparisons,
        concurrency=concurrency,
        wave=work.at_once,
        free_waves=work.free_waves,
        every=every / answer,
        one_by_one=work.order is Order.ONE_BY_ONE,
    )
    usd, most = shares
    if work.limit is not None and usd and most is not None:
        schedule = replace(schedule, limit=work.limit / usd, most=most / usd)
    return answer * answer_times(schedule)


def _every(limits: Limits, *, tokens: float) -> float:
    """Seconds between two calls that the limits of a minute ask for; `tokens` of one call."""
    return _MINUTE * max(
        1.0 / (limits.requests_per_minute or math.inf), tokens / (limits.tokens_per_minute or math.inf)
    )
