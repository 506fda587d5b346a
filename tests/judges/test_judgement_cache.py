"""The judgement cache: a replay is free and identical, and only the very same question has one."""

from __future__ import annotations

import asyncio
import json
import os
import sqlite3
import stat
import sys
import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, datetime
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.judges.prompts import prompt_blocks, prompt_text
from eng5_runner.stack.llm.cache import JudgementCache, Recording
from eng5_runner.stack.llm.judge import Verdict
from tests.support.judges.driver import question, site
from tests.support.judges.servers import GOOD, KEY, Asked, Said, chat, in_turn, message, openai_error

SAME = ("winner", "justification", "confidence")


def judgement(verdict: Verdict) -> tuple[object, ...]:
    return tuple(getattr(verdict, name) for name in SAME)


def numbered() -> Callable[[Asked], Said]:
    """Each answer another one."""
    numbers = count(1)
    return lambda _: chat(json.dumps(GOOD | {"justification": f"Reason {next(numbers)}."}))


async def test_a_replay_is_free_and_identical_and_says_what_it_repeats(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        first = await at.ask()
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        second = await at.ask()
        assert at.server.asked == []

    assert judgement(first) == judgement(second)
    assert (second.cost, second.prompt_tokens, second.completion_tokens) == (0.0, 0, 0)
    assert first.replay_of is None and second.replay_of is not None
    was = second.replay_of
    assert (was.cost_usd, was.prompt_tokens, was.completion_tokens) == (first.cost, 1200, 80)


async def test_a_repeat_is_never_served_from_an_earlier_repeat(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        asked = [(await at.ask_again(repeat)).justification for repeat in (0, 1, 2, 0, 1, 2)]

    assert asked == ["Reason 1.", "Reason 2.", "Reason 3."] * 2


@pytest.mark.parametrize(
    "overrides",
    [
        {"temperature_override": 0.0},
        {"temperature_override": 0.5},
        {"max_tokens_override": 500},
        {"system_prompt_override": "Be strict."},
        {"judge_rubric_override": "Spelling counts twice."},
        {"judge_rubric_override": "Spelling counts thrice."},
        {"reasoning_effort": "low"},
        {"reasoning_effort": "high"},
        {"output_verbosity": "low"},
    ],
)
async def test_whatever_reaches_the_provider_makes_another_question(tmp_path: Path, overrides: dict[str, Any]) -> None:
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        plain = await at.ask()
        other = await at.ask(**overrides)
        assert judgement(await at.ask(**overrides)) == judgement(other) != judgement(plain)
        assert len(at.server.asked) == 2


async def test_the_order_of_the_essays_makes_another_question(tmp_path: Path) -> None:
    blocks = prompt_blocks(task="Write.", criteria=None, essay_a="Another text.", essay_b="One text.")
    turned = replace(question(), prompt=prompt_text(blocks), blocks=tuple(block.content for block in blocks))
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        await at.ask()
        await at.entries["local-7b"].judge(turned)

        assert len(at.server.asked) == 2


async def test_another_form_of_the_answer_makes_another_question(tmp_path: Path) -> None:
    for form in ("schema", "json", "text"):
        async with site(tmp_path, numbered(), cache=tmp_path / "cache", model=f'answers = "{form}"') as at:
            await at.ask()
            assert len(at.server.asked) == 1


async def test_another_provider_or_model_makes_another_question(tmp_path: Path) -> None:
    for provider, said in (("openai", chat()), ("openrouter", chat()), ("google", chat()), ("anthropic", message())):
        async with site(tmp_path, in_turn(said), cache=tmp_path / "cache", provider=provider) as at:
            await at.ask()
            await at.ask(model="unpriced")
            assert len(at.server.asked) == 2


async def test_saying_a_default_makes_no_other_question(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        await at.ask()
        await at.ask(max_tokens_override=2000)

        assert len(at.server.asked) == 1


@pytest.mark.parametrize(
    "said",
    [chat("no JSON"), chat(refusal="I will not."), chat(finish="length"), openai_error(401), openai_error(400)],
    ids=["malformed", "refused", "cut", "not let in", "refused request"],
)
async def test_a_failure_is_never_recorded(tmp_path: Path, said: Said) -> None:
    async with site(tmp_path, in_turn(said, chat()), cache=tmp_path / "cache") as at:
        await at.fails()
        assert (await at.ask()).replay_of is None
        assert len(at.server.asked) == 2


async def test_a_cost_that_is_not_known_stays_so(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat()), cache=tmp_path / "cache") as at:
        assert (await at.ask(model="unpriced")).cost is None
        again = await at.ask(model="unpriced")

    assert again.cost == 0.0
    assert again.replay_of is not None and again.replay_of.cost_usd is None


def rows(folder: Path) -> list[tuple[Any, ...]]:
    database = sqlite3.connect(folder / "judgements.sqlite")
    try:
        return database.execute("SELECT key, entry, checksum FROM judgements").fetchall()
    finally:
        database.close()


def change(folder: Path, statement: str) -> None:
    database = sqlite3.connect(folder / "judgements.sqlite")
    with database:
        database.execute(statement)
    database.close()


@pytest.mark.parametrize(
    "damage",
    [
        "UPDATE judgements SET entry = CAST(replace(entry, 'Essay B', 'Essay A') AS BLOB)",
        "UPDATE judgements SET entry = CAST(replace(entry, 'Essay B', 'Essay A') AS TEXT)",
        "UPDATE judgements SET checksum = ''",
        "UPDATE judgements SET entry = x''",
    ],
)
async def test_a_damaged_entry_is_a_miss_and_the_next_answer_takes_its_place(tmp_path: Path, damage: str) -> None:
    cache = tmp_path / "cache"
    async with site(tmp_path, in_turn(chat()), cache=cache) as at:
        good = await at.ask()
    change(cache, damage)
    async with site(tmp_path, in_turn(chat()), cache=cache) as at:
        assert judgement(await at.ask()) == judgement(good)
        assert judgement(await at.ask()) == judgement(good)
        assert len(at.server.asked) == 1


async def test_an_entry_under_another_key_is_a_miss(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with site(tmp_path, numbered(), cache=cache) as at:
        await at.ask_again(0)
        await at.ask_again(1)
        (one, two) = (key for key, _, _ in rows(cache))
        change(cache, f"UPDATE judgements SET key = 'x' WHERE key = '{one}'")
        change(cache, f"UPDATE judgements SET key = '{one}' WHERE key = '{two}'")
        await at.ask_again(0)
        await at.ask_again(1)

        assert len(at.server.asked) == 4


@pytest.mark.parametrize("content", [b"no database", b"SQLite format 3\0" + bytes(5000)])
async def test_a_file_that_is_none_costs_only_what_it_would_have_saved(tmp_path: Path, content: bytes) -> None:
    cache = tmp_path / "cache"
    cache.mkdir()
    (cache / "judgements.sqlite").write_bytes(content)
    async with site(tmp_path, in_turn(chat()), cache=cache) as at:
        assert (await at.ask()).winner == (await at.ask()).winner == "Essay B"
        assert len(at.server.asked) == 2


async def test_a_folder_that_cannot_be_made_costs_only_what_it_would_have_saved(tmp_path: Path) -> None:
    (tmp_path / "cache").write_text("a file")
    async with site(tmp_path, in_turn(chat()), cache=tmp_path / "cache") as at:
        assert (await at.ask()).winner == "Essay B"


async def test_no_essay_no_prompt_and_no_key_is_in_it_and_others_cannot_read_it(tmp_path: Path) -> None:
    cache = tmp_path / "cache"
    async with site(tmp_path, in_turn(chat()), cache=cache) as at:
        await at.ask(system_prompt_override="A secret system prompt.")
        told = b"".join(path.read_bytes() for path in cache.iterdir())
        modes = {stat.S_IMODE(path.stat().st_mode) for path in cache.iterdir()}

    for text in ("One text.", "Another text.", "Student Assignment", "secret system prompt", KEY):
        assert text.encode() not in told
    assert b"It argues better." in told
    assert modes == {0o600}


async def test_many_at_once_lose_nothing(tmp_path: Path) -> None:
    """Two services with one cache, as two runs have it."""
    cache = tmp_path / "cache"
    async with site(tmp_path, numbered(), cache=cache) as one, site(tmp_path, numbered(), cache=cache) as two:
        await asyncio.gather(*(at.ask_again(n) for n in range(40) for at in (one, two)))
        asked = len(one.server.asked), len(two.server.asked)
        first = await asyncio.gather(*(one.ask_again(n) for n in range(40)))
        second = await asyncio.gather(*(two.ask_again(n) for n in range(40)))
        assert (len(one.server.asked), len(two.server.asked)) == asked

    assert [judgement(verdict) for verdict in first] == [judgement(verdict) for verdict in second]
    assert len(rows(cache)) == 40


WRITER = """
import sys
from datetime import UTC, datetime
from pathlib import Path
from eng5_runner.stack.llm.cache import JudgementFile, Recording

file = JudgementFile(Path(sys.argv[1]))
told = Recording(
    provider="openai", model="m", winner="Essay A", justification=sys.argv[2], confidence=3, prompt_tokens=1,
    completion_tokens=1, cost_usd=0.1, request_id=sys.argv[2], recorded_at=datetime.now(UTC), prompt_sha256="0" * 64,
)
for number in range(50):
    file.record([(f"{number:064x}", told)])
file.close()
"""


async def test_judgements_that_come_while_the_file_is_written_are_kept_together(tmp_path: Path) -> None:
    """One wait for the disk is one for them all; the first is durable no later for it."""
    thread, gate = ThreadPoolExecutor(max_workers=1), threading.Event()
    cache = JudgementCache(tmp_path / "cache", thread)
    busy, running = thread.submit(gate.wait), cache.start()
    waiting = [asyncio.create_task(cache.record(f"{number:064x}", recording(number))) for number in range(5)]
    await asyncio.sleep(0)
    waiting[0].cancel()  # it is paid for
    gate.set()
    await waiting[1]

    assert busy.result() and len(rows(tmp_path / "cache")) == 5
    running.cancel()
    await asyncio.gather(running, *waiting, return_exceptions=True)
    await cache.close()


def recording(number: int) -> Recording:
    return Recording(
        provider="openai",
        model="m",
        winner="Essay A",
        justification="So.",
        confidence=3,
        prompt_tokens=1,
        completion_tokens=1,
        cost_usd=0.1,
        request_id=str(number),
        recorded_at=datetime.now(UTC),
        prompt_sha256="0" * 64,
    )


async def test_several_processes_write_at_the_same_time_and_the_first_is_kept(tmp_path: Path) -> None:
    writers = [
        await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(tmp_path / "cache"), name, env=os.environ
        )
        for name in ("one", "two", "three")
    ]
    assert [await writer.wait() for writer in writers] == [0, 0, 0]

    kept = rows(tmp_path / "cache")
    assert len(kept) == 50
    assert {json.loads(entry)["request_id"] for _, entry, _ in kept} <= {"one", "two", "three"}


ASKS_AND_DIES = """
import asyncio, os, signal, sys
from pathlib import Path
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import question

async def main() -> None:
    async with open_judges(os.environ, cache_folder=Path(sys.argv[1])) as judges:
        await next(one for one in judges if one.model.model_id == "local-7b").judge(question())
        os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_an_answer_outlives_a_process_that_is_killed_before_it_tells_anybody(tmp_path: Path) -> None:
    async with site(tmp_path, numbered(), cache=tmp_path / "cache") as at:
        environ = os.environ | dict(at.environ)
        command = (sys.executable, "-c", ASKS_AND_DIES, str(tmp_path / "cache"))
        died = await asyncio.create_subprocess_exec(*command, env=environ)
        assert await died.wait() == -9
        assert len(at.server.asked) == 1

        assert (await at.ask()).justification == "Reason 1."
        assert len(at.server.asked) == 1
