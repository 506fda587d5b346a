"""The Identity Service: exchanges passwords for tokens."""

from __future__ import annotations

import asyncio
import math
import time
from collections import OrderedDict, deque
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from datetime import timedelta

import structlog
from aiohttp import web

from eng5_runner.contracts.services import LoginBody, RefreshBody, TokenPair
from eng5_runner.stack.identity.accounts import Account, Accounts, normal_email
from eng5_runner.stack.identity.tokens import TokenAuthority
from eng5_runner.stack.platform.web import RequestRefused, answer, parsed, service

log = structlog.get_logger(__name__)

SERVICE = "identity_service"
PATH = "/v1/auth"
ACCESS_TOKEN_VALID = timedelta(minutes=15)
# So many logins may fail within so many seconds, for each account from each address; then even the right password has
# to wait there. It is let in from other addresses: nobody can lock somebody else out.
FAILURES = 5
FAILURES_SECONDS = 300.0
_ACCOUNTS_WATCHED = 10_000
# Logins of one address that may wait for their turn.
_LONGEST_LINE = 30
_LARGEST_BODY = 16 * 1024


class FailedLogins:
    """Counts the failed logins of each account from each address, whether the account exists or not."""

    def __init__(self, now: Callable[[], float] = time.monotonic) -> None:
        self._now = now
        self._failures: OrderedDict[tuple[str, str], deque[float]] = OrderedDict()

    def begin(self, account: str, address: str) -> float:
        """Count a login as failed until it succeeds; returns the seconds to wait, 0 if it may be tried now."""
        now = self._now()
        failures = self._failures.setdefault((account, address), deque(maxlen=FAILURES))
        while failures and failures[0] <= now - FAILURES_SECONDS:
            failures.popleft()
        if len(failures) == FAILURES:
            return failures[0] + FAILURES_SECONDS - now
        failures.append(now)
        self._failures.move_to_end((account, address))
        if len(self._failures) > _ACCOUNTS_WATCHED:
            self._failures.popitem(last=False)
        return 0.0

    def succeeded(self, account: str, address: str) -> None:
        """Forget the account's failures from the address."""
        self._failures.pop((account, address), None)


class Lines:
    """One line for each address: its logins are checked one after the other, so that a flood leaves room for others.

    Checking a password takes a processor and 64 MiB for a while, and the service checks two at the same time.
    """

    def __init__(self, longest: int = _LONGEST_LINE) -> None:
        """Set them up; an address may have `longest` logins in its line."""
        self._longest = longest
        self._lines: dict[str, _Line] = {}

    @asynccontextmanager
    async def turn(self, address: str) -> AsyncIterator[None]:
        """The turn of a login.

        Raises:
            RequestRefused: 429: too many of the address wait already.
        """
        line = self._lines.setdefault(address, _Line())
        if line.length >= self._longest:
            raise _too_many(1.0)
        line.length += 1
        try:
            async with line.turn:
                yield
        finally:
            line.length -= 1
            if not line.length:
                del self._lines[address]


@dataclass(slots=True)
class _Line:
    """The logins of one address that are checked or wait."""

    turn: asyncio.Lock = field(default_factory=asyncio.Lock)
    length: int = 0


class IdentityService:
    """The handlers of the service."""

    def __init__(
        self, *, accounts: Accounts, authority: TokenAuthority, now: Callable[[], float] = time.monotonic
    ) -> None:
        """Set the handlers up.

        Args:
            accounts: who can log in.
            authority: makes the access tokens; the services that take them ask the same one.
            now: seconds since some start.
        """
        self._accounts = accounts
        self._authority = authority
        self._failed = FailedLogins(now)
        self._lines = Lines()

    def application(self) -> web.Application:
        """The service's HTTP side."""
        app, _ = service(SERVICE, largest_body=_LARGEST_BODY)
        app.router.add_post(PATH + "/login", self.login)
        app.router.add_post(PATH + "/refresh", self.refresh)
        app.router.add_post(PATH + "/logout", self.logout)
        return app

    async def login(self, request: web.Request) -> web.StreamResponse:
        """Exchange credentials for tokens.

        Raises:
            RequestRefused: 401: they are wrong; 429: too many wrong ones before, or too many at the moment.
        """
        body = await parsed(request, LoginBody)
        name, address = normal_email(body.email), request.remote or ""
        async with self._lines.turn(address):
            wait = self._failed.begin(name, address)
            if wait > 0:
                raise _too_many(wait)
            account = await self._accounts.authenticate(name, password=body.password)
        if account is None:
            log.warning("login refused")
            raise _unauthenticated("the e-mail address or the password is wrong")
        self._failed.succeeded(name, address)
        return self._tokens(account, await self._accounts.open_session(account))

    async def refresh(self, request: web.Request) -> web.StreamResponse:
        """Exchange a refresh token for a new pair of tokens; the old one cannot be used again.

        Raises:
            RequestRefused: 401: it is unknown, used, revoked or expired.
        """
        body = await parsed(request, RefreshBody)
        exchanged = await self._accounts.exchange(body.refresh_token)
        if exchanged is None:
            raise _unauthenticated("the refresh token is not valid")
        account, successor = exchanged
        return self._tokens(account, successor)

    async def logout(self, request: web.Request) -> web.StreamResponse:
        """Revoke a refresh token and all others of the same login; an unknown token gets the same answer."""
        body = await parsed(request, RefreshBody)
        await self._accounts.end_session(body.refresh_token)
        return answer({"status": "logged_out"})

    def _tokens(self, account: Account, refresh_token: str) -> web.Response:
        access = self._authority.issue(subject=account.email, roles=account.roles, valid_for=ACCESS_TOKEN_VALID)
        pair = TokenPair(
            access_token=access, refresh_token=refresh_token, expires_in=ACCESS_TOKEN_VALID.total_seconds()
        )
        response = answer(pair)
        response.headers["Cache-Control"] = "no-store"
        return response


def _unauthenticated(message: str) -> RequestRefused:
    return RequestRefused(401, error_code="AUTHENTICATION_ERROR", message=message)


def _too_many(wait: float) -> RequestRefused:
    seconds = math.ceil(wait)
    message = f"too many logins failed; the next can be tried in {seconds} s"
    return RequestRefused(429, error_code="RATE_LIMIT", message=message, headers={"Retry-After": str(seconds)})
