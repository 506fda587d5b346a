"""The texts of a batch, from the Content Service."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator

from eng5_runner.stack.cj.clients import ContentMissing, ContentReader, NeighbourFailed
from eng5_runner.stack.cj.plan import BatchPlan, PlannedEssay, RequestRejected

_FETCHED_AT_ONCE = 8
_NAMED_AT_MOST = 5


async def fetch_texts(plan: BatchPlan, contents: ContentReader) -> dict[str, str]:
    """All texts by essay id.

    Raises:
        RequestRejected: storage ids that the Content Service does not know, or texts without any content.
        NeighbourFailed: the Content Service failed.
    """
    texts: dict[str, str] = {}
    missing: list[str] = []
    queue = iter(plan.essays)

    async def fetch_each(queue: Iterator[PlannedEssay]) -> None:
        for essay in queue:
            try:
                texts[essay.essay_id] = await contents.text(essay.storage_id)
            except ContentMissing:
                missing.append(f"{essay.storage_id} (essay {essay.essay_id})")

    try:
        async with asyncio.TaskGroup() as tasks:
            for _ in range(_FETCHED_AT_ONCE):
                tasks.create_task(fetch_each(queue))
    except* NeighbourFailed as group:
        raise NeighbourFailed(str(group.exceptions[0])) from group
    if missing:
        raise RequestRejected(f"unknown storage ids: {_listed(missing)}")
    empty = [essay_id for essay_id, text in texts.items() if not text.strip()]
    if empty:
        raise RequestRejected(f"essays without text: {_listed(empty)}")
    return texts


def _listed(names: list[str]) -> str:
    told = sorted(names)[:_NAMED_AT_MOST]
    more = len(names) - len(told)
    return ", ".join(told) + (f" and {more} more" if more else "")
