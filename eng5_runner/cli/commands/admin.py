"""admin instructions, prompts, rubrics, anchors, scales: what the CJ service keeps for assignments."""

from __future__ import annotations

from collections.abc import Awaitable
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eng5_runner.app.addresses import CJ_DEFAULT, IDENTITY_DEFAULT
from eng5_runner.cli.commands.common import IdentityOption, JsonOption
from eng5_runner.cli.commands.login import login, logout, whoami
from eng5_runner.cli.output import say, write_json
from eng5_runner.contracts.grade_scales import DEFAULT_SCALE, GRADE_SCALES
from eng5_runner.errors import UsageError

if TYPE_CHECKING:
    from eng5_runner.contracts.services import AnchorOnRecord, Instructions
    from eng5_runner.core.inputs import Finding
    from eng5_runner.effects.cj_admin import CJAdminClient
    from eng5_runner.run.anchor_registration import Registration

admin_app = typer.Typer(help="Log in, and manage what the CJ service keeps for assignments.", no_args_is_help=True)
instructions_app = typer.Typer(help="What the judges look for, and the grade scale.", no_args_is_help=True)
prompts_app = typer.Typer(help="The task that the students were given.", no_args_is_help=True)
rubrics_app = typer.Typer(help="The judge's rubric.", no_args_is_help=True)
anchors_app = typer.Typer(help="Essays of known grade.", no_args_is_help=True)
admin_app.add_typer(instructions_app, name="instructions")
admin_app.add_typer(prompts_app, name="prompts")
admin_app.add_typer(rubrics_app, name="rubrics")
admin_app.add_typer(anchors_app, name="anchors")
admin_app.command("login")(login)
admin_app.command("logout")(logout)
admin_app.command("whoami")(whoami)


def _not_empty(option: typer.CallbackParam, value: str | None) -> str | None:
    """An option may be left out, but not be empty."""
    if value == "":
        raise UsageError(f"{option.opts[0]} is empty.", remedy="Give a value; a variable in a script may be unset.")
    return value


CJ = Annotated[str, typer.Option("--cj-service-url", envvar="CJ_SERVICE_URL", help="The CJ service.")]
Assignment = Annotated[str, typer.Option("--assignment-id", help="The assignment.", callback=_not_empty)]
MaybeAssignment = Annotated[
    str | None, typer.Option("--assignment-id", help="The assignment.", callback=_not_empty, show_default=False)
]
MaybeCourse = Annotated[
    str | None, typer.Option("--course-id", help="The course.", callback=_not_empty, show_default=False)
]
TextFile = Annotated[Path, typer.Option("--file", help="The text: .txt, .md or .docx.")]
Scale = Annotated[str, typer.Option("--grade-scale", envvar="ENG5_GRADE_SCALE", help="See `admin scales`.")]


@admin_app.command("scales")
def scales(json: JsonOption = False) -> int:
    """List the grade scales."""
    from eng5_runner.cli.admin_output import show_rows
    from eng5_runner.reports.terminal.administration import SCALE_COLUMNS, scale_row

    if not json:
        show_rows(SCALE_COLUMNS, map(scale_row, GRADE_SCALES.values()))
        return 0
    for scale in GRADE_SCALES.values():
        facts = {"grades": scale.grades, "below_lowest": scale.below_lowest, "prior": scale.prior}
        write_json({"event": "GradeScale", "grade_scale": scale.scale_id} | facts)
    return 0


