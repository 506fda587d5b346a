"""The life of a login: made with a password, renewed before it expires, ended here and at the service."""

from __future__ import annotations

from datetime import datetime, timedelta
from typing import Protocol

from eng5_runner.contracts.services import TokenPair
from eng5_runner.effects.identity.client import IdentityClient
from eng5_runner.effects.identity.login_cache import Login, LoginCache
from eng5_runner.errors import ConfigurationError, NotAllowed, ServiceUnavailable, TemporaryFailure

REFRESH_MARGIN = timedelta(seconds=60)
"""An access token that expires sooner is renewed before it is used."""


class _Clock(Protocol):
    def now(self) -> datetime:
        """The instant, in UTC."""


async def log_in(cache: LoginCache, identity: IdentityClient, *, email: str, password: str, clock: _Clock) -> Login:
    """Exchange credentials for a login and keep it.

    Raises:
        RunnerError: see `IdentityClient.login`; or the cache could not be written.
    """
    began = clock.now()
    pair = await identity.login(email, password=password)
    login = _login(pair, url=identity.url, refresh_token=pair.refresh_token, began=began)
    async with cache.held():
        cache.write(login)
    return login


async def current_login(cache: LoginCache, identity: IdentityClient, *, clock: _Clock) -> Login | None:
    """The login in the cache, renewed if it expires soon; None if nobody is logged in.

    Raises:
        NotAllowed: it has expired and cannot be renewed.
        ServiceUnavailable: it has expired and the Identity Service cannot be used.
        RunnerError: the cache cannot be used.
    """
    login = cache.read()
    if login is None or login.is_good_at(clock.now() + REFRESH_MARGIN):
        return login
    async with cache.held():
        login = cache.read()  # another process may have renewed it meanwhile
        if login is None or login.is_good_at(clock.now() + REFRESH_MARGIN):
            return login
        renewed = await _renewed(login, identity, clock=clock)
        if renewed is not login:
            cache.write(renewed)
        return renewed


async def _renewed(login: Login, identity: IdentityClient, *, clock: _Clock) -> Login:
    """A new login for an old one; or the old one while it is valid and cannot be renewed."""
    began = clock.now()
    if login.refresh_token is None:
        if login.is_good_at(began):
            return login
        raise NotAllowed(
            f"The login at {login.identity_url} has expired.", remedy="Log in again: `eng5-runner admin login`."
        )
    try:
        pair = await identity.refresh(login.refresh_token)
    except (ServiceUnavailable, TemporaryFailure):
        if login.is_good_at(clock.now()):
            return login
        raise
    # A service that does not rotate its refresh tokens may leave it out.
    refresh_token = pair.refresh_token or login.refresh_token
    return _login(pair, url=login.identity_url, refresh_token=refresh_token, began=began)


def _login(pair: TokenPair, *, url: str, refresh_token: str | None, began: datetime) -> Login:
    """The tokens with their expiry, counted from the moment of the request."""
    return Login(
        identity_url=url,
        access_token=pair.access_token,
        refresh_token=refresh_token,
        obtained_at=began,
        expires_at=began + timedelta(seconds=pair.expires_in),
    )


async def log_out(cache: LoginCache, identity: IdentityClient) -> tuple[bool, bool]:
    """Forget the login here, then revoke it at the service if that can be done.

    Returns:
        Whether there was a login, and whether the service has revoked it.

    Raises:
        RunnerError: the cache cannot be used.
    """
    async with cache.held():
        try:
            login = cache.read()
        except ConfigurationError:  # readable by others: remove the file, but do not use what it holds
            login = None
        existed = cache.forget()
    if login is None or login.refresh_token is None:
        return existed, False
    try:
        return existed, await identity.revoke(login.refresh_token)
    except (ServiceUnavailable, ConfigurationError):
        return existed, False
