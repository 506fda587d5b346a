"""Administration of a CJ service: the client of the user's service, and the user's files as bodies.

    addresses = Addresses(cj_url="http://localhost:9095", identity_url="http://localhost:7005/v1/auth")
    async with administration(addresses, os.environ, announce=print) as client:
        rubric = await client.put(RUBRIC, text_body(RUBRIC, Path("rubric.md"), assignment_id="a1"))

What is wrong with a file or an option raises before a service is asked.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path

from pydantic import ValidationError

from eng5_runner.app.addresses import AN_ADDRESS, check_address
from eng5_runner.app.tokens import admin_token, no_token
from eng5_runner.contracts.administration import AdminText, RecordT
from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import Finding, shown
from eng5_runner.effects.cj_admin import CJAdminClient
from eng5_runner.effects.clock import new_run_id
from eng5_runner.errors import ConfigurationError, InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.read import read_assets
from eng5_runner.inventory.text_file import read_text
from eng5_runner.phrases import counted
from eng5_runner.run.anchor_registration import AnchorToRegister
from eng5_runner.transport.http import Service, http_session
from eng5_runner.transport.stack_secret import StackSecret


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the services are, as the user states it."""

    cj_url: str
    identity_url: str


@asynccontextmanager
async def administration(
    addresses: Addresses,
    environment: Mapping[str, str],
    *,
    announce: Callable[[str], None],
    needs_token: bool = True,
) -> AsyncIterator[CJAdminClient]:
    """A client of the CJ service, with the user's token.

    Args:
        addresses: of the services.
        environment: the process's variables.
        announce: called with a sentence when a token is made here.
        needs_token: raise if there is none.

    Raises:
        UsageError: an address is not one.
        NotAllowed: there is no token, and one is needed.
        RunnerError: see `admin_token`.
    """
    url = checked_url(addresses.cj_url, option="--cj-service-url")
    identity_url = checked_url(addresses.identity_url, option="--identity-service-url")
    token = await admin_token(environment, identity_url=identity_url, announce=announce)
    if token is None and needs_token:
        raise no_token(environment)
    headers = {"Content-Type": "application/json", "X-Correlation-ID": str(new_run_id())}
    headers |= {"Authorization": f"Bearer {token.value}"} if token else {}
    async with http_session(connections=1, secret=StackSecret.of(environment)) as session:
        yield CJAdminClient(
            Service(session=session, name="CJ service", url=url, setting="--cj-service-url", headers=headers)
        )


def checked_url(url: str, *, option: str) -> str:
    """A service's address without a slash at its end.

    Raises:
        UsageError: it is not an address, or holds a password.
    """
    try:
        check_address(url.strip())
    except ValueError:
        raise UsageError(f"{option} must be {AN_ADDRESS}.", remedy=f"Correct {option}.") from None
    return url.strip().rstrip("/")


def text_body(resource: AdminText[RecordT], file: Path, **values: object) -> WireModel:
    """The body that writes a user's file as a resource; `values` are the body's other fields.

    Raises:
        InputsMissing: the file does not exist.
        InputsInvalid: it has no usable text, or the contract does not allow it.
    """
    try:
        return resource.body.model_validate(values | {resource.text: read_text(file, name=str(file))})
    except ValidationError as error:
        raise InputsInvalid(
            f"{shown(str(file))} cannot be sent: {describe(error)}.", remedy="Correct it; nothing was sent."
        ) from None


def anchors_to_register(
    *,
    assets: Path | None,
    grade_scale: str,
    file: Path | None,
    grade: str | None,
    label: str | None,
    show: Callable[[Finding], None],
) -> list[AnchorToRegister]:
    """The anchors of an assets folder, or one anchor from a file.

    Args:
        assets: the folder; or else `file`.
        grade_scale: of the folder's anchors.
        file: one anchor, with its `grade` and, if it is not the file's name, its `label`.
        grade: of `file`.
        label: of `file`.
        show: called with each error in the folder.

    Raises:
        UsageError: the options do not go together.
        InputsMissing: the file, or all that is wrong in the folder, does not exist.
        InputsInvalid: something cannot be used.
    """
    if (assets is None) == (file is None):
        raise UsageError("Either a folder or a file is needed.", remedy="Give --assets DIR, or --file with --grade.")
    if file is not None:
        if grade is None:
            raise UsageError("The anchor's grade is missing.", remedy="Give --grade with --file.")
        return [AnchorToRegister(label=label or file.stem, grade=grade, text=read_text(file, name=str(file)))]
    if grade is not None or label is not None:
        raise UsageError("--grade and --label belong to --file.", remedy="With --assets, grades come from the folder.")
    check_scale(grade_scale)
    read = read_assets(assets or Path(), grade_scale=grade_scale)
    errors = [finding for finding in read.findings if finding.severity == "error"]
    if read.inputs is None or errors:
        for finding in errors:
            show(finding)
        kind = InputsMissing if all(finding.is_missing for finding in errors) else InputsInvalid
        raise kind(
            f"The assets cannot be used: {counted(len(errors), 'error')}.", remedy="Correct them; nothing was sent."
        )
    return [
        AnchorToRegister(label=anchor.label, grade=anchor.grade, text=read.texts[anchor.text_sha256].decode())
        for anchor in read.inputs.anchors
    ]


def check_scale(grade_scale: str) -> None:
    """Raise a UsageError if there is no such grade scale."""
    if grade_scale not in GRADE_SCALES:
        raise UsageError(
            f"There is no grade scale {shown(grade_scale)}.", remedy=f"Use one of {', '.join(GRADE_SCALES)}."
        )


def check_one_of(assignment_id: str | None, course_id: str | None) -> None:
    """Raise a UsageError unless exactly one of the two is given."""
    if (assignment_id is None) == (course_id is None):
        raise UsageError("Either an assignment or a course is needed.", remedy="Give --assignment-id or --course-id.")


def nothing_stored(name: str, of: str | None) -> ConfigurationError:
    """The error for a resource that the service does not have."""
    return ConfigurationError(
        f"The CJ service has no {name} for {shown(of or 'it')}.",
        remedy="`eng5-runner admin instructions list` shows which assignments it knows.",
    )
