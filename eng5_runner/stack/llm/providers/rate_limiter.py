"""The rate limiter of a provider: concurrency, requests and tokens a minute, and a pause after repeated failures.

The number of calls at the same time adapts. It begins at the limit. Each refusal (429) lowers it by one call, by less
where the limit is low, and each answer raises it by a seventh of that. So it stays at the limit while much less than
one call in eight is refused, and falls to what the provider takes where more are. Within the time of one call it falls
to half at most. A refused call waits by itself, outside its place; the others go on.

Requests and tokens a minute are those of the user's file, and those that the provider's answers state. Several workers
have equal parts of all limits.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Mapping
from contextlib import asynccontextmanager, contextmanager

import structlog

from eng5_runner.contracts.services import ProviderTrouble
from eng5_runner.judges.manifest import Limits
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, End, Reply, too_slow
from eng5_runner.stack.llm.providers.rate_headers import Allowance, allowed_requests, allowed_tokens

log = structlog.get_logger(__name__)

_SECONDS = 60.0
# Silence that is worth saying: after a failure, and without one, as a model may think for long.
_TROUBLE_SECONDS, _SILENCE_SECONDS = 10.0, 30.0
_NO_ANSWER_YET = "no answer yet"
# Of refusals by chance, 5 % cost at most 1 % of the calls at once in simulations with 8 to 200 of them, and 9 % 4 %.
_LOWERED_BY, _LOWERED_BY_SHARE = 1.0, 1 / 32
_ANSWERS_FOR_REFUSAL = 7
# What calls took less than expected may be used within this time.
_CREDIT_SECONDS = 5.0
# After a pause for all, the calls that waited start within this time, and not in one instant.
_SPREAD_SECONDS = 2.0


class Meter:
    """A rate per minute. An amount above the rate leaves a debt, and the next caller waits until time has paid it.

    Rate that is not used is lost, except for `room`: what a provider lets one take at once. Our own limit has none, so
    there are no bursts.
    """

    def __init__(self, per_minute: float | None) -> None:
        self._rate = per_minute / _SECONDS if per_minute else None
        self._room = 0.0
        self._level = 0.0
        self._since: float | None = None
        self._among = 1
        self._turn = asyncio.Lock()

    @property
    def is_limited(self) -> bool:
        """Whether anybody can have to wait."""
        return self._rate is not None

    async def take(self, amount: float) -> None:
        """Wait until the amount, or all the room, is there, then take it. Callers are served in their order."""
        async with self._turn:
            while (seconds := self._seconds_until(amount)) > 0:  # noqa: ASYNC110 - time pays, there is no event
                await asyncio.sleep(seconds)
            self._level -= amount if self._rate is not None else 0.0

    def _seconds_until(self, amount: float) -> float:
        """Seconds until the amount, or all the room, is there; not above 0 if it is."""
        if self._rate is None:
            return 0.0
        return (min(amount, self._room) - self._now()) * self._among / self._rate

    def correct(self, difference: float) -> None:
        """Add the difference between the real amount and the amount that was taken."""
        if self._rate is not None:
            self._level = min(self._now() - difference, self._room + self._rate * _CREDIT_SECONDS)

    def follow(self, allowed: Allowance) -> None:
        """Take over what the provider says: its rate and what is left. Calls that it has not seen are taken already."""
        left = allowed.remaining / self._among
        self._level = left if self._rate is None else min(self._now(), left)
        self._since = asyncio.get_running_loop().time()
        self._rate, self._room = allowed.per_second, allowed.limit / self._among

    def share(self, workers: int) -> None:
        """Leave their parts of the rate to other workers."""
        self._among = workers

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        paid = (now - self._since) * (self._rate or 0.0) / self._among if self._since is not None else 0.0
        self._level = max(self._level, min(self._level + paid, self._room))
        self._since = now
        return self._level


class Places:
    """Places for calls at the same time, as many as the provider takes.

    Attributes:
        allowed: how many, to be rounded.
    """

    def __init__(self, most: int) -> None:
        self.allowed = float(most)
        self._most = most
        self._step = min(_LOWERED_BY, most * _LOWERED_BY_SHARE)
        self._taken = 0
        self._waiting: deque[asyncio.Future[None]] = deque()
        # Calls that began before that time were admitted by the higher number: they lower it to the floor at most.
        self._lowered_at = 0.0
        self._floor = 1.0

    @asynccontextmanager
    async def one(self, patience: asyncio.Timeout | None = None) -> AsyncIterator[float]:
        """A place, in the order of the callers; gives the time at which it was free.

        Args:
            patience: the caller's time limit. It does not run while the caller waits for its turn.
        """
        if self._waiting or self._taken >= round(self.allowed):
            turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
            self._waiting.append(turn)
            try:
                with _unhurried(patience):
                    await turn
            except asyncio.CancelledError:
                if turn.done() and not turn.cancelled():
                    self._free()
                raise
        else:
            self._taken += 1
        try:
            yield asyncio.get_running_loop().time()
        finally:
            self._free()

    def share(self, most: int) -> None:
        """Set the highest number."""
        self._most = most
        self.allowed = min(self.allowed, float(most))

    def answered(self) -> None:
        """Raise the number after an answer."""
        self.allowed = min(self.allowed + self._step / _ANSWERS_FOR_REFUSAL, float(self._most))
        self._admit()

    def refused(self, *, began: float) -> None:
        """Lower the number after a refusal of a call that began at that time."""
        if began >= self._lowered_at:
            self._lowered_at = asyncio.get_running_loop().time()
            self._floor = max(self.allowed / 2, 1.0)
        self.allowed = max(self.allowed - self._step, self._floor)

    def _free(self) -> None:
        self._taken -= 1
        self._admit()

    def _admit(self) -> None:
        while self._waiting and self._taken < round(self.allowed):
            turn = self._waiting.popleft()
            if not turn.done():
                self._taken += 1
                turn.set_result(None)


class RateLimiter:
    """All calls to one provider go through its rate limiter."""

    def __init__(self, limits: Limits, *, provider: str) -> None:
        self.limits = limits
        self._provider = provider
        self._places = Places(limits.concurrency)
        # Of the user's file, and of the provider's answers.
        self._requests = Meter(limits.requests_per_minute), Meter(None)
        self._tokens = Meter(limits.tokens_per_minute), Meter(None)
        self._failures = 0
        self._paused_until = 0.0
        self._probe = asyncio.Lock()
        self._under_way = self._sent = 0
        self._last_answer = 0.0
        self._reason = _NO_ANSWER_YET

    def trouble(self) -> ProviderTrouble | None:
        """That the provider gives no answer although it is asked; None if it does, or if nobody asks."""
        silent = asyncio.get_running_loop().time() - self._last_answer
        if not self._under_way or silent < (_TROUBLE_SECONDS if self._failures else _SILENCE_SECONDS):
            return None
        return ProviderTrouble(
            silent_seconds=silent, reason=self._reason, patience_seconds=self.limits.patience_seconds
        )

    def calls(self) -> int:
        """How many calls were sent and wait for their answers."""
        return self._sent

    def pauses(self) -> float:
        """Seconds until the provider is called again after too many failures in a row; 0 if it can be called now."""
        return max(0.0, self._paused_until - asyncio.get_running_loop().time()) if self._is_unhealthy() else 0.0

    def _is_unhealthy(self) -> bool:
        return self._failures >= self.limits.failures_in_a_row

    async def through(
        self, ask: Callable[[], Awaitable[Reply]], *, tokens: int, patience: asyncio.Timeout | None = None
    ) -> Reply:
        """Make one attempt as soon as the limits allow it.

        Args:
            ask: makes the attempt.
            tokens: that the attempt is expected to use.
            patience: the caller's time limit. It does not run while the call waits for its turn.

        Raises:
            AttemptFailed: there is no answer, or not in time.
        """
        with self._counted():
            async with self._places.one(patience) as began, self._passing():
                await self._within_rates(tokens, patience=patience)
                self._sent += 1
                try:
                    async with asyncio.timeout(self.limits.timeout_seconds):
                        reply = await ask()
                except TimeoutError:
                    self._failed()
                    raise too_slow() from None
                except AttemptFailed as failed:
                    self._note(failed, began=began, tokens=tokens)
                    raise
                finally:
                    self._sent -= 1
        self._places.answered()
        if reply.end is End.UNREADABLE:
            self._failed()
        else:
            self._failures = 0
            self._reason = _NO_ANSWER_YET
            self._last_answer = asyncio.get_running_loop().time()
        if reply.usage is not None:
            self._used(reply.usage.prompt + reply.usage.completion, expected=tokens)
        return reply

    def read(self, headers: Mapping[str, str]) -> None:
        """Follow the rates that an answer's headers state, also the answer to a call that was refused."""
        requests, tokens = allowed_requests(headers), allowed_tokens(headers)
        if requests is not None:
            self._requests[1].follow(requests)
        if tokens is not None:
            self._tokens[1].follow(tokens)

    def share(self, workers: int) -> None:
        """Keep to an equal part of all limits, which so many workers have together."""
        self._places.share(max(self.limits.concurrency // workers, 1))
        for meter in (*self._requests, *self._tokens):
            meter.share(workers)

    def _used(self, tokens: int, *, expected: int) -> None:
        for meter in self._tokens:
            meter.correct(tokens - expected)

    def _note(self, failed: AttemptFailed, *, began: float, tokens: int) -> None:
        if failed.is_refusal:
            self._places.refused(began=began)
            self._used(0, expected=tokens)
        self._reason = failed.message
        if failed.unhealthy:
            self._failed()
        else:
            self._failures = 0

    def _failed(self) -> None:
        self._failures += 1
        if self._is_unhealthy():
            self._paused_until = asyncio.get_running_loop().time() + self.limits.pause_seconds
            log.warning(
                "a provider failed too often and is not called for a while",
                provider=self._provider,
                seconds=self.limits.pause_seconds,
            )

    @contextmanager
    def _counted(self) -> Iterator[None]:
        """Note that somebody waits for an answer. Between two attempts of a call nobody does for a moment."""
        if not self._under_way and not self._failures:
            self._last_answer = asyncio.get_running_loop().time()
        self._under_way += 1
        try:
            yield
        finally:
            self._under_way -= 1

    @asynccontextmanager
    async def _passing(self) -> AsyncIterator[None]:
        """While the provider is unhealthy, one call at a time tries it, each after a pause."""
        if not self._is_unhealthy():
            yield
            return
        async with self._probe:
            if self._is_unhealthy():
                await self._not_before(self._paused_until)
                yield
                return
            await asyncio.sleep(_SPREAD_SECONDS / self.limits.concurrency)
        yield

    async def _within_rates(self, tokens: int, *, patience: asyncio.Timeout | None) -> None:
        """Wait until the rates allow a call of so many tokens; the caller's time limit does not run meanwhile."""
        amounts = (*((meter, 1) for meter in self._requests), *((meter, tokens) for meter in self._tokens))
        limited = [(meter, amount) for meter, amount in amounts if meter.is_limited]
        if limited:
            with _unhurried(patience):
                for meter, amount in limited:
                    await meter.take(amount)

    async def _not_before(self, moment: float) -> None:
        left = moment - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)


@contextmanager
def _unhurried(patience: asyncio.Timeout | None) -> Iterator[None]:
    """Stop a time limit while the context lasts."""
    end = patience.when() if patience else None
    if patience is None or end is None:
        yield
        return
    left = end - asyncio.get_running_loop().time()
    patience.reschedule(None)
    try:
        yield
    finally:
        if not patience.expired():
            patience.reschedule(asyncio.get_running_loop().time() + left)
