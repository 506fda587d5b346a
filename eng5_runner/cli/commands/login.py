"""admin login, logout, whoami: who the user is to the services."""

from __future__ import annotations

import os
import sys
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated
from urllib.parse import urlsplit

import typer

from eng5_runner.app.addresses import IDENTITY_DEFAULT
from eng5_runner.cli.commands.common import IdentityOption, JsonOption
from eng5_runner.cli.output import say, write_json
from eng5_runner.errors import UsageError

if TYPE_CHECKING:
    from eng5_runner.app.tokens import Token

_LONGEST_PASSWORD = 1024
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def login(
    email: Annotated[
        str | None, typer.Option("--email", envvar="ENG5_ADMIN_EMAIL", help="Who; asked for if not given.")
    ] = None,
    password_stdin: Annotated[
        bool, typer.Option("--password-stdin", help="Read the password from standard input instead of asking.")
    ] = False,
    identity: IdentityOption = IDENTITY_DEFAULT,
    json: JsonOption = False,
) -> int:
    """Log in with e-mail address and password; the login is kept and renewed automatically."""
    from eng5_runner.app.administration import checked_url
    from eng5_runner.app.loop import run_loop
    from eng5_runner.app.tokens import VARIABLES, log_in_at
    from eng5_runner.cli.admin_output import telling_retries
    from eng5_runner.core.inputs import shown
    from eng5_runner.effects.identity.client import claims_of
    from eng5_runner.reports.terminal.administration import when

    url = checked_url(identity, option="--identity-service-url")
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        say(f"the password goes to {parts.hostname} unencrypted (http)", style="yellow")
    name = email or _prompt("E-mail", hidden=False)
    password = _from_stdin() if password_stdin else _prompt("Password", hidden=True)
    with telling_retries():
        made = run_loop(log_in_at(url, os.environ, email=name, password=password))
    claims = claims_of(made.access_token)
    if json:
        subject, roles = (claims.subject, claims.roles) if claims else (None, ())
        facts = {"identity_service_url": url, "subject": subject, "roles": roles, "expires_at": made.expires_at}
        write_json({"event": "LoggedIn"} | facts | {"renewable": made.refresh_token is not None})
    else:
        who = shown(claims.subject or name) if claims else shown(name)
        lasts = "and is renewed before that" if made.refresh_token else "and cannot be renewed"
        say(f"logged in as {who} at {url}; the token lasts until {when(made.expires_at)} {lasts}")
    for variable in filter(os.environ.get, VARIABLES):
        say(f"{variable} is set and takes precedence over this login", style="yellow")
    return 0


def _prompt(what: str, *, hidden: bool) -> str:
    if not sys.stdin.isatty():
        raise UsageError(
            f"There is no terminal to ask for the {what.lower()}.",
            remedy="Give --email, and the password on standard input with --password-stdin.",
        )
    answer: str = typer.prompt(what, hide_input=hidden, err=True)
    return answer


def _from_stdin() -> str:
    """The first line of standard input without its end."""
    line = sys.stdin.buffer.readline(4 * _LONGEST_PASSWORD + 2)
    try:
        password = line.removesuffix(b"\n").removesuffix(b"\r").decode()
    except UnicodeDecodeError:
        password = ""
    if not 0 < len(password) <= _LONGEST_PASSWORD:
        raise UsageError(
            "The first line of standard input cannot be a password.",
            remedy="Pipe the password in, as UTF-8 text on one line.",
        )
    return password


def logout(identity: IdentityOption = IDENTITY_DEFAULT, json: JsonOption = False) -> int:
    """Forget the login, here and at the service."""
    from eng5_runner.app.administration import checked_url
    from eng5_runner.app.loop import run_loop
    from eng5_runner.app.tokens import log_out_at
    from eng5_runner.cli.admin_output import telling_retries

    url = checked_url(identity, option="--identity-service-url")
    with telling_retries():
        was_logged_in, revoked = run_loop(log_out_at(url, os.environ))
    if json:
        facts = {"identity_service_url": url, "was_logged_in": was_logged_in, "revoked": revoked}
        write_json({"event": "LoggedOut"} | facts)
    elif not was_logged_in:
        say(f"nobody was logged in at {url}")
    else:
        say(f"logged out of {url}")
        if not revoked:
            say("the service did not confirm it; the refresh token stays valid until it expires")
    return 0


def whoami(identity: IdentityOption = IDENTITY_DEFAULT, json: JsonOption = False) -> int:
    """Show which token would be used, where it comes from, and its claims."""
    from eng5_runner.app.administration import checked_url
    from eng5_runner.app.loop import run_loop
    from eng5_runner.app.tokens import SOURCES, admin_token, doubts, no_token
    from eng5_runner.cli.admin_output import telling_retries
    from eng5_runner.core.inputs import shown
    from eng5_runner.effects.identity.client import claims_of
    from eng5_runner.reports.terminal.administration import when

    url = checked_url(identity, option="--identity-service-url")

    async def asked() -> Token | None:
        with telling_retries():
            return await admin_token(os.environ, identity_url=url, announce=say)

    token = run_loop(asked())
    if token is None:
        raise no_token(os.environ)
    claims = claims_of(token.value)
    if json:
        facts = {"is_jwt": True} | asdict(claims) | {"doubts": doubts(claims)} if claims else {"is_jwt": False}
        write_json({"event": "WhoAmI", "source": token.source} | facts)
        return 0
    say(f"source: {SOURCES[token.source]}")
    if claims is None:
        say("it is not a JWT, so it has no readable claims")
        return 0
    for name, value in (
        ("subject", claims.subject),
        ("roles", ", ".join(claims.roles)),
        ("issuer", claims.issuer),
        ("audience", ", ".join(claims.audience)),
        ("expires", when(claims.expires_at)),
    ):
        say(f"{name}: {shown(value or 'not stated')}")
    for doubt in doubts(claims):
        say(doubt, style="yellow")
    say("these are the token's own claims; only the services can verify them", style="dim")
    return 0
