"""A small study through the whole embedded stack, judged by a local OpenAI-compatible server that often fails."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path
from typing import Any
from uuid import uuid4

import pytest

from eng5_runner.contracts.services import ErrorAnswer, ModelManifest
from eng5_runner.contracts.topics import Topic
from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from tests.support.judges.judged_stack import stack
from tests.support.judges.moody import Moody
from tests.support.judges.servers import chat, in_turn, openai_error
from tests.support.stack.driver import request
from tests.support.stack.texts import essay

OPENAI = {"provider_override": "openai", "model_override": "local-7b"}


async def test_every_failure_is_accounted_for_and_every_cent(tmp_path: Path) -> None:
    moody = Moody()
    async with stack(tmp_path, moody, attempts="6") as at:
        raw = request(await at.essays(12), llm_config_overrides=OPENAI, metadata={"max_comparisons": 200})
        batch = await at.run(raw)

    failed = Counter(one.error_detail.error_code for one in batch.comparisons if one.error_detail)
    assert batch.thin.status == "completed_successfully"
    assert len(batch.rich.essay_results) == 12
    assert sum(one.winner is not None for one in batch.comparisons) == moody.said["judged"] == 200
    assert failed == {"LLM_PARSING_ERROR": moody.said["malformed"], "LLM_INVALID_RESPONSE": moody.said["refused"]}
    assert moody.said["limited"] >= 10 and failed["LLM_PARSING_ERROR"] >= 4 and failed["LLM_INVALID_RESPONSE"] >= 2
    assert len({one.request_id for one in batch.comparisons}) == len(batch.comparisons) == len(moody.tokens)
    assert sum(one.cost_estimate for one in batch.comparisons) == pytest.approx(float(moody.cost), abs=1e-9)
    assert sum(one.token_usage.prompt_tokens for one in batch.comparisons) == sum(used for used, _ in moody.tokens)
    assert {one.model for one in batch.comparisons} == {"local-7b"}


def comparison(**overrides: Any) -> dict[str, Any]:
    blocks = prompt_blocks(task=None, criteria=None, essay_a=essay(0), essay_b=essay(1))
    return {
        "user_prompt": prompt_text(blocks),
        "prompt_blocks": [block.model_dump() for block in blocks],
        "callback_topic": Topic.COMPARISON.value,
        "llm_config_overrides": OPENAI | overrides,
        "correlation_id": str(uuid4()),
        "metadata": {"essay_a_id": "a", "essay_b_id": "b", "bos_batch_id": "batch"},
    }


async def test_the_service_refuses_refers_and_says_what_it_does_not_know(tmp_path: Path) -> None:
    ill = openai_error(503, retry_after_ms="1")
    limits = "failures_in_a_row = 1\npause_seconds = 600\npatience_seconds = 0.2"
    async with stack(tmp_path, in_turn(chat(), ill), limits=limits) as at:
        url = at.at.llm_provider_service_url

        async with at.http.get(f"{url}/models") as response:
            manifest = ModelManifest.model_validate_json(await response.read())
        assert [model.model_id for model in manifest.providers["openai"]] == ["local-7b", "unpriced"]

        async with at.http.post(f"{url}/comparison", json=comparison(reasoning_effort="medium")) as response:
            error = ErrorAnswer.model_validate_json(await response.read(), extra="ignore").error
            assert (response.status, error.error_code) == (400, "LLM_CONFIGURATION_ERROR")
            assert "reasoning_effort" in error.message

        async with at.http.post(f"{url}/comparison", json=comparison(model_override="unpriced")) as response:
            assert response.status == 202
        (unpriced,) = (await at.until("batch", 1)).raw(Topic.COMPARISON)
        assert json.loads(unpriced)["data"]["request_metadata"]["cost_known"] is False

        async with at.http.post(f"{url}/comparison", json=comparison()) as response:
            assert response.status == 202
        lost = (await at.until("batch", 2)).comparisons[-1]
        assert lost.error_detail is not None and lost.error_detail.error_code == "LLM_PROVIDER_UNAVAILABLE"

        async with at.http.post(f"{url}/comparison", json=comparison()) as response:
            assert (response.status, int(response.headers["Retry-After"]) > 0) == (503, True)
