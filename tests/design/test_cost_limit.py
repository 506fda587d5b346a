"""A cost limit is kept to the cent whatever fails, and a run that stopped at one goes on with a higher one."""

from __future__ import annotations

import signal

import pytest
import pytest_asyncio

from tests.support.judges.paid import PaidJudge, desk, wait_until
from tests.support.runner import artefact, judgements, ledger_types

WANTED = 120
LIMIT, HIGHER = 0.25, 5


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def unlimited(tmp_path_factory):
    """The judgements of a run that no limit stopped."""
    judge = PaidJudge()
    async with desk(tmp_path_factory.mktemp("unlimited"), judge) as at:
        ran = await at.execute("--max-comparisons", WANTED)
        assert ran.code == 0, ran.err
        return judgements(at.directory)


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_at_the_limit_it_stops_with_exit_4_and_goes_on_with_a_higher_one(tmp_path, unlimited):
    judge = PaidJudge()
    async with desk(tmp_path, judge) as at:
        ran = await at.execute("--max-comparisons", WANTED, "--max-cost", LIMIT)
        assert ran.code == 4, ran.err
        made = artefact(at.directory)
        assert 0.5 * LIMIT < judge.spent <= LIMIT
        assert made["costs"]["total_usd"] == pytest.approx(float(judge.spent), abs=1e-9)
        assert made["runner_status"]["outcome"] == "budget" and made["runner_status"]["partial_data"]
        assert made["stopping"]["ended_by"] == "the cost limit"
        assert made["stopping"]["cost_stop"]["spent_usd"] == pytest.approx(float(judge.spent), abs=1e-9)
        assert 0 < len(made["llm_comparisons"]) < WANTED
        assert made["bt_summary"] and made["service_result"]["essays"]
        assert "--max-cost" in ran.err.splitlines()[-1]
        assert (await at.run("verify", at.directory)).code == 0

        before = judge.prompts.copy()
        assert (await at.run("resume", at.directory)).code == 4
        assert (await at.run("resume", at.directory, "--max-cost", LIMIT)).code == 2
        assert judge.prompts == before

        more = await at.run("resume", at.directory, "--max-cost", HIGHER)
        assert more.code == 0, more.err
        assert judgements(at.directory) == unlimited
        assert len(artefact(at.directory)["llm_comparisons"]) == WANTED
        failed = artefact(at.directory)["failed_comparisons"]
        assert judge.prompts.total() == WANTED + len(failed), "nothing was paid twice"
        assert artefact(at.directory)["stopping"]["ended_by"] == "all comparisons asked for"
        assert (await at.run("verify", at.directory)).code == 0
        assert (await at.run("resume", at.directory, "--max-cost", 9)).code == 2


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_killed_before_the_limit_and_after_it_was_raised_nothing_is_paid_twice(tmp_path, unlimited):
    judge = PaidJudge()
    async with desk(tmp_path, judge) as at:
        process = at.start("--max-comparisons", WANTED, "--max-cost", LIMIT)
        await wait_until(lambda: judge.prompts.total() >= 15)
        process.send_signal(signal.SIGKILL)
        process.wait()
        ran = await at.run("resume", at.directory)
        assert ran.code == 4, ran.err
        assert judge.spent <= LIMIT

        count = judge.prompts.total()
        process = at.resuming("--max-cost", HIGHER)
        await wait_until(lambda: judge.prompts.total() >= count + 10)
        process.send_signal(signal.SIGKILL)
        process.wait()
        assert ledger_types(at.directory).count("BudgetRaised") == 1
        ran = await at.run("resume", at.directory)
        assert ran.code == 0, ran.err
        assert judgements(at.directory) == unlimited
        failed = artefact(at.directory)["failed_comparisons"]
        assert judge.prompts.total() == WANTED + len(failed), "nothing was paid twice"
        assert (await at.run("verify", at.directory)).code == 0


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_on_a_stack_that_goes_on_running_the_raised_request_is_really_sent(tmp_path, unlimited):
    judge = PaidJudge()
    async with desk(tmp_path, judge) as begun:
        stack = begun.serving()
        try:
            await wait_until(lambda: (tmp_path / "out").read_text().endswith("\n"))
            at = begun.on(stack)
            ran = await at.execute("--max-comparisons", WANTED, "--max-cost", LIMIT)
            assert ran.code == 4, ran.err
            assert judge.spent <= LIMIT
            ran = await at.run("resume", at.directory, "--max-cost", HIGHER)
            assert ran.code == 0, ran.err
        finally:
            stack.terminate()
            stack.wait()
        assert judgements(at.directory) == unlimited
        assert ledger_types(at.directory).count("RequestPublished") == 2
        assert ledger_types(at.directory).count("ListeningFrom") == 1
        failed = artefact(at.directory)["failed_comparisons"]
        assert judge.prompts.total() == WANTED + len(failed), "nothing was paid twice"
        assert (await at.run("verify", at.directory)).code == 0


@pytest.mark.slow
@pytest.mark.asyncio(loop_scope="module")
async def test_without_a_price_no_cost_limit_is_taken(tmp_path):
    judge = PaidJudge()
    async with desk(tmp_path, judge) as at:
        ran = await at.execute("--max-cost", 1, "--llm-model", "unpriced")
        assert ran.code == 78, ran.err
        assert "price of unpriced" in ran.err and not judge.prompts
