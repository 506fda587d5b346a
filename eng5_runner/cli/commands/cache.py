"""cache: what is kept for later runs, and how to be rid of it."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

from rich.box import SIMPLE
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from eng5_runner.app.environment import cache_folder
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.effects.upload_cache import UPLOADS
from eng5_runner.errors import DiskError, UsageError
from eng5_runner.stack.llm.cache import FILE_NAME, CacheStats, kept_judgements, remove_cassette

_AGES = (("a day", 1), ("a week", 7), ("30 days", 30), ("a year", 365))


def list_cache(*, model: str | None, json_lines: bool) -> int:
    """Tell what the cache folder holds: judgements by model and age, and what was uploaded.

    Raises:
        DiskError: the judgements cannot be read.
    """
    folder = cache_folder()
    with kept_judgements(folder) as kept:
        shelves = kept.shelves(model=model) if kept else []
        ages = {
            name: sum(shelf.judgements for shelf in kept.shelves(model=model, before=_days_ago(days))) if kept else 0
            for name, days in _AGES
        }
    if json_lines:
        for shelf in shelves:
            write_json({"event": "Judgements"} | _facts(shelf))
        uploads, size = _uploads(folder)
        write_json({"event": "Uploads", "services": uploads, "bytes": size})
        write_json({"event": "Cache", "folder": str(folder), "bytes": _size(folder), "older_than": ages})
    else:
        _show(people(), folder=folder, shelves=shelves, ages=ages)
    return 0


def prune_cache(*, older_than: float | None, model: str | None, everything: bool, json_lines: bool) -> int:
    """Remove judgements.

    Raises:
        UsageError: nothing says which ones, or too much does.
        DiskError: they cannot be removed.
    """
    chosen = older_than is not None or model is not None
    if chosen == everything:
        raise UsageError(
            "Say which judgements are to go, or that all are.", remedy="--older-than DAYS and --model NAME, or --all."
        )
    folder = cache_folder()
    before = None if older_than is None else _days_ago(older_than)
    removed = _remove_all(folder) if everything else _remove(folder, model=model, before=before)
    if json_lines:
        write_json({"event": "Pruned", "judgements": removed, "bytes_left": _size(folder)})
    else:
        people().print(f"{removed} judgements removed; {_size(folder) >> 10} KiB are left in {folder}", markup=False)
    return 0


def _remove(folder: Path, *, model: str | None, before: datetime | None) -> int:
    with kept_judgements(folder) as kept:
        if kept is None:
            return 0
        count = sum(shelf.judgements for shelf in kept.shelves(model=model, before=before))
        kept.prune(model=model, before=before)
        return count


def _remove_all(folder: Path) -> int:
    """Empty the file, which another run may be using; one that is damaged is removed as it is."""
    with suppress(DiskError):
        return _remove(folder, model=None, before=None)
    remove_cassette(folder)
    return 0


def _days_ago(days: float) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(days=days)
    except (OverflowError, ValueError):
        raise UsageError("--older-than is beyond the calendar.", remedy="Name a number of days, such as 90.") from None


def _facts(shelf: CacheStats) -> dict[str, object]:
    return {
        "provider": shelf.provider,
        "model": shelf.model,
        "judgements": shelf.judgements,
        "bytes": shelf.size,
        "oldest": shelf.oldest,
        "newest": shelf.newest,
    }


def _size(folder: Path) -> int:
    """Bytes on the disk of the judgements' file, with what SQLite keeps beside it."""
    return sum(path.stat().st_size for path in folder.glob(f"{FILE_NAME}*") if path.is_file())


def _uploads(folder: Path) -> tuple[int, int]:
    """Of how many services it is known what they hold, and the bytes of that."""
    files = [path for path in folder.glob(f"*{UPLOADS}") if path.is_file()]
    return len(files), sum(path.stat().st_size for path in files)


def _show(console: Console, *, folder: Path, shelves: Sequence[CacheStats], ages: dict[str, int]) -> None:
    table = Table("provider", "model", "judgements", "KiB", "oldest", "newest", title="Judgements", box=SIMPLE)
    for shelf in shelves:
        cells = (str(shelf.judgements), str(shelf.size >> 10), shelf.oldest[:16], shelf.newest[:16])
        table.add_row(escape(shelf.provider), escape(shelf.model), *cells)
    console.print(table)
    console.print(", ".join(f"{count} older than {name}" for name, count in ages.items()))
    services, size = _uploads(folder)
    console.print(f"uploads: what {services} Content Services hold, {size >> 10} KiB; --force-reupload forgets it")
    console.print(f"folder: {folder} (ENG5_CACHE_DIR); judgements take {_size(folder) >> 10} KiB", markup=False)
