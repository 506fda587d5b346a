"""sweep: two judges over the anchors of a study, killed and called again; and the leaderboard that comes of it."""

from __future__ import annotations

import asyncio
import csv
import json
import signal
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.judges.driver import environ_for
from tests.support.judges.paid import Desk, wait_until
from tests.support.judges.servers import Asked, Said, chat, serving
from tests.support.runner import ledger_types, start
from tests.support.small_study import build_study

GRADES = ("F+", "E-", "E+", "D-", "D+", "C-", "C+", "A")
SWEEP = """
max_cost = {limit}
[base]
assets = "study"
mode = "anchor-align"
comparisons_per_essay = 7
[[judges]]
name = "hasty"
llm_provider = "openai"
llm_model = "local-7b"
reasoning_effort = "low"
[[judges]]
name = "careful"
llm_provider = "openai"
llm_model = "local-7b"
reasoning_effort = "high"
"""


@dataclass
class TwoJudges:
    """With a high effort the better grade wins, at more than twice the price; with a low one whatever is shown first.

    Attributes:
        openings: how each anchor's text begins, the lowest grade first.
        answered: how often each prompt was answered at each effort, for money.
    """

    openings: list[str]
    answered: Counter[tuple[str, str]] = field(default_factory=Counter)

    def __call__(self, asked: Asked) -> Said:
        prompt, effort = asked.body["messages"][1]["content"], asked.body["reasoning_effort"]
        self.answered[effort, prompt] += 1
        first, second = prompt.split("**Essay A:**")[1].split("**Essay B:**")
        better = effort == "low" or self._place(first) > self._place(second)
        answer = {"winner": "Essay A" if better else "Essay B", "justification": "<b>So.</b>", "confidence": 3}
        usage = (900, 10) if effort == "low" else (1200, 300)
        return chat(json.dumps(answer), usage=usage, after=0.05)

    def _place(self, text: str) -> int:
        return next(place for place, opening in enumerate(self.openings) if opening in text)


@asynccontextmanager
async def site(folder: Path, *, limit: float) -> AsyncIterator[tuple[Desk, TwoJudges]]:
    study = build_study(folder / "study")
    files = [next(study.glob(f"anchor_essays/{grade}[0-9].txt")) for grade in GRADES]
    judges = TwoJudges([file.read_text().strip()[:60] for file in files])
    (folder / "judges.toml").write_text(SWEEP.format(limit=limit))
    async with serving(judges) as server:
        yield Desk(folder, environ_for(folder, server.url)), judges


async def test_a_killed_sweep_goes_on_pays_nothing_twice_and_names_the_better_judge(tmp_path: Path) -> None:
    folder = tmp_path / "runs" / "judges"
    # Half of it is too little for the careful judge, who gets what the hasty one leaves.
    async with site(tmp_path, limit=0.3) as (desk, judges):
        process = start("sweep", "judges.toml", cwd=tmp_path, env=desk.environ)
        await wait_until(lambda: _has_answers(folder) or process.poll() is not None)
        process.kill()
        assert await asyncio.to_thread(process.wait) == -signal.SIGKILL, (tmp_path / "err").read_text()
        hasty = next(folder.glob("*-hasty-*"))
        alone = await desk.run("resume", hasty)
        ran = await desk.run("sweep", "judges.toml", "--json")
        verified = await desk.run("verify", hasty)
    assert alone.code == 0, alone.err
    assert ran.code == 0, ran.err
    assert verified.code == 0, verified.err
    assert set(judges.answered.values()) == {1}, "a question was paid for twice"
    left = [line["comparisons_left"] for line in ran.lines if line["event"] == "PlannedRun"]
    assert left[0] == 0 and 0 < left[1] < 28, "the resumed run is done, the killed one goes on"
    last = ran.lines[-1]
    board = last["leaderboard"]
    assert last["event"] == "Leaderboard"
    assert [(row["name"], row["complete"]) for row in board["rows"]] == [("careful", 1), ("hasty", 1)]
    paid = 28 * (0.00235 + 0.006)
    assert board["usd"] == pytest.approx(paid), "within the limit"
    assert board["rows"][0]["tau_b"]["value"] == 1.0
    assert board["rows"][1]["first_shown"]["interval_90"][0] > 0
    assert board["differences"][0]["real"]
    page = (folder / "leaderboard.html").read_text()
    assert "careful agrees most with the experts' grades, surely more" in page and "default-src 'none'" in page
    rows = list(csv.DictReader((folder / "leaderboard.csv").read_text().splitlines()))
    assert [(row["judge"], row["complete"]) for row in rows] == [("careful", "1"), ("hasty", "1")]


def _has_answers(folder: Path) -> bool:
    """Whether each of two runs has some answers."""
    counts = [ledger_types(run.parent).count("CallbackAccepted") for run in folder.glob("2*/ledger.jsonl")]
    return len(counts) == 2 and min(counts) >= 4
