"""The command line of `admin`: each command's options; `commands.admin` and `commands.login` do the work."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Literal

import typer

from eng5_runner.app.addresses import CJ_DEFAULT, IDENTITY_DEFAULT
from eng5_runner.contracts.grade_scales import DEFAULT_SCALE
from eng5_runner.errors import UsageError

if TYPE_CHECKING:
    from eng5_runner.app.administration import Addresses


admin_app = typer.Typer(help="Log in, and manage what the CJ service keeps for assignments.", no_args_is_help=True)
instructions_app = typer.Typer(help="What the judges look for, and the grade scale.", no_args_is_help=True)
prompts_app = typer.Typer(help="The task that the students were given.", no_args_is_help=True)
rubrics_app = typer.Typer(help="The judge's rubric.", no_args_is_help=True)
anchors_app = typer.Typer(help="Essays of known grade.", no_args_is_help=True)
admin_app.add_typer(instructions_app, name="instructions")
admin_app.add_typer(prompts_app, name="prompts")
admin_app.add_typer(rubrics_app, name="rubrics")
admin_app.add_typer(anchors_app, name="anchors")


def _not_empty(option: typer.CallbackParam, value: str | None) -> str | None:
    """An option may be left out, but not be empty."""
    if value == "":
        raise UsageError(f"{option.opts[0]} is empty.", remedy="Give a value; a variable in a script may be unset.")
    return value


CJ = Annotated[str, typer.Option("--cj-service-url", envvar="CJ_SERVICE_URL", help="The CJ service.")]
Identity = Annotated[
    str,
    typer.Option("--identity-service-url", envvar="IDENTITY_SERVICE_URL", help="With its path, …/v1/auth."),
]
Json = Annotated[bool, typer.Option("--json", help="JSON lines on standard output.")]
Assignment = Annotated[str, typer.Option("--assignment-id", help="The assignment.", callback=_not_empty)]
MaybeAssignment = Annotated[
    str | None, typer.Option("--assignment-id", help="The assignment.", callback=_not_empty, show_default=False)
]
MaybeCourse = Annotated[
    str | None, typer.Option("--course-id", help="The course.", callback=_not_empty, show_default=False)
]
TextFile = Annotated[Path, typer.Option("--file", help="The text: .txt, .md or .docx.")]
Scale = Annotated[str, typer.Option("--grade-scale", envvar="ENG5_GRADE_SCALE", help="See `admin scales`.")]


def _at(cj: str, identity: str) -> Addresses:
    from eng5_runner.app.administration import Addresses

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
    """Log in with e-mail address and password; the login is kept and renewed automatically."""
    from eng5_runner.cli.commands.login import login

    raise typer.Exit(login(email=email, password_stdin=password_stdin, identity_url=identity, json_lines=json))


@admin_app.command("logout")
def logout_command(identity: Identity = IDENTITY_DEFAULT, json: Json = False) -> None:
    """Forget the login, here and at the service."""
    from eng5_runner.cli.commands.login import logout

    raise typer.Exit(logout(identity_url=identity, json_lines=json))


@admin_app.command("whoami")
def whoami_command(identity: Identity = IDENTITY_DEFAULT, json: Json = False) -> None:
    """Show which token would be used, where it comes from, and its claims."""
    from eng5_runner.cli.commands.login import whoami

    raise typer.Exit(whoami(identity_url=identity, json_lines=json))


@admin_app.command("scales")
def scales_command(json: Json = False) -> None:
    """List the grade scales."""
    from eng5_runner.cli.commands.admin import scales

    raise typer.Exit(scales(json_lines=json))


@instructions_app.command("list")
def instructions_list_command(
    grade_scale: Annotated[
        str | None, typer.Option("--grade-scale", help="Only those on this scale.", show_default=False)
    ] = None,
    cj: CJ = CJ_DEFAULT,
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """List all stored instructions."""
    from eng5_runner.cli.commands.admin import list_instructions

    raise typer.Exit(list_instructions(_at(cj, identity), grade_scale=grade_scale, json_lines=json))


@instructions_app.command("get")
def instructions_get_command(
    assignment_id: MaybeAssignment = None,
    course_id: MaybeCourse = None,
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
    assignment_id: MaybeAssignment = None,
    course_id: MaybeCourse = None,
    grade_scale: Scale = DEFAULT_SCALE,
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


def _add_text_commands(group: typer.Typer, *, name: str, text: str) -> None:
    """The commands `upload` and `get` of a resource that is one text, by its name in `contracts.administration`."""

    @group.command("upload", help=f"Write {text} of an assignment, and read it back.")
    def upload_command(
        file: TextFile,
        assignment_id: Assignment,
        cj: CJ = CJ_DEFAULT,
        identity: Identity = IDENTITY_DEFAULT,
        json: Json = False,
    ) -> None:
        from eng5_runner.cli.commands.admin import upload

        raise typer.Exit(upload(_at(cj, identity), name, file=file, assignment_id=assignment_id, json_lines=json))

    @group.command("get", help=f"Print {text} of an assignment.")
    def get_command(
        assignment_id: Assignment, cj: CJ = CJ_DEFAULT, identity: Identity = IDENTITY_DEFAULT, json: Json = False
    ) -> None:
        from eng5_runner.cli.commands.admin import get

        raise typer.Exit(get(_at(cj, identity), name, assignment_id=assignment_id, json_lines=json))


_add_text_commands(prompts_app, name="prompt", text="the students' task")
_add_text_commands(rubrics_app, name="rubric", text="the judge's rubric")


@anchors_app.command("register")
def anchors_register_command(
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
    identity: Identity = IDENTITY_DEFAULT,
    json: Json = False,
) -> None:
    """Register the anchors that the assignment lacks, and read them back."""
    from eng5_runner.cli.commands.admin import register

    raise typer.Exit(
        register(
            _at(cj, identity),
            assignment_id=assignment_id,
            assets=assets,
            grade_scale=grade_scale,
            file=file,
            grade=grade,
            label=label,
            replace=replace_anchors,
            json_lines=json,
        )
    )


@anchors_app.command("list")
def anchors_list_command(
    assignment_id: Assignment, cj: CJ = CJ_DEFAULT, identity: Identity = IDENTITY_DEFAULT, json: Json = False
) -> None:
    """List the anchors of an assignment."""
    from eng5_runner.cli.commands.admin import list_anchors

    raise typer.Exit(list_anchors(_at(cj, identity), assignment_id=assignment_id, json_lines=json))
