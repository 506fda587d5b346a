"""cache: list and remove what is kept for later runs."""

from __future__ import annotations

from dataclasses import asdict

from rich.console import Console
from rich.markup import escape

from eng5_runner.app.cache import CacheContents, cache_contents, forget_files, judgement_bytes, prune_judgements
from eng5_runner.app.environment import cache_folder
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.reports.terminal.table import plain_table


def list_cache(*, model: str | None, json_lines: bool) -> int:
    """Show what the cache folder holds: judgements by model and age, and uploads.

    Raises:
        DiskError: the judgements cannot be read.
    """
    contents = cache_contents(model=model)
    if not json_lines:
        _show(people(), contents)
        return 0
    for row in contents.judgements:
        facts = asdict(row)
        write_json({"event": "Judgements"} | {"bytes" if name == "size" else name: facts[name] for name in facts})
    write_json({"event": "Uploads", "services": contents.upload_services, "bytes": contents.upload_bytes})
    write_json({"event": "Files", "folders": contents.assets_folders, "bytes": contents.file_bytes})
    folder, size = str(contents.folder), contents.judgement_bytes
    write_json({"event": "Cache", "folder": folder, "bytes": size, "older_than": contents.older_than})
    return 0


def prune_cache(*, older_than: float | None, model: str | None, everything: bool, json_lines: bool) -> int:
    """Remove judgements.

    Raises:
        UsageError: the options do not say which ones.
        DiskError: they cannot be removed.
    """
    removed = prune_judgements(older_than=older_than, model=model, everything=everything)
    left = judgement_bytes()
    if json_lines:
        write_json({"event": "Pruned", "judgements": removed, "bytes_left": left})
    else:
        people().print(f"{removed} judgements removed; {left >> 10} KiB are left in {cache_folder()}", markup=False)
    return 0


def forget_known_files(*, json_lines: bool) -> int:
    """Remove what is known of files.

    Raises:
        DiskError: it cannot be removed.
    """
    removed = forget_files()
    if json_lines:
        write_json({"event": "Pruned", "folders": removed})
    else:
        people().print(f"the records of {removed} assets folders removed; their files are read again", markup=False)
    return 0


def _show(console: Console, contents: CacheContents) -> None:
    table = plain_table("provider", "model", "judgements", "KiB", "oldest", "newest", title="Judgements")
    for row in contents.judgements:
        cells = (str(row.judgements), str(row.size >> 10), row.oldest[:16], row.newest[:16])
        table.add_row(escape(row.provider), escape(row.model), *cells)
    console.print(table if contents.judgements else "judgements: none")
    console.print(", ".join(f"{count} older than {age}" for age, count in contents.older_than.items()))
    console.print(
        f"uploads: records of {contents.upload_services} Content Services, {contents.upload_bytes >> 10} KiB; "
        "`eng5-runner --mode execute --force-reupload` ignores them"
    )
    console.print(
        f"files: records of {contents.assets_folders} assets folders, {contents.file_bytes >> 10} KiB; "
        "`eng5-runner cache prune --files` removes them"
    )
    size = contents.judgement_bytes >> 10
    console.print(f"folder: {contents.folder} (ENG5_CACHE_DIR); judgements take {size} KiB", markup=False)
