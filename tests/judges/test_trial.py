"""The judge's own server is asked once before anything is sent: what is wrong with it is named, with its remedy."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass, field
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from eng5_runner.judges.credentials import address_problem, without_password
from tests.support.judges.driver import environ_for
from tests.support.judges.paid import JUDGE, Desk, PaidJudge, desk
from tests.support.judges.servers import Said, chat, openai_error
from tests.support.runner import Ran, artefact, ledger_types, newest, run
from tests.support.servers import closed_port, serving


@dataclass
class OwnServer:
    """An OpenAI-compatible server below /v1; a test spoils one part of it."""

    said: Said = field(default_factory=chat)
    models: list[dict[str, Any]] = field(default_factory=lambda: [{"id": "local-7b"}])
    asked: list[dict[str, Any]] = field(default_factory=list)

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if request.path == "/v1/models" and request.method == "GET":
            return web.json_response({"object": "list", "data": self.models})
        if request.path != "/v1/chat/completions":
            return web.Response(status=404, text="<html>nothing here</html>", content_type="text/html")
        self.asked.append(json.loads(await request.read()))
        await asyncio.sleep(self.said.after)
        if isinstance(self.said.body, str):
            return web.Response(status=self.said.status, text=self.said.body, content_type="text/html")
        return web.json_response(self.said.body, status=self.said.status, headers=self.said.headers)


Address = Callable[[str], str]


def below(path: str) -> Address:
    return lambda url: url + path


V1 = below("/v1")
# What is wrong: the behaviour of the server, the given address, the exit code, a part of the cause and of the remedy.
BROKEN: list[tuple[str, OwnServer, Address, int, str, str]] = [
    ("no /v1", OwnServer(), below(""), 78, "There is no such API", "/v1."),
    ("another path", OwnServer(), below("/api"), 78, "There is no such API", "mostly ends with /v1"),
    (
        "whole path",
        OwnServer(),
        below("/v1/chat/completions"),
        78,
        "names one question of the API",
        "ENG5_OPENAI_BASE_URL",
    ),
    (
        "no scheme",
        OwnServer(),
        lambda url: f"{url.removeprefix('http://')}/v1",
        78,
        "has no scheme",
        "ENG5_OPENAI_BASE_URL",
    ),
    ("odd scheme", OwnServer(), lambda url: f"{url.replace('http', 'ftp')}/v1", 78, "its scheme is ftp", "ENG5_OPENAI"),
    ("key", OwnServer(openai_error(401, "invalid_api_key")), V1, 77, "does not accept the key", "OPENAI_API_KEY"),
    (
        "model",
        OwnServer(openai_error(404, "model_not_found"), [{"id": "local-7b-q4"}, {"id": "other"}]),
        V1,
        78,
        "has no model local-7b",
        "It has local-7b-q4",
    ),
    (
        "a web page",
        OwnServer(Said(body="<html>Welcome</html>")),
        V1,
        78,
        "not one of the API",
        "before /chat/completions",
    ),
    ("money", OwnServer(openai_error(402)), V1, 77, "no money or quota", "Pay in"),
    ("down", OwnServer(openai_error(503)), V1, 69, "does not work now", "--no-judge-check"),
    (
        "parameter",
        OwnServer(openai_error(400, "unsupported_value", param="temperature")),
        V1,
        78,
        "temperature",
        "options",
    ),
    (
        "context",
        OwnServer(models=[{"id": "local-7b", "max_model_len": 300}]),
        V1,
        78,
        "longest pair has at least",
        "longer context",
    ),
]


async def preflight(tmp_path: Path, study: Path, server: OwnServer, address: Address = V1, *more: object) -> Ran:
    async with serving(server) as url:
        environ = environ_for(tmp_path, url) | {"ENG5_NO_JUDGE_CHECK": "", "ENG5_OPENAI_BASE_URL": address(url)}
        arguments = ("preflight", "--assets", study, *JUDGE, "--json", *more)
        return await asyncio.to_thread(run, *arguments, cwd=tmp_path, env=environ)


def checks(ran: Ran) -> dict[str, Any]:
    return {str(line["about"]): line for line in ran.lines if line["event"] == "Check"}


@pytest.mark.parametrize(
    ("server", "address", "code", "cause", "remedy"), [row[1:] for row in BROKEN], ids=[row[0] for row in BROKEN]
)
async def test_what_is_wrong_with_the_server_is_named(
    server: OwnServer, address: Address, code: int, cause: str, remedy: str, study: Path, tmp_path: Path
) -> None:
    ran = await preflight(tmp_path, study, server, address)
    errors = [line["error"] for line in checks(ran).values() if line["error"]]
    assert ran.code == code, ran.out + ran.err
    assert len(errors) == 1 and cause in errors[0]["message"] and remedy in errors[0]["remedy"], errors
    assert "SECRET" not in ran.out + ran.err and "canary" not in ran.out + ran.err


@pytest.mark.parametrize(("status", "code"), [(200, 78), (403, 77), (404, 78), (502, 69)])
async def test_a_proxy_that_answers_instead_of_the_server_is_named(
    status: int, code: int, study: Path, tmp_path: Path
) -> None:
    """Whatever it answers: a page, a refusal, that nothing is there, or that it cannot get there."""
    async with serving(OwnServer(Said(status=status, body="<html>the proxy</html>"))) as proxy:
        ran = await through_proxy(proxy, "http://judge.invalid/v1", study=study, tmp_path=tmp_path)
    (error,) = [line["error"] for line in checks(ran).values() if line["error"]]
    assert ran.code == code, ran.out + ran.err
    assert error["remedy"].endswith("HTTP_PROXY; NO_PROXY=judge.invalid leaves it out."), error


async def test_no_proxy_swallows_an_address_of_this_machine(study: Path, tmp_path: Path) -> None:
    async with serving(OwnServer()) as server, serving(OwnServer(Said(status=403, body="no"))) as proxy:
        ran = await through_proxy(proxy, f"{server}/v1", study=study, tmp_path=tmp_path)
    assert ran.code == 0, ran.out + ran.err


async def through_proxy(proxy: str, address: str, *, study: Path, tmp_path: Path) -> Ran:
    environ = environ_for(tmp_path, proxy) | {
        "ENG5_NO_JUDGE_CHECK": "",
        "ENG5_OPENAI_BASE_URL": address,
        "ENG5_ALLOW_PLAIN_HTTP": "1",
        "HTTP_PROXY": proxy,
        "NO_PROXY": "",
    }
    arguments = ("preflight", "--assets", study, *JUDGE, "--json")
    return await asyncio.to_thread(run, *arguments, cwd=tmp_path, env=environ)


WARNED = [
    ("busy", OwnServer(openai_error(429, "rate_limit_exceeded", retry_after_ms="1")), "gave no answer", "asks again"),
    ("no schema", OwnServer(chat("Essay A is better.")), "did not keep to", "`answers`"),
    ("refusal", OwnServer(chat(refusal="I will not.")), "refused a harmless", "--system-prompt"),
    (
        "context",
        OwnServer(models=[{"id": "local-7b", "max_model_len": 1600}]),
        "the longest pair has up to",
        "CONTENT_TOO",
    ),
]


@pytest.mark.parametrize(("server", "warning", "remedy"), [row[1:] for row in WARNED], ids=[row[0] for row in WARNED])
async def test_what_is_doubtful_is_a_warning(
    server: OwnServer, warning: str, remedy: str, study: Path, tmp_path: Path
) -> None:
    ran = await preflight(tmp_path, study, server, V1, "--soft-judgements", "off")
    assert ran.code == 0, ran.out + ran.err
    (doubt,) = checks(ran)["judge's answer"]["warnings"]
    assert warning in doubt["message"] and remedy in doubt["remedy"], doubt


async def test_of_a_judge_that_takes_too_long_it_is_said_that_the_study_waits_no_longer(
    study: Path, tmp_path: Path
) -> None:
    async with serving(OwnServer(chat(after=30))) as url:
        environ = environ_for(tmp_path, url, timeout="0.5") | {"ENG5_NO_JUDGE_CHECK": ""}
        ran = await asyncio.to_thread(run, "preflight", "--assets", study, *JUDGE, "--json", cwd=tmp_path, env=environ)
    (doubt,) = checks(ran)["judge's answer"]["warnings"]
    assert ran.code == 0 and "did not answer in time" in doubt["message"], ran.out + ran.err
    assert "as long, 0.5 s each" in doubt["remedy"] and "timeout_seconds" in doubt["remedy"]


@dataclass
class RejectsProbabilities(OwnServer):
    """A server that refuses any request for log-probabilities."""

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        if b'"logprobs"' in await request.read():
            return web.json_response(openai_error(400, param="top_logprobs").body, status=400)
        return await super().__call__(request)


def with_probabilities(said: Said) -> Said:
    """The answer, with how probable its verdict was."""
    content = said.body["choices"][0]["message"]["content"]
    before, letter, after = content.partition("B")
    tokens = [{"token": text, "logprob": -0.1, "top_logprobs": []} for text in (before, letter, after)]
    said.body["choices"][0]["logprobs"] = {"content": tokens}
    return said


@pytest.mark.parametrize(
    ("server", "warned"),
    [(OwnServer(), True), (RejectsProbabilities(), True), (OwnServer(with_probabilities(chat())), False)],
    ids=["silent", "rejected", "told"],
)
async def test_a_judge_without_log_probabilities_is_named_where_the_run_asks_for_them(
    server: OwnServer, warned: bool, study: Path, tmp_path: Path
) -> None:
    ran = await preflight(tmp_path, study, server)
    assert ran.code == 0, ran.out + ran.err
    warnings = checks(ran)["judge's answer"]["warnings"]
    assert ["gives no log-probabilities" in doubt["message"] for doubt in warnings] == [True] * warned
    assert all("the confidence that the judge states is used" in doubt["remedy"] for doubt in warnings)


async def test_a_judge_that_answers_is_asked_once_and_as_the_study_asks(study: Path, tmp_path: Path) -> None:
    server = OwnServer()
    (tmp_path / "system.md").write_text("You judge.")
    ran = await preflight(tmp_path, study, server, V1, "--system-prompt", "system.md", "--llm-temperature", "0.5")
    assert ran.code == 0, ran.out + ran.err
    assert "answers for local-7b (served-7b)" in checks(ran)["judge's answer"]["facts"][0]
    assert "by that the study takes" in checks(ran)["judge's answer"]["facts"][1]
    (asked,) = server.asked
    assert asked["messages"][0]["content"] == "You judge." and asked["temperature"] == 0.5
    assert asked["max_tokens"] == 300 and len(asked["messages"][1]["content"]) < 1000


async def test_a_judge_need_not_be_asked(study: Path, tmp_path: Path) -> None:
    server = OwnServer(openai_error(401))
    ran = await preflight(tmp_path, study, server, V1, "--no-judge-check")
    assert ran.code == 0 and server.asked == [] and "judge's answer" not in checks(ran)


@pytest.mark.parametrize("verb", [("preflight",), ("--mode", "execute", "--yes")])
async def test_a_server_that_is_away_stops_a_run_before_anything_is_sent(
    verb: tuple[str, ...], study: Path, tmp_path: Path
) -> None:
    url = f"http://127.0.0.1:{await closed_port()}"
    environ = environ_for(tmp_path, url) | {"ENG5_NO_JUDGE_CHECK": ""}
    ran = await asyncio.to_thread(run, *verb, "--assets", study, *JUDGE, "--json", cwd=tmp_path, env=environ)
    assert ran.code == 69, ran.err
    assert f"openai at {url}/v1 cannot be reached" in ran.out and "correct ENG5_OPENAI_BASE_URL" in ran.out
    if verb[0] == "--mode":
        assert ledger_types(newest(tmp_path)) == ["RunStarted"]


def asking(at: Desk) -> Desk:
    return Desk(at.folder, {**at.environ, "ENG5_NO_JUDGE_CHECK": ""})


async def test_the_test_answer_is_paid_for_and_counted(tmp_path: Path) -> None:
    judge = PaidJudge(moody=False)
    async with desk(tmp_path, judge) as plain:
        at = asking(plain)
        ran = await at.execute("--max-comparisons", 8)
        assert ran.code == 0, ran.err
        verified = await at.run("verify", at.directory)
        planned = await at.run("--mode", "plan", "--assets", tmp_path / "study", *JUDGE)
    assert judge.requests == 9 and verified.code == 0, verified.err
    costs: dict[str, Any] = artefact(newest(tmp_path))["costs"]  # type: ignore[assignment]
    assert Decimal(str(costs["total_usd"])) == judge.spent
    assert costs["test_answer"]["completion_tokens"] > 0
    assert costs["test_answer"]["usd"] == pytest.approx(
        float(judge.spent) - sum(r["usd"] for r in costs["token_counts"])
    )
    assert "one test answer" in planned.err and "--no-judge-check" in planned.err


async def test_the_test_answer_counts_against_the_cost_limit(tmp_path: Path) -> None:
    judge = PaidJudge(moody=False)
    async with desk(tmp_path, judge) as plain:
        at = asking(plain)
        limited = await at.execute("--max-comparisons", 40, "--max-cost", 0.06)
        assert limited.code == 4, limited.err
        assert judge.spent <= Decimal("0.06")
        before = judge.requests
        more = await at.run("resume", at.directory, "--max-cost", 0.2)
        assert more.code in (0, 4), more.err
    assert judge.spent <= Decimal("0.2") and judge.requests > before


@pytest.mark.parametrize(
    ("url", "right"),
    [
        ("https://api.example.org/v1", True),
        ("http://[::1]:8000/v1", True),
        ("HTTP://localhost:11434", True),
        ("localhost:11434", False),
        ("127.0.0.1:8000/v1", False),
        ("//host/v1", False),
        ("http:///v1", False),
        ("http://host:99999/v1", False),
        ("unix:///run/judge.sock", False),
        ("http://host/v1/messages", False),
        ("http://host/v1?key=1", False),
    ],
)
def test_an_address_that_can_be_none_is_told_apart(url: str, right: bool) -> None:
    assert (address_problem(url) is None) is right


def test_an_address_is_shown_without_its_password() -> None:
    assert without_password("http://ann:secret@host:1/v1") == "http://host:1/v1"
    assert without_password("ann:secret@host/v1") == "host/v1"
