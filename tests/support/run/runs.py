"""A small run on disk against a world in memory, started, resumed and finished as the command line does it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from uuid import UUID

from eng5_runner.canonical import Json, sha256_hex
from eng5_runner.core.events import BudgetRaised, Event, RunResumed, RunStarted
from eng5_runner.core.inputs import Anchor, Document, Inputs, SourceFile, Student
from eng5_runner.core.spec import Budget, Mode, RunSpec, Study, Target, Timeouts, Uploading, Versions
from eng5_runner.core.state import LiveState, RunState, fold_into
from eng5_runner.effects.ledger import Ledger, LedgerReading
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME
from eng5_runner.results.artefact.part import to_json
from eng5_runner.results.judgements import gather_evidence
from eng5_runner.results.runner_status import MessageRecord, runner_status
from eng5_runner.run.hydrate import Hydrated, hydrate, write
from eng5_runner.run.pipeline import Session, drive
from eng5_runner.run.ports import Notice, Update
from tests.support.run.world import World

RUN_ID = UUID("c0ffee00-1111-4222-8333-444455556666")
ASSIGNMENT = UUID("11111111-2222-4333-8444-555566667777")
VERSIONS = Versions(runner="0.1.0", git_sha="0123456", python="3.11.0", os="some os")
EMBEDDED = Target(stack="embedded", kafka_bootstrap="k:1", content_service_url="http://c", cj_service_url="http://j")
REMOTE = Target(stack="remote", kafka_bootstrap="k:1", content_service_url="http://c", cj_service_url="http://j")
GRADES = {"anchor-a1": "A", "anchor-b1": "C+", "anchor-e1": "E-"}
STUDENTS = ("birk", "cleo", "dag")


def source(path: str, data: bytes) -> SourceFile:
    return SourceFile.of(data, source_path=path, encoding="utf-8", file_format="txt")


def _document(path: str, text: str) -> Document:
    digest = sha256_hex(text.encode())
    return Document(file=source(path, text.encode()), text=text, text_sha256=digest, word_count=len(text.split()))


def text_of(essay_id: str) -> bytes:
    """As long as an anchor has to be."""
    return f"The essay of {essay_id}. It speaks of rain.".ljust(120, ".").encode()


def make_inputs() -> tuple[Inputs, dict[str, bytes]]:
    """Three anchors and three students, with the texts by their sha256."""
    prompt = "Write about rain."
    essays = {name: text_of(name) for name in (*GRADES, *STUDENTS)}
    texts = {sha256_hex(text): text for text in (*essays.values(), prompt.encode())}
    inputs = Inputs(
        grade_scale="eng5_np_legacy_9_step",
        instructions=_document("instructions.md", "Judge the language."),
        prompt=_document("prompt.md", prompt),
        anchor_table=None,
        anchors=tuple(
            Anchor(
                anchor_id=name,
                file=source(f"anchor_essays/{name}.txt", essays[name]),
                grade=grade,
                text_sha256=sha256_hex(essays[name]),
                word_count=8,
                label=name.removeprefix("anchor-"),
            )
            for name, grade in GRADES.items()
        ),
        students=tuple(
            Student(
                essay_id=name,
                file=source(f"student_essays/{name}.txt", essays[name]),
                text_sha256=sha256_hex(essays[name]),
                word_count=8,
            )
            for name in STUDENTS
        ),
        notes=(),
    )
    return inputs, texts


def make_spec(**changes: object) -> RunSpec:
    """An execute run that sends, patient for two minutes of the world's time, of all 15 pairs unless told otherwise."""
    settled: dict[str, object] = {
        "run_id": RUN_ID,
        "label": "a label",
        "mode": Mode.EXECUTE,
        "send": True,
        "assets": "/assets",
        "target": REMOTE,
        "budget": Budget(max_comparisons=15),
        "timeouts": Timeouts(total=120.0, idle=60.0, result=20.0),
        "uploading": Uploading(concurrency=2),
    }
    return RunSpec.model_validate(settled | changes)


DRY = {"mode": Mode.DRY_RUN, "send": False, "target": Target(stack="embedded")}
ASSIGNED = {"study": Study(assignment_id=ASSIGNMENT)}


def ignore(told: Update) -> None:
    """Watch nothing."""


