"""`eng5-runner admin …` as a person uses it: a process of its own, its output, its exit code, and no secret in them."""

from __future__ import annotations

import asyncio
import json
import os
import pty
import stat
import subprocess
import sys
import traceback
from collections.abc import Mapping
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from eng5_runner.app.administration import text_body
from eng5_runner.cli.commands.admin import (
    delete_instructions,
    get_instructions,
    list_anchors,
    list_instructions,
    put_instructions,
    register,
)
from eng5_runner.contracts.administration import PROMPT
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.identity.login_cache import LoginCache
from eng5_runner.effects.identity.session import log_in
from eng5_runner.errors import InputsInvalid, InputsMissing, RunnerError, ServiceUnavailable, UsageError
from eng5_runner.stack.identity.accounts import FIRST_ADMIN_EMAIL
from tests.admin.site import EMAIL, ESSAY, PASSWORD, SCALE, SECRET, TEACHER, Site, cli
from tests.support.runner import DEMO, Ran, clean_environment
from tests.support.servers import serving

TEXT = "Judge the content, then the language.\nNothing else."
A1 = ("--assignment-id", "a1")
NOWHERE = {"cj": "http://127.0.0.1:1", "identity": "http://127.0.0.1:1/v1/auth"}


def said(ran: Ran) -> str:
    return ran.out + ran.err


def no_secrets(site: Site, *runs: Ran) -> None:
    """Neither the password nor any part of a token that is on the disk was told."""
    kept = b"".join(path.read_bytes() for path in (site.folder / "state").rglob("*.json"))
    login = json.loads(kept) if kept else {}
    secrets = [PASSWORD, SECRET, *(login.get(key, "")[-20:] for key in ("access_token", "refresh_token"))]
    for ran in runs:
        for secret in filter(None, secrets):
            assert secret not in said(ran)
        assert "eyJ" not in said(ran)


async def logged_in(site: Site, email: str) -> None:
    """As after `admin login`."""
    cache = LoginCache(site.folder / "state", identity_url=site.identity_url)
    await log_in(cache, site.identity(), email=email, password=PASSWORD, clock=SystemClock())


@pytest.fixture
def text_file(tmp_path: Path) -> Path:
    path = tmp_path / "text.md"
    path.write_text(TEXT + "\n", "utf-8")
    return path


async def test_a_login_is_kept_told_and_ended(site: Site) -> None:
    made = await site.cli("login", "--email", EMAIL, "--password-stdin", stdin=f"{PASSWORD}\n".encode())
    assert (made.code, made.out) == (0, "")
    assert f"logged in as {EMAIL} at {site.identity_url}; the token lasts until 20" in made.err
    (kept,) = (site.folder / "state" / "logins").glob("*.json")
    assert stat.S_IMODE(kept.stat().st_mode) == 0o600

    people, lines = await asyncio.gather(site.cli("whoami"), site.cli("whoami", "--json"))
    for line in ("source: the login cache", f"subject: {EMAIL}", "roles: admin, teacher", "expires: 20"):
        assert line in people.err
    facts = lines.lines[0]
    assert (facts["source"], facts["roles"], facts["doubts"]) == ("login_cache", ["admin", "teacher"], [])
    no_secrets(site, made, people, lines)

    out = await site.cli("logout", "--json")
    assert out.lines == [
        {
            "event": "LoggedOut",
            "identity_service_url": site.identity_url,
            "was_logged_in": True,
            "revoked": True,
        }
    ]
    nobody = await site.cli("whoami")
    assert (nobody.code, "admin login" in nobody.err) == (77, True)


async def test_logins_that_fail(site: Site) -> None:
    async def login(password: bytes, **more: str) -> Ran:
        url = more.get("url", site.identity_url)
        arguments = ("login", "--email", EMAIL, "--password-stdin", "--json", "--identity-service-url", url)
        return await site.cli(*arguments, stdin=password)

    runs = await asyncio.gather(
        login(b"canary-wrong\n"),
        login(b"\xff\n"),
        login(b"canary", url="http://ada:canary@127.0.0.1:1"),
        site.cli("login", "--email", EMAIL),
    )
    assert [ran.code for ran in runs] == [77, 2, 2, 2]
    for ran in runs:
        assert "canary" not in said(ran)
        assert "bug" not in ran.err
    assert runs[0].lines[0]["exit"] == 77
    assert not list(site.folder.glob("state/logins/*.json"))


