"""Upload: store every text of the run in the Content Service, once."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field

from eng5_runner.canonical import sha256_hex
from eng5_runner.core.events import EssayUploaded
from eng5_runner.errors import InputsInvalid, RunnerError, ServiceUnavailable
from eng5_runner.phrases import counted
from eng5_runner.run.ports import Cache, Clock, ContentStore, Notice, Update

# How many entries of the cache are compared with the service before the cache is trusted.
SAMPLE = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class UploadJob:
    """The texts to upload.

    Attributes:
        missing: sha256 of each text that the run still needs.
        texts: sha256 → UTF-8 bytes.
        stored: sha256 → storage id of the texts that are stored already.
        concurrency: number of uploads at the same time.
        force: upload every text, whatever the cache has.
        stop: set when a person ends the session.
    """

    missing: Sequence[str]
    texts: Mapping[str, bytes]
    stored: Mapping[str, str]
    concurrency: int
    force: bool
    stop: asyncio.Event


async def upload(
    job: UploadJob, *, content: ContentStore, cache: Cache, clock: Clock
) -> AsyncIterator[Sequence[Update]]:
    """Yield an EssayUploaded for each missing text: from the cache, or after the service has confirmed it.

    The first upload is read back. After a failure no new upload is begun. Uploads in progress are finished and
    recorded, then the failure is raised.

    Raises:
        InputsInvalid: a text is no longer in the assets folder.
        ServiceUnavailable: the Content Service did not store a text, or gives two texts one id.
    """
    known = {} if job.force else await _trusted(job.missing, content=content, cache=cache)
    if known:
        yield [EssayUploaded(at=clock.now(), text_sha256=k, storage_id=v, cached=True) for k, v in known.items()]
    rest = [sha256 for sha256 in job.missing if sha256 not in known]
    if rest:
        yield [Notice(kind="stage", text=f"uploading {counted(len(rest), 'text')}")]
    work = _Work(iter(rest), texts={storage_id: sha256 for sha256, storage_id in (dict(job.stored) | known).items()})
    first = True
    workers = [
        asyncio.create_task(_worker(work, job=job, content=content)) for _ in range(min(job.concurrency, len(rest)))
    ]
    try:
        while done := await work.collect(workers):
            if first:
                await check_readable(dict([next(iter(done.items()))]), content=content)
                first = False
            await cache.remember(done)
            yield [EssayUploaded(at=clock.now(), text_sha256=k, storage_id=v) for k, v in done.items()]
    finally:
        for worker in workers:
            worker.cancel()
        await asyncio.gather(*workers, return_exceptions=True)
    for worker in workers:
        worker.result()  # an unforeseen error is a bug and must not look like an upload that is still to be done
    if work.failure is not None:
        raise work.failure


async def check_readable(stored: Mapping[str, str], *, content: ContentStore) -> None:
    """Read a sample of the texts back, because the CJ service never answers a batch whose texts are missing.

    Args:
        stored: text sha256 → storage id, of every text that the request names.
        content: the service that stores them.

    Raises:
        ServiceUnavailable: a text is missing, or the service has another text under its id.
    """
    for sha256 in _sample(sorted(stored)):
        text = await content.download(stored[sha256])
        if text is None or sha256_hex(text) != sha256:
            what = "nothing" if text is None else "another text"
            raise ServiceUnavailable(
                f"The Content Service stored a text under the id {stored[sha256]} and now has {what} there.",
                remedy="See its log; then start a new run with --force-reupload.",
            )


def _sample(known: Sequence[str]) -> Sequence[str]:
    """At most `SAMPLE` entries, evenly spread."""
    return known[:: max(1, len(known) // SAMPLE)][:SAMPLE]


async def _trusted(missing: Sequence[str], *, content: ContentStore, cache: Cache) -> dict[str, str]:
    """The cache's entries for these texts; none if the service has lost a text of the sample."""
    entries = cache.entries()
    known = {sha256: entries[sha256] for sha256 in missing if sha256 in entries}
    for sha256 in _sample(list(known)):
        text = await content.download(known[sha256])
        if text is None or sha256_hex(text) != sha256:
            await cache.forget()
            return {}
    return known


@dataclass(slots=True)
class _Work:
    """What the workers share: the texts to upload, the uploads done, the first failure.

    `texts` has the sha256 of the text under each storage id that is known.
    """

    to_do: Iterator[str]
    texts: dict[str, str]
    done: dict[str, str] = field(default_factory=dict)
    failure: RunnerError | None = None
    changed: asyncio.Event = field(default_factory=asyncio.Event)

    async def collect(self, workers: Sequence[asyncio.Task[None]]) -> dict[str, str]:
        """Wait for uploads and return those since the last call; empty when all workers have ended."""
        while not self.done and not all(worker.done() for worker in workers):
            self.changed.clear()
            with suppress(TimeoutError):
                async with asyncio.timeout(1.0):
                    await self.changed.wait()
        collected, self.done = self.done, {}
        return collected


async def _worker(work: _Work, *, job: UploadJob, content: ContentStore) -> None:
    try:
        for sha256 in work.to_do:
            if work.failure is not None or job.stop.is_set():
                return
            text = job.texts.get(sha256)
            if text is None:
                raise InputsInvalid(
                    f"A text of the run (sha256 {sha256[:12]}…) is no longer in the assets folder.",
                    remedy="Restore the assets as they were when the run began, or start a new run.",
                )
            storage_id = await content.upload(text)
            if work.texts.setdefault(storage_id, sha256) != sha256:
                raise ServiceUnavailable(
                    f"The Content Service gives two different texts the same id {storage_id}.",
                    remedy="See its log, and whether a proxy or a cache stands before it. Nothing was sent.",
                )
            work.done[sha256] = storage_id
            work.changed.set()
    except RunnerError as error:
        work.failure = work.failure or error
    finally:
        work.changed.set()
