"""A web page of another origin, and another user of the machine: no call of the judge, no byte of an essay."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import tempfile
import urllib.request
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from urllib.parse import urlsplit

import pytest
from aiohttp import web
from playwright.async_api import Page, Response

from eng5_runner.stack.launch import Secrets
from eng5_runner.transport.stack_secret import StackSecret
from tests.support.browser import chromium
from tests.support.needs import cannot_be_had
from tests.support.runner import run, stack_up
from tests.support.small_study import build_study
from tests.support.stack.driver import Client, RecordingJudge, running

ESSAY = "The lighthouse of my grandmother is a secret that no page may read."
NOBODY = 65534
# Every way in which a page makes its browser send something. What it can read comes back.
ATTACK = """
async ([content, stored, judge, cj, comparison]) => {
  const seen = [];
  const ask = (url, options) => fetch(url, options)
    .then((answer) => answer.text()).then((text) => seen.push(text), () => seen.push(""));
  const bodies = ["text/plain", "application/x-www-form-urlencoded", "application/json"];
  for (const url of [stored, `${judge}/models`, `${cj}/admin/v1/assessment-instructions`]) {
    await ask(url, {}); await ask(url, { mode: "no-cors" }); await ask(url, { credentials: "include" });
  }
  for (const url of [content, `${judge}/comparison`, `${cj}/api/v1/anchors/register`,
                     `${cj}/admin/v1/assessment-instructions`]) {
    for (const type of bodies) {
      const headers = { "Content-Type": type };
      await ask(url, { method: "POST", body: comparison, headers });
      await ask(url, { method: "POST", body: comparison, headers, mode: "no-cors" });
    }
    navigator.sendBeacon(url, comparison);
    const frame = document.createElement("iframe");
    frame.name = url;
    document.body.append(frame);
    for (const enctype of ["text/plain", "application/x-www-form-urlencoded", "multipart/form-data"]) {
      const form = document.createElement("form");
      Object.assign(form, { method: "post", action: url, enctype, target: url });
      const field = document.createElement("input");
      field.name = comparison.slice(0, -1) + ', "x": "';
      field.value = '"}';
      form.append(field);
      document.body.append(form);
      form.submit();
      await new Promise((done) => { frame.onload = done; });
    }
  }
  const loaded = (tag, key, url) => new Promise((done) => {
    const made = document.createElement(tag);
    made.onload = () => done(true);
    made.onerror = () => done(false);
    made[key] = url;
    document.body.append(made);
  });
  const tags = [await loaded("img", "src", stored), await loaded("script", "src", stored)];
  const link = document.createElement("link");
  Object.assign(link, { rel: "stylesheet", href: stored });
  document.head.append(link);
  for (const url of [judge, cj]) {
    await new Promise((done) => {
      const socket = new WebSocket(url.replace("http", "ws") + "/comparison");
      socket.onerror = done;
      socket.onopen = () => { socket.send(comparison); done(); };
    });
  }
  return [seen, tags];
}
"""
# The same page after its name was pointed at this machine: to the browser it is of the service's own origin.
REBOUND = """
async ([stored, comparison]) => {
  const seen = [await fetch(stored).then((answer) => answer.text())];
  const post = { method: "POST", body: comparison, headers: { "Content-Type": "application/json" } };
  for (const path of ["/comparison", "/api/v1/comparison", new URL(stored).pathname]) {
    seen.push(await fetch(path, post).then((answer) => answer.text()));
  }
  return seen;
}
"""
# What another user tries: every address without the secret, every file, every command line.
OTHER_USER = """
import json, os, pathlib, sys, urllib.error, urllib.request
asked = json.load(sys.stdin)
seen, answered = [], []
for url in asked["urls"]:
    for data in (None, asked["comparison"].encode()):
        request = urllib.request.Request(url, data=data, headers={"Content-Type": "application/json"})
        try:
            with urllib.request.urlopen(request, timeout=20) as answer:
                seen.append(answer.read().decode(errors="replace")); answered.append(url)
        except urllib.error.HTTPError as error:
            seen.append(error.read().decode(errors="replace"))
for folder in asked["folders"]:
    for root, _, files in os.walk(folder):
        for file in files:
            try:
                seen.append(pathlib.Path(root, file).read_bytes().decode(errors="replace"))
            except OSError:
                pass
for process in pathlib.Path("/proc").iterdir():
    for part in ("cmdline", "environ"):
        try:
            seen.append((process / part).read_bytes().decode(errors="replace"))
        except OSError:
            pass
