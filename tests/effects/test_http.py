"""HTTP: what is tried again and what is not, what a bad answer becomes, and that nothing is unbounded or leaks."""

from __future__ import annotations

import asyncio
import json
import logging
import re
import shutil
import ssl
import subprocess
import traceback
import zlib
from collections.abc import AsyncIterator, Callable, Iterator, Mapping
from contextlib import AsyncExitStack, contextmanager
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from email.utils import format_datetime
from itertools import count
from pathlib import Path

import aiohttp
import pytest
import stamina
from aiohttp import web
from stamina.instrumentation import RetryDetails, set_on_retry_hooks

from eng5_runner.contracts.services import Health
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.effects.content import ContentClient
from eng5_runner.effects.llm_provider import ModelsClient
from eng5_runner.errors import ConfigurationError, NotAllowed, RunnerError, ServiceUnavailable
from eng5_runner.transport.http import ANSWER_LIMIT, ATTEMPTS, Service, http_session
from tests.support.servers import Handler, closed_port, listening, read_request, serving

pytestmark = pytest.mark.usefixtures("nothing_left")

ID = "0123456789abcdef" * 2
TOKEN = "canary-eyJhbGciOiJIUzI1NiJ9.c2VjcmV0"
STORED = json.dumps({"storage_id": ID}).encode()
REFUSED = json.dumps({"error": {"error_code": "TOO_LONG", "message": "the text\n\x1b[31mis too long"}}).encode()


class Script:
    """A handler that gives the next answer of a list to each request, the last one for ever, and counts them."""

    def __init__(self, *answers: web.Response | Callable[[], web.Response]) -> None:
        self._answers = list(answers)
        self.bodies: list[bytes] = []

    async def __call__(self, request: web.Request) -> web.StreamResponse:
        self.bodies.append(await request.read())
        answer = self._answers[min(len(self.bodies), len(self._answers)) - 1]
        if isinstance(answer, web.Response):
            return web.Response(status=answer.status, body=answer.body, headers=answer.headers)
        return answer()


def answer(status: int, body: bytes = b"{}", **headers: str) -> web.Response:
    named = {name.replace("_", "-"): value for name, value in headers.items()}
    return web.Response(status=status, body=body, headers={"Content-Type": "application/json"} | named)


@pytest.fixture
async def session() -> AsyncIterator[aiohttp.ClientSession]:
    async with http_session(connections=16, secret=None) as made:
        yield made


@pytest.fixture
def at_once() -> Iterator[None]:
    """stamina's own switch for tests: as many attempts as ever, no waiting between them."""
    with stamina.set_testing(True, attempts=ATTEMPTS):
        yield


@contextmanager
def waits() -> Iterator[asyncio.Queue[float]]:
    """How long each wait before another attempt will be, told as it begins."""
    told: asyncio.Queue[float] = asyncio.Queue()

    def hook(details: RetryDetails) -> None:
        told.put_nowait(details.wait_for)

    set_on_retry_hooks([hook])
    try:
        yield told
    finally:
        set_on_retry_hooks(None)


async def first_wait(session: aiohttp.ClientSession, handler: Handler) -> float:
    """How long an upload is about to wait after its first attempt; it is not waited for."""
    with waits() as told:
        tasks = [asyncio.create_task(told.get()), asyncio.create_task(upload(session, handler))]
        await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        for task in tasks:
            task.cancel()
        wait, outcome = await asyncio.gather(*tasks, return_exceptions=True)
    assert isinstance(wait, float | int), outcome
    return wait


def service(session: aiohttp.ClientSession, url: str, headers: Mapping[str, str] | None = None) -> Service:
    return Service(
        session=session,
        name="Content Service",
        url=f"{url}/v1/content",
        setting="--content-service-url",
        headers={"Authorization": f"Bearer {TOKEN}"} if headers is None else headers,
    )


async def upload(session: aiohttp.ClientSession, handler: Handler) -> str:
    async with serving(handler) as url:
        return await ContentClient(service(session, url)).upload("Räksmörgås".encode())


async def refused(session: aiohttp.ClientSession, handler: Handler) -> RunnerError:
    with pytest.raises(RunnerError) as caught:
        await upload(session, handler)
    return caught.value