async def test_an_assignment_from_instructions_to_anchors_and_back(site: Site, text_file: Path) -> None:
    await logged_in(site, EMAIL)
    put = await site.cli("instructions", "put", *A1, "--file", text_file, "--json")
    assert put.code == 0, put.err
    assert (put.lines[0]["event"], put.lines[0]["grade_scale"]) == ("InstructionsStored", SCALE)
    writes = await asyncio.gather(
        site.cli("prompts", "upload", *A1, "--file", text_file),
        site.cli("rubrics", "upload", *A1, "--file", text_file, "--json"),
        site.cli("anchors", "register", *A1, "--assets", DEMO),
        site.cli("instructions", "put", "--course-id", "c1", "--file", text_file, "--grade-scale", "swedish_8_anchor"),
    )
    assert [ran.code for ran in writes] == [0] * 4, [ran.err for ran in writes]
    assert "stored, and read back" in writes[0].err
    assert "C+1: C+, row" in writes[2].err

    reads = await asyncio.gather(
        site.cli("instructions", "list"),
        site.cli("instructions", "list", "--json", "--grade-scale", "swedish_8_anchor"),
        site.cli("instructions", "get", *A1),
        site.cli("instructions", "get", "--course-id", "c1", "--json"),
        site.cli("prompts", "get", *A1),
        site.cli("rubrics", "get", *A1),
        site.cli("anchors", "list", *A1),
        site.cli("anchors", "list", *A1, "--json"),
    )
    assert [ran.code for ran in reads] == [0] * 8, [ran.err for ran in reads]
    assert [line.split("\t")[1:4] for line in reads[0].out.splitlines()] == [
        ["", "c1", "swedish_8_anchor"],
        ["a1", "", SCALE],
    ]
    assert [line["course_id"] for line in reads[1].lines] == ["c1"]
    assert [reads[place].out for place in (2, 4, 5)] == [TEXT + "\n"] * 3
    assert "grade scale: eng5_np_legacy_9_step" in reads[2].err
    assert reads[3].lines[0]["instructions_text"] == TEXT
    assert len(reads[6].out.splitlines()) == len(reads[7].lines) == 14
    assert reads[7].lines[0]["anchor_label"] == "A1"

    deleted = await site.cli("instructions", "delete", *A1, "--yes")
    again = await site.cli("instructions", "delete", *A1, "--yes", "--json")
    assert (deleted.code, again.code, again.lines[0]["exit"]) == (0, 78, 78)
    no_secrets(site, put, *writes, *reads, deleted, again)


async def test_one_anchor_from_a_file(site: Site, tmp_path: Path) -> None:
    admin = {"HULEEDU_ADMIN_TOKEN": site.token("admin")}
    text_file, essay = tmp_path / "i.txt", tmp_path / "C+ essay.txt"
    text_file.write_text(TEXT)
    essay.write_text(ESSAY)
    await site.cli("instructions", "put", *A1, "--file", text_file, env=admin)

    runs = await asyncio.gather(
        site.cli("anchors", "register", *A1, "--file", essay, "--grade", "C+", "--json", env=admin),
        site.cli("anchors", "register", *A1, "--file", essay, "--grade", "Z", "--label", "z", "--json", env=admin),
        site.cli("anchors", "register", *A1, "--file", essay, "--grade", "B", "--label", "blind"),
        site.cli("anchors", "register", *A1, "--file", essay, "--grade", "B", "--label", "deaf", "--replace-anchors"),
        site.cli("anchors", "register", *A1, "--file", text_file, "--grade", "B"),
    )
    assert [ran.code for ran in runs] == [0, 65, 77, 77, 65]
    assert (runs[0].lines[0]["event"], runs[0].lines[0]["anchor_label"]) == ("AnchorRegistered", "C+ essay")
    finding, error = runs[1].lines
    assert (finding["kind"], error["exit"]) == ("refused", 65)
    assert "may not be read back" in runs[3].err
    stored = await site.cli("anchors", "list", *A1, "--json", env=admin)
    labels = {line["anchor_label"] for line in stored.lines}
    assert labels == {"C+ essay", "deaf"}  # without a token nobody can say that "blind" would replace nothing


