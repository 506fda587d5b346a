"""A provider is not overrun, and is left alone when it is ill."""

from __future__ import annotations

import asyncio
import random
from dataclasses import replace
from pathlib import Path

import pytest

from eng5_runner.judges.manifest import Limits
from eng5_runner.stack.llm.providers.protocol import End, Reply, retry_after
from eng5_runner.stack.llm.providers.rate_headers import Allowance, allowed_requests, allowed_tokens
from eng5_runner.stack.llm.providers.rate_limiter import Meter, Places, RateLimiter
from tests.support.judges.driver import question, site
from tests.support.judges.servers import chat, in_turn, openai_error


async def test_no_more_at_once_than_there_are_places(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat(after=0.02)), limits="concurrency = 3") as at:
        await asyncio.gather(*(at.ask() for _ in range(12)))

        assert len(at.server.asked) == 12
        assert at.server.most_at_once <= 3


async def test_requests_a_minute_are_kept(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat()), limits="requests_per_minute = 1200") as at:
        began = asyncio.get_running_loop().time()
        await asyncio.gather(*(at.ask() for _ in range(10)))

        assert max(one.at for one in at.server.asked) - began >= 9 * 60 / 1200


async def test_tokens_a_minute_are_kept_by_what_was_really_used(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat(usage=(5000, 1000))), limits="tokens_per_minute = 2400000") as at:
        times = []
        for _ in range(4):
            await at.ask()
            times.append(asyncio.get_running_loop().time())

        assert at.server.asked[-1].at - times[0] >= 2 * 6000 * 60 / 2400000


async def test_a_meter_lets_debts_be_paid_first() -> None:
    meter, clock = Meter(6000), asyncio.get_running_loop().time
    began = clock()
    await meter.take(20)
    await meter.take(1)

    assert clock() - began >= 0.2


async def test_a_provider_that_fails_in_a_row_is_left_alone_and_tried_again(tmp_path: Path) -> None:
    ill = openai_error(503, retry_after_ms="1")
    limits = "failures_in_a_row = 3\npause_seconds = 0.4"
    async with site(tmp_path, in_turn(ill, ill, ill, chat()), limits=limits) as at:
        assert (await at.fails()).error_code == "LLM_PROVIDER_UNAVAILABLE"
        assert 0 < at.entries["local-7b"].pauses() <= 0.4

        verdicts = await asyncio.gather(*(at.ask() for _ in range(5)))

        assert {verdict.winner for verdict in verdicts} == {"Essay B"}
        assert at.entries["local-7b"].pauses() == 0
        third, probe = at.server.asked[2:4]
        assert probe.at - third.at >= 0.4


async def test_calls_that_waited_for_an_ill_provider_do_not_start_in_one_instant(tmp_path: Path) -> None:
    """They start within two seconds, by the limit of calls at the same time."""
    limits = "failures_in_a_row = 1\npause_seconds = 0.2\nconcurrency = 20"
    async with site(
        tmp_path, in_turn(openai_error(503, retry_after_ms="1"), chat()), limits=limits, attempts="1"
    ) as at:
        await at.fails()
        await asyncio.gather(*(at.ask() for _ in range(4)))
    times = [asked.at for asked in at.server.asked[1:]]
    assert len(times) == 4 and times[-1] - times[0] >= 3 * 2 / 20


async def test_patience_has_an_end(tmp_path: Path) -> None:
    limits = "failures_in_a_row = 1\npause_seconds = 60\npatience_seconds = 0.2"
    async with site(tmp_path, in_turn(openai_error(503, retry_after_ms="1")), limits=limits) as at:
        failed = await at.fails()

    assert (failed.error_code, failed.message) == (
        "LLM_PROVIDER_UNAVAILABLE",
        "the provider gave no usable answer within 0.2 s",
    )


