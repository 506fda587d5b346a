"""What the cache folder holds for later runs: judgements that were paid for, records of uploads and of files."""

from __future__ import annotations

from contextlib import suppress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from eng5_runner.app.environment import cache_folder
from eng5_runner.effects.upload_cache import UPLOADS
from eng5_runner.errors import DiskError, UsageError
from eng5_runner.inventory.known_files import FILES
from eng5_runner.stack.llm.cache import FILE_NAME, CacheStats, open_judgements, remove_judgements

_AGES = (("a day", 1), ("a week", 7), ("30 days", 30), ("a year", 365))


@dataclass(frozen=True, slots=True, kw_only=True)
class CacheContents:
    """What the cache folder holds.

    Attributes:
        folder: the cache folder.
        judgements: by provider and model.
        older_than: the number of judgements that are older than an age in words, such as `a week`.
        judgement_bytes: size of the judgements' file on disk, SQLite's side files included.
        upload_services: Content Services whose uploads are recorded.
        upload_bytes: size of those records on disk.
        assets_folders: readings of assets folders that are recorded.
        file_bytes: size of those records on disk.
    """

    folder: Path
    judgements: tuple[CacheStats, ...]
    older_than: dict[str, int]
    judgement_bytes: int
    upload_services: int
    upload_bytes: int
    assets_folders: int
    file_bytes: int


def cache_contents(*, model: str | None = None) -> CacheContents:
    """What is in the cache folder; with `model`, only the judgements of that model.

    Raises:
        DiskError: the judgements cannot be read.
    """
    folder = cache_folder()
    with open_judgements(folder) as cache:
        stats = tuple(cache.stats(model=model)) if cache else ()
        older_than = {
            age: sum(row.judgements for row in cache.stats(model=model, before=_days_ago(days))) if cache else 0
            for age, days in _AGES
        }
    uploads = [path for path in folder.glob(f"*{UPLOADS}") if path.is_file()]
    files = _file_records()
    return CacheContents(
        folder=folder,
        judgements=stats,
        older_than=older_than,
        judgement_bytes=judgement_bytes(),
        upload_services=len(uploads),
        upload_bytes=sum(path.stat().st_size for path in uploads),
        assets_folders=len(files),
        file_bytes=sum(path.stat().st_size for path in files),
    )


def judgement_bytes() -> int:
    """Size of the judgements' file on disk, SQLite's side files included."""
    return sum(path.stat().st_size for path in cache_folder().glob(f"{FILE_NAME}*") if path.is_file())


def prune_judgements(*, older_than: float | None = None, model: str | None = None, everything: bool = False) -> int:
    """Remove judgements and return how many.

    Args:
        older_than: only judgements that are older, in days.
        model: only judgements of this model.
        everything: all judgements; a damaged file is removed as a whole and counts as none.

    Raises:
        UsageError: neither a choice nor `everything` is given, or both are.
        DiskError: they cannot be removed.
    """
    if (older_than is not None or model is not None) == everything:
        raise UsageError(
            "Say which judgements to remove, or that all are to go.",
            remedy="Give --older-than DAYS and --model NAME, or --all.",
        )
    folder = cache_folder()
    if not everything:
        return _remove(folder, model=model, before=None if older_than is None else _days_ago(older_than))
    with suppress(DiskError):  # emptied rather than removed, as another run may be using the file
        return _remove(folder, model=None, before=None)
    remove_judgements(folder)
    return 0


def forget_files() -> int:
    """Remove what is known of files from earlier readings, and return of how many readings.

    Raises:
        DiskError: it cannot be removed.
    """
    files = _file_records()
    for path in files:
        try:
            path.unlink(missing_ok=True)
        except OSError as error:
            raise DiskError(
                f"{path} cannot be removed: {error.strerror}.", remedy="Remove it by hand, or correct its permissions."
            ) from None
    return len(files)


def _file_records() -> list[Path]:
    return [path for path in cache_folder().glob(f"*{FILES}") if path.is_file()]


def _remove(folder: Path, *, model: str | None, before: datetime | None) -> int:
    with open_judgements(folder) as cache:
        if cache is None:
            return 0
        count = sum(row.judgements for row in cache.stats(model=model, before=before))
        cache.prune(model=model, before=before)
        return count


def _days_ago(days: float) -> datetime:
    try:
        return datetime.now(UTC) - timedelta(days=days)
    except (OverflowError, ValueError):
        raise UsageError("--older-than is beyond the calendar.", remedy="Give a number of days, such as 90.") from None