async def test_two_500s_and_then_a_201_are_one_upload_and_three_requests(session: aiohttp.ClientSession) -> None:
    script = Script(answer(500), answer(500), answer(201, STORED))
    assert await upload(session, script) == ID
    assert script.bodies == ["Räksmörgås".encode()] * 3


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
async def test_what_may_pass_is_tried_five_times_and_then_told(session: aiohttp.ClientSession, status: int) -> None:
    script = Script(answer(status, REFUSED))
    error = await refused(session, script)
    assert isinstance(error, ServiceUnavailable)
    assert f"cannot be used: {status} (TOO_LONG: the text [31mis too long)." in error.message
    assert len(script.bodies) == ATTEMPTS


@pytest.mark.parametrize("status", [400, 404, 409, 410, 413, 415, 418, 422, 451, 501, 505])
async def test_what_will_not_pass_is_asked_once_and_told_in_the_service_s_words(
    session: aiohttp.ClientSession, status: int
) -> None:
    script = Script(answer(status, REFUSED), answer(201, STORED))
    error = await refused(session, script)
    assert isinstance(error, ServiceUnavailable)
    assert error.message.endswith(f"answered {status} (TOO_LONG: the text [31mis too long).")
    assert "--content-service-url" in error.remedy
    assert len(script.bodies) == 1


@pytest.mark.parametrize(
    ("body", "told"),
    [
        (b'{"error": "no such anchor"}', "400 (no such anchor)."),
        (b"<html>Bad gateway</html>", "400."),
        (b"", "400."),
        (b"\xff\xfe\x00", "400."),
        (b'{"error": {"error_code": 7}}', "400."),
        (b"[" * 500_000, "400."),
        (b'{"error":' * 100_000, "400."),
        (b'{"error": "' + b"x" * 5000 + b'"}', f"400 ({'x' * 200})."),
        (b'{"error": "\\u202etxt.exe\\u0000\\ud83d\\ude00"}', "400 (txt.exe 😀)."),
    ],
)
async def test_a_refusal_in_any_shape_is_one_short_line(session: aiohttp.ClientSession, body: bytes, told: str) -> None:
    error = await refused(session, Script(answer(400, body)))
    assert error.message.endswith(f"answered {told}")
    assert "\n" not in error.message


@pytest.mark.parametrize(
    ("header", "least", "most"),
    [
        ("0.5", 0.2, 1.2),  # no form that the header may have: our own wait, like those below
        ("soon", 0.2, 1.2),
        ("", 0.2, 1.2),
        ("-1", 0.2, 1.2),
        ("²", 0.2, 1.2),
        ("٣", 0.2, 1.2),
        ("Mon, 99 Foo 2026 00:00:00 GMT", 0.2, 1.2),
        ("Fri, 01 Jan 99999 00:00:00 GMT", 0.2, 1.2),
        ("0", 0.2, 1.2),  # at once is too soon
        ("Thu, 01 Jan 1970 00:00:00 GMT", 0.2, 1.2),
        ("3", 3, 3),
        ("0060", 60, 60),
        ("9999", 60, 60),
        ("9" * 400, 60, 60),
        ("Fri, 01 Jan 2999 00:00:00 GMT", 60, 60),
    ],
)
async def test_how_long_a_429_asks_to_wait_is_heeded_up_to_a_minute(
    session: aiohttp.ClientSession, header: str, least: float, most: float
) -> None:
    script = Script(answer(429, Retry_After=header))
    assert least <= await first_wait(session, script) <= most
    assert len(script.bodies) == 1


async def test_a_429_with_a_date_is_waited_for_until_then(session: aiohttp.ClientSession) -> None:
    """A date has whole seconds and some time passes on the way, so the wait is at most what was asked."""

    def later() -> web.Response:
        return answer(429, Retry_After=format_datetime(datetime.now(UTC) + timedelta(seconds=30), usegmt=True))

    assert 0 < await first_wait(session, Script(later)) <= 30


async def test_after_the_wait_that_was_asked_for_the_upload_succeeds(session: aiohttp.ClientSession) -> None:
    script = Script(answer(429, Retry_After="1"), answer(201, STORED))
    with waits() as told:
        assert await upload(session, script) == ID
        assert told.get_nowait() == 1
    assert len(script.bodies) == 2


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_a_setting_to_correct_and_no_text_goes_there(
    session: aiohttp.ClientSession, status: int
) -> None:
    elsewhere = Script(answer(200, STORED))
    async with serving(elsewhere) as login:
        error = await refused(session, Script(answer(status, Location=f"{login}/login?next=content")))
    assert isinstance(error, ConfigurationError)
    assert f"redirects to {login}/login?next=content." in error.message
    assert "--content-service-url" in error.remedy
    assert elsewhere.bodies == []


