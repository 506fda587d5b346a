"""Upload: every text of the run to the Content Service, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.events import EssayUploaded
from eng5_runner.errors import InputsInvalid, RunnerError, ServiceUnavailable
from eng5_runner.run.ports import Cache, Clock, ContentStore, Notice, Update

# So many of the cache's entries are checked against the service before any is believed.
SAMPLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadJob:
    """What is to be stored where.

    Attributes:
        missing: sha256 of each text that the run still needs.
        texts: sha256 → UTF-8 bytes.
        concurrency: requests at the same time.
        force: do not believe the cache.
        stop: set when the run shall end.
    """

    missing: Sequence[str]
    texts: Mapping[str, bytes]
    concurrency: int
    force: bool
    stop: asyncio.Event


async def upload(
    job: UploadJob, *, content: ContentStore, cache: Cache, clock: Clock
) -> AsyncIterator[Sequence[Update]]:
    """Yield an EssayUploaded for each missing text, from the cache or after its 2xx.

    After a failure no new request is begun; those under way are waited for and kept, then the failure is raised.

    Raises:
        InputsInvalid: a text is not what it was when the run began.
        ServiceUnavailable: the Content Service gave up on one.
    """
    known = {} if job.force else await _believable(job.missing, content=content, cache=cache)
    if known:
        yield [EssayUploaded(at=clock.now(), text_sha256=k, storage_id=v, cached=True) for k, v in known.items()]
    rest = [sha256 for sha256 in job.missing if sha256 not in known]
    if rest:
        yield [Notice(kind="stage", text=f"uploading {len(rest)} texts")]
    work = _Work(iter(rest))
    workers = [
        asyncio.create_task(_worker(work, job=job, content=content)) for _ in range(min(job.concurrency, len(rest)))
    ]
    try:
        while done := await work.collect(workers):
            await cache.remember(done)
            yield [EssayUploaded(at=clock.now(), text_sha256=k, storage_id=v) for k, v in done.items()]
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    for worker in workers:
        worker.result()  # an error that nobody foresaw is a bug, and must not look like an upload that is still due
    if work.failure is not None:
        raise work.failure


async def check_readable(stored: Mapping[str, str], *, content: ContentStore) -> None:
    """Read a few texts back: the CJ service says nothing at all to a batch whose texts are not there.

    Args:
        stored: text sha256 → storage id, of everything that the request will name.
        content: where they were stored.

    Raises:
        ServiceUnavailable: one is not there, or another text is.
    """
    for sha256 in _sample(sorted(stored)):
        held = await content.download(stored[sha256])
        if held is None or sha256_hex(held) != sha256:
            found = "has nothing" if held is None else "has another text"
            raise ServiceUnavailable(
                f"The Content Service took a text and {found} under the id that it gave, {stored[sha256]}.",
                remedy="See its log; then start a new run with --force-reupload.",
            )


def _sample(known: Sequence[str]) -> Sequence[str]:
    """A few, evenly spread."""
    return known[:: max(1, len(known) // SAMPLE)][:SAMPLE]


async def _believable(missing: Sequence[str], *, content: ContentStore, cache: Cache) -> dict[str, str]:
    """The cache's entries for these texts, or none of them if the service does not hold what it should."""
    entries = cache.entries()
    known = {sha256: entries[sha256] for sha256 in missing if sha256 in entries}
    for sha256 in _sample(list(known)):
        held = await content.download(known[sha256])
        if held is None or sha256_hex(held) != sha256:
            await cache.forget()
            return {}
    return known


@dataclass(slots=True)
class _Work:
    """What the workers share: texts to do, uploads done, the first failure."""

    to_do: Iterator[str]
    done: dict[str, str] = field(default_factory=dict)
    failure: RunnerError | None = None
    news: asyncio.Event = field(default_factory=asyncio.Event)

    async def collect(self, workers: Sequence[asyncio.Task[None]]) -> dict[str, str]:
        """All uploads since the last call, waiting for at least one; empty when all workers have ended."""
        while not self.done and not all(worker.done() for worker in workers):
            self.news.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.news.wait()
        collected, self.done = self.done, {}
        return collected


async def _worker(work: _Work, *, job: UploadJob, content: ContentStore) -> None:
    try:
        for sha256 in work.to_do:
            if work.failure is not None or job.stop.is_set():
                return
            work.done[sha256] = await content.upload(_text(job, sha256))
            work.news.set()
    except RunnerError as error:
        work.failure = work.failure or error
    finally:
        work.news.set()


def _text(job: UploadJob, sha256: str) -> bytes:
    text = job.texts.get(sha256)
    if text is None:
        raise InputsInvalid(
            f"A text of the run (sha256 {sha256[:12]}…) is no longer in the assets folder.",
            remedy="Restore the assets as they were when the run began, or start a new run.",
        )
    return text
