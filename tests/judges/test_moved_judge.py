"""A run began with a server of one's own as its judge, and another shell knows nothing of that server."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace
from pathlib import Path

from tests.support.judges.paid import PaidJudge, desk, wait_until
from tests.support.judges.servers import serving
from tests.support.runner import artefact, ledger_types

COMPARISONS = 24


async def test_the_essays_go_to_no_other_address_before_somebody_agrees(tmp_path: Path) -> None:
    """Without the variable, a server in the school would become a provider's cloud, and two judges one."""
    other = PaidJudge(moody=False)
    async with (
        desk(tmp_path, PaidJudge(moody=False, after=0.3), limits="concurrency = 2") as here,
        serving(other) as there,
    ):
        process = here.start("--max-comparisons", COMPARISONS)
        latest = tmp_path / "runs" / "latest"
        await wait_until(lambda: latest.exists() and ledger_types(here.directory).count("CallbackAccepted") > 1)
        process.kill()
        await asyncio.to_thread(process.wait)
        address = f"{there.url}/v1"
        moved = replace(here, environ={**here.environ, "ENG5_OPENAI_BASE_URL": address})
        refused = await moved.run("resume", here.directory)
        assert refused.code == 2
        assert f"{address} (by ENG5_OPENAI_BASE_URL; until now {here.environ['ENG5_OPENAI_BASE_URL']})" in refused.err
        assert "--trust-addresses" in refused.err and other.requests == 0
        agreed = await moved.run("resume", here.directory, "--trust-addresses")
        assert agreed.code == 0, agreed.err
        assert other.requests > 0 and len(artefact(here.directory)["llm_comparisons"]) == COMPARISONS
        assert (await moved.run("resume", here.directory)).code == 0, "nothing is left to ask"


async def test_a_run_whose_judge_is_not_known_any_more_is_left_as_it_is(tmp_path: Path) -> None:
    """As in a shell without ENG5_MODELS_FILE: the services would fail its batch, and the next session paid for more."""
    judge = PaidJudge(moody=False, after=0.3)
    async with desk(tmp_path, judge, limits="concurrency = 2") as here:
        process = here.start("--max-comparisons", COMPARISONS)
        latest = tmp_path / "runs" / "latest"
        await wait_until(lambda: latest.exists() and ledger_types(here.directory).count("CallbackAccepted") > 1)
        process.kill()
        await asyncio.to_thread(process.wait)
        before = (here.directory / "ledger.jsonl").read_bytes()
        lacking = replace(here, environ={name: to for name, to in here.environ.items() if name != "ENG5_MODELS_FILE"})
        refused = await lacking.run("resume", here.directory)
        assert refused.code == 78 and "local-7b" in refused.err
        assert (here.directory / "ledger.jsonl").read_bytes() == before
        assert (await here.run("resume", here.directory)).code == 0
        assert len(artefact(here.directory)["llm_comparisons"]) == COMPARISONS


async def test_a_run_whose_cost_limit_cannot_be_kept_any_more_is_left_as_it_is(tmp_path: Path) -> None:
    """As with another models file: the services failed the batch, and went on to pay for what waited in it."""
    judge = PaidJudge(moody=False, after=0.3)
    async with desk(tmp_path, judge, limits="concurrency = 2") as here:
        process = here.start("--max-comparisons", COMPARISONS, "--max-cost", 5)
        latest, models = tmp_path / "runs" / "latest", tmp_path / "models.toml"
        await wait_until(lambda: latest.exists() and ledger_types(here.directory).count("CallbackAccepted") > 1)
        process.kill()
        await asyncio.to_thread(process.wait)
        before, paid, priced = (here.directory / "ledger.jsonl").read_bytes(), judge.prompts.total(), models.read_text()
        models.write_text(re.sub(r"\[models.price\].*?\n\n", "\n", priced, count=1, flags=re.DOTALL))
        refused = await here.run("resume", here.directory)
        assert refused.code == 78 and "The price of local-7b is not known any more" in refused.err
        assert (here.directory / "ledger.jsonl").read_bytes() == before and judge.prompts.total() == paid
        models.write_text(priced)
        assert (await here.run("resume", here.directory)).code == 0
        assert len(artefact(here.directory)["llm_comparisons"]) == COMPARISONS


async def test_what_waits_is_asked_under_the_new_price_only_if_the_limit_still_allows_it(tmp_path: Path) -> None:
    """The services went on with it before the batch was looked at, and nobody counted what that cost."""
    judge = PaidJudge(moody=False, after=0.3)
    async with desk(tmp_path, judge, limits="concurrency = 2") as here:
        process = here.start("--max-comparisons", COMPARISONS, "--max-cost", "0.3")
        latest, models = tmp_path / "runs" / "latest", tmp_path / "models.toml"
        await wait_until(lambda: latest.exists() and ledger_types(here.directory).count("CallbackAccepted") > 1)
        process.kill()
        await asyncio.to_thread(process.wait)
        paid, price = judge.prompts.total(), models.read_text()
        models.write_text(price.replace("output = 0.01", "output = 0.2"))
        assert (await here.run("resume", here.directory)).code == 4
        assert judge.prompts.total() == paid
        models.write_text(price)
        assert (await here.run("resume", here.directory, "--max-cost", "0.5")).code == 0
        assert len(artefact(here.directory)["llm_comparisons"]) == COMPARISONS
