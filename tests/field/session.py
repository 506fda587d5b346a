"""A run against services of the field within this process: real ports, a real ledger, real outputs."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from eng5_runner.canonical import canonical_json
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.core.events import Event, RunStarted
from eng5_runner.core.spec import Budget, Mode, RunSpec, Study, Target, Timeouts
from eng5_runner.core.state import LiveState, RunState, fold_into
from eng5_runner.effects.clock import SystemClock, new_run_id
from eng5_runner.effects.ledger import Ledger, LedgerReading
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME
from eng5_runner.inventory.read import read_assets
from eng5_runner.run.connect import open_ports
from eng5_runner.run.hydrate import Hydrated, hydrate
from eng5_runner.run.pipeline import Session, drive
from tests.support.field import recorded
from tests.support.field.services import FieldServices
from tests.support.run.runs import VERSIONS, ignore

PATIENCE = Timeouts(total=60, idle=30, result=1)
# For a service that will say no more.
SHORT = Timeouts(total=60, idle=6, result=1)


@dataclass(frozen=True)
class Ended:
    """A run that is over."""

    directory: Path
    state: RunState

    @property
    def code(self) -> int:
        return exit_code(self.state)

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(LedgerReading(self.directory))

    def hydrated(self) -> Hydrated:
        """The outputs, which must fit their schema."""
        found = hydrate(self.directory)
        assert found.violations == []
        return found


async def run_against(
    field: FieldServices, folder: Path, *, timeouts: Timeouts = PATIENCE, llm_url: str | None = None, **study: object
) -> Ended:
    """Execute the recorded study, or a guest run of it, against these services."""
    assets = read_assets(recorded.assets(folder / "assets"), grade_scale=recorded.SCALE)
    assert assets.inputs is not None, assets.findings
    address = field.environment
    target = Target(
        stack="remote",
        kafka_bootstrap=address["KAFKA_BOOTSTRAP_SERVERS"],
        content_service_url=address["CONTENT_SERVICE_URL"] + "/",  # as people write it
        cj_service_url=address["CJ_SERVICE_URL"],
        llm_provider_service_url=llm_url,
    )
    spec = RunSpec(
        run_id=new_run_id(),
        label="field",
        mode=Mode.EXECUTE,
        send=True,
        assets=str(folder / "assets"),
        study=Study.model_validate({"assignment_id": UUID(recorded.ASSIGNMENT)} | study),
        budget=Budget(max_comparisons=24),
        target=target,
        timeouts=timeouts,
    )
    directory = folder / "run"
    directory.mkdir()
    (directory / CONFIG_NAME).write_text("[settings]\n")
    (directory / INPUTS_NAME).write_bytes(canonical_json(assets.inputs.model_dump(mode="json")))
    opening = RunStarted(at=SystemClock().now(), spec=spec, inputs_sha256=assets.inputs.digest(), versions=VERSIONS)
    with Ledger(directory) as ledger:
        session = Session(
            ledger=ledger,
            state=fold_into(LiveState(), ledger.events),
            inputs=assets.inputs,
            texts=dict(assets.texts),
            observe=ignore,
            stop=asyncio.Event(),
        )
        await session.record([opening])
        ports = open_ports(spec, target=target, cache_folder=folder / "cache", token="a-token")
        async with ports as opened:
            await drive(session, opened)
        return Ended(directory, session.state)
