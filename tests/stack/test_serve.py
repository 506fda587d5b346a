"""One service in a process of its own, as a container starts it."""

from __future__ import annotations

import asyncio
import json
import signal
import socket
import sqlite3
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import aiohttp
import pytest

from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.transport.stack_secret import HTTP_HEADER, VARIABLE
from tests.support.kafka.cluster import free_ports
from tests.support.kafka.services import SECRET, serving
from tests.support.runner import clean_environment, run


async def test_a_service_without_a_database_url_keeps_its_tables_in_the_data_folder(tmp_path: Path) -> None:
    for begun in ("first", "again"):
        async with serving(tmp_path, {}) as services:
            content = services.start("content")
            content.wait_until_ready()
            assert run("stack", "healthcheck", f"{content.url}/healthz", cwd=tmp_path).code == 0
            async with aiohttp.ClientSession() as http:
                if begun == "first":
                    async with http.post(f"{content.url}/v1/content", data=b"kept") as response:
                        storage_id = (await response.json())["storage_id"]
                else:
                    async with http.get(f"{content.url}/v1/content/{storage_id}") as response:
                        assert await response.read() == b"kept"
    assert (tmp_path / "stack-data" / "content" / "stack.sqlite").is_file()


async def test_what_the_database_does_not_take_is_in_neither_the_log_nor_the_answer(tmp_path: Path) -> None:
    async with serving(tmp_path, {}) as services:
        identity = services.start("identity")
        identity.wait_until_ready()
        with closing(sqlite3.connect(tmp_path / "stack-data" / "identity" / "stack.sqlite")) as database:
            database.execute("DROP TABLE identity_accounts")
        login = {"email": "canary@school.example", "password": "canary"}
        async with (
            aiohttp.ClientSession() as http,
            http.post(f"{identity.url}/v1/auth/login", json=login) as response,
        ):
            assert response.status == 500
            assert b"canary" not in await response.read()
    logged = identity.log.read_text()
    assert "no such table: identity_accounts" in logged
    assert "canary" not in logged


async def test_it_ends_in_order_when_it_is_told_to(tmp_path: Path) -> None:
    async with serving(tmp_path, {}) as services:
        identity = services.start("identity")
        identity.wait_until_ready()
        assert identity.told is not None and "first_admin" in identity.told
        identity.process.send_signal(signal.SIGTERM)
        assert identity.process.wait(30) == 0
    assert '"event": "ending"' in identity.log.read_text()


async def test_an_administrator_is_made_by_a_start_that_can_tell_the_password(tmp_path: Path) -> None:
    async with serving(tmp_path, {"PORT": str(free_ports(1)[0])}) as services:
        with socket.create_server(("127.0.0.1", int(services.settings["PORT"]))):
            refused = services.start("identity")
            assert refused.process.wait(60) == 78, refused.last_words()
        identity = services.start("identity")
        identity.wait_until_ready()
    assert identity.told is not None and "first_admin" in identity.told


@pytest.mark.parametrize(
    ("service", "settings", "told"),
    [
        ("identity", {"JWT_SECRET_KEY": ""}, "JWT_SECRET_KEY is not set"),
        ("content", {"PORT": "http"}, "PORT is not a port"),
        ("content", {"HOST": "203.0.113.1"}, "203.0.113.1:0 cannot be listened on"),
        ("content", {"HULEEDU_DB_USER": "u"}, "not set are HULEEDU_DB_PASSWORD"),
        ("llm", {}, "KAFKA_BOOTSTRAP_SERVERS is not set"),
        ("llm", {"KAFKA_BOOTSTRAP_SERVERS": "h:1", "KAFKA_SECURITY_PROTOCOL": "TLS"}, "KAFKA_SECURITY_PROTOCOL"),
        ("cj", {}, "CONTENT_SERVICE_URL is not set"),
    ],
)
def test_a_setting_that_is_missing_or_wrong_is_named(
    tmp_path: Path, service: str, settings: dict[str, str], told: str
) -> None:
    ended = run("stack", "serve", service, cwd=tmp_path, env={"JWT_SECRET_KEY": SECRET, "PORT": "0"} | settings)
    assert ended.code == 78, ended.err
    assert told in ended.err


def test_the_whole_stack_refuses_a_secret_that_is_too_short(tmp_path: Path) -> None:
    ended = run("stack", "up", cwd=tmp_path, env={"JWT_SECRET_KEY": "short"})
    assert ended.code == 78, ended.err
    assert "JWT_SECRET_KEY is shorter than 32" in ended.err


async def test_the_whole_stack_takes_tokens_that_were_signed_with_its_secret(tmp_path: Path) -> None:
    token = TokenAuthority(secret=SECRET).issue(subject="dev", roles=("admin",), valid_for=timedelta(minutes=5))
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        *("-m", "eng5_runner", "stack", "up", "--until-stdin-closes", "--data-dir", "data", "--json"),
        cwd=tmp_path,
        env=clean_environment(tmp_path) | {"JWT_SECRET_KEY": SECRET},
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.DEVNULL,
    )
    assert process.stdout is not None
    shown = json.loads(await asyncio.wait_for(process.stdout.readline(), 60))
    url = shown["CJ_SERVICE_URL"]
    headers = {"Authorization": f"Bearer {token}", HTTP_HEADER: shown[VARIABLE]}
    async with (
        aiohttp.ClientSession() as http,
        http.get(f"{url}/admin/v1/assessment-instructions", headers=headers) as answer,
    ):
        status = answer.status
    assert process.stdin is not None
    process.stdin.close()
    await asyncio.wait_for(process.communicate(), 60)
    assert status == 200


@pytest.mark.parametrize("url", ["http://127.0.0.1:{port}/healthz", "localhost:{port}/healthz"])
def test_a_health_check_of_nobody_fails_and_says_why(tmp_path: Path, url: str) -> None:
    address = url.format(port=free_ports(1)[0])
    ended = run("stack", "healthcheck", address, cwd=tmp_path)
    assert ended.code == 1
    assert ended.err.startswith(f"{address}: ")


def test_a_health_check_loads_nothing_heavy(tmp_path: Path) -> None:
    script = (
        "import sys; from eng5_runner.cli.app import app\n"
        "try: app(['stack', 'healthcheck', 'http://127.0.0.1:1/healthz'])\n"
        "except SystemExit: print(sorted({'aiohttp', 'aiokafka', 'numpy', 'sqlalchemy'} & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.stdout, "refused" in ended.stderr) == ("[]\n", True)


def test_the_stack_is_up_before_it_loads_statistics_and_postgresql(tmp_path: Path) -> None:
    script = (
        "import sys, eng5_runner.app.stack\n"
        "print(sorted({'numpy', 'scipy', 'asyncpg', 'sqlalchemy.orm', 'sqlalchemy.dialects.postgresql'}"
        " & set(sys.modules)))"
    )
    ended = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (ended.stdout, ended.stderr) == ("[]\n", "")
