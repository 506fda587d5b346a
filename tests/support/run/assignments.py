"""A run with an assignment, and a CJ service that knows it."""

from __future__ import annotations

from pathlib import Path

from eng5_runner.contracts.services import AnchorListing, AnchorOnRecord, Instructions, StudentPrompt
from eng5_runner.core.spec import Study
from tests.support.run.runs import ASSIGNED, ASSIGNMENT, GRADES, Run, make_spec, text_of
from tests.support.run.world import World

SCALE = "eng5_np_legacy_9_step"
WIRE = {"anchor-a1": "ANCHOR_11_0badcafe", "anchor-b1": "ANCHOR_12_0badcaff", "anchor-e1": "ANCHOR_13_0badcafd"}


def instructions(**changes: object) -> Instructions:
    told = {"id": 1, "instructions_text": "Judge the language.", "grade_scale": SCALE}
    return Instructions.model_validate(told | changes)


def row(number: int, label: str, grade: str, storage_id: str = "0" * 32) -> AnchorOnRecord:
    told = {"id": number, "anchor_label": label, "grade": grade, "grade_scale": SCALE, "text_storage_id": storage_id}
    return AnchorOnRecord.model_validate(told)


def listing(*rows: AnchorOnRecord) -> AnchorListing:
    return AnchorListing(assignment_id=str(ASSIGNMENT), anchors=rows)


def registered(world: World, *, with_texts: bool = True) -> AnchorListing:
    """Our three anchors as the service has them, under row ids 11 to 13 and other labels where texts tell."""
    rows = []
    for number, (name, grade) in enumerate(GRADES.items(), start=11):
        label = f"row-{number}" if with_texts else name.removeprefix("anchor-").upper()
        if with_texts:
            world.content.texts[f"{number:032d}"] = text_of(name)
        rows.append(row(number, label, grade, f"{number:032d}"))
    return listing(*rows)


def assigned(directory: Path, **changes: object) -> Run:
    """A run with an assignment that the service knows."""
    world = World()
    world.cj.record = instructions()
    world.cj.listing = registered(world)
    world.cj.extra_essays = list(WIRE.values())
    world.cj.task = StudentPrompt(
        assignment_id=str(ASSIGNMENT), student_prompt_storage_id="0" * 32, prompt_text="Write about rain."
    )
    return Run(directory / "run", world, make_spec(**(ASSIGNED | changes)))


def on_the_national_scale(directory: Path) -> Run:
    """A run with an assignment on that scale, anchors and all."""
    scale = "eng5_np_national_9_step"
    run = assigned(directory, study=Study(assignment_id=ASSIGNMENT, grade_scale=scale))
    grades = dict(zip(GRADES, "963", strict=True))
    anchors = tuple(a.model_copy(update={"grade": grades[a.anchor_id]}) for a in run.inputs.anchors)
    run.inputs = run.inputs.model_copy(update={"grade_scale": scale, "anchors": anchors})
    run.world.cj.record = instructions(grade_scale=scale)
    run.world.cj.listing = listing(*(row(11 + n, a.label, a.grade, f"{11 + n:032d}") for n, a in enumerate(anchors)))
    return run