async def test_an_anchor_that_is_registered_is_replaced_only_on_request(site: Site, tmp_path: Path) -> None:
    admin = {"HULEEDU_ADMIN_TOKEN": site.token("admin")}
    text_file, essay = tmp_path / "i.txt", tmp_path / "B.txt"
    text_file.write_text(TEXT)
    await site.cli("instructions", "put", *A1, "--file", text_file, env=admin)

    async def register(text: str, grade: str, *more: str) -> Ran:
        essay.write_text(text * 50)
        return await site.cli("anchors", "register", *A1, "--file", essay, "--grade", grade, "--json", *more, env=admin)

    async def on_record() -> tuple[str, str]:
        (row,) = (await site.cli("anchors", "list", *A1, "--json", env=admin)).lines
        return row["grade"], row["text_storage_id"]

    assert (await register("first ", "B")).code == 0
    before = await on_record()
    again = await register("second ", "B")
    assert (again.code, [line["event"] for line in again.lines]) == (0, ["AnchorKept"])
    other = await register("second ", "A")
    assert (other.code, "--replace-anchors" in other.err) == (78, True)
    assert await on_record() == before
    assert (await register("second ", "A", "--replace-anchors")).code == 0
    assert (await on_record())[0] == "A"


@pytest.mark.parametrize(
    ("name", "error"),
    [
        ("gone", InputsMissing),
        ("short", InputsInvalid),
        ("latin", InputsInvalid),
        ("nul", InputsInvalid),
        ("folder", InputsInvalid),
        ("bad.docx", InputsInvalid),
    ],
)
def test_files_that_cannot_be_sent(tmp_path: Path, name: str, error: type[RunnerError]) -> None:
    for file, content in (("short", b"canary"), ("latin", b"\xe5 canary canary"), ("nul", b"canary\0" * 9)):
        (tmp_path / file).write_bytes(content)
    (tmp_path / "folder").mkdir()
    (tmp_path / "bad.docx").write_bytes(b"canary")
    with pytest.raises(error) as caught:
        text_body(PROMPT, tmp_path / name, assignment_id="a1")
    assert name in caught.value.message
    assert "canary" not in "".join(traceback.format_exception(caught.value))


@pytest.mark.parametrize(
    ("given", "error"),
    [
        ({}, UsageError),
        ({"file": Path("x")}, UsageError),
        ({"file": Path("x"), "grade": "A"}, InputsMissing),
        ({"file": Path("x"), "assets": Path()}, UsageError),
        ({"assets": DEMO, "grade": "B"}, UsageError),
        ({"assets": DEMO, "grade_scale": "stars"}, UsageError),
        ({"assets": DEMO, "grade_scale": "swedish_8_anchor"}, InputsInvalid),
        ({"assets": Path("nowhere")}, InputsMissing),
        ({"assets": DEMO / "student_essays"}, InputsMissing),
    ],
)
def test_anchors_that_cannot_be_sent(given: dict[str, Any], error: type[RunnerError]) -> None:
    options = {"assets": None, "grade_scale": SCALE, "file": None, "grade": None, "label": None} | given
    with pytest.raises(error):
        register(assignment_id="a1", **NOWHERE, **options)


def test_what_is_said_wrongly_is_told_before_anything_is_asked(tmp_path: Path) -> None:
    whole = {"file": tmp_path, **NOWHERE}
    for work in (
        lambda: put_instructions(**whole, assignment_id="a", course_id="c", grade_scale=SCALE),
        lambda: put_instructions(**whole, assignment_id=None, course_id=None, grade_scale=SCALE),
        lambda: put_instructions(**whole, assignment_id="a", course_id=None, grade_scale="stars"),
        lambda: get_instructions(**NOWHERE),
        lambda: list_instructions(grade_scale="stars", **NOWHERE),
        lambda: delete_instructions(assignment_id="a1", **NOWHERE),
        lambda: list_anchors(assignment_id="a", cj="nowhere", identity="http://x", json=True),
    ):
        with pytest.raises(UsageError):
            work()


