"""A set-up that is broken in one way: preflight names the cause and the remedy, and execute stops at the same place."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from datetime import timedelta
from pathlib import Path

import pytest

from eng5_runner.app.local_checks import local_checks
from eng5_runner.errors import DiskError
from eng5_runner.run.ports import WorkLeft
from tests.cli.site import LABELS, SCALE, Site, site, token
from tests.support.effects import small_disk as small_disk  # noqa: PLC0414 - pytest finds fixtures by their name
from tests.support.run.runs import make_spec
from tests.support.runner import Ran, ledger_types, newest, run
from tests.support.small_disk import SmallDisk

NOWHERE = "http://127.0.0.1:1"
TRACE_ID = "4bf92f3577b34da6a3ce929d0e0e4736"

Spoil = Callable[[Site], None]


def env(**values: str) -> Spoil:
    return lambda at: at.env.update({name: value.replace("SITE", at.url) for name, value in values.items()})


def told(*more: str) -> Spoil:
    return lambda at: at.arguments.extend(more)


def says(**values: object) -> Spoil:
    def spoil(at: Site) -> None:
        for name, value in values.items():
            setattr(at, name, value)

    return spoil


def record(**values: object) -> Spoil:
    return lambda at: at.instructions.update(values)


def judge(*more: str) -> Spoil:
    return told("--llm-provider", "openai", "--llm-model", "small-1", *more)


def no_token_where_one_is_wanted(at: Site) -> None:
    at.env["HULEEDU_ADMIN_TOKEN"] = "Bearer x y"
    at.refuses = 500


# What is broken, which line tells, the exit code, and a part of the cause and of the remedy.
BROKEN: list[tuple[str, Spoil, str, int, str, str]] = [
    ("kafka down", env(KAFKA_BOOTSTRAP_SERVERS="127.0.0.1:1"), "Kafka", 69, "Connection refused", "KAFKA_BOOTSTRAP"),
    ("kafka is no host", env(KAFKA_BOOTSTRAP_SERVERS="kafka"), "Kafka", 78, "not of the form", "--kafka-bootstrap"),
    ("kafka wants no tls", env(KAFKA_SECURITY_PROTOCOL="SSL"), "Kafka", 69, "Kafka", "cluster"),
    (
        "kafka password",
        env(KAFKA_SECURITY_PROTOCOL="SASL_SSL", KAFKA_SASL_USERNAME="a"),
        "Kafka",
        78,
        "SASL_SSL is asked",
        "KAFKA_SASL_PASSWORD",
    ),
    ("kafka ca", env(KAFKA_SECURITY_PROTOCOL="SSL", KAFKA_CA="no.pem"), "Kafka", 78, "no.pem cannot be used", "PEM"),
    ("topics", env(KAFKA_TOPIC_PREFIX="nowhere."), "Kafka topics", 78, "nowhere.huleedu", "Create them"),
    (
        "content down",
        env(CONTENT_SERVICE_URL=f"{NOWHERE}/v1/content"),
        "Content Service",
        69,
        "Connection refused",
        "--content-service-url",
    ),
    (
        "content path",
        env(CONTENT_SERVICE_URL="SITE/content/v1/contents"),
        "Content Service",
        78,
        "nothing at",
        "/v1/content",
    ),
    ("cj down", env(CJ_SERVICE_URL=NOWHERE), "CJ service", 69, "Connection refused", "--cj-service-url"),
    ("cj path", env(CJ_SERVICE_URL="SITE/cj/api"), "CJ service", 69, "404", "--cj-service-url"),
    (
        "llm down",
        env(LLM_PROVIDER_SERVICE_URL=f"{NOWHERE}/api/v1"),
        "LLM provider",
        69,
        "Connection refused",
        "LLM_PROVIDER_SERVICE_URL",
    ),
    ("llm path", env(LLM_PROVIDER_SERVICE_URL="SITE/llm/api/v2"), "judge", 69, "404", "LLM_PROVIDER_SERVICE_URL"),
    ("no token", env(HULEEDU_ADMIN_TOKEN=""), "login", 77, "no token", "admin login"),
    (
        "token expired",
        lambda at: at.env.update(HULEEDU_ADMIN_TOKEN=token(made_ago=timedelta(hours=2))),
        "login",
        77,
        "expired",
        "admin login",
    ),
    ("token is none", env(HULEEDU_ADMIN_TOKEN="Bearer x y"), "login", 78, "does not hold a token", "without `Bearer`"),
    (
        "token is none, and one is wanted",
        no_token_where_one_is_wanted,
        "login",
        78,
        "does not hold",
        "without `Bearer`",
    ),
    ("token refused", says(refuses=401), "assignment", 77, "401", "admin whoami"),
    ("role is missing", says(refuses=403), "assignment", 77, "403", "admin whoami"),
    ("assignment", says(instructions=None), "assignment", 78, "no instructions", "--assignment-id"),
    ("expected scale", told("--expected-grade-scale", "swedish_8_anchor"), "assignment", 78, SCALE, "--grade-scale"),
    ("scale", record(grade_scale="swedish_8_anchor"), "assignment", 78, "swedish_8_anchor", "--grade-scale"),
    ("anchor of nobody", says(anchors={**LABELS, "X9": "B"}), "assignment", 78, "X9", "assets"),
    ("anchor's grade", says(anchors={**LABELS, "A1": "B"}), "assignment", 78, "A1", "anchor table"),
    ("no anchors", says(anchors={}), "assignment", 78, "no anchors", "Register"),
    ("provider", told("--llm-provider", "google"), "judge", 78, "provider google", "openai"),
    ("model", told("--llm-provider", "openai", "--llm-model", "smal-1"), "judge", 78, "smal-1", "small-1"),
    ("temperature", judge("--llm-temperature", "0.3"), "judge", 78, "takes no temperature", "--llm-model"),
    ("effort", judge("--reasoning-effort", "high"), "judge", 78, "low, medium", "Leave that option out"),
    (
        "verbosity",
        judge("--output-verbosity", "high"),
        "judge",
        78,
        "small-1 takes low, not high",
        "Leave that option out",
    ),
    ("tokens", judge("--llm-max-tokens", "5000"), "judge", 78, "at most 4000 tokens", "Leave that option out"),
    ("clock", says(clock_ahead=-900.0), "CJ service", 78, "behind ours", "NTP"),
    ("output", told("--output-dir", "study/prompt.md/runs"), "output folder", 74, "Not a directory", "--output-dir"),
]


def lines(ran: Ran) -> dict[str, dict[str, object]]:
    """The checks by what they are about."""
    return {str(line["about"]): line for line in ran.lines if line["event"] == "Check"}


async def preflight(at: Site, study: Path) -> Ran:
    arguments = ("--assets", study, *at.arguments, "--json")
    return await asyncio.to_thread(run, "preflight", *arguments, cwd=study.parent, env=at.env)


@pytest.mark.parametrize(
    ("spoil", "about", "code", "cause", "remedy"), [b[1:] for b in BROKEN], ids=[b[0] for b in BROKEN]
)
async def test_what_is_broken_is_named_with_its_remedy(
    spoil: Spoil, about: str, code: int, cause: str, remedy: str, study: Path
) -> None:
    async with site() as at:
        spoil(at)
        ran = await preflight(at, study)
    assert ran.code == code, ran.out + ran.err
    broken = {name: line["error"] for name, line in lines(ran).items() if line["error"]}
    assert cause in broken[about]["message"] and remedy in broken[about]["remedy"], broken
    assert all(error["message"] and error["remedy"] for error in broken.values())
    assert len(broken) == 1, "one cause, one line"
    assert not (study.parent / "runs").exists()


async def test_where_all_is_well_it_says_what_it_has_seen(study: Path) -> None:
    async with site() as at:
        judge("--reasoning-effort", "low")(at)
        ran = await preflight(at, study)
    assert ran.code == 0, ran.out + ran.err
    found = lines(ran)
    (cap,) = found.pop("design and budget")["warnings"]
    assert "120" in cap["message"]
    assert found.keys() == {
        *("assets", "output folder", "login", "Content Service", "Kafka topics", "LLM provider", "judge"),
        *("CJ service", "assignment"),
    }
    assert all(line["facts"] for line in found.values())
    assert "huleedu.cj_assessment.completed.v1 2" in str(found["Kafka topics"]["facts"])
    assert "MiB free" in str(found["output folder"]["facts"])
    assert "no --system-prompt is given: the judge gets the service's own" in found["judge"]["facts"]


WARNED: list[tuple[str, Spoil, str, str]] = [
    ("clock", says(clock_ahead=30.0), "CJ service", "ahead of ours"),
    ("mock judge", says(unwell={"/llm/healthz"}), "LLM provider", "503"),
    ("old model", told("--llm-provider", "openai", "--llm-model", "old-1"), "judge", "deprecated"),
    ("model of nobody", told("--llm-model", "small-1"), "judge", "it is not known whether"),
    ("opaque token", env(HULEEDU_ADMIN_TOKEN="opaque"), "login", "no JWT"),
    ("no prompt", says(), "assignment", "student prompt could not be read"),
    ("anchors by label", says(), "assignment", "by their label only"),
    ("few anchors", says(anchors={"A1": "A", "D+1": "D+"}), "assignment", "the service lacks 6 of our anchors"),
]


@pytest.mark.parametrize(("spoil", "about", "warning"), [w[1:] for w in WARNED], ids=[w[0] for w in WARNED])
async def test_what_is_doubtful_is_told_with_its_remedy_and_stops_nothing(
    spoil: Spoil, about: str, warning: str, study: Path
) -> None:
    async with site() as at:
        spoil(at)
        ran = await preflight(at, study)
    assert ran.code == 0, ran.out + ran.err
    doubts = {one["message"]: one["remedy"] for one in lines(ran)[about]["warnings"]}
    assert [remedy for message, remedy in doubts.items() if warning in message and remedy], doubts


@pytest.mark.parametrize("name", ["kafka down", "token expired", "temperature", "clock", "assignment"])
async def test_execute_stops_at_the_same_place_before_anything_is_sent(name: str, study: Path) -> None:
    _, spoil, _, code, cause, remedy = next(one for one in BROKEN if one[0] == name)
    async with site() as at:
        spoil(at)
        arguments = ("--mode", "execute", "--assets", study, "--yes", *at.arguments)
        ran = await asyncio.to_thread(run, *arguments, cwd=study.parent, env=at.env)
    assert ran.code == code, ran.err
    assert cause in ran.err and remedy in ran.err
    assert ledger_types(newest(study.parent)) == ["RunStarted"]


async def test_a_table_is_for_people_and_no_secret_is_in_it(study: Path) -> None:
    async with site() as at:
        says(clock_ahead=30.0)(at)
        arguments = ("--assets", study, *at.arguments)
        ran = await asyncio.to_thread(run, "preflight", *arguments, cwd=study.parent, env=at.env)
    assert ran.code == 0 and ran.out == ""
    assert "NTP" in ran.err and "HULEEDU_ADMIN_TOKEN" in ran.err
    assert at.env["HULEEDU_ADMIN_TOKEN"] not in ran.err


@pytest.mark.parametrize("command", ["preflight", "execute"])
def test_a_disk_with_too_little_room_is_refused(command: str, study: Path, small_disk: SmallDisk) -> None:
    mode = ("preflight",) if command == "preflight" else ("--mode", "execute")
    ran = run(*mode, "--assets", study, "--output-dir", small_disk.root / "runs", "--json", cwd=study.parent)
    assert ran.code == 74, ran.err
    assert "MiB free; what is left of this run needs up to " in ran.out and "--output-dir" in ran.out


@pytest.mark.parametrize("left", [WorkLeft(texts=44, comparisons=10**10), WorkLeft(texts=10**10, comparisons=440)])
def test_the_room_that_a_run_needs_follows_from_what_it_has_before_it(left: WorkLeft, tmp_path: Path) -> None:
    """A study of 44 essays needs 21 MiB, and one of ten thousand million no disk of today has room for."""
    (_, little), *_ = local_checks(make_spec(), folder=tmp_path, left=WorkLeft(texts=44, comparisons=440))
    assert asyncio.run(little()).checks
    (_, much), *_ = local_checks(make_spec(), folder=tmp_path, left=left)
    with pytest.raises(DiskError, match=r"needs up to 97656\d{3} MiB"):
        asyncio.run(much())


KEYS = {"OPENAI_API_KEY": "sk-canary-0000000000000"}


@pytest.mark.parametrize("command", ["preflight", "execute"])
def test_a_judge_without_its_key_is_refused_by_the_keys_name(command: str, study: Path) -> None:
    mode = ("preflight",) if command == "preflight" else ("--mode", "execute")
    ran = run(*mode, "--assets", study, "--llm-provider", "openai", cwd=study.parent)
    assert ran.code == 78, ran.err
    said = " ".join(ran.err.split())
    assert "needs a key" in said and "OPENAI_API_KEY" in said


def test_keys_are_told_by_name_alone(study: Path) -> None:
    ran = run("preflight", "--assets", study, "--json", cwd=study.parent, env=KEYS)
    assert ran.code == 0, ran.err
    assert lines(ran)["keys"]["facts"] == ["openai at https://api.openai.com/v1: OPENAI_API_KEY set"]
    assert "canary" not in ran.out + ran.err


async def test_a_trace_goes_with_every_question(study: Path) -> None:
    async with site() as at:
        at.env |= {"TRACEPARENT": f"00-{TRACE_ID}-00f067aa0ba902b7-01", "TRACESTATE": "a=1,b@c=2"}
        assert (await preflight(at, study)).code == 0
    assert {sent.get("traceparent") for sent in at.headers} == {at.env["TRACEPARENT"]}
    assert {sent.get("tracestate") for sent in at.headers} == {"a=1,b@c=2"}