@instructions_app.command("list")
def list_instructions(
    grade_scale: Annotated[
        str | None, typer.Option("--grade-scale", help="Only those on this scale.", show_default=False)
    ] = None,
    cj: CJ = CJ_DEFAULT,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """List all stored instructions."""
    from eng5_runner.app.administration import check_scale
    from eng5_runner.cli.admin_output import ask, show_rows, write_record
    from eng5_runner.reports.terminal.administration import INSTRUCTIONS_COLUMNS, instructions_row

    if grade_scale is not None:
        check_scale(grade_scale)
    listed = ask(lambda client: client.all_instructions(grade_scale=grade_scale), cj=cj, identity=identity)
    if not json:
        show_rows(INSTRUCTIONS_COLUMNS, map(instructions_row, listed))
        return 0
    for item in listed:
        write_record("Instructions", item)
    return 0


@instructions_app.command("get")
def get_instructions(
    assignment_id: MaybeAssignment = None,
    course_id: MaybeCourse = None,
    cj: CJ = CJ_DEFAULT,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """Print the instructions of an assignment or a course."""
    from eng5_runner.app.administration import check_one_of
    from eng5_runner.cli.admin_output import ask, show_one
    from eng5_runner.contracts.administration import INSTRUCTIONS

    check_one_of(assignment_id, course_id)

    def get(client: CJAdminClient) -> Awaitable[Instructions | None]:
        if course_id is not None:
            return client.course_instructions(course_id)
        return client.instructions(assignment_id or "")

    record = ask(get, cj=cj, identity=identity)
    return show_one(INSTRUCTIONS, record, of=assignment_id or course_id, json_lines=json)


@instructions_app.command("put")
def put_instructions(
    *,
    file: TextFile,
    assignment_id: MaybeAssignment = None,
    course_id: MaybeCourse = None,
    grade_scale: Scale = DEFAULT_SCALE,
    context_origin: Annotated[
        Literal["research_experiment", "canonical_national"],
        typer.Option("--context-origin", help="The rubric of a canonical national one cannot be replaced."),
    ] = "research_experiment",
    cj: CJ = CJ_DEFAULT,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """Write the instructions of an assignment or a course, and read them back."""
    from eng5_runner.app.administration import check_one_of, check_scale, text_body
    from eng5_runner.cli.admin_output import ask, show_stored
    from eng5_runner.contracts.administration import INSTRUCTIONS

    check_one_of(assignment_id, course_id)
    check_scale(grade_scale)
    values = {"assignment_id": assignment_id, "course_id": course_id, "grade_scale": grade_scale}
    body = text_body(INSTRUCTIONS, file, context_origin=context_origin, **values)
    stored = ask(lambda client: client.put(INSTRUCTIONS, body), cj=cj, identity=identity)
    return show_stored(INSTRUCTIONS, stored, json_lines=json)


@instructions_app.command("delete")
def delete_instructions(
    assignment_id: Assignment,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    cj: CJ = CJ_DEFAULT,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """Delete the instructions of an assignment."""
    from eng5_runner.app.administration import nothing_stored
    from eng5_runner.cli.admin_output import ask
    from eng5_runner.core.inputs import shown
    from eng5_runner.effects.terminal import answer_of

    answer = yes or answer_of(f"Delete the instructions of {shown(assignment_id)}?")
    if answer is None:
        raise UsageError("There is no terminal to ask on.", remedy="Give --yes to delete without a question.")
    if not answer:
        return 0
    if not ask(lambda client: client.delete_instructions(assignment_id), cj=cj, identity=identity):
        raise nothing_stored("instructions", assignment_id)
    if json:
        write_json({"event": "InstructionsDeleted", "assignment_id": assignment_id})
    else:
        say(f"the instructions of {shown(assignment_id)} are deleted")
    return 0


def _add_text_commands(group: typer.Typer, *, name: str, text: str) -> None:
    """The commands `upload` and `get` of a resource that is one text, by its name in `contracts.administration`."""

    @group.command("upload", help=f"Write {text} of an assignment, and read it back.")
    def upload(
        file: TextFile,
        assignment_id: Assignment,
        cj: CJ = CJ_DEFAULT,
        identity: IdentityOption = IDENTITY_DEFAULT,
        json: JsonOption = False,
    ) -> int:
        from eng5_runner.app.administration import text_body
        from eng5_runner.cli.admin_output import TEXTS, ask, show_stored

        body = text_body(TEXTS[name], file, assignment_id=assignment_id)
        stored = ask(lambda client: client.put(TEXTS[name], body), cj=cj, identity=identity)
        return show_stored(TEXTS[name], stored, json_lines=json)

    @group.command("get", help=f"Print {text} of an assignment.")
    def get(
        assignment_id: Assignment,
        cj: CJ = CJ_DEFAULT,
        identity: IdentityOption = IDENTITY_DEFAULT,
        json: JsonOption = False,
    ) -> int:
        from eng5_runner.cli.admin_output import TEXTS, ask, show_one

        record = ask(lambda client: client.get(TEXTS[name], assignment_id), cj=cj, identity=identity)
        return show_one(TEXTS[name], record, of=assignment_id, json_lines=json)


_add_text_commands(prompts_app, name="prompt", text="the students' task")
_add_text_commands(rubrics_app, name="rubric", text="the judge's rubric")


@anchors_app.command("register")
def register(
    *,
    assignment_id: Assignment,
    assets: Annotated[
        Path | None, typer.Option("--assets", help="A folder: all of its anchors.", show_default=False)
    ] = None,
    grade_scale: Scale = DEFAULT_SCALE,
    file: Annotated[Path | None, typer.Option("--file", help="One anchor.", show_default=False)] = None,
    grade: Annotated[str | None, typer.Option("--grade", help="Of --file.", show_default=False)] = None,
    label: Annotated[str | None, typer.Option("--label", help="Of --file. (default: its name)")] = None,
    replace_anchors: Annotated[
        bool, typer.Option("--replace-anchors", help="Replace anchors that have the same label.")
    ] = False,
    cj: CJ = CJ_DEFAULT,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """Register the anchors that the assignment lacks, and read them back."""
    from eng5_runner.app.administration import anchors_to_register
    from eng5_runner.cli.admin_output import ask, show_registration
    from eng5_runner.run.anchor_registration import lacking, raise_findings, register_anchors

    def show(finding: Finding) -> None:
        say(f"{finding.file}: {finding.message} {finding.remedy}", style="red")

    anchors = anchors_to_register(
        assets=assets, grade_scale=grade_scale, file=file, grade=grade, label=label, show=show
    )

    async def send(client: CJAdminClient) -> tuple[Registration, list[AnchorOnRecord]]:
        new, kept = (anchors, []) if replace_anchors else await lacking(client, assignment_id, anchors=anchors)
        return await register_anchors(client, assignment_id, anchors=new), kept

    registration, kept = ask(send, cj=cj, identity=identity, needs_token=False)
    show_registration(registration, kept=kept, json_lines=json)
    raise_findings(registration, sent=len(anchors) - len(kept))
    return 0


@anchors_app.command("list")
def list_anchors(
    assignment_id: Assignment,
    cj: CJ = CJ_DEFAULT,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """List the anchors of an assignment."""
    from eng5_runner.app.administration import nothing_stored
    from eng5_runner.cli.admin_output import ask, show_rows, write_record
    from eng5_runner.contracts.administration import ANCHORS
    from eng5_runner.reports.terminal.administration import ANCHOR_COLUMNS, anchor_row

    listing = ask(lambda client: client.anchors(assignment_id), cj=cj, identity=identity)
    if listing is None:
        raise nothing_stored(ANCHORS.name, assignment_id)
    if json:
        for row in listing.anchors:
            write_record("Anchor", row)
        return 0
    show_rows(ANCHOR_COLUMNS, map(anchor_row, listing.anchors))
    others = (listing.anchor_count_total or 0) - len(listing.anchors)
    if others > 0:
        say(f"{others} more are registered on other grade scales and are not used")
    return 0
