"""A judge as the service builds it from its environment, on a local server."""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.stack.llm.judge import JudgeFailed, Question, Verdict
from eng5_runner.stack.llm.providers.entries import JudgeEntry
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.servers import KEY, Script, Server, serving

MODELS = """
[limits.{provider}]
attempts = {attempts}
timeout_seconds = {timeout}
{limits}

[[models]]
id = "local-7b"
provider = "{provider}"
max_output = 4000
temperature = "always"
reasoning_efforts = ["low", "high"]
verbosities = ["low"]
{model}
[models.price]
input = 0.0025
cached_input = 0.00125
output = 0.01
looked_up = 2026-11-22
source = "invented"

[[models]]
id = "unpriced"
provider = "{provider}"
temperature = "never"
"""
PROVIDERS = {"openai": "OPENAI", "openrouter": "OPENROUTER", "google": "GOOGLE", "anthropic": "ANTHROPIC"}
KEYS = {name: f"{upper}_API_KEY" for name, upper in PROVIDERS.items()} | {"google": "GEMINI_API_KEY"}


@dataclass
class Site:
    server: Server
    entries: Mapping[str, JudgeEntry]
    environ: Mapping[str, str]

    async def ask(self, *, model: str = "local-7b", **overrides: Any) -> Verdict:
        return await self.entries[model].judge(question(**overrides))

    async def ask_again(self, repeat_index: int, **overrides: Any) -> Verdict:
        return await self.entries["local-7b"].judge(replace(question(**overrides), repeat_index=repeat_index))

    async def fails(self, *, model: str = "local-7b", **overrides: Any) -> JudgeFailed:
        with pytest.raises(JudgeFailed) as failed:
            await self.ask(model=model, **overrides)
        assert KEY not in repr(failed.value) and "SECRET" not in repr(failed.value)
        return failed.value


def question(**overrides: Any) -> Question:
    blocks = prompt_blocks(task="Write.", criteria=None, essay_a="One text.", essay_b="Another text.")
    contents = tuple(block.content for block in blocks)
    return Question(
        prompt=prompt_text(blocks),
        blocks=contents,
        overrides=LLMConfigOverrides(**overrides),
        repeat_index=0,
        request_id=str(uuid4()),
    )


def environ_for(path: Path, url: str, *, provider: str = "openai", **settings: str) -> dict[str, str]:
    file = path / "models.toml"
    told = {"attempts": "3", "timeout": "60", "limits": "", "model": 'answers = "schema"'} | settings
    file.write_text(MODELS.format(provider=provider, **told), "utf-8")
    return {
        KEYS[provider]: KEY,
        f"ENG5_{PROVIDERS[provider]}_BASE_URL": url if provider == "anthropic" else f"{url}/v1",
        "ENG5_MODELS_FILE": str(file),
        "ENG5_YES": "1",  # there is no terminal to ask at
        "ENG5_NO_JUDGE_CHECK": "1",  # tests count the questions of the study
    }


@asynccontextmanager
async def site(path: Path, script: Script, *, cache: Path | None = None, **settings: str) -> AsyncIterator[Site]:
    async with serving(script) as server:
        environ = environ_for(path, server.url, **settings)
        async with open_judges(environ, cache_folder=cache) as entries:
            yield Site(server, {entry.model.model_id: entry for entry in entries}, environ)
