"""The recorded run as it is asked for again."""

from __future__ import annotations

import asyncio
from pathlib import Path

from tests.support.field import recorded
from tests.support.field.services import FieldServices
from tests.support.runner import Ran, run

EXECUTE = ("--mode", "execute", "--batch-id", "replayed", "--yes", "--assignment-id", recorded.ASSIGNMENT)


async def execute(field: FieldServices, folder: Path, *more: object) -> Ran:
    """The whole runner as a process of its own, against these services."""
    assets = recorded.assets(folder / "assets")
    command = (*EXECUTE, "--max-comparisons", 24, "--llm-provider", "openai", "--llm-model", "gpt-5.1", *more)
    return await asyncio.to_thread(run, *command, "--assets", assets, cwd=folder, env=field.environment)
