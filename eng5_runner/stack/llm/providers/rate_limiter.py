"""How a provider is asked without being overrun: places, requests and tokens a minute, and a rest when it is ill."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from eng5_runner.judges.manifest import Limits
from eng5_runner.stack.llm.providers.protocol import AttemptFailed, Reply, too_slow

log = structlog.get_logger(__name__)

_SECONDS = 60.0


class Meter:
    """So many a minute: who takes more than there is leaves a debt, which those after have to wait for."""

    def __init__(self, per_minute: float | None) -> None:
        self._rate = per_minute / _SECONDS if per_minute else None
        self._debt = 0.0
        self._since: float | None = None

    async def take(self, amount: float) -> None:
        """Return when the debts before are paid; `amount` is the next one."""
        if self._rate is None:
            return
        while (debt := self._now()) > 0:  # noqa: ASYNC110 - time pays the debt, there is no event to wait for
            await asyncio.sleep(debt / self._rate)
        self._debt += amount

    def correct(self, difference: float) -> None:
        """It was so much more, or less, than was taken."""
        if self._rate is not None:
            self._debt = max(self._debt + difference, 0.0)

    def _now(self) -> float:
        now = asyncio.get_running_loop().time()
        paid = (now - self._since) * (self._rate or 0.0) if self._since is not None else 0.0
        self._debt = max(self._debt - paid, 0.0)  # nothing is saved up: a burst is what a limit forbids
        self._since = now
        return self._debt


class RateLimiter:
    """All questions to one provider go through here."""

    def __init__(self, limits: Limits, *, provider: str) -> None:
        self.limits = limits
        self._provider = provider
        self._places = asyncio.Semaphore(limits.concurrency)
        self._requests = Meter(limits.requests_per_minute)
        self._tokens = Meter(limits.tokens_per_minute)
        self._ill = 0
        self._resting_until = 0.0
        self._busy_until = 0.0
        self._probe = asyncio.Lock()

    def pauses(self) -> float:
        """For how many seconds from now it is left alone because it failed too often in a row."""
        return max(0.0, self._resting_until - asyncio.get_running_loop().time()) if self._is_ill() else 0.0

    def _is_ill(self) -> bool:
        return self._ill >= self.limits.failures_in_a_row

    async def through(self, ask: Callable[[], Awaitable[Reply]], *, tokens: int) -> Reply:
        """Ask when it is our turn, once.

        Args:
            ask: one attempt.
            tokens: that it is expected to take.

        Raises:
            AttemptFailed: there is no answer, also because the attempt's time is up.
        """
        async with self._places, self._passing():
            await self._not_before(self._busy_until)
            await self._requests.take(1)
            await self._tokens.take(tokens)
            try:
                async with asyncio.timeout(self.limits.timeout_seconds):
                    reply = await ask()
            except TimeoutError:
                failed = too_slow()
                self._note(failed)
                raise failed from None
            except AttemptFailed as failed:
                self._note(failed)
                raise
        self._ill = 0
        if reply.usage is not None:
            self._tokens.correct(reply.usage.prompt + reply.usage.completion - tokens)
        return reply

    def _note(self, failed: AttemptFailed) -> None:
        now = asyncio.get_running_loop().time()
        if failed.wait is not None:  # it is the provider that is busy, not this one question
            self._busy_until = max(self._busy_until, now + failed.wait)
        self._ill = self._ill + 1 if failed.ill else 0
        if self._is_ill():
            self._resting_until = now + self.limits.pause_seconds
            log.warning("a provider is left alone", provider=self._provider, seconds=self.limits.pause_seconds)

    @asynccontextmanager
    async def _passing(self) -> AsyncIterator[None]:
        """While the provider is ill, one at a time tries it, each after a pause."""
        async with AsyncExitStack() as held:
            if self._is_ill():
                await held.enter_async_context(self._probe)
                if self._is_ill():
                    await self._not_before(self._resting_until)
                else:
                    await held.aclose()
            yield

    async def _not_before(self, moment: float) -> None:
        left = moment - asyncio.get_running_loop().time()
        if left > 0:
            await asyncio.sleep(left)
