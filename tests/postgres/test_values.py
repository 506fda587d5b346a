"""What PostgreSQL does not take and SQLite does: a NUL in a text."""

from __future__ import annotations

import asyncio
import json

import aiohttp
from aiokafka import AIOKafkaProducer

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.cj.clients import ContentReader, LLMProviderClient
from eng5_runner.stack.cj.service import CJService
from eng5_runner.stack.identity.accounts import Accounts
from eng5_runner.stack.identity.service import IdentityService
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.platform.broker import embedded_broker
from eng5_runner.stack.platform.kafka import Cluster, open_publisher, open_reader
from eng5_runner.stack.platform.server_database import open_database
from eng5_runner.stack.platform.web import served
from eng5_runner.transport.kafka import stop_client
from tests.support.postgres.fixtures import Database
from tests.support.stack.driver import request

NOBODY = "http://127.0.0.1:1"


async def test_a_body_that_cannot_be_looked_for_is_the_asker_s_fault(database: Database) -> None:
    async with open_database(database.url) as store, aiohttp.ClientSession() as http:
        app = IdentityService(accounts=Accounts(store), authority=TokenAuthority()).application()
        login = {"email": "a\0b@example.org", "password": "p"}
        async with served(app) as url, http.post(f"{url}/v1/auth/login", json=login) as response:
            assert response.status == 400
            assert (await response.json())["error"]["error_code"] == "VALIDATION_ERROR"


async def test_a_request_that_cannot_be_stored_fails_and_the_service_goes_on(database: Database) -> None:
    essays = [{"essay_id": name, "text_storage_id": "0" * 32} for name in ("one", "two")]
    spoilt = [request(essays, entity_id="\0"), request(essays, entity_id="no uuid")]
    async with embedded_broker() as bootstrap, open_database(database.url) as store, aiohttp.ClientSession() as http:
        cluster = Cluster(bootstrap=bootstrap, is_embedded=True)
        async with (
            open_publisher(cluster) as publisher,
            open_reader(cluster, Topic.REQUEST) as requests,
            open_reader(cluster, Topic.COMPARISON) as results,
            open_reader(cluster, Topic.FAILED) as failures,
        ):
            service = CJService(
                store=store,
                publisher=publisher,
                contents=ContentReader(http, NOBODY),
                provider=LLMProviderClient(http, NOBODY),
            )
            working = asyncio.create_task(service.run(requests, results))
            producer = AIOKafkaProducer(bootstrap_servers=bootstrap)
            await producer.start()
            told: list[str] = []
            for raw in spoilt:
                await producer.send_and_wait(Topic.REQUEST.value, raw)
                while not any(found := (await failures.getmany(timeout_ms=50)).values()):
                    assert not working.done()
                told += [json.loads(one.value)["data"]["entity_id"] for records in found for one in records]
            await stop_client(producer)
            working.cancel()
            await asyncio.wait({working})
    assert told == ["\0", "no uuid"]