json.dump({"user": os.getuid(), "answered": answered, "seen": seen}, sys.stdout)
"""


@asynccontextmanager
async def page_of_another_origin() -> AsyncIterator[str]:
    """A server of its own with an empty page."""

    async def page(_: web.Request) -> web.Response:
        return web.Response(text="<!doctype html><title>a nice page</title><body>", content_type="text/html")

    app = web.Application()
    app.router.add_get("/", page)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        yield f"http://127.0.0.1:{runner.addresses[0][1]}/"
    finally:
        await runner.cleanup()


def comparison_of(stored: str) -> str:
    """What the LLM provider service is asked with by the CJ service."""
    return json.dumps(
        {
            "user_prompt": f"Which is better? {stored}",
            "callback_topic": "huleedu.llm_provider.comparison_result.v1",
            "correlation_id": "6f1f6c1e-0000-4000-8000-000000000000",
            "metadata": {"essay_a_id": "a", "essay_b_id": "b"},
            "llm_config_overrides": {"provider_override": "mock"},
        }
    )


@pytest.mark.chromium
@pytest.mark.xdist_group("chromium")
@pytest.mark.parametrize("secret", [StackSecret.new(), None], ids=["with a secret", "open"])
async def test_a_web_page_calls_no_judge_and_reads_no_essay(secret: StackSecret | None, tmp_path: Path) -> None:
    judge = RecordingJudge()
    async with (
        chromium() as browser,
        running(tmp_path / "stack", judge=judge, secrets=Secrets(clients=secret)) as stack,
        page_of_another_origin() as origin,
    ):
        stored = f"{stack.at.content_service_url}/{await stack.upload(ESSAY)}"
        async with stack.http.get(stored) as response:
            assert ESSAY in await response.text(), "it is there for those who may"
        page = await browser.new_page()
        answers: list[Response] = []
        page.on("response", lambda answer: answers.append(answer))  # noqa: PLW0108 - Playwright takes no methods of C
        await page.goto(origin)
        at, comparison = stack.at, comparison_of(stored)
        addresses = [at.content_service_url, stored, at.llm_provider_service_url, at.cj_service_url, comparison]
        seen, tags = await page.evaluate(ATTACK, addresses)
        assert tags == [False, False]
        seen += await _rebound(page, stack, stored=stored, comparison=comparison)
        theirs = [answer for answer in answers if not answer.url.startswith(origin)]
        assert len(theirs) > 30, "the attack has reached the services"
        assert {answer.status for answer in theirs} <= {401, 403, 404, 405, 415}
        assert not [text for text in seen if "lighthouse" in text]
        assert judge.prompts == []
        async with stack.http.get(stored) as response:
            assert ESSAY in await response.text()


async def _rebound(page: Page, stack: Client, *, stored: str, comparison: str) -> list[str]:
    seen = []
    for service in (stack.at.content_service_url, stack.at.llm_provider_service_url, stack.at.cj_service_url):
        home = service.replace("127.0.0.1", "rebound.example")
        await page.goto(home)
        seen.append(await page.content())
        seen += await page.evaluate(REBOUND, [stored.replace(stack.at.content_service_url, home), comparison])
    return seen


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that everybody may enter, unlike pytest's own: what is in it must protect itself."""
    with tempfile.TemporaryDirectory() as name:
        Path(name).chmod(0o755)
        yield Path(name)


def test_another_user_calls_no_judge_and_reads_no_essay(open_folder: Path) -> None:
    if os.geteuid() != 0:
        cannot_be_had("only root can be another user")
    umask = os.umask(0o022)
    try:
        build_study(open_folder / "study")
        (open_folder / "study" / "student_essays" / "essay_01.txt").write_text(f"{ESSAY}\n" * 20)
        with stack_up(open_folder / "up") as told:
            execute = ("--mode", "execute", "--assets", "study", "--max-comparisons", 12, "--yes")
            exported = {name: str(value) for name, value in told.items() if name.isupper()}
            ran = run(*execute, cwd=open_folder, env=exported | {"ENG5_CACHE_DIR": str(open_folder / "cache")})
            assert ran.code == 0, ran.err
            before = _judgements(exported)
            found = _as_nobody(open_folder, exported)
            assert before == _judgements(exported) and any(line.endswith(" 12.0") for line in before), before
    finally:
        os.umask(umask)
    assert found["user"] == NOBODY and found["answered"] == []
    secrets = [value for name, value in exported.items() if name in ("ENG5_STACK_SECRET", "ENG5_ADMIN_TOKEN")]
    assert secrets
    for text in found["seen"]:
        assert "lighthouse" not in text
        assert not [secret for secret in secrets if secret in text]


def _as_nobody(folder: Path, exported: dict[str, str]) -> dict:
    urls = [value for value in exported.values() if value.startswith("http")]
    urls += [f"{url}/comparison" for url in urls] + [f"{url}/models" for url in urls]
    asked = {
        "urls": urls,
        "comparison": comparison_of("x"),
        "folders": [str(folder / name) for name in ("runs", "up", "cache")],
    }
    # Ours may lie in a folder of root's own.
    python = shutil.which("python3", path="/usr/bin:/bin")
    if python is None:
        cannot_be_had("the system has no Python of its own: apt-get install python3")
    done = subprocess.run(
        [python, "-c", OTHER_USER],
        input=json.dumps(asked),
        capture_output=True,
        text=True,
        check=True,
        user=NOBODY,
        group=NOBODY,
        extra_groups=[],
        cwd="/",
        env={"PATH": "/usr/bin:/bin:/usr/local/bin"},
    )
    return json.loads(done.stdout)


def _judgements(exported: dict[str, str]) -> list[str]:
    """How many comparisons were judged, as the services' metrics count them."""
    lines = []
    for url in (value for value in exported.values() if value.startswith("http")):
        with urllib.request.urlopen(urlsplit(url)._replace(path="/metrics").geturl(), timeout=20) as answer:
            lines += answer.read().decode().splitlines()
    return [line for line in lines if "comparisons_total" in line]
