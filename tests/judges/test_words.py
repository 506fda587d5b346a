"""The words that judges are shown: files known by their hashes, told with every result."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any
from zipfile import ZipFile

import pytest
from hatchling.builders.wheel import WheelBuilder

from eng5_runner.judges.templates import CRITERIA, QUESTION, RUBRIC, SYSTEM
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Said, chat, in_turn, openai_error, serving
from tests.support.stack.llm import comparison, provider

# A changed text makes other prompts, which earlier runs' hashes and judgements do not fit: change these on purpose.
TEXTS = {
    "system": "e8a823690f6bf9989c152783003e9e38613944cad28457ff341a45964c50af56",
    "rubric": "6c281558a3f5ab9047da5d3c01a424d8803fce4c891280544e0205c12e4a14a3",
    "criteria": "3684e6f6d7e631821a3159613eeb41ff080c5157a605fd85a6539cc004bc6344",
    "question": "63506bdb8ffd50a88bfae13cfb23f129e482361177c81f7bf0078684709a30c6",
}
OURS = {"provider_override": "openai", "model_override": "local-7b"}


def test_the_texts_are_the_files_and_have_not_changed() -> None:
    folder = Path(__file__).parents[2] / "eng5_runner" / "judges" / "texts"
    for template in (SYSTEM, RUBRIC, CRITERIA, QUESTION):
        text = (folder / f"{template.name}.md").read_text("utf-8").rstrip("\n")
        assert hashlib.sha256(text.encode()).hexdigest() == template.sha256 == TEXTS[template.name]
    assert {path.stem for path in folder.glob("*.md")} == TEXTS.keys()


async def results(tmp_path: Path, *overrides: Mapping[str, Any], **change: Any) -> list[dict[str, Any]]:
    """What the results of the same comparison with these overrides say in their metadata."""
    async with (
        serving(in_turn(chat(), chat(), chat("no JSON"))) as server,
        open_judges(environ_for(tmp_path, server.url)) as judges,
        provider(tmp_path / "stack", *judges) as at,
    ):
        told = []
        for each in overrides:
            await at.queued(comparison(llm_config_overrides=OURS | dict(each), **change))
            (raw,) = await at.messages(1)
            told.append(json.loads(raw)["data"]["request_metadata"] | {"sent": server.asked[-1].body})
    return told


async def test_a_result_names_the_texts_and_the_hash_of_the_system_prompt_as_sent(tmp_path: Path) -> None:
    plain, strict, failed = await results(
        tmp_path, {}, {"system_prompt_override": "Be strict.", "judge_rubric_override": "Spelling."}, {}
    )

    for told in (plain, strict, failed):
        system, user = (message["content"] for message in told["sent"]["messages"])
        assert told["system_prompt_sha256"] == hashlib.sha256(system.encode()).hexdigest()
        assert told["prompt_sha256"] == hashlib.sha256(user.encode()).hexdigest()
    assert plain["prompt_templates"] == {name: TEXTS[name] for name in ("system", "criteria", "question")}
    assert strict["prompt_templates"] == {name: TEXTS[name] for name in ("rubric", "criteria", "question")}
    assert failed["prompt_templates"] == plain["prompt_templates"]


async def test_an_asker_cannot_claim_a_replay(tmp_path: Path) -> None:
    replay = {"request_id": "x", "recorded_at": "2026-01-01T00:00:00Z", "cost_usd": 1.0}
    replay |= {"prompt_tokens": 1, "completion_tokens": 1}
    claimed = {"cassette": True, "replay_of": replay, "system_prompt_sha256": "0" * 64, "cost_known": False}
    metadata = {"essay_a_id": "a", "essay_b_id": "b", "bos_batch_id": "batch"} | claimed
    (told,) = await results(tmp_path, {}, metadata=metadata)

    assert "cassette" not in told and "replay_of" not in told and "cost_known" not in told
    assert told["system_prompt_sha256"] != "0" * 64


@pytest.mark.parametrize("index", [-1, 1.5, "1", True, None])
async def test_a_repeat_index_that_is_none_is_refused(tmp_path: Path, index: object) -> None:
    async with provider(tmp_path) as at:
        body = comparison()
        body["metadata"]["repeat_index"] = index
        assert await at.refused(body, 400) == (
            "VALIDATION_ERROR",
            "metadata.repeat_index must be a whole number from 0",
        )


async def test_a_repeat_is_asked_and_the_same_asking_is_replayed(tmp_path: Path) -> None:
    async with (
        serving(in_turn(chat())) as server,
        open_judges(environ_for(tmp_path, server.url), cache_folder=tmp_path / "cache") as judges,
        provider(tmp_path / "stack", *judges) as at,
    ):
        told = []
        for index in (None, 0, 1, 1, 2):
            body = comparison(llm_config_overrides=OURS)
            body["metadata"] |= {} if index is None else {"repeat_index": index}
            await at.queued(body)
            (raw,) = await at.messages(1)
            told.append(json.loads(raw)["data"])
        async with at.http.get(f"{at.url}/metrics") as response:
            metrics = await response.text()

    assert len(server.asked) == 3
    replayed = [one["request_metadata"].get("cassette", False) for one in told]
    assert replayed == [False, True, False, True, False]
    assert told[1]["request_metadata"]["replay_of"]["request_id"] == told[0]["request_id"] != told[1]["request_id"]
    assert (told[1]["cost_estimate"], told[1]["token_usage"]["total_tokens"]) == (0, 0)
    assert told[1]["request_metadata"]["replay_of"]["cost_usd"] == told[0]["cost_estimate"] > 0
    assert 'outcome="replayed"' in metrics


@pytest.mark.parametrize(("said", "calls"), [([chat()], 2), ([openai_error(402), chat()], 3)])
async def test_the_same_question_at_one_moment_is_asked_once_and_a_repeat_by_itself(
    tmp_path: Path, said: list[Said], calls: int
) -> None:
    """If the one that is asked fails, the next one is asked."""
    async with (
        serving(in_turn(*(replace(one, after=0.2) for one in said))) as server,
        open_judges(environ_for(tmp_path, server.url), cache_folder=tmp_path / "cache") as judges,
        provider(tmp_path / "stack", *judges) as at,
    ):
        for index in (0, 0, 0, 1):
            body = comparison(llm_config_overrides=OURS)
            body["metadata"] |= {"repeat_index": index}
            await at.queued(body)
        told = [json.loads(raw)["data"]["request_metadata"] for raw in await at.messages(4)]

    assert len(server.asked) == calls
    assert sum(one.get("cassette", False) for one in told) == 4 - calls


def test_the_wheel_holds_the_texts(tmp_path: Path) -> None:
    (built,) = WheelBuilder(str(Path(__file__).parents[2])).build(directory=str(tmp_path), versions=["standard"])
    with ZipFile(built) as wheel:
        names = set(wheel.namelist())

    assert {f"eng5_runner/judges/texts/{name}.md" for name in TEXTS} <= names
    assert "eng5_runner/judges/models.toml" in names
