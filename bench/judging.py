"""Studies against a slow judge, beside a plain loop with a semaphore, and beside an ideal scheduler.

`python -m bench judging [--comparisons N] [--concurrency N …] [--latency SECONDS]`. The judge is simulated: it answers
after a lognormal time (sigma 0.7), has 200 places, and refuses 5 % of the calls where that is said. Its mean is such
that an ideal scheduler asks at most 20 a second, and 14 on average: the work of this machine counts little then. One
run each: the ratio is of the time from the first call to the last answer.

The plan knows the mean from the file of models. Its time is the middle of what it says, and `off` is how many times
longer or shorter than the time measured. Studies in serial bundles and with a limit of requests a minute are compared
with their plans alone. A study with a cost limit just above its cost is compared with a scheduler that holds back, for
each call under way, the most that it can cost. `--comparisons 2000` takes half an hour, 10000 hours.
"""

from __future__ import annotations

import argparse
import asyncio
import bisect
import heapq
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass, field, replace
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
MOST_CALLS_A_SECOND, CALLS_A_SECOND = 20.0, 14.0
GOAL = 1.25
ANSWER = json.dumps({"winner": "Essay A", "justification": "It argues better.", "confidence": 3})
# The plan's time against the measured one.
FORETOLD_GOAL = 1.3
MODELS = """
[[models]]
id = "slow"
provider = "openai"
price = { input = 0.0001, output = 0.0001, looked_up = 2026-11-22, source = "bench" }
"""
STUDIES = {
    "balanced": (),
    "adaptive": ("--design", "adaptive"),
    "target": ("--target-se", "0.01"),
    "bundled": ("--llm-batching-mode", "serial_bundle"),
    "rated": (),
    "limited": (),
}
# Compared with the plan alone: they wait for each other, or for the limit of requests a minute.
PLANNED = ("bundled", "rated")
# USD of a comparison by the prices of `MODELS` and the tokens of `Judge`, and how far the limit is above that.
COST, ABOVE = 0.000096, 1.2
REQUESTS_A_MINUTE = 1200.0


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
    """One line of the table; `held` is what a call under way counts for where there is a cost limit, USD."""

    study: str
    comparisons: int
    concurrency: int
    refuse: float
    mean: float = 1.0
    held: float = 0.0

    @property
    def limit(self) -> float:
        """USD that may be spent."""
        return self.comparisons * COST * ABOVE if self.study == "limited" else math.inf

    def answers_before(self, number: int) -> int:
        """How many earlier calls must be answered before the cost limit admits this one, counted from 0."""
        missing = (number + 1) * self.held - self.limit
        return math.ceil(missing / (self.held - COST)) if missing > 0 else 0

    def follows(self, wave: int) -> int:
        """The number of waves whose answers must be there before a wave may start."""
        if self.study in ("balanced", "limited", *PLANNED) or (self.study == "adaptive" and wave < BALANCED_ROUNDS):
            return 0
        return max(wave - 1, 0)