@pytest.mark.parametrize(
    ("body", "content_type"),
    [
        (b"<html>Log in</html>", "text/html"),
        (b"", "application/json"),
        (b"{", "application/json"),
        (b"null", "application/json"),
        (b"{}", "application/json"),
        (b"[" * 100_000, "application/json"),
        (b'{"storage_id": null}', "application/json"),
        (b'{"storage_id": "../../etc/passwd"}', "application/json"),
        (STORED.replace(b"0", b"G"), "application/json"),
        (STORED.replace(b"f", b"F"), "application/json"),
        (STORED[:-2] + b'\\n"}', "application/json"),
        (STORED[:-3] + b'"}', "application/json"),
    ],
)
async def test_a_201_without_a_storage_id_is_a_failure(
    session: aiohttp.ClientSession, body: bytes, content_type: str
) -> None:
    script = Script(answer(201, body, Content_Type=content_type))
    error = await refused(session, script)
    assert isinstance(error, ServiceUnavailable)
    assert "its answer is not a StoredContent" in error.message
    assert len(script.bodies) == 1


def _peak() -> int:
    """The most memory that this process had since it was told to count anew, in bytes."""
    found = re.search(r"VmHWM:\s+(\d+) kB", Path("/proc/self/status").read_text())
    assert found
    return int(found[1]) * 1024


@pytest.mark.parametrize("status", [201, 400, 503])
@pytest.mark.parametrize("encoding", ["identity", "gzip", "deflate"])
async def test_an_endless_answer_is_cut_and_takes_little_memory(
    session: aiohttp.ClientSession, status: int, encoding: str
) -> None:
    """128 MB, plain or out of 128 kB."""
    mega = bytes(1 << 20)
    packer = {"gzip": zlib.compressobj(wbits=31), "deflate": zlib.compressobj()}.get(encoding)
    chunks = [mega] * 128 if packer is None else [packer.compress(mega) for _ in range(128)]
    sent = []

    async def endless(request: web.Request) -> web.StreamResponse:
        response = web.StreamResponse(status=status, headers={"Content-Encoding": encoding})
        await response.prepare(request)
        for chunk in chunks:
            sent.append(chunk)
            await response.write(chunk)
        return response

    Path("/proc/self/clear_refs").write_text("5")  # noqa: ASYNC240 - a file of the kernel
    before = _peak()
    error = await refused(session, endless)
    assert isinstance(error, ServiceUnavailable)
    assert f"its answer is longer than {ANSWER_LIMIT} bytes" in error.message
    assert _peak() - before < 50 << 20
    assert packer is not None or len(sent) < 128


