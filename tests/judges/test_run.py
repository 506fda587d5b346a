"""A run of the command line, judged by a local OpenAI-compatible server that often fails; then the same study again."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest

from tests.support.judges.driver import environ_for
from tests.support.judges.moody import Moody
from tests.support.judges.servers import KEY, Asked, Said, chat, openai_error, serving
from tests.support.runner import Ran, artefact, newest, run
from tests.support.small_study import build_study

JUDGE = ("--llm-provider", "openai", "--llm-model", "local-7b")
STUDY = ("--max-comparisons", 120, "--seed", 5, *JUDGE)


async def execute(tmp_path: Path, environ: Mapping[str, str], *more: object) -> Ran:
    arguments = ("--mode", "execute", "--assets", tmp_path / "study", *STUDY, *more)
    return await asyncio.to_thread(run, *arguments, cwd=tmp_path, env=environ)


def judged(made: dict[str, Any]) -> list[tuple[object, ...]]:
    names = ("essay_a_id", "essay_b_id", "winner_id", "justification", "confidence", "model", "prompt_hash")
    return sorted(tuple(one[name] for name in names) for one in made["llm_comparisons"])


async def test_a_run_accounts_for_every_failure_and_every_cent_and_the_same_again_is_free(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    moody = Moody()
    async with serving(moody) as server:
        environ = environ_for(tmp_path, server.url, attempts="6")
        ran = await execute(tmp_path, environ)
        assert ran.code == 0, ran.err
        first, folder = artefact(newest(tmp_path)), newest(tmp_path)
        calls, said, cost = len(server.asked), dict(moody.said), moody.cost

        again = await execute(tmp_path, environ)
        assert again.code == 0, again.err
        second = artefact(newest(tmp_path))
        assert newest(tmp_path) != folder
        assert len(server.asked) == calls
        verified = [await asyncio.to_thread(run, "verify", run_, cwd=tmp_path) for run_ in (folder, newest(tmp_path))]

        anew = await execute(tmp_path, environ, "--no-cache")
        assert anew.code == 0, anew.err
        assert len(server.asked) > calls + 120

    failed = Counter(one["failure_code"] for one in first["failed_comparisons"])
    assert failed == {"LLM_PARSING_ERROR": 2, "LLM_INVALID_RESPONSE": 1}
    assert said == {"limited": 6, "malformed": 2, "refused": 1, "judged": 120}
    assert len(first["llm_comparisons"]) == 120
    assert Decimal(str(first["costs"]["total_usd"])) == cost
    assert len({one["request_id"] for one in first["llm_comparisons"] + first["failed_comparisons"]}) == 123
    assert "replayed" not in first["costs"]

    assert judged(second) == judged(first)
    assert second["failed_comparisons"] == []
    assert second["costs"]["total_usd"] == 0
    spent_on_verdicts = sum(one["cost_usd"] for one in first["llm_comparisons"])
    assert second["costs"]["replayed"] == {"comparisons": 120, "saved_usd": pytest.approx(spent_on_verdicts, abs=1e-9)}
    assert {one["replayed"]["request_id"] for one in second["llm_comparisons"]} == {
        one["request_id"] for one in first["llm_comparisons"]
    }
    assert [one.code for one in verified] == [0, 0], [one.err for one in verified]
    assert "replayed from earlier runs" in again.err
    leave_no_key(tmp_path, ran, again, anew)


def leave_no_key(tmp_path: Path, *runs: Ran) -> None:
    """In whatever was printed, and in every file of the runs, of the stacks and of the cache."""
    assert all(KEY not in one.out + one.err for one in runs)
    files = [path for folder in ("runs", "cache") for path in (tmp_path / folder).rglob("*") if path.is_file()]
    assert len(files) > 30
    assert [path for path in files if KEY.encode() in path.read_bytes()] == []


async def test_a_model_that_holds_no_schema_is_understood_and_the_run_says_how_it_was_asked(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    verdict = '{"winner": "b", "justification": "Clear\nwords.", "confidence": "4",}'
    said = f'<think>Hm, {{"winner": "Essay A"}}?</think>\n```json\n{verdict}\n```'

    def script(asked: Asked) -> Said:
        return chat(said) if "response_format" not in asked.body else openai_error(400, "unsupported_value")

    async with serving(script) as server:
        ran = await execute(tmp_path, environ_for(tmp_path, server.url, model=""), "--max-comparisons", 16)

    assert ran.code == 0, ran.err
    made = artefact(newest(tmp_path))
    assert len(made["llm_comparisons"]) == 16 and made["failed_comparisons"] == []
    assert {(one["winner_position"], one["confidence"]) for one in made["llm_comparisons"]} == {("B", 4)}
    assert made["metadata"]["judges"][0]["answer_forms"] == ["text"]
    assert "asked for text, as it takes no schema" in " ".join(ran.err.split())