def ideal(case: Case) -> float:
    """Seconds of a scheduler without any cost that starts each pair as soon as it may start; the median of 21."""
    size, chance, found = max(case.comparisons // 20, 2), random.Random(11), []
    for _ in range(21):
        free, ends, ready, answered = [0.0] * case.concurrency, list[float](), 0.0, [0.0]
        for number in range(case.comparisons):
            if number % size == 0:
                ready = max(ends[: case.follows(number // size) * size], default=0.0)
            begin = max(heapq.heappop(free), ready, answered[case.answers_before(number)])
            ends.append(begin + latency(chance, case.mean))
            bisect.insort(answered, ends[-1])
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


async def ours(url: str, folder: Path, *more: str, mode: str = "execute") -> bytes:
    """What a run of the command line on its embedded stack says on its standard output."""
    own = {"OPENAI_API_KEY": "none", "ENG5_OPENAI_BASE_URL": url, "ENG5_YES": "1"}
    own["ENG5_MODELS_FILE"] = str(folder.parent / "models.toml")
    process = await asyncio.create_subprocess_exec(
        *(sys.executable, "-m", "eng5_runner", "--mode", mode, "--assets", str(folder), "--no-judge-check", "--json"),
        *("--no-cache", "--seed", "5", "--llm-provider", "openai", "--llm-model", "slow", *more),
        cwd=folder.parent,
        env=os.environ | own,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
    )
    said, why = await process.communicate()
    if process.returncode:
        raise SystemExit(why.decode()[-2000:])
    return said


def foretold(said: bytes) -> tuple[float, float]:
    """The middle of the seconds that a plan says, and the most that a call can cost by it, USD."""
    judge = json.loads(said.splitlines()[-1])["judge"]
    return math.sqrt(judge["seconds"]["low"] * judge["seconds"]["high"]), judge["call_at_most_usd"]


async def timed(work: Callable[[str], Awaitable[object]], judge: Judge) -> float:
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


async def compare(case: Case, plain: float | None) -> list[Measured]:
    """Print one line: our time, the loop's if it is known, the ideal one, and the plan's."""
    with tempfile.TemporaryDirectory() as folder:
        assets = Path(folder) / "study"
        study_folder(assets, max(case.comparisons // 10, 4))
        (assets.parent / "models.toml").write_text(models(case))
        size = ("--max-comparisons", str(case.comparisons), "--judge-concurrency", str(case.concurrency))
        limit = ("--max-cost", str(case.limit)) if case.study == "limited" else ()
        words = (*size, *STUDIES[case.study], *limit)
        plan, held = foretold(await ours("http://127.0.0.1:9/v1", assets, *words, mode="plan"))
        judge = Judge(mean=case.mean, refuse=case.refuse)
        took = await timed(lambda url: ours(url, assets, *words), judge)
    refused = f", {case.refuse:.0%} refused" if case.refuse else ""
    work = f"{case.study} study, {case.comparisons} comparisons, {case.concurrency} at once{refused}"
    off = Measured(f"{work}: plan", max(plan / took, took / plan), FORETOLD_GOAL, "times longer or shorter")
    best = ideal(replace(case, held=held) if limit else case)
    against, unit = (best, "of an ideal scheduler") if plain is None else (plain, "of a plain loop")
    result = Measured(work, took / against, GOAL, unit)
    shown = [result, off] if case.study not in PLANNED else [off]
    print(
        f"{case.study:9} {case.comparisons:6} {case.concurrency:4} {case.refuse:5.0%} {case.mean:7.2f} {took:8.1f} "
        f"{plain or math.nan:8.1f} {best:8.1f} {result.value:6.2f} {plan:8.1f} {off.value:5.2f}"
        f"{''.join(each.remark for each in shown)} (load {os.getloadavg()[0]:.0f}, most at once {judge.most})",
        flush=True,
    )
    return shown


def models(case: Case) -> str:
    """A file of models that states what the judge is like."""
    limits = f"limits.openai.requests_per_minute = {REQUESTS_A_MINUTE}\n" if case.study == "rated" else ""
    return f"{limits}{MODELS}answer_seconds = {case.mean}\n"


async def plain_loop(case: Case) -> float:
    """Seconds of the loop that a user would write."""
    judge = Judge(mean=case.mean, refuse=case.refuse)
    return await timed(lambda url: loop(url, calls=case.comparisons, concurrency=case.concurrency), judge)


def main() -> list[Measured]:
    """Print the ratios; the goal is 1.25 of the loop, or of the ideal where rounds follow from answers."""
    parser = argparse.ArgumentParser(prog="python -m bench judging")
    parser.add_argument("--comparisons", type=int, default=440)
    parser.add_argument("--concurrency", type=int, nargs="*", default=[8, 32, 200])
    parser.add_argument("--study", choices=tuple(STUDIES), nargs="*", default=tuple(STUDIES))
    parser.add_argument("--latency", type=float, help="mean of an answer, in seconds")
    given = parser.parse_args(tuple(dropwhile(lambda word: not word.startswith("-"), sys.argv[1:])))
    print("study     compar. conc. 429 latency     ours     loop    ideal  ratio     plan   off")
    results: list[Measured] = []
    for concurrency in given.concurrency:
        for study in given.study:
            for refuse in (0.0, REFUSED) if study == "balanced" else (0.0,):
                case = Case(study=study, comparisons=given.comparisons, concurrency=concurrency, refuse=refuse)
                mean = min(concurrency / MOST_CALLS_A_SECOND, case.comparisons / CALLS_A_SECOND / ideal(case))
                case = replace(case, mean=given.latency or mean)
                plain = asyncio.run(plain_loop(case)) if study == "balanced" else None
                results += asyncio.run(compare(case, plain))
    return results