async def test_an_id_that_a_script_left_empty_is_told_before_anybody_is_asked(tmp_path: Path, text_file: Path) -> None:
    """Without a login, which the first question to a service would want."""
    empty, file = ("--assignment-id", ""), ("--file", text_file)
    ended = await asyncio.gather(
        *(
            cli(*arguments, cwd=tmp_path)
            for arguments in (
                ("instructions", "put", *empty, *file),
                ("instructions", "put", "--course-id", "", *file),
                ("instructions", "put", *empty, "--course-id", "c1", *file),
                ("instructions", "get", *empty),
                ("instructions", "get", "--course-id", ""),
                ("instructions", "delete", *empty, "--yes"),
                ("prompts", "upload", *empty, *file),
                ("prompts", "get", *empty),
                ("rubrics", "upload", *empty, *file),
                ("rubrics", "get", *empty),
                ("anchors", "register", *empty, *file, "--grade", "B"),
                ("anchors", "list", *empty),
            )
        )
    )
    assert [(ran.code, "-id is empty" in ran.err) for ran in ended] == [(2, True)] * len(ended)


@pytest.mark.parametrize(
    ("env", "source", "code"),
    [
        ({"HULEEDU_SERVICE_ACCOUNT_TOKEN": "opaque"}, "HULEEDU_SERVICE_ACCOUNT_TOKEN", 77),
        ({"JWT_SECRET_KEY": SECRET, "ENVIRONMENT": "development"}, "development", 0),
        ({"JWT_SECRET_KEY": SECRET, "ENVIRONMENT": "production"}, None, 77),
        ({"HULEEDU_ADMIN_TOKEN": "Bearer x"}, None, 78),
    ],
)
async def test_tokens_from_elsewhere(site: Site, env: Mapping[str, str], source: str | None, code: int) -> None:
    listed = await site.cli("instructions", "list", "--json", env=env)
    assert (listed.code, "made here with JWT_SECRET_KEY" in listed.err) == (code, source == "development")
    no_secrets(site, listed)
    if source == "HULEEDU_SERVICE_ACCOUNT_TOKEN":
        who = await site.cli("whoami", "--json", env=env)
        assert (who.code, who.lines[0]["source"]) == (0, source)
        no_secrets(site, who)


async def test_a_teacher_is_not_allowed_and_whoami_says_why(site: Site) -> None:
    await logged_in(site, TEACHER)
    listed, who = await asyncio.gather(site.cli("instructions", "list"), site.cli("whoami"))
    assert (listed.code, "lacks the role" in listed.err) == (77, True)
    assert "it does not have the role admin" in who.err


async def test_the_service_s_words_cannot_move_the_cursor(tmp_path: Path) -> None:
    evil = "\x1b]0;owned\x07\x1b[2J\x9b1m [bold]x"
    row = {"id": 1, "instructions_text": evil, "grade_scale": evil, "assignment_id": evil, "created_at": "Sun, 22 Nov"}

    async def answer(request: web.Request) -> web.StreamResponse:
        page = {"items": [row], "total": 1, "page": 1, "page_size": 50}
        return web.json_response(row if "assignment/" in request.path else page)

    env = {"HULEEDU_ADMIN_TOKEN": "opaque"}
    async with serving(answer) as url:
        at = ("--cj-service-url", url)
        listed, got = await asyncio.gather(
            cli("instructions", "list", *at, cwd=tmp_path, env=env),
            cli("instructions", "get", *A1, *at, cwd=tmp_path, env=env),
        )
    assert (listed.code, got.code) == (0, 0)
    assert not {"\x1b", "\x07", "\x9b"} & set(listed.out + listed.err + got.err)
    assert "[bold]x" in listed.out