@dataclass
class Run:
    """One run directory and the world around it."""

    directory: Path
    world: World = field(default_factory=World)
    spec: RunSpec = field(default_factory=make_spec)
    told: list[Update] = field(default_factory=list)

    def __post_init__(self) -> None:
        self.inputs, self.texts = make_inputs()

    def start(self, *, observe: Callable[[Update], None] = ignore, stop: asyncio.Event | None = None) -> RunState:
        """A new run's first session."""
        self.directory.mkdir(parents=True, exist_ok=True)
        (self.directory / INPUTS_NAME).write_text(self.inputs.model_dump_json())
        (self.directory / CONFIG_NAME).write_text("[settings]\n")
        at = self.world.clock.now()
        opening = RunStarted(at=at, spec=self.spec, inputs_sha256=self.inputs.digest(), versions=VERSIONS)
        return asyncio.run(self._session(opening, observe=observe, stop=stop))

    def resume(
        self,
        *,
        observe: Callable[[Update], None] = ignore,
        stop: asyncio.Event | None = None,
        max_cost: float | None = None,
    ) -> RunState:
        """A later session, perhaps with a higher cost limit."""
        at = self.world.clock.now()
        raised = [] if max_cost is None else [BudgetRaised(at=at, max_cost_usd=max_cost)]
        opening = RunResumed(at=at, versions=VERSIONS)
        return asyncio.run(self._session(opening, *raised, observe=observe, stop=stop))

    async def _session(
        self, *opening: Event, observe: Callable[[Update], None], stop: asyncio.Event | None
    ) -> RunState:
        def watch(told: Update) -> None:
            self.told.append(told)
            observe(told)

        with Ledger(self.directory) as ledger:
            session = Session(
                ledger=ledger,
                state=fold_into(LiveState(), ledger.events),
                inputs=self.inputs,
                texts=self.texts,
                observe=watch,
                stop=stop or asyncio.Event(),
            )
            await session.record(opening)
            await drive(session, self.world.ports(self.spec))
            return session.state

    @property
    def events(self) -> tuple[Event, ...]:
        return tuple(LedgerReading(self.directory))

    @property
    def notices(self) -> list[str]:
        return [one.text for one in self.told if isinstance(one, Notice)]

    def hydrate(self) -> Hydrated:
        """The outputs, which must fit their schema."""
        hydrated = hydrate(self.directory)
        assert hydrated.violations == []
        return hydrated

    def artefact(self) -> dict[str, Json]:
        """The artefact as a reader gets it."""
        hydrated = self.hydrate()
        read: dict[str, Json] = json.loads(hydrated.files[hydrated.artefact_name])
        return read

    def finish(self) -> Hydrated:
        """Hydrate and write."""
        hydrated = self.hydrate()
        write(self.directory, hydrated)
        return hydrated


TIMES = ("metadata.started_at", "metadata.generated_at")
"""Instants of the recording; everything else with a time in it is from the services' own messages."""
BOOKKEEPING = (
    "runner_status.offsets",  # how far each partition was read
    "runner_status.request",  # where the request lies in its topic, and whether it was found there
    "runner_status.event_counts",  # how many events of each kind the ledger has
    "runner_status.sessions",
    "runner_status.duplicates",  # messages that came again
    "validation.manifest",  # the ledger's own checksum
    "validation.artefact_checksum",
)


def without(artefact: dict[str, Json], paths: Sequence[str]) -> dict[str, Json]:
    """The artefact without these fields."""
    left = json.loads(json.dumps(artefact))
    for path in paths:
        section, name = path.split(".")
        del left[section][name]
    return left


def essence(artefact: dict[str, Json]) -> dict[str, Json]:
    """What a run states: the artefact without times and bookkeeping, exactly the fields named above."""
    return without(artefact, (*TIMES, *BOOKKEEPING))


def claims(run: Run) -> tuple[object, ...]:
    """What the artefact is computed from, besides the inputs: a cheap stand-in for it where many runs are compared.

    The evidence in full, how the run ended and why, costs' and counts' sources, and what was uploaded under which id.
    """
    state, messages = RunState(), MessageRecord()
    evidence = gather_evidence(run.inputs, messages.noting(run.events), state=state)
    dropped = {path.removeprefix("runner_status.") for path in BOOKKEEPING}
    status = to_json(runner_status(state, messages))
    assert isinstance(status, dict)
    stated = {name: value for name, value in status.items() if name not in dropped}
    sources = evidence.sources
    every = sources.prompts()
    prompts = Counter(every[at : at + 32] for at in range(0, len(every), 32))  # which are counted, in no order
    texts = prompts, sources.systems, sources.templates, sources.forms
    return evidence.judged, evidence.failed, evidence.result, texts, stated, state.storage_ids


def write_ledger(directory: Path, events: Sequence[Event]) -> None:
    """A ledger of these events, with checksums that fit."""
    with Ledger(directory) as ledger:
        asyncio.run(ledger.append(events))
