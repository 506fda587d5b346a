"""The options of `cache`."""

from __future__ import annotations

from typing import Annotated

import typer

cache_app = typer.Typer(help="What is kept for later runs.", no_args_is_help=True)

ModelOption = Annotated[str | None, typer.Option("--model", help="Only this model's judgements.")]
JsonOption = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]


@cache_app.command("list")
def list_command(model: ModelOption = None, json: JsonOption = False) -> None:
    """Tell what is kept: judgements by model and age, and uploads."""
    from eng5_runner.cli.commands.cache import list_cache

    raise typer.Exit(list_cache(model=model, json_lines=json))


@cache_app.command("prune")
def prune_command(
    older_than: Annotated[
        float | None, typer.Option("--older-than", min=0, help="Only those that are older than this.", metavar="DAYS")
    ] = None,
    model: ModelOption = None,
    everything: Annotated[bool, typer.Option("--all", help="All judgements.")] = False,
    files: Annotated[bool, typer.Option("--files", help="Not judgements, but what is known of essays' files.")] = False,
    json: JsonOption = False,
) -> None:
    """Remove judgements, or what is known of files; what was uploaded stays known."""
    from eng5_runner.cli.commands.cache import forget_known_files, prune_cache

    if files and older_than is None and model is None and not everything:
        raise typer.Exit(forget_known_files(json_lines=json))
    if files:
        raise typer.BadParameter("--files goes with none of the options that choose judgements.")
    raise typer.Exit(prune_cache(older_than=older_than, model=model, everything=everything, json_lines=json))
