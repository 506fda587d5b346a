"""Through the command line: a cost limit holds by the account of a hostile server, and the artefact states no less."""

from __future__ import annotations

from pathlib import Path

import pytest

from eng5_runner.judges.cost_bound import ATTEMPTS
from tests.support.judges.driver import environ_for
from tests.support.judges.hostile import ALL, UNREADABLE, hostile
from tests.support.judges.paid import Desk
from tests.support.runner import artefact
from tests.support.small_study import build_study

LIMIT = 2


@pytest.mark.slow
async def test_a_server_that_answers_in_thirty_odd_ways_never_gets_more_than_the_limit(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    async with hostile() as server:
        at = Desk(tmp_path, environ_for(tmp_path, server.url, attempts="6", timeout="3"))
        ran = await at.execute("--max-comparisons", 80, "--max-cost", LIMIT, "--no-cache")

        assert set(server.answered) == set(ALL)
        made = artefact(at.directory)
        assert ran.code in (3, 4), ran.err
        assert float(server.spent) <= made["costs"]["total_usd"] <= LIMIT
        # How many the limit pays for depends on which odd answers came first: those that fail cost as well.
        assert len(made["llm_comparisons"]) >= 5
        assert (await at.run("verify", at.directory)).code == 0


@pytest.mark.slow
async def test_nonsense_is_asked_for_three_times_and_shown_with_its_cost(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    async with hostile(*UNREADABLE) as server:
        at = Desk(tmp_path, environ_for(tmp_path, server.url, attempts="6", timeout="3"))
        ran = await at.execute("--max-comparisons", 8, "--max-cost", 5, "--no-cache")

        assert ran.code == 69, ran.err
        assert 8 <= server.answered.total() <= 8 * ATTEMPTS
        assert max(server.calls.values()) == ATTEMPTS
        made = artefact(at.directory)
        assert made["llm_comparisons"] == []
        stated = made["costs"]["total_usd"]
        assert (
            float(server.spent) <= stated == pytest.approx(sum(row["cost_usd"] for row in made["failed_comparisons"]))
        )
        assert f"{stated:.4f}" in ran.err and "8 failed" in ran.err
        assert "9 of 8" not in ran.err
