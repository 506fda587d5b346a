"""admin login, logout, whoami: who the user is to the services."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from eng5_runner.app.administration import checked_url
from eng5_runner.app.loop import run_loop
from eng5_runner.app.tokens import SOURCES, VARIABLES, Token, admin_token, doubts, log_in_at, log_out_at, no_token
from eng5_runner.cli.admin_output import telling_retries
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.inputs import shown
from eng5_runner.effects.identity.client import Claims, claims_of
from eng5_runner.errors import UsageError
from eng5_runner.reports.terminal.administration import when

_LONGEST_PASSWORD = 1024
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def login(*, email: str | None, password_stdin: bool, identity_url: str, json_lines: bool) -> int:
    """Exchange an e-mail address and a password for a login, and keep it."""
    url = checked_url(identity_url, option="--identity-service-url")
    _warn_if_readable(url)
    name = email or _prompt("E-mail", hidden=False)
    password = _from_stdin() if password_stdin else _prompt("Password", hidden=True)
    with telling_retries():
        made = run_loop(log_in_at(url, os.environ, email=name, password=password))
    claims = claims_of(made.access_token)
    facts = {
        "identity_service_url": url,
        "subject": claims.subject if claims else None,
        "roles": list(claims.roles) if claims else [],
        "expires_at": made.expires_at.isoformat(),
        "renewable": made.refresh_token is not None,
    }
    if json_lines:
        write_json({"event": "LoggedIn"} | facts)
    else:
        who = shown(claims.subject or name) if claims else shown(name)
        lasts = "and is renewed before that" if made.refresh_token else "and cannot be renewed"
        people().print(escape(f"logged in as {who} at {url}; the token lasts until {when(made.expires_at)} {lasts}"))
    for variable in VARIABLES:
        if os.environ.get(variable):
            people().print(f"{variable} is set and takes precedence over this login", style="yellow")
    return 0


def _warn_if_readable(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        people().print(f"the password goes to {parts.hostname} unencrypted (http)", style="yellow")


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


def logout(*, identity_url: str, json_lines: bool) -> int:
    """Forget the login, here and at the service."""
    url = checked_url(identity_url, option="--identity-service-url")
    with telling_retries():
        was_logged_in, revoked = run_loop(log_out_at(url, os.environ))
    if json_lines:
        facts = {"identity_service_url": url, "was_logged_in": was_logged_in, "revoked": revoked}
        write_json({"event": "LoggedOut"} | facts)
    elif not was_logged_in:
        people().print(f"nobody was logged in at {escape(url)}")
    else:
        people().print(f"logged out of {escape(url)}")
        if not revoked:
            people().print("the service did not confirm it; the refresh token stays valid until it expires")
    return 0


def whoami(*, identity_url: str, json_lines: bool) -> int:
    """Show which token would be used, and its claims."""
    url = checked_url(identity_url, option="--identity-service-url")
    token = run_loop(_token(url))
    if token is None:
        raise no_token(os.environ)
    claims = claims_of(token.value)
    if json_lines:
        write_json({"event": "WhoAmI", "source": token.source} | _facts(claims))
        return 0
    console = people()
    console.print(f"source: {SOURCES[token.source]}")
    if claims is None:
        console.print("it is not a JWT, so it has no readable claims")
        return 0
    for name, value in (
        ("subject", claims.subject),
        ("roles", ", ".join(claims.roles)),
        ("issuer", claims.issuer),
        ("audience", ", ".join(claims.audience)),
        ("expires", when(claims.expires_at)),
    ):
        console.print(escape(f"{name}: {shown(value or 'not stated')}"))
    for doubt in doubts(claims):
        console.print(doubt, style="yellow")
    console.print("these are the token's own claims; only the services can verify them", style="dim")
    return 0


async def _token(url: str) -> Token | None:
    with telling_retries():
        return await admin_token(os.environ, identity_url=url, announce=lambda text: people().print(text))


def _facts(claims: Claims | None) -> dict[str, object]:
    if claims is None:
        return {"is_jwt": False}
    return {
        "is_jwt": True,
        "subject": claims.subject,
        "roles": list(claims.roles),
        "issuer": claims.issuer,
        "audience": list(claims.audience),
        "expires_at": None if claims.expires_at is None else claims.expires_at.isoformat(),
        "doubts": doubts(claims),
    }
