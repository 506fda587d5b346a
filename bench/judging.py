"""Studies against a slow judge, beside a plain loop with a semaphore, and beside an ideal scheduler.

`python -m bench judging [--comparisons N] [--concurrency N …] [--latency SECONDS]`. The judge is simulated: it answers
after a lognormal time (sigma 0.7), has 200 places, and refuses 5 % of the calls where that is said. Its mean is such
that there are 20 calls a second, so that the work of this machine counts little: 1.6 s for 32 calls at once. One run
each: the ratio is of the time from the first call to the last answer.
"""

from __future__ import annotations

import argparse
import asyncio
import heapq
import json
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field
from itertools import dropwhile
from pathlib import Path

import aiohttp
from aiohttp import web

from bench.goals import Measured
from eng5_runner.measure.design.adaptive import BALANCED_ROUNDS

SIGMA = 0.7
PLACES = 200
REFUSED = 0.05
RETRY_AFTER = 2.0
CALLS_A_SECOND = 20.0
GOAL = 1.25
ANSWER = json.dumps({"winner": "Essay A", "justification": "It argues better.", "confidence": 3})
MODELS = """
[[models]]
id = "slow"
provider = "openai"
price = { input = 0.0001, output = 0.0001, looked_up = 2026-11-22, source = "bench" }
"""
STUDIES = {"balanced": (), "adaptive": ("--design", "adaptive"), "target": ("--target-se", "0.01")}


@dataclass
class Judge:
    """A server that takes its time: OpenAI's chat API in one process with the benchmark."""

    mean: float
    refuse: float = 0.0
    chance: random.Random = field(default_factory=lambda: random.Random(7))
    times: list[tuple[float, float]] = field(default_factory=list)
    now: int = 0
    most: int = 0

    async def answer(self, request: web.Request) -> web.Response:
        """One completion, or a refusal."""
        began = time.monotonic()
        await request.read()
        if self.now >= PLACES or self.chance.random() < self.refuse:
            wait = RETRY_AFTER * self.mean / 2.0
            return web.json_response(
                {"error": {"code": "rate_limit"}}, status=429, headers={"Retry-After": f"{wait:.3f}"}
            )
        self.now += 1
        self.most = max(self.most, self.now)
        await asyncio.sleep(latency(self.chance, self.mean))
        self.now -= 1
        self.times.append((began, time.monotonic()))
        usage = {"prompt_tokens": 900, "completion_tokens": 60, "total_tokens": 960}
        choice = {"message": {"role": "assistant", "content": ANSWER}, "finish_reason": "stop"}
        return web.json_response({"model": "slow", "choices": [choice], "usage": usage})

    def seconds(self) -> float:
        """From the first call to the last answer."""
        return max(end for _, end in self.times) - min(begin for begin, _ in self.times)


def latency(chance: random.Random, mean: float) -> float:
    """Seconds of one answer."""
    return mean * chance.lognormvariate(-SIGMA * SIGMA / 2, SIGMA)


async def loop(url: str, *, calls: int, concurrency: int) -> None:
    """What a user would write: a semaphore, and the wait that the server asks for."""
    places = asyncio.Semaphore(concurrency)
    body = json.dumps({"model": "slow", "messages": [{"role": "user", "content": "x" * 4000}]})

    async def one(session: aiohttp.ClientSession) -> None:
        while True:
            async with places, session.post(f"{url}/chat/completions", data=body) as response:
                await response.read()
                if response.status != 429:
                    return
                wait = float(response.headers["Retry-After"])
            await asyncio.sleep(wait)

    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        await asyncio.gather(*(one(session) for _ in range(calls)))


@dataclass(frozen=True, kw_only=True)
class Case:
    """One line of the table."""

    study: str
    comparisons: int
    concurrency: int
    refuse: float
    mean: float

    def follows(self, wave: int) -> int:
        """The number of waves whose answers must be there before a wave may start."""
        if self.study == "balanced" or (self.study == "adaptive" and wave < BALANCED_ROUNDS):
            return 0
        return max(wave - 1, 0)


