"""The command line of `admin`: each command's options; what they do is in `commands`."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eng5_runner.errors import UsageError

if TYPE_CHECKING:
    from eng5_runner.cli.admin_session import Addresses

admin_app = typer.Typer(help="Log in, and what the CJ service has on record for assignments.", no_args_is_help=True)
instructions_app = typer.Typer(help="What the judges go by, and the grade scale.", no_args_is_help=True)
prompts_app = typer.Typer(help="The task that the students were given.", no_args_is_help=True)
rubrics_app = typer.Typer(help="The judge's rubric.", no_args_is_help=True)
anchors_app = typer.Typer(help="Essays of known grade.", no_args_is_help=True)
admin_app.add_typer(instructions_app, name="instructions")
admin_app.add_typer(prompts_app, name="prompts")
admin_app.add_typer(rubrics_app, name="rubrics")
admin_app.add_typer(anchors_app, name="anchors")

_SCALE = "eng5_np_legacy_9_step"


def _not_empty(option: typer.CallbackParam, value: str | None) -> str | None:
    """An option may be left out; one that is given names something."""
    if value == "":
        raise UsageError(f"{option.opts[0]} is empty.", remedy="Name one; a script's variable may be unset.")
    return value


CJ = Annotated[str, typer.Option("--cj-service-url", envvar="CJ_SERVICE_URL", help="The CJ service.")]
Identity = Annotated[
    str,
    typer.Option("--identity-service-url", envvar="IDENTITY_SERVICE_URL", help="With its path, …/v1/auth."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
Assignment = Annotated[str, typer.Option("--assignment-id", help="The assignment.", callback=_not_empty)]
AnAssignment = Annotated[
    str | None, typer.Option("--assignment-id", help="The assignment.", callback=_not_empty, show_default=False)
]
ACourse = Annotated[
    str | None, typer.Option("--course-id", help="The course.", callback=_not_empty, show_default=False)
]
TextFile = Annotated[Path, typer.Option("--file", help="The text: .txt, .md or .docx.")]
AScale = Annotated[str | None, typer.Option("--grade-scale", help="Only those on this scale.", show_default=False)]
Scale = Annotated[str, typer.Option("--grade-scale", envvar="ENG5_GRADE_SCALE", help="See `admin scales`.")]

CJ_DEFAULT = "http://localhost:9095"
IDENTITY_DEFAULT = "http://localhost:7005/v1/auth"


def _at(cj: str, identity: str) -> Addresses:
    from eng5_runner.cli.admin_session import Addresses

    return Addresses(cj_url=cj, identity_url=identity)


@admin_app.command("login")
def login_command(
    email: Annotated[
        str | None, typer.Option("--email", envvar="ENG5_ADMIN_EMAIL", help="Who; asked for if not given.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
    ] = False,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Log in with e-mail address and password; the login is kept and renewed by itself."""
    from eng5_runner.cli.commands.login import login

    raise typer.Exit(login(email=email, password_stdin=password_stdin, identity_url=identity, json_lines=json))


@admin_app.command("logout")
def logout_command(identity: Identity = IDENTITY_DEFAULT, json: Json = False) -> None:
    """Forget the login, here and at the service."""
    from eng5_runner.cli.commands.login import logout

    raise typer.Exit(logout(identity_url=identity, json_lines=json))


@admin_app.command("whoami")
def whoami_command(identity: Identity = IDENTITY_DEFAULT, json: Json = False) -> None:
    """Tell which token would be used, where it comes from and what it says of itself."""
    from eng5_runner.cli.commands.login import whoami

    raise typer.Exit(whoami(identity_url=identity, json_lines=json))


@admin_app.command("scales")
def scales_command(json: Json = False) -> None:
    """List the grade scales."""
    from eng5_runner.cli.commands.admin import scales

    raise typer.Exit(scales(json_lines=json))


@instructions_app.command("list")
def instructions_list_command(
    grade_scale: AScale = None, cj: CJ = CJ_DEFAULT, identity: Identity = IDENTITY_DEFAULT, json: Json = False
) -> None:
    """List all instructions on record."""
    from eng5_runner.cli.commands.admin import list_instructions

    raise typer.Exit(list_instructions(_at(cj, identity), grade_scale=grade_scale, json_lines=json))


