"""Kafka at its start: whatever stands at the address, one line tells the cause, in time, and nothing is left."""

from __future__ import annotations

import asyncio
import re
import socket
from collections.abc import Iterator
from contextlib import contextmanager

import pytest
from aiohttp import web

from eng5_runner.effects.kafka.broker import connected
from eng5_runner.errors import ConfigurationError, RunnerError, ServiceUnavailable
from eng5_runner.transport.kafka import START_SECONDS
from eng5_runner.transport.kafka_settings import KafkaSettings
from tests.support.kafka.mock_cluster import MockCluster
from tests.support.servers import closed_port, listening, serving

pytestmark = pytest.mark.usefixtures("nothing_left")


def settings(bootstrap: str) -> KafkaSettings:
    return KafkaSettings(bootstrap=bootstrap, client_id="tests")


async def refusal(bootstrap: str) -> RunnerError:
    """What connecting ends with; it must end by itself."""
    with pytest.raises(RunnerError) as caught:
        async with asyncio.timeout(2 * START_SECONDS), connected(settings(bootstrap)):
            pass
    assert "\n" not in caught.value.message
    return caught.value


async def test_a_closed_port_is_told_as_refused() -> None:
    port = await closed_port()
    error = await refusal(f"127.0.0.1:{port}")
    assert isinstance(error, ServiceUnavailable)
    assert error.message == f"Kafka cannot be reached: 127.0.0.1:{port}: Connection refused."
    assert "--kafka-bootstrap" in error.remedy


async def test_an_http_server_on_the_port_is_told() -> None:
    async def page(request: web.Request) -> web.StreamResponse:
        return web.Response(text="hello")

    async with serving(page) as url:
        error = await refusal(url.removeprefix("http://"))
    assert isinstance(error, ServiceUnavailable)
    assert re.search(r"Kafka failed while connecting: .*127\.0\.0\.1:\d+.* closed", error.message)


async def test_a_server_that_hangs_up_is_told() -> None:
    async def hang_up(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with listening(hang_up) as port:
        error = await refusal(f"127.0.0.1:{port}")
    assert isinstance(error, ServiceUnavailable)


@pytest.mark.parametrize(
    ("bootstrap", "cause"),
    [
        ("no-such-host.invalid:9092", "no-such-host.invalid:9092: .+"),
        ("kafka..example:9092", "kafka..example:9092: not a host name"),
        (f"{'a' * 70}.example:9092", "not a host name"),
    ],
)
async def test_an_address_that_cannot_be_found_is_told(bootstrap: str, cause: str) -> None:
    error = await refusal(bootstrap)
    assert isinstance(error, ServiceUnavailable)
    assert re.search(rf"Kafka cannot be reached: .*{cause}\.$", error.message)


@pytest.mark.parametrize("bootstrap", ["localhost", "localhost:", ":9092", "localhost:99999", "localhost:²"])
async def test_what_is_no_address_is_a_setting_to_mend(bootstrap: str) -> None:
    error = await refusal(bootstrap)
    assert isinstance(error, ConfigurationError)
    assert f"{bootstrap} is not of the form host:port" in error.message


@pytest.mark.parametrize("bootstrap", ["", " , "])
async def test_no_address_at_all_is_a_setting_to_mend(bootstrap: str) -> None:
    error = await refusal(bootstrap)
    assert isinstance(error, ConfigurationError)
    assert "(none) is not of the form host:port" in error.message


async def test_of_several_addresses_that_do_not_answer_each_cause_is_told() -> None:
    one, other = await closed_port(), await closed_port()
    error = await refusal(f"127.0.0.1:{one}, 127.0.0.1:{other}")
    assert f"127.0.0.1:{one}: Connection refused; 127.0.0.1:{other}: Connection refused." in error.message


async def test_a_good_address_does_not_excuse_one_that_is_none() -> None:
    with MockCluster() as cluster:
        error = await refusal(f"{cluster.bootstrap},http://kafka2:9092/")
    assert isinstance(error, ConfigurationError)
    assert "http://kafka2:9092/ is not of the form host:port" in error.message


async def test_one_good_address_among_bad_ones_is_enough() -> None:
    port = await closed_port()
    with MockCluster() as cluster:
        async with connected(settings(f"127.0.0.1:{port},{cluster.bootstrap}")) as broker:
            assert await broker.is_alive()


@contextmanager
def deaf_port() -> Iterator[int]:
    """A port whose queue of connections is full, so that the kernel drops what comes."""
    with socket.socket() as deaf:
        deaf.bind(("127.0.0.1", 0))
        deaf.listen(0)
        callers = [socket.socket() for _ in range(4)]
        for caller in callers:
            caller.setblocking(False)
            caller.connect_ex(deaf.getsockname())
        yield deaf.getsockname()[1]
        for caller in callers:
            caller.close()


@pytest.mark.slow
async def test_ports_that_swallow_everything_are_given_up_in_time() -> None:
    """One takes the connection and never answers, the other does not even take it."""

    async def never_answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read()

    async with listening(never_answer) as black_hole:
        with deaf_port() as deaf:
            errors = await asyncio.gather(refusal(f"127.0.0.1:{black_hole}"), refusal(f"127.0.0.1:{deaf}"))
    assert [type(error) for error in errors] == [ServiceUnavailable] * 2
    assert re.search(rf'Unable connect to "127.0.0.1:{black_hole}": no answer in time\.$', errors[0].message)
    assert errors[1].message == f"Kafka cannot be reached: 127.0.0.1:{deaf}: no answer within 3 s."


@pytest.mark.parametrize("down", [False, True])
@pytest.mark.parametrize("polls", [None, 0, 1])
async def test_a_connection_ends_without_a_trace_whenever_it_ends(polls: int | None, *, down: bool) -> None:
    """Right after its start, right after listening, in the middle of reading, and while the broker is away."""
    with MockCluster() as cluster:
        cluster.create_topic("a", partitions=2)
        async with connected(settings(cluster.bootstrap)) as broker:
            if polls is not None:
                broker.listen(await broker.ends(await broker.topology(["a"])))
                for _ in range(polls):
                    await broker.poll()
            if down:
                cluster.down()


async def test_a_cancellation_of_ours_is_not_swallowed() -> None:
    polling = asyncio.Event()

    async def poll_for_ever(bootstrap: str) -> None:
        async with connected(settings(bootstrap)) as broker:
            broker.listen(await broker.ends(await broker.topology(["a"])))
            while True:
                polling.set()
                await broker.poll()

    with MockCluster() as cluster:
        cluster.create_topic("a")
        task = asyncio.create_task(poll_for_ever(cluster.bootstrap))
        await polling.wait()
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task