def ideal(case: Case) -> float:
    """Seconds of a scheduler without any cost that starts each pair as soon as it may start; the median of 21."""
    size, chance, found = max(case.comparisons // 20, 2), random.Random(11), []
    for _ in range(21):
        free, ends, ready = [0.0] * case.concurrency, list[float](), 0.0
        for number in range(case.comparisons):
            if number % size == 0:
                ready = max(ends[: case.follows(number // size) * size], default=0.0)
            begin = max(heapq.heappop(free), ready)
            ends.append(begin + latency(chance, case.mean))
            heapq.heappush(free, ends[-1])
        found.append(max(ends))
    return sorted(found)[len(found) // 2]


def study_folder(folder: Path, essays: int) -> None:
    """So many essays, one of them an anchor; their words are of no account."""
    demo, chance = Path(__file__).parent.parent / "examples" / "eng5_demo", random.Random(3)
    words = (demo / "prompt.md").read_text().split()
    (folder / "student_essays").mkdir(parents=True)
    for name in ("instructions.md", "prompt.md"):
        (folder / name).write_bytes((demo / name).read_bytes())
    (folder / "anchor_essays").mkdir()
    (folder / "anchor_essays" / "D-1.txt").write_bytes((demo / "anchor_essays" / "D-1.txt").read_bytes())
    for number in range(essays - 1):
        text = " ".join(chance.choices(words, k=200))
        (folder / "student_essays" / f"essay_{number:05}.txt").write_text(f"{text} {number}.\n")


async def ours(url: str, folder: Path, *more: str) -> None:
    """A run of the command line on its embedded stack."""
    models = folder.parent / "models.toml"
    models.write_text(MODELS)
    own = {"OPENAI_API_KEY": "none", "ENG5_OPENAI_BASE_URL": url, "ENG5_MODELS_FILE": str(models), "ENG5_YES": "1"}
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eng5_runner", "--mode", "execute", "--assets", str(folder), "--no-judge-check"),
        *("--no-cache", "--seed", "5", "--llm-provider", "openai", "--llm-model", "slow", *more),
        cwd=folder.parent,
        env=os.environ | own,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
    )
    _, said = await process.communicate()
    if process.returncode:
        raise SystemExit(said.decode()[-2000:])


async def timed(work: Callable[[str], Awaitable[None]], judge: Judge) -> float:
    """Seconds from the judge's first call to its last answer."""
    app = web.Application()
    app.router.add_post("/v1/chat/completions", judge.answer)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        await work(f"http://127.0.0.1:{runner.addresses[0][1]}/v1")
    finally:
        await runner.cleanup()
    return judge.seconds()


async def compare(case: Case) -> Measured:
    """Print one line: our time, the loop's, and the ideal one."""
    with tempfile.TemporaryDirectory() as folder:
        assets = Path(folder) / "study"
        study_folder(assets, max(case.comparisons // 10, 4))
        size = ("--max-comparisons", str(case.comparisons), "--judge-concurrency", str(case.concurrency))
        judge = Judge(mean=case.mean, refuse=case.refuse)
        took = await timed(lambda url: ours(url, assets, *size, *STUDIES[case.study]), judge)
    plain = await timed(
        lambda url: loop(url, calls=case.comparisons, concurrency=case.concurrency),
        Judge(mean=case.mean, refuse=case.refuse),
    )
    best = ideal(case)
    against, unit = (plain, "of a plain loop") if case.study == "balanced" else (best, "of an ideal scheduler")
    refused = f", {case.refuse:.0%} refused" if case.refuse else ""
    work = f"{case.study} study, {case.comparisons} comparisons, {case.concurrency} at once{refused}"
    result = Measured(work, took / against, GOAL, unit)
    print(
        f"{case.study:9} {case.comparisons:6} {case.concurrency:4} {case.refuse:5.0%} {case.mean:7.2f} {took:8.1f} "
        f"{plain:8.1f} {best:8.1f} {took / against:6.2f}{result.remark} "
        f"(load {os.getloadavg()[0]:.0f}, most at once {judge.most})",
        flush=True,
    )
    return result


def main() -> list[Measured]:
    """Print the ratios; the goal is 1.25 of the loop, or of the ideal where rounds follow from answers."""
    parser = argparse.ArgumentParser(prog="python -m bench judging")
    parser.add_argument("--comparisons", type=int, default=440)
    parser.add_argument("--concurrency", type=int, nargs="*", default=[8, 32, 200])
    parser.add_argument("--study", choices=tuple(STUDIES), nargs="*", default=tuple(STUDIES))
    parser.add_argument("--latency", type=float, help="mean of an answer, in seconds")
    given = parser.parse_args(tuple(dropwhile(lambda word: not word.startswith("-"), sys.argv[1:])))
    print("study     compar. conc. 429 latency     ours     loop    ideal  ratio")
    results = []
    for concurrency in given.concurrency:
        for study in given.study:
            for refuse in (0.0, REFUSED) if study == "balanced" else (0.0,):
                mean = given.latency or concurrency / CALLS_A_SECOND
                case = Case(
                    study=study, comparisons=given.comparisons, concurrency=concurrency, refuse=refuse, mean=mean
                )
                results.append(asyncio.run(compare(case)))
    return results