@pytest.mark.usefixtures("at_once")
async def test_two_hundred_uploads_to_a_server_that_closes_idle_connections_succeed(
    session: aiohttp.ClientSession,
) -> None:
    """Each request that comes on a used connection meets its end once, unanswered."""
    answered, dropped = [], set()

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for use in count():
            try:
                body = await read_request(reader)
            except (asyncio.IncompleteReadError, ConnectionError):
                break
            if use and body not in dropped:
                dropped.add(body)
                break
            answered.append(body)
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(STORED), STORED))
        writer.close()

    async with listening(serve) as port:
        content = ContentClient(service(session, f"http://127.0.0.1:{port}"))
        ids = await asyncio.gather(*(content.upload(b"%d" % number) for number in range(200)))
    assert ids == [ID] * 200
    assert sorted(answered, key=int) == [b"%d" % number for number in range(200)]
    assert len(dropped) > 50


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    "broken",
    [
        b"HTTP/1.1 201 Created\r\nContent-Length: 100\r\n\r\n{",
        b"HTTP/1.1 201 Created\r\nTransfer-Encoding: chunked\r\n\r\n10\r\n{",
        b"HTTP/1.1 201 Created\r\nContent-Encoding: gzip\r\nContent-Length: 9\r\n\r\nnot a gzi",
        b"HTTP/1.1 201",
        b"",
    ],
)
async def test_an_answer_that_breaks_off_is_tried_again_and_then_told(
    session: aiohttp.ClientSession, broken: bytes
) -> None:
    requests = []

    async def break_off(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        requests.append(await read_request(reader))
        writer.write(broken)
        writer.close()

    async with listening(break_off) as port:
        with pytest.raises(ServiceUnavailable, match=r"cannot be used: [^\n]*\w[^\n]*\.$"):
            await ContentClient(service(session, f"http://127.0.0.1:{port}")).upload(b"x")
    assert requests == [b"x"] * ATTEMPTS


@pytest.mark.parametrize("words", [b"SSH-2.0-OpenSSH_9.6\r\n", b"\0\0\0\x04kafka", b"HTTP/9.9 abc\r\n\r\n"])
async def test_something_else_than_http_on_the_port_is_told(session: aiohttp.ClientSession, words: bytes) -> None:
    async def speak(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        writer.write(words)
        writer.close()

    async with listening(speak) as port:
        with pytest.raises(ServiceUnavailable) as caught:
            await ContentClient(service(session, f"http://127.0.0.1:{port}")).upload(b"x")
    assert "\n" not in caught.value.message


@pytest.mark.usefixtures("at_once")
async def test_a_closed_port_is_told_in_plain_words(session: aiohttp.ClientSession) -> None:
    port = await closed_port()
    with pytest.raises(ServiceUnavailable) as caught:
        await ContentClient(service(session, f"http://127.0.0.1:{port}")).upload(b"x")
    assert caught.value.message == (
        f"The Content Service at http://127.0.0.1:{port}/v1/content cannot be used: Connection refused."
    )


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize(
    ("url", "cause"),
    [
        ("http://no-such-host.invalid", "Name or service not known|No address|failure in name resolution|not found"),
        ("http://127.0.0.1:99999", "."),
        ("http://[::1", "."),
        ("localhost:8000", "."),
        ("ftp://127.0.0.1", "."),
        ("http://host..name", "."),
        ("", "."),
    ],
)
async def test_an_address_that_cannot_be_is_told(session: aiohttp.ClientSession, url: str, cause: str) -> None:
    with pytest.raises(ServiceUnavailable, match=f"cannot be used: .*({cause})"):
        await ContentClient(service(session, url)).upload(b"x")


@pytest.fixture
def untrusted(tmp_path: Path) -> ssl.SSLContext:
    """A server's TLS with a certificate that nobody vouches for."""
    if shutil.which("openssl") is None:
        pytest.skip("openssl makes the certificate")
    key, certificate = tmp_path / "key.pem", tmp_path / "certificate.pem"
    command = "openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 1 -subj /CN=localhost"
    subprocess.run([*command.split(), "-keyout", key, "-out", certificate], check=True, capture_output=True)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return context


async def test_a_certificate_that_nobody_vouches_for_is_not_accepted_and_not_tried_again(
    session: aiohttp.ClientSession, untrusted: ssl.SSLContext
) -> None:
    script = Script(answer(201, STORED))
    async with serving(script, tls=untrusted) as url:
        with pytest.raises(ServiceUnavailable, match=r"(?i)certificate"), waits() as told:
            await ContentClient(service(session, url)).upload(b"x")
    assert script.bodies == []
    assert told.empty()


@pytest.mark.usefixtures("at_once")
@pytest.mark.parametrize("status", [400, 401, 403, 500])
async def test_the_token_is_shown_nowhere(
    session: aiohttp.ClientSession,
    caplog: pytest.LogCaptureFixture,
    capsys: pytest.CaptureFixture[str],
    status: int,
) -> None:
    """Not even where the service repeats it, at a place where cutting the line would leave a part of it."""
    caplog.set_level(logging.DEBUG)
    seen = []
    told = json.dumps({"error": f"{'x' * 190}{TOKEN} is not for {TOKEN}"}).encode()

    async def repeat(request: web.Request) -> web.StreamResponse:
        seen.append(request.headers["Authorization"])
        return answer(status, told)

    error = await refused(session, repeat)
    assert isinstance(error, NotAllowed if status in (401, 403) else ServiceUnavailable)
    assert set(seen) == {f"Bearer {TOKEN}"}
    printed = capsys.readouterr()
    shown = (
        *(error.message, error.remedy, repr(error), *traceback.format_exception(error)),
        *(repr(service(session, "http://x")), repr(ContentClient(service(session, "http://x")))),
        *(caplog.text, printed.out, printed.err),
    )
    assert TOKEN[:8] not in "".join(shown)


async def test_no_more_connections_than_asked_for_are_open_at_once() -> None:
    open_now, most = set(), []

    async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        open_now.add(writer)
        most.append(len(open_now))
        while True:
            try:
                await read_request(reader)
            except asyncio.IncompleteReadError:
                open_now.discard(writer)
                return
            writer.write(b"HTTP/1.1 201 Created\r\nContent-Length: %d\r\n\r\n%s" % (len(STORED), STORED))

    async with listening(serve) as port, http_session(connections=3, secret=None) as session:
        content = ContentClient(service(session, f"http://127.0.0.1:{port}"))
        await asyncio.gather(*(content.upload(b"x") for _ in range(30)))
    assert max(most) == 3


async def test_a_text_that_the_service_does_not_have_is_none_and_one_it_has_is_its_bytes(
    session: aiohttp.ClientSession,
) -> None:
    for gone in (400, 404):
        async with serving(Script(answer(gone))) as url:
            assert await ContentClient(service(session, url)).download(ID) is None
    async with serving(Script(answer(200, b"\xff\r\n\0"))) as url:
        assert await ContentClient(service(session, url)).download(ID) == b"\xff\r\n\0"
    async with serving(Script(answer(410))) as url:
        with pytest.raises(ServiceUnavailable):
            await ContentClient(service(session, url)).download(ID)


async def test_a_health_check_carries_no_token(session: aiohttp.ClientSession) -> None:
    """The address can be somebody else's: the token is for the routes that need it."""
    given = []

    async def healthy(request: web.Request) -> web.StreamResponse:
        given.append(request.headers.get("Authorization"))
        return answer(200, b'{"status": "healthy"}')

    async with serving(healthy) as url:
        client = replace(service(session, url), headers={"Authorization": "Bearer hush"})
        await CJAdminClient(client).check_health()
    assert given == [None]


async def test_health_is_asked_at_the_services_root_and_content_at_its_path(session: aiohttp.ClientSession) -> None:
    paths = []

    async def healthy(request: web.Request) -> web.StreamResponse:
        paths.append(request.path)
        if request.path.endswith("/no-id"):
            return answer(400)
        return answer(200, b'{"status": "healthy", "a_field_of_tomorrow": 1}')

    async with serving(healthy) as url:
        await ContentClient(service(session, url)).check_health()
        await CJAdminClient(service(session, url)).check_health()
    assert paths == ["/healthz", "/v1/content/no-id", "/v1/content/healthz"]
    async with serving(Script(answer(200, b"OK"))) as url:
        with pytest.raises(ServiceUnavailable, match=f"not a {Health.__name__}"):
            await ContentClient(service(session, url)).check_health()


INSTRUCTIONS = {"id": 1, "instructions_text": "Judge.", "grade_scale": "eng5_np_legacy_9_step"}
ANCHOR = {"id": 4, "anchor_label": "A1", "grade": "A", "grade_scale": "s", "text_storage_id": ID}
LISTING = {"assignment_id": "x", "anchors": [ANCHOR]}
MANIFEST = {"providers": {"openai": [{"model_id": "gpt-5", "provider": "openai"}]}, "total_models": 1}


async def test_what_the_cj_service_and_the_models_service_have_on_record(session: aiohttp.ClientSession) -> None:
    async def records(request: web.Request) -> web.StreamResponse:
        path = request.path.removeprefix("/v1/content")
        body = {
            "/admin/v1/assessment-instructions/assignment/x": INSTRUCTIONS,
            "/admin/v1/anchors/assignment/x": LISTING,
            "/models": MANIFEST,
        }.get(path)
        return answer(404) if body is None else answer(200, json.dumps(body).encode())

    async with serving(records) as url:
        cj = CJAdminClient(service(session, url))
        instructions = await cj.instructions("x")
        assert instructions is not None
        assert instructions.grade_scale == "eng5_np_legacy_9_step"
        assert await cj.instructions("unknown") is None
        assert [anchor.id for anchor in (await cj.anchors("x")).anchors] == [4]
        assert await cj.anchors("unknown") is None
        assert (await ModelsClient(service(session, url)).models()).total_models == 1


async def test_without_the_admin_role_the_records_are_not_allowed(session: aiohttp.ClientSession) -> None:
    async with AsyncExitStack() as stack:
        for status in (401, 403):
            url = await stack.enter_async_context(serving(Script(answer(status))))
            cj = CJAdminClient(service(session, url, {}))
            for asked in (cj.instructions("x"), cj.anchors("x")):
                with pytest.raises(NotAllowed, match=f"answered {status}") as caught:
                    await asked
                assert "admin whoami" in caught.value.remedy