@instructions_app.command("get")
def instructions_get_command(
    assignment_id: AnAssignment = None,
    course_id: ACourse = None,
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Print the instructions of an assignment or a course."""
    from eng5_runner.cli.commands.admin import get_instructions

    raise typer.Exit(
        get_instructions(_at(cj, identity), assignment_id=assignment_id, course_id=course_id, json_lines=json)
    )


@instructions_app.command("put")
def instructions_put_command(
    *,
    file: TextFile,
    assignment_id: AnAssignment = None,
    course_id: ACourse = None,
    grade_scale: Scale = _SCALE,
    context_origin: Annotated[
        Literal["research_experiment", "canonical_national"],
        typer.Option("--context-origin", help="The rubric of a canonical national one cannot be replaced."),
    ] = "research_experiment",
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Write the instructions of an assignment or a course, and read them back."""
    from eng5_runner.cli.commands.admin import put_instructions

    raise typer.Exit(
        put_instructions(
            _at(cj, identity),
            file=file,
            assignment_id=assignment_id,
            course_id=course_id,
            grade_scale=grade_scale,
            context_origin=context_origin,
            json_lines=json,
        )
    )


@instructions_app.command("delete")
def instructions_delete_command(
    assignment_id: Assignment,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Delete the instructions of an assignment."""
    from eng5_runner.cli.commands.admin import delete_instructions

    raise typer.Exit(delete_instructions(_at(cj, identity), assignment_id=assignment_id, yes=yes, json_lines=json))


@prompts_app.command("upload")
def prompts_upload_command(
    file: TextFile,
    assignment_id: Assignment,
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Write the students' task of an assignment, and read it back."""
    from eng5_runner.cli.commands.admin import upload_prompt

    raise typer.Exit(upload_prompt(_at(cj, identity), file=file, assignment_id=assignment_id, json_lines=json))


@prompts_app.command("get")
def prompts_get_command(
    assignment_id: Assignment, cj: CJ = CJ_DEFAULT, identity: Identity = IDENTITY_DEFAULT, json: Json = False
) -> None:
    """Print the students' task of an assignment."""
    from eng5_runner.cli.commands.admin import get_prompt

    raise typer.Exit(get_prompt(_at(cj, identity), assignment_id=assignment_id, json_lines=json))


@rubrics_app.command("upload")
def rubrics_upload_command(
    file: TextFile,
    assignment_id: Assignment,
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Write the judge's rubric of an assignment, and read it back."""
    from eng5_runner.cli.commands.admin import upload_rubric

    raise typer.Exit(upload_rubric(_at(cj, identity), file=file, assignment_id=assignment_id, json_lines=json))


@rubrics_app.command("get")
def rubrics_get_command(
    assignment_id: Assignment, cj: CJ = CJ_DEFAULT, identity: Identity = IDENTITY_DEFAULT, json: Json = False
) -> None:
    """Print the judge's rubric of an assignment."""
    from eng5_runner.cli.commands.admin import get_rubric

    raise typer.Exit(get_rubric(_at(cj, identity), assignment_id=assignment_id, json_lines=json))


@anchors_app.command("register")
def anchors_register_command(
    *,
    assignment_id: Assignment,
    assets: Annotated[
        Path | None, typer.Option("--assets", help="A folder: all of its anchors.", show_default=False)
    ] = None,
    grade_scale: Scale = _SCALE,
    file: Annotated[Path | None, typer.Option("--file", help="One anchor.", show_default=False)] = None,
    grade: Annotated[str | None, typer.Option("--grade", help="Of --file.", show_default=False)] = None,
    label: Annotated[str | None, typer.Option("--label", help="Of --file. (default: its name)")] = None,
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Register anchors and read them back; the same label again replaces grade and text."""
    from eng5_runner.cli.commands.anchors import register

    raise typer.Exit(
        register(
            _at(cj, identity),
            assignment_id=assignment_id,
            assets=assets,
            grade_scale=grade_scale,
            file=file,
            grade=grade,
            label=label,
            json_lines=json,
        )
    )


@anchors_app.command("list")
def anchors_list_command(
    assignment_id: Assignment, cj: CJ = CJ_DEFAULT, identity: Identity = IDENTITY_DEFAULT, json: Json = False
) -> None:
    """List the anchors of an assignment."""
    from eng5_runner.cli.commands.anchors import list_anchors

    raise typer.Exit(list_anchors(_at(cj, identity), assignment_id=assignment_id, json_lines=json))
