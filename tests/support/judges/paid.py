"""The command line with a paid judge: a local server that speaks a provider's API, with a price for each token."""

from __future__ import annotations

import asyncio
import json
import random
from collections import Counter
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path

from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, Script, chat, openai_error, serving
from tests.support.prefork import Process
from tests.support.runner import Ran, ledger_types, newest, run, start
from tests.support.small_study import build_study

JUDGE = ("--llm-provider", "openai", "--llm-model", "local-7b")
INPUT, OUTPUT = Decimal("0.0000025"), Decimal("0.00001")
"""USD for one token, as `environ_for` says it."""


@dataclass
class PaidJudge:
    """The longer essay wins. Every seventh answer is malformed, every eleventh refused, every fifth request limited.

    Attributes:
        prompts: how often each prompt was answered, for money.
        spent: USD.
    """

    moody: bool = True
    after: float = 0.0
    prompts: Counter[str] = field(default_factory=Counter)
    requests: int = 0
    spent: Decimal = Decimal(0)

    def __call__(self, asked: Asked) -> Said:
        self.requests += 1
        if self.moody and self.requests % 5 == 0:
            return openai_error(429, "rate_limit_exceeded", retry_after_ms="2")
        prompt = asked.body["messages"][1]["content"]
        self.prompts[prompt] += 1
        number = self.prompts.total()
        usage = (900 + len(prompt) % 300, 40 + number % 9)
        self.spent += usage[0] * INPUT + usage[1] * OUTPUT
        if self.moody and len(prompt) % 7 == 0 and self.prompts[prompt] == 1:
            return chat('{"winner": "Essay', usage=usage, after=self.after)
        if self.moody and len(prompt) % 11 == 0 and self.prompts[prompt] == 1:
            return chat(refusal="I will not.", usage=usage, after=self.after)
        first, second = prompt.split("**Essay A:**")[1].split("**Essay B:**")
        winner = "Essay A" if len(first) >= len(second) else "Essay B"
        answer = {"winner": winner, "justification": "The longer one.", "confidence": 3}
        return chat(json.dumps(answer), usage=usage, after=self.after)


@dataclass
class Desk:
    """A folder with a small study, and the command line in it."""

    folder: Path
    environ: Mapping[str, str]

    async def execute(self, *options: object) -> Ran:
        study = self.folder / "study"
        return await self.run("--mode", "execute", "--assets", study, "--seed", 5, *JUDGE, *options)

    async def run(self, *arguments: object) -> Ran:
        return await asyncio.to_thread(run, *arguments, cwd=self.folder, env=self.environ)

    def start(self, *options: object) -> Process:
        study = self.folder / "study"
        arguments = ("--mode", "execute", "--assets", study, "--seed", 5, *JUDGE, *options)
        return start(*arguments, cwd=self.folder, env=self.environ)

    def resuming(self, *options: object) -> Process:
        return start("resume", self.directory, *options, cwd=self.folder, env=self.environ)

    async def killed(self, *options: object, chance: random.Random, most: int) -> int:
        """Start a run, and kill and resume it at any moment; how often it was killed before it ended as it should."""
        process, times = self.start(*options), 0
        while times < most:
            await asyncio.sleep(chance.uniform(0.3, 4.0))
            if process.poll() is not None:
                break
            process.kill()
            await asyncio.to_thread(process.wait)
            times += 1
            # A run that has written nothing cannot be resumed.
            process = self.resuming() if ledger_types(self.directory) else self.start(*options)
        assert await asyncio.to_thread(process.wait) == 0, (self.folder / "err").read_text()
        return times

    def serving(self) -> Process:
        """A stack that outlives runs; its addresses go to `out`."""
        return start("stack", "up", "--json", cwd=self.folder, env=self.environ)

    def on(self, stack: Process) -> Desk:
        """The same, talking to that stack."""
        addresses = json.loads((self.folder / "out").read_text())
        assert stack.poll() is None
        return Desk(self.folder, {**self.environ, **{key: str(value) for key, value in addresses.items()}})

    @property
    def directory(self) -> Path:
        return newest(self.folder)


@asynccontextmanager
async def desk(folder: Path, judge: Script, **settings: str) -> AsyncIterator[Desk]:
    build_study(folder / "study")
    async with serving(judge) as server:
        yield Desk(folder, environ_for(folder, server.url, **{"attempts": "6", "timeout": "60"} | settings))


async def wait_until(condition: Callable[[], bool]) -> None:
    async with asyncio.timeout(100):
        while not condition():  # noqa: ASYNC110 - another process does it
            await asyncio.sleep(0.01)
