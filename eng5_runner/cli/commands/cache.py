"""cache: list and remove what is kept for later runs."""

from __future__ import annotations

from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from eng5_runner.cli.commands.common import JsonOption
from eng5_runner.cli.output import say, write_json
from eng5_runner.errors import UsageError
from eng5_runner.phrases import counted

if TYPE_CHECKING:
    from eng5_runner.app.cache import CacheContents

cache_app = typer.Typer(help="What is kept for later runs.", no_args_is_help=True)

ModelOption = Annotated[str | None, typer.Option("--model", help="Only this model's judgements.")]


@cache_app.command("list")
def list_cache(model: ModelOption = None, json: JsonOption = False) -> int:
    """Show what is kept: judgements by model and age, and uploads."""
    from eng5_runner.app.cache import cache_contents

    contents = cache_contents(model=model)
    if not json:
        _show(contents)
        return 0
    for row in contents.judgements:
        facts = asdict(row)
        write_json({"event": "Judgements"} | {"bytes" if name == "size" else name: facts[name] for name in facts})
    write_json({"event": "Uploads", "services": contents.upload_services, "bytes": contents.upload_bytes})
    write_json({"event": "Files", "folders": contents.assets_folders, "bytes": contents.file_bytes})
    folder, size = str(contents.folder), contents.judgement_bytes
    write_json({"event": "Cache", "folder": folder, "bytes": size, "older_than": contents.older_than})
    return 0


@cache_app.command("prune")
def prune(
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0, help="Only those that are older than this.", metavar="DAYS")
    ] = None,
    model: ModelOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All judgements.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Not judgements, but what is known of essays' files.")] = False,
    json: JsonOption = False,
) -> int:
    """Remove judgements, or what is known of files; what was uploaded stays known."""
    from eng5_runner.app.cache import forget_files, judgement_bytes, prune_judgements
    from eng5_runner.app.environment import cache_folder

    if files:
        if older_than is not None or model is not None or everything:
            raise UsageError("--files goes with no option that chooses judgements.", remedy="Call it without them.")
        folders = forget_files()
        if json:
            write_json({"event": "Pruned", "folders": folders})
        else:
            say(f"the records of {counted(folders, 'assets folder')} removed; the files are read again")
        return 0
    removed = prune_judgements(older_than=older_than, model=model, everything=everything)
    left = judgement_bytes()
    if json:
        write_json({"event": "Pruned", "judgements": removed, "bytes_left": left})
    else:
        say(f"{counted(removed, 'judgement')} removed; {left >> 10} KiB are left in {cache_folder()}")
    return 0


def _show(contents: CacheContents) -> None:
    from rich.markup import escape

    from eng5_runner.cli.console import people
    from eng5_runner.reports.terminal.table import plain_table

    table = plain_table("provider", "model", "judgements", "KiB", "oldest", "newest", title="Judgements")
    for row in contents.judgements:
        cells = (str(row.judgements), str(row.size >> 10), row.oldest[:16], row.newest[:16])
        table.add_row(escape(row.provider), escape(row.model), *cells)
    people().print(table if contents.judgements else "judgements: none")
    say(", ".join(f"{count} older than {age}" for age, count in contents.older_than.items()))
    say(
        f"uploads: records of {counted(contents.upload_services, 'Content Service')}, {contents.upload_bytes >> 10} "
        "KiB; "
        "`eng5-runner --mode execute --force-reupload` ignores them"
    )
    say(
        f"files: records of {counted(contents.assets_folders, 'assets folder')}, {contents.file_bytes >> 10} KiB; "
        "`eng5-runner cache prune --files` removes them"
    )
    say(f"folder: {contents.folder} (ENG5_CACHE_DIR); judgements take {contents.judgement_bytes >> 10} KiB")