async def test_scales_ask_nobody(tmp_path: Path) -> None:
    scales = await cli("scales", "--json", cwd=tmp_path)
    assert [line["grade_scale"] for line in scales.lines] == list(GRADE_SCALES)


@pytest.mark.usefixtures("at_once")
def test_people_hear_of_each_attempt_at_a_service_that_is_away(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("HULEEDU_ADMIN_TOKEN", "canary")
    with pytest.raises(ServiceUnavailable, match="Connection refused"):
        list_anchors(assignment_id="a1", json=True, **NOWHERE)
    told = capsys.readouterr()
    assert (told.out, told.err.count("trying again in")) == ("", 4)
    assert "canary" not in told.err


async def test_a_person_at_a_terminal_is_asked_and_the_password_is_not_shown(site: Site) -> None:
    code, seen = await asyncio.to_thread(at_a_terminal, site)
    assert code == 0
    assert f"E-mail: {EMAIL}".encode() in seen
    assert b"logged in as" in seen
    assert b"canary" not in seen


def at_a_terminal(site: Site) -> tuple[int, bytes]:
    """Log in as a person who waits for each question; gives the exit code and all that could be seen."""
    ours, theirs = pty.openpty()
    env = clean_environment(site.folder, {"ENG5_STATE_DIR": str(site.folder / "state"), "TERM": "dumb"})
    command = [sys.executable, "-m", "eng5_runner", "admin", "login", "--identity-service-url", site.identity_url]
    with subprocess.Popen(
        command, stdin=theirs, stdout=theirs, stderr=theirs, env=env, cwd=site.folder, start_new_session=True
    ) as process:
        os.close(theirs)
        seen = b""
        # The space comes when what was typed before is thrown away.
        for question, typed in ((b"E-mail: ", EMAIL), (b"Password: ", PASSWORD)):
            while question not in seen:
                seen += os.read(ours, 4096)
            os.write(ours, f"{typed}\n".encode())
        with suppress(OSError):  # the terminal's other side is closed
            while chunk := os.read(ours, 4096):
                seen += chunk
        code = process.wait(60)
    os.close(ours)
    return code, seen


async def test_the_stack_tells_the_first_administrator_s_password_once(tmp_path: Path) -> None:
    """And the login works against it, with nothing but the variables that it prints."""

    async def up(*more: str) -> tuple[asyncio.subprocess.Process, bytes]:
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            *("-m", "eng5_runner", "stack", "up", "--until-stdin-closes", "--data-dir", "data", *more),
            cwd=tmp_path,
            env=clean_environment(tmp_path),
            stdin=asyncio.subprocess.PIPE,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        assert process.stdout is not None
        return process, await asyncio.wait_for(process.stdout.readuntil(b"}\n" if more else b"TOKEN="), 60)

    async def ended(process: asyncio.subprocess.Process) -> bytes:
        assert process.stdin is not None
        process.stdin.close()
        out, err = await asyncio.wait_for(process.communicate(), 60)
        return out + err

    process, line = await up("--json")
    told = json.loads(line)
    first = told.pop("first_admin")
    assert first["email"] == FIRST_ADMIN_EMAIL
    urls = {name: told[name] for name in ("CJ_SERVICE_URL", "IDENTITY_SERVICE_URL", "ENG5_STACK_SECRET")}
    arguments = ("login", "--email", first["email"], "--password-stdin", "--json")
    logged_in = await cli(*arguments, cwd=tmp_path, env=urls, stdin=first["password"].encode())
    listed = await cli("instructions", "list", cwd=tmp_path, env=urls)
    assert (logged_in.lines[0]["roles"], listed.code, listed.out) == (["admin"], 0, "")
    assert "none" in listed.err.split()
    err = await ended(process)
    assert first["password"].encode() not in err

    process, line = await up()
    assert b"IDENTITY_SERVICE_URL=http://127.0.0.1:" in line
    assert b"password" not in line + await ended(process)
    kept = b"".join(path.read_bytes() for path in (tmp_path / "data").iterdir() if path.is_file())
    assert first["password"].encode() not in kept
