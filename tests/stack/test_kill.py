"""The stack's process is killed without warning, again and again."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

from eng5_runner.contracts.topics import Topic
from eng5_runner.stack.launch import StackAddresses
from tests.support.processes import unmeasured
from tests.support.stack.driver import Client, batch_id_of, client, request

CHILD = """
import asyncio, json, sys
from pathlib import Path
from eng5_runner.stack.launch import serve

def tell(at):
    print(json.dumps(at.environment()), flush=True)

asyncio.run(serve(Path(sys.argv[1]), ready=tell, stop=asyncio.Event()))
"""


@asynccontextmanager
async def killed_at_the_end(data_dir: Path) -> AsyncIterator[Client]:
    """A stack in a process of its own, ended by SIGKILL."""
    command = [sys.executable, "-c", CHILD, str(data_dir)]
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE, env=unmeasured(os.environ))
    assert process.stdout is not None
    try:
        while not (line := await process.stdout.readline()).startswith(b"{"):
            assert line, "the stack ended before it was ready"
        told = json.loads(line)
        at = StackAddresses(
            kafka_bootstrap=told["KAFKA_BOOTSTRAP_SERVERS"],
            content_service_url=told["CONTENT_SERVICE_URL"],
            cj_service_url=told["CJ_SERVICE_URL"],
            llm_provider_service_url=told["LLM_PROVIDER_SERVICE_URL"],
            identity_service_url=told["IDENTITY_SERVICE_URL"],
            admin_token=told["HULEEDU_ADMIN_TOKEN"],
        )
        async with client(at) as made:
            yield made
            process.kill()
            await process.wait()
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def test_kills_lose_nothing_that_was_told_and_double_nothing(tmp_path: Path) -> None:
    told: set[bytes] = set()
    raw = b""
    for come in (1, 20):
        async with killed_at_the_end(tmp_path) as stack:
            raw = raw or request(await stack.essays(9), metadata={"max_comparisons": 36, "seed": 1})
            await stack.publish(raw)
            told |= set((await stack.until(batch_id_of(raw), come)).raw(Topic.COMPARISON))

    async with killed_at_the_end(tmp_path) as stack:
        batch = await stack.run(raw)

    came = set(batch.raw(Topic.COMPARISON))
    assert told <= came
    assert len(came) == len({one.request_id for one in batch.comparisons}) == 36
    assert len(set(batch.pairs)) == 36
    assert len(batch.raw(Topic.COMPLETED)) == len(batch.raw(Topic.RESULT)) == 1