async def test_a_gate_that_was_never_used_does_not_pause() -> None:
    assert RateLimiter(Limits(), provider="openai").pauses() == 0


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "7"}, 7.0),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after-ms": "250", "retry-after": "9"}, 0.25),
        ({"retry-after": "99999"}, 120.0),
        ({"retry-after": "-1"}, None),
        ({"retry-after": "soon"}, None),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:05 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 5.0),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0.0),
        ({"retry-after": "Sun, 22 Nov 2026 10:00:05 GMT"}, None),
    ],
)
def test_what_a_provider_says_of_when_to_come_again(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after(headers) == seconds


async def occupied(places: Places, number: int, leave: asyncio.Event) -> list[asyncio.Task[None]]:
    """So many callers, who leave their places when they are told to."""

    async def call() -> None:
        async with places.one():
            held.append(None)
            await leave.wait()

    held: list[None] = []
    tasks = [asyncio.create_task(call()) for _ in range(number)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert len(held) == min(number, int(places.allowed))
    return tasks


async def test_places_are_as_many_as_are_allowed_and_a_caller_who_gives_up_leaves_none_taken() -> None:
    places, leave = Places(3), asyncio.Event()
    tasks = await occupied(places, 5, leave)
    tasks[3].cancel()
    leave.set()
    await asyncio.gather(*tasks, return_exceptions=True)

    await asyncio.gather(*await occupied(places, 3, leave))


@pytest.mark.parametrize(("share", "lowest", "highest"), [(0.0, 200, 200), (0.05, 180, 200), (0.5, 1, 30), (1.0, 1, 1)])
async def test_refusals_lower_the_number_in_proportion_and_answers_raise_it(
    share: float, lowest: int, highest: int
) -> None:
    """Each refusal is of a call that began after the last one, so nothing but their share decides."""
    places, refused = Places(200), 0.0
    for _ in range(4000):
        refused += share
        if refused >= 1:
            refused -= 1
            places.refused(began=float("inf"))
        else:
            places.answered()

    assert lowest <= places.allowed <= highest


@pytest.mark.parametrize("most", [8, 32, 200])
async def test_a_few_refusals_by_chance_leave_nearly_all_places(most: int) -> None:
    """Chance gathers them: where their share is only near to what lowers the number, it must not sink for long."""
    places, chance, allowed = Places(most), random.Random(1), 0
    for _ in range(4000):
        if chance.random() < 0.075:
            places.refused(began=0.0)
        else:
            places.answered()
        allowed += round(places.allowed)
    assert allowed > 0.97 * most * 4000


async def test_calls_of_one_moment_that_are_all_refused_halve_the_number_once() -> None:
    places = Places(100)
    places.refused(began=asyncio.get_running_loop().time())
    for _ in range(99):
        places.refused(began=0.0)

    assert places.allowed == 50


OPENAI = {"x-ratelimit-limit-requests": "600", "x-ratelimit-remaining-requests": "599"}
ANTHROPIC = {"anthropic-ratelimit-tokens-limit": "60000", "anthropic-ratelimit-tokens-remaining": "1000"}


@pytest.mark.parametrize(
    ("headers", "requests", "tokens"),
    [
        ({}, None, None),
        (OPENAI | {"x-ratelimit-reset-requests": "100ms"}, (599, 10.0), None),
        ({**OPENAI, "x-ratelimit-remaining-requests": "0", "x-ratelimit-reset-requests": "1h40m0s"}, (0, 0.1), None),
        ({"x-ratelimit-limit-tokens": "30000", "x-ratelimit-remaining-tokens": "0"}, None, (0, 500.0)),
        (ANTHROPIC | {"anthropic-ratelimit-tokens-reset": "2026-11-22T10:00:59Z"}, None, (1000, 1000.0)),
        (
            {"anthropic-ratelimit-requests-limit": "50", "anthropic-ratelimit-requests-remaining": "49"},
            (49, 5 / 6),
            None,
        ),
        ({**OPENAI, "x-ratelimit-limit-requests": "0"}, None, None),
        ({**OPENAI, "x-ratelimit-remaining-requests": "many"}, None, None),
        ({"x-ratelimit-limit-requests": "600"}, None, None),
    ],
)
def test_what_a_provider_says_of_its_rates(
    headers: dict[str, str], requests: tuple[float, float] | None, tokens: tuple[float, float] | None
) -> None:
    for said, expected in ((allowed_requests(headers), requests), (allowed_tokens(headers), tokens)):
        assert (said and (said.remaining, pytest.approx(said.per_second))) == expected


async def test_what_a_provider_leaves_is_taken_at_once_and_the_rest_at_its_rate() -> None:
    meter, clock = Meter(None), asyncio.get_running_loop().time
    await meter.take(1000)
    meter.follow(Allowance(limit=600, remaining=40))
    began = clock()
    for _ in range(42):
        await meter.take(1)
    assert clock() - began >= 0.2

    meter.follow(Allowance(limit=600, remaining=500))
    began = clock()
    await meter.take(1)
    assert clock() - began >= 0.05, "what is taken already may not have reached the provider"


async def test_what_calls_took_less_than_expected_is_used_by_the_next_ones() -> None:
    meter = Meter(600)
    await meter.take(30)
    meter.correct(-30)
    meter.correct(-20)
    calls = [asyncio.create_task(meter.take(amount)) for amount in (20, 1000, 1)]
    for _ in range(10):
        await asyncio.sleep(0)
    assert [call.done() for call in calls] == [True, True, False], "without waiting, up to the debt"
    calls[-1].cancel()


async def test_several_workers_have_equal_parts_of_all_limits() -> None:
    limiter, started, leave = RateLimiter(Limits(concurrency=10), provider="openai"), list[None](), asyncio.Event()

    async def ask() -> Reply:
        started.append(None)
        await leave.wait()
        return Reply(text="", end=End.DONE, usage=None)

    limiter.share(4)
    calls = [asyncio.create_task(limiter.through(ask, tokens=1)) for _ in range(10)]
    for _ in range(20):
        await asyncio.sleep(0)
    assert len(started) == 2
    leave.set()
    await asyncio.gather(*calls)

    meter, clock = Meter(1200), asyncio.get_running_loop().time
    meter.share(4)
    began = clock()
    await meter.take(1)
    await meter.take(1)
    assert clock() - began >= 4 * 60 / 1200


@pytest.mark.parametrize(("status", "times"), [(429, 1), (503, 0)])
async def test_a_question_gives_way_to_another_while_the_provider_refuses_it(
    tmp_path: Path, status: int, times: int
) -> None:
    """Not where the provider is ill: more questions would only be asked in vain."""
    given_way = list[None]()
    async with site(tmp_path, in_turn(openai_error(status, retry_after_ms="1"), chat())) as at:
        await at.entries["local-7b"].judge(replace(question(), give_way=lambda: given_way.append(None)))
    assert (len(given_way), len(at.server.asked)) == (times, 2)


@pytest.mark.parametrize("refused", [False, True])
async def test_the_headers_of_each_answer_are_followed(tmp_path: Path, refused: bool) -> None:
    spent = {"x-ratelimit-limit-requests": "120", "x-ratelimit-remaining-requests": "0"}
    first = openai_error(429, retry_after_ms="1") if refused else chat()
    first = replace(first, headers={**first.headers, **spent})
    async with site(tmp_path, in_turn(first, chat())) as at:
        await at.ask()
        if not refused:
            await at.ask()
        assert at.server.asked[1].at - at.server.asked[0].at >= 0.5


async def test_waiting_for_a_turn_takes_nobody_s_patience(tmp_path: Path) -> None:
    limits = "requests_per_minute = 120\npatience_seconds = 0.4\nconcurrency = 2"
    async with site(tmp_path, in_turn(chat()), limits=limits) as at:
        verdicts = await asyncio.gather(*(at.ask() for _ in range(4)))

    assert len(verdicts) == 4
