"""The compose file, started as it is written but without containers: on a cold machine the first run is complete."""

from __future__ import annotations

import asyncio
import json
import shutil
from collections.abc import Iterator
from pathlib import Path

import asyncpg
import pytest

from tests.containers.composition import Composition
from tests.support.compose import OWN_STACK, RUNNER, by_default, services
from tests.support.kafka.certificates import make_certificates
from tests.support.kafka.cluster import KafkaBroker
from tests.support.kafka.jars import server_jars
from tests.support.postgres.server import ADMIN, ADMIN_PASSWORD, PostgresServer, programs, scratch_folder
from tests.support.runner import wait_for
from tests.support.small_study import study as study  # noqa: PLC0414 - pytest finds fixtures by their name here

pytestmark = [pytest.mark.kafka, pytest.mark.postgres, pytest.mark.slow, pytest.mark.xdist_group("compose")]


class Database(PostgresServer):
    """A server that makes the user and the database of the file when it starts, as its image does."""

    def start(self) -> None:
        super().start()
        asyncio.run(self._prepare())

    async def _prepare(self) -> None:
        told = {key: by_default(value) for key, value in services(OWN_STACK)["postgres"]["environment"].items()}
        admin = await asyncpg.connect(
            host="127.0.0.1",
            port=self.port,
            user=ADMIN,
            password=ADMIN_PASSWORD,
            database="postgres",
        )
        await admin.execute(f"CREATE ROLE {told['POSTGRES_USER']} LOGIN PASSWORD '{told['POSTGRES_PASSWORD']}'")
        await admin.execute(f"CREATE DATABASE {told['POSTGRES_DB']} OWNER {told['POSTGRES_USER']}")
        await admin.close()


@pytest.fixture
def composition(tmp_path: Path) -> Iterator[Composition]:
    found, jars, scratch = programs(), server_jars(), scratch_folder()
    kafka = KafkaBroker(
        folder=tmp_path / "kafka", jars=jars, certificates=make_certificates(tmp_path / "tls" / "certificates")
    )
    postgres = Database(programs=found, folder=scratch)
    made = Composition(services=services(OWN_STACK), folder=tmp_path / "compose", kafka=kafka, postgres=postgres)
    try:
        yield made
    finally:
        made.down()
        kafka.kill()
        postgres.stop()
        shutil.rmtree(scratch)


def test_on_a_cold_machine_the_runner_works_the_first_time(composition: Composition, study: Path) -> None:
    composition.up_to(RUNNER)
    assert set(composition.began) == set(composition.services) - {RUNNER}
    (composition.folder / "assets").symlink_to(study)
    first = composition.run(
        RUNNER, "--assets", "assets", "--mode", "execute", "--batch-id", "first", "--yes", "--seed", "1"
    )
    assert first.returncode == 0, first.stderr + composition.log("cj") + composition.log("llm_provider")
    latest = composition.folder / "runs" / "latest"
    made = json.loads((latest / "assessment_run.execute.json").read_bytes())
    assert made["runner_status"]["outcome"] == "complete"
    assert len(made["llm_comparisons"]) == 160
    assert not (latest / "stack").exists(), "the embedded stack was not used"
    for again in (("verify", "runs/latest"), ("preflight", "--assets", "assets")):
        done = composition.run(RUNNER, *again)
        assert done.returncode == 0, done.stderr


def test_a_service_that_does_not_work_is_not_healthy(composition: Composition) -> None:
    """Or the waiting above would prove nothing."""
    composition.up_to("content")
    assert composition.healthcheck("content").returncode != 0
    composition.start("content")
    composition.wait_until_healthy("content")
    composition.postgres.stop()
    wait_for(lambda: composition.healthcheck("content").returncode != 0, what="the loss of the database to be told")
