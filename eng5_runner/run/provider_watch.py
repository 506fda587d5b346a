"""Tells people when the judge's provider or its service gives no answers, long before the run ends for it."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import asynccontextmanager

from eng5_runner.contracts.services import ProviderTrouble
from eng5_runner.errors import RunnerError
from eng5_runner.phrases import counted
from eng5_runner.run.ports import Models, Notice

_ASKED_EVERY_SECONDS = 15.0
# A person who stops the run waits for this.
_PATIENCE_AT_THE_END_SECONDS = 2.0
# Of the question: a service that is busy must not hold the watch up.
_PATIENCE_SECONDS = 10.0
_SAID_EVERY = 4
_SERVICE = "the LLM provider service"


class ProviderWatch:
    """What the LLM provider service says of its providers, asked beside the run's own work."""

    def __init__(self) -> None:
        self._rounds: dict[str, int] = {}

    def note(self, troubles: Mapping[str, ProviderTrouble]) -> Iterator[Notice]:
        """The notices about an answer of the service: a trouble at once and each minute again, then its end."""
        for provider in [provider for provider in self._rounds if provider not in troubles]:
            if self._rounds.pop(provider) == 1 and provider == _SERVICE:
                continue  # once is a hiccup, of which nothing was said
            yield Notice(kind="relief", text=f"{provider} answers again, or is asked no more")
        for provider, trouble in troubles.items():
            rounds = self._rounds.setdefault(provider, 0)
            self._rounds[provider] = rounds + 1
            if rounds % _SAID_EVERY == 0:
                yield Notice(kind="trouble", text=_words(provider, trouble))

    def silent(self, error: str) -> Iterator[Notice]:
        """The notices about a service that does not answer itself: from the second time on, then each minute again."""
        rounds = self._rounds.setdefault(_SERVICE, 0)
        self._rounds[_SERVICE] = rounds + 1
        if rounds % _SAID_EVERY == 1:
            text = (
                f"{_SERVICE} does not answer ({error}). Comparisons may be missing until it is back. The run waits. "
                "Ctrl-C stops in order; resume goes on."
            )
            yield Notice(kind="trouble", text=text)


def _words(provider: str, trouble: ProviderTrouble) -> str:
    reason = "".join(char if char.isprintable() else " " for char in trouble.reason)[:200]
    return (
        f"{provider} has given no answer for {trouble.silent_seconds:.0f} s ({reason}). Each comparison is tried for "
        f"up to {trouble.patience_seconds:.0f} s, and then counts as failed. Ctrl-C stops in order; resume goes on."
    )


@asynccontextmanager
async def watched(models: Models | None, *, emit: Callable[[Notice], None]) -> AsyncIterator[None]:
    """Ask the service every 15 s while the context lasts, and emit what there is to say."""
    if models is None:
        yield
        return
    task = asyncio.create_task(_watch(models, emit))
    try:
        yield
    finally:
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)


async def _watch(models: Models, emit: Callable[[Notice], None]) -> None:
    watch = ProviderWatch()
    while True:
        await asyncio.sleep(_ASKED_EVERY_SECONDS)
        try:
            async with asyncio.timeout(_PATIENCE_SECONDS):
                alive = await models.check_health()
        except RunnerError as error:
            notices = watch.silent(error.message)
        except TimeoutError:
            notices = watch.silent(f"no answer within {_PATIENCE_SECONDS:.0f} s")
        else:
            notices = watch.note((alive.health and alive.health.providers) or {})
        for notice in notices:
            emit(notice)


async def calls_under_way(models: Models | None) -> list[Notice]:
    """What a person should know who stops a run and its embedded services: calls may be paid for without an answer."""
    if models is None:
        return []
    try:
        async with asyncio.timeout(_PATIENCE_AT_THE_END_SECONDS):
            alive = await models.check_health()
    except (RunnerError, TimeoutError):
        return []
    count = alive.health and alive.health.calls_under_way
    if not count:
        return []
    calls = counted(count, "call to the judge is", plural="calls to the judge are")
    text = f"{calls} under way and may be charged. Answers of the next seconds are kept; resume counts the other calls."
    return [Notice(kind="trouble", text=text)]
