"""What comparisons take: tokens, money and time, each as an interval, before any is asked.

What is assumed, as long as no pilot run has measured it:

- Characters a token. English 2.7 to 4.7: four is OpenAI's rule of thumb, and the bundled study counted with `ctok` 1.3
  (a reconstruction of Claude's vocabularies) has 3.1 to 4.5 in essays and 2.7 to 4.4 in instructions, the low figures
  with the newer vocabulary. Swedish 2.1 to 3.7: a paragraph counted in the same way has 2.3 to 3.1.
- An answer of 40 to 200 tokens: a verdict with a terse or a full justification of at most 400 characters, as the form
  of the answer wants it. Before it a model that thinks writes what `_THINKING` says; that is our guess.
- An answer comes after 1 second and at 150 tokens a second, or after 4 seconds and at 30.

`at most` is another thing: every answer takes all tokens that it may, and every comparison all its attempts.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from eng5_runner.contracts.request import Language, ReasoningEffort

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
_MINUTE = 60.0
_PER = 1000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Interval:
    """From a low to a high end, both likely."""

    low: float
    high: float

    def times(self, factor: float) -> Interval:
        """Both ends so many times."""
        return Interval(low=self.low * factor, high=self.high * factor)


@dataclass(frozen=True, slots=True, kw_only=True)
class TokenPrices:
    """USD per 1,000 tokens; what is read from or written into a cache costs like `input` if not given."""

    input: float
    output: float
    cached_input: float | None = None
    cache_write: float | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class ModelPricing:
    """A model as far as money and time go.

    Attributes:
        offline: no language model: it costs nothing and answers at once.
        ready: whether there is a key or an address for its provider.
        thinks: whether it writes tokens that are paid for and not part of the answer.
        max_tokens: that an answer takes at most; None where nobody says.
        context: tokens that it reads and writes together at most.
        prices: None where they are not known, which is not 0.
        looked_up: the day on which the prices were, ISO 8601.
        long_prompt_above: longer prompts (tokens) cost `long_prices` in all.
        requests_per_minute: None for no limit.
        tokens_per_minute: read and written together; None for no limit.
        attempts: that a comparison which fails gets in all.
    """

    provider: str
    model: str
    offline: bool = False
    ready: bool = True
    thinks: bool = False
    max_tokens: int | None = None
    context: int | None = None
    prices: TokenPrices | None = None
    looked_up: str | None = None
    source: str | None = None
    long_prompt_above: int | None = None
    long_prices: TokenPrices | None = None
    requests_per_minute: float | None = None
    tokens_per_minute: float | None = None
    concurrency: int = 1
    attempts: int = 1


@dataclass(frozen=True, slots=True, kw_only=True)
class PromptSize:
    """How long the prompts are, in characters of the texts as they are sent.

    Attributes:
        prefix: what comes first and is the same each time: system prompt, task, criteria. A provider may cache it.
        rest: headings and question.
        form: the schema of the answer, which some providers count as read.
        essays: of the two essays together on average, each essay being shown equally often.
        shortest: the two shortest essays together.
        longest: the two longest essays together.
    """

    prefix: int
    rest: int
    form: int
    essays: float
    shortest: int
    longest: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Workload:
    """How much is asked.

    Attributes:
        comparisons: in all.
        at_once: pairs of a wave; the next begins when all of them are answered.
        pause: seconds that the service may be silent between waves.
        effort: how much thinking is asked for.
        limit: USD that may be spent at most.
    """

    comparisons: int
    at_once: int
    pause: float = 0.0
    effort: ReasoningEffort | None = None
    limit: float | None = None

    @property
    def waves(self) -> int:
        """How many there are."""
        return -(-self.comparisons // self.at_once)


@dataclass(frozen=True, slots=True, kw_only=True)
class Estimate:
    """What the comparisons take with one model.

    Attributes:
        prompt_tokens: read for one comparison.
        completion_tokens: written for one comparison.
        usd: for all; None where the price is not known.
        usd_at_most: for all, if each answer takes all tokens it may and each comparison all its attempts.
        seconds: for all.
        within_limit: comparisons that the cost limit is likely enough for.
        within_limit_at_least: comparisons that it is enough for whatever happens.
        too_long: whether the longest pair may not fit into the model's context.
        measured: whether this is from a pilot run.
    """

    tariff: ModelPricing
    prompt_tokens: Interval
    completion_tokens: Interval
    usd: Interval | None
    usd_at_most: float | None
    seconds: Interval
    within_limit: Interval | None
    within_limit_at_least: int | None
    too_long: bool = False
    measured: bool = False


def estimate(tariff: ModelPricing, size: PromptSize, *, work: Workload, language: Language) -> Estimate:
    """What the comparisons take with a model, by the assumptions above."""
    few, many = _CHARACTERS_PER_TOKEN[language]
    prompt = Interval(
        low=(size.prefix + size.rest + size.essays) / many,
        high=(size.prefix + size.rest + size.form + size.essays) / few,
    )
    prefix = Interval(low=size.prefix / many, high=size.prefix / few)
    written = _written(tariff, work.effort)
    longest = (size.prefix + size.rest + size.form + size.longest) / few
    low, high = _usd(tariff, prompt=prompt, prefix=prefix, written=written)
    most = _most(tariff, longest=longest)
    return Estimate(
        tariff=tariff,
        prompt_tokens=prompt,
        completion_tokens=written,
        usd=None if low is None or high is None else Interval(low=low, high=high).times(work.comparisons),
        usd_at_most=None if most is None else most * work.comparisons,
        seconds=_seconds(tariff, tokens=Interval(low=prompt.low, high=prompt.high), written=written, work=work),
        within_limit=_within(low, high, limit=work.limit),
        within_limit_at_least=None if not most or work.limit is None else math.floor(work.limit / most),
        too_long=tariff.context is not None and longest + written.high > tariff.context,
    )


def measured_estimate(
    assumed: Estimate, *, prompt: Interval, written: Interval, usd: Interval | None, seconds: Interval, work: Workload
) -> Estimate:
    """The same from what a pilot run took for one comparison; the bound stays what it was."""
    low, high = (None, None) if usd is None else (usd.low, usd.high)
    return Estimate(
        tariff=assumed.tariff,
        prompt_tokens=prompt,
        completion_tokens=written,
        usd=None if usd is None else usd.times(work.comparisons),
        usd_at_most=assumed.usd_at_most,
        seconds=seconds.times(work.comparisons),
        within_limit=_within(low, high, limit=work.limit),
        within_limit_at_least=assumed.within_limit_at_least,
        too_long=assumed.too_long,
        measured=True,
    )


def _written(tariff: ModelPricing, effort: ReasoningEffort | None) -> Interval:
    """Tokens of an answer, thinking included where there is any."""
    thought = _THINKING[effort] if tariff.thinks else (0.0, 0.0)
    most = math.inf if tariff.max_tokens is None else float(tariff.max_tokens)
    return Interval(low=min(_ANSWER[0] + thought[0], most), high=min(_ANSWER[1] + thought[1], most))


def _usd(
    tariff: ModelPricing, *, prompt: Interval, prefix: Interval, written: Interval
) -> tuple[float, float] | tuple[None, None]:
    """USD of one comparison: at best the prefix is read from the cache, at worst it is written into it each time."""
    prices = tariff.prices
    if prices is None:
        return None, None
    cached = prices.input if prices.cached_input is None else prices.cached_input
    low = prefix.low * min(cached, prices.input) + (prompt.low - prefix.low) * prices.input
    if tariff.long_prices and tariff.long_prompt_above and prompt.high > tariff.long_prompt_above:
        prices = tariff.long_prices
    into_cache = max(prices.input, prices.cache_write or 0.0)
    high = prefix.high * into_cache + (prompt.high - prefix.high) * prices.input
    return (low + written.low * (tariff.prices or prices).output) / _PER, (high + written.high * prices.output) / _PER


def _most(tariff: ModelPricing, *, longest: float) -> float | None:
    """USD that one comparison can cost at most."""
    prices = tariff.prices
    if prices is None or (tariff.max_tokens is None and not tariff.offline):
        return None
    if tariff.long_prices and tariff.long_prompt_above and longest > tariff.long_prompt_above:
        prices = tariff.long_prices
    read = longest * max(prices.input, prices.cache_write or 0.0)
    return tariff.attempts * (read + (tariff.max_tokens or 0) * prices.output) / _PER


def _within(low: float | None, high: float | None, *, limit: float | None) -> Interval | None:
    if limit is None or not low or not high:
        return None
    return Interval(low=math.floor(limit / high), high=math.floor(limit / low))


def _seconds(tariff: ModelPricing, *, tokens: Interval, written: Interval, work: Workload) -> Interval:
    """The slowest of: requests a minute, tokens a minute, and waves whose questions share the places."""
    turns = work.waves * math.ceil(min(work.at_once, work.comparisons) / tariff.concurrency)
    if tariff.offline:
        quick, slow = (work.comparisons * seconds for seconds in _SECONDS_OF_BASELINE)
    else:
        quick = turns * (_QUICK[0] + written.low / _QUICK[1])
        slow = turns * (_SLOW[0] + written.high / _SLOW[1])
    asked = _MINUTE * work.comparisons / (tariff.requests_per_minute or math.inf)
    least, most = (
        _MINUTE * work.comparisons * each / (tariff.tokens_per_minute or math.inf)
        for each in (tokens.low + written.low, tokens.high + written.high)
    )
    return Interval(low=max(quick, asked, least), high=max(slow, asked, most) + work.waves * work.pause)
