"""admin login, logout, whoami: who we are to the services."""

from __future__ import annotations

import os
import sys
from urllib.parse import urlsplit

import typer
from rich.markup import escape

from eng5_runner.app.loop import run_loop
from eng5_runner.app.tokens import (
    SOURCES,
    VARIABLES,
    Token,
    admin_token,
    doubts,
    identity_client,
    no_token,
    state_folder,
)
from eng5_runner.cli.admin_output import checked_url, telling_retries, when
from eng5_runner.cli.narrate import people, write_json
from eng5_runner.core.inputs import shown
from eng5_runner.effects.clock import SystemClock
from eng5_runner.effects.identity.client import Claims, claims_of
from eng5_runner.effects.identity.login_cache import Login, LoginCache
from eng5_runner.effects.identity.session import log_in, log_out
from eng5_runner.errors import UsageError
from eng5_runner.transport.http import http_session

_LONGEST_PASSWORD = 1024
_LOOPBACK = frozenset(("localhost", "127.0.0.1", "::1"))


def login(*, email: str | None, password_stdin: bool, identity_url: str, json_lines: bool) -> int:
    """Exchange an e-mail address and a password for a login that is kept."""
    url = checked_url(identity_url, option="--identity-service-url")
    _warn_if_readable(url)
    name = email or _asked("E-mail", hidden=False)
    password = _from_stdin() if password_stdin else _asked("Password", hidden=True)
    made = run_loop(_log_in(url, email=name, password=password))
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
            people().print(f"{variable} is set and goes before this login", style="yellow")
    return 0


async def _log_in(url: str, *, email: str, password: str) -> Login:
    cache = LoginCache(state_folder(os.environ), identity_url=url)
    with telling_retries():
        async with http_session(connections=1) as session:
            identity = identity_client(session, url)
            return await log_in(cache, identity, email=email, password=password, clock=SystemClock())


def _warn_if_readable(url: str) -> None:
    parts = urlsplit(url)
    if parts.scheme == "http" and parts.hostname not in _LOOPBACK:
        people().print(f"the password goes to {parts.hostname} unencrypted (http)", style="yellow")


def _asked(what: str, *, hidden: bool) -> str:
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
            "Standard input does not begin with a line that can be a password.",
            remedy="Pipe the password in, as UTF-8 text on one line.",
        )
    return password


def logout(*, identity_url: str, json_lines: bool) -> int:
    """Forget the login, here and at the service."""
    url = checked_url(identity_url, option="--identity-service-url")
    there_was, revoked = run_loop(_log_out(url))
    if json_lines:
        write_json({"event": "LoggedOut", "identity_service_url": url, "was_logged_in": there_was, "revoked": revoked})
    elif not there_was:
        people().print(f"nobody was logged in at {escape(url)}")
    else:
        told = "" if revoked else "; the service could not be told, so its refresh token ends by itself"
        people().print(f"logged out of {escape(url)}{told}")
    return 0


async def _log_out(url: str) -> tuple[bool, bool]:
    cache = LoginCache(state_folder(os.environ), identity_url=url)
    with telling_retries():
        async with http_session(connections=1) as session:
            return await log_out(cache, identity_client(session, url))


def whoami(*, identity_url: str, json_lines: bool) -> int:
    """Tell which token would be used, and what it says of itself."""
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
        console.print("it is no JWT, so it tells nothing about itself")
        return 0
    for name, value in (
        ("subject", claims.subject),
        ("roles", ", ".join(claims.roles)),
        ("issuer", claims.issuer),
        ("audience", ", ".join(claims.audience)),
        ("expires", when(claims.expires_at)),
    ):
        console.print(escape(f"{name}: {shown(value or 'not said')}"))
    for doubt in doubts(claims):
        console.print(doubt, style="yellow")
    console.print("this is what the token says; whether it is true only the services can tell", style="dim")
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
