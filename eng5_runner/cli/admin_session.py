"""What the admin commands ask the CJ service with: its address, a token, and the person's files as bodies."""

from __future__ import annotations

import os
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

from pydantic import ValidationError

from eng5_runner.app.loop import run_loop
from eng5_runner.app.tokens import admin_token, no_token
from eng5_runner.cli.admin_output import checked_url, telling_retries
from eng5_runner.cli.narrate import people
from eng5_runner.contracts.base import WireModel, describe
from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.inputs import shown
from eng5_runner.effects.cj_admin.client import AdministrationClient
from eng5_runner.effects.clock import new_run_id
from eng5_runner.errors import ConfigurationError, InputsInvalid, InputsMissing, UsageError
from eng5_runner.inventory.docx import docx_text
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.inventory.safe_files import read_bytes
from eng5_runner.inventory.text import normal, plain_text
from eng5_runner.transport.http import Service, http_session

T = TypeVar("T")
BodyT = TypeVar("BodyT", bound=WireModel)


@dataclass(frozen=True, slots=True, kw_only=True)
class Addresses:
    """Where the services are, as given."""

    cj_url: str
    identity_url: str


def ask(
    addresses: Addresses, question: Callable[[AdministrationClient], Awaitable[T]], *, needs_token: bool = True
) -> T:
    """Ask the CJ service something."""

    async def asked() -> T:
        with telling_retries():
            async with _administration(addresses, needs_token=needs_token) as client:
                return await question(client)

    return run_loop(asked())


@asynccontextmanager
async def _administration(addresses: Addresses, *, needs_token: bool) -> AsyncIterator[AdministrationClient]:
    url = checked_url(addresses.cj_url, option="--cj-service-url")
    identity_url = checked_url(addresses.identity_url, option="--identity-service-url")
    token = await admin_token(os.environ, identity_url=identity_url, announce=lambda text: people().print(text))
    if token is None and needs_token:
        raise no_token(os.environ)
    headers = {"Content-Type": "application/json", "X-Correlation-ID": str(new_run_id())}
    headers |= {"Authorization": f"Bearer {token.value}"} if token else {}
    async with http_session(connections=1) as session:
        yield AdministrationClient(
            Service(session=session, name="CJ service", url=url, setting="--cj-service-url", headers=headers)
        )


def text_of(file: Path) -> str:
    """The text of a person's file: plain text or docx.

    Raises:
        InputsMissing: it is not there.
        InputsInvalid: it holds no text that can be used.
    """
    name = shown(str(file))
    try:
        data = read_bytes(file)
        text = normal(docx_text(data)) if file.suffix.lower() == ".docx" else plain_text(data, given=None)[0]
    except Unreadable as refusal:
        if isinstance(refusal.__cause__, FileNotFoundError):
            raise InputsMissing(f"The file {name} is not there.", remedy="Check --file.") from None
        finding = refusal.finding(str(file))
        raise InputsInvalid(f"{name} cannot be used: {finding.message}", remedy=finding.remedy) from None
    return text


def body_of(model: type[BodyT], values: Mapping[str, object], *, file: Path) -> BodyT:
    """What is sent.

    Raises:
        InputsInvalid: the contract does not allow it.
    """
    try:
        return model.model_validate(values)
    except ValidationError as error:
        raise InputsInvalid(
            f"{shown(str(file))} cannot be sent: {describe(error)}.", remedy="Correct it; nothing was sent."
        ) from None


def known_scale(grade_scale: str) -> None:
    """Raise a UsageError where there is no such grade scale."""
    if grade_scale not in GRADE_SCALES:
        raise UsageError(
            f"There is no grade scale {shown(grade_scale)}.", remedy=f"Use one of {', '.join(GRADE_SCALES)}."
        )


def exactly_one(assignment_id: str | None, course_id: str | None) -> None:
    """Raise a UsageError unless one of the two is given."""
    if (assignment_id is None) == (course_id is None):
        raise UsageError("Either an assignment or a course is needed.", remedy="Give --assignment-id or --course-id.")


def nothing_on_record(what: str, of: str | None) -> ConfigurationError:
    """The error for what the service does not have."""
    return ConfigurationError(
        f"The CJ service has no {what} for {shown(of or 'it')}.",
        remedy="`eng5-runner admin instructions list` shows which assignments it knows.",
    )
