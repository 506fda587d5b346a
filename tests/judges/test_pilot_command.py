"""A plan with a wide range of prices gives the command of a pilot: it can be pasted, and narrows the range."""

from __future__ import annotations

import shlex
from pathlib import Path

from tests.support.judges.paid import JUDGE, PaidJudge, desk


async def test_the_pilot_s_command_runs_as_it_is_printed_and_narrows_the_range(tmp_path: Path) -> None:
    async with desk(tmp_path, PaidJudge(moody=False)) as at:
        (tmp_path / "rubric with a space.md").write_text("Judge the language. " * 20)
        study = ("--mode", "plan", "--assets", tmp_path / "study", *JUDGE)
        more = ("--rubric", tmp_path / "rubric with a space.md", "--comparisons-per-essay=20", "--seed", 7)
        planned = await at.run(*study, *more)
        assert planned.code == 0, planned.err
        (command,) = [line for line in planned.err.splitlines() if "--mode execute" in line]
        words = shlex.split(command)
        assert words[words.index("--seed") + 1] == "7" and str(more[1]) in words
        assert "--mode plan" not in command and "20" not in words

        piloted = await at.run(*words[1:])
        assert piloted.code == 0, piloted.err
        before = (await at.run(*study, *more, "--json")).lines[-1]["judge"]["usd"]  # type: ignore[index]
        again = await at.run(*study, *more, "--pilot", at.directory, "--json")
        after = again.lines[-1]["judge"]["usd"]  # type: ignore[index]
        told = await at.run(*study, *more, "--pilot", at.directory)
    assert before["high"] > 3 * before["low"]
    assert after["high"] < 1.5 * after["low"]
    assert "A pilot narrows" in planned.err and "A pilot narrows" not in told.err


async def test_a_plan_whose_judge_is_free_or_whose_study_is_small_needs_no_pilot(tmp_path: Path) -> None:
    async with desk(tmp_path, PaidJudge(moody=False)) as at:
        study = ("--mode", "plan", "--assets", tmp_path / "study")
        free = await at.run(*study)
        small = await at.run(*study, *JUDGE, "--max-comparisons", 40)
    assert free.code == small.code == 0
    assert "A pilot narrows" not in free.err + small.err
