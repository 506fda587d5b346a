"""A login that lasts: made once, renewed before it expires, ended everywhere."""

from __future__ import annotations

from datetime import datetime, timedelta

from eng5_runner.contracts.services import TokenPair
from eng5_runner.effects.identity.client import IdentityClient
from eng5_runner.effects.identity.login_cache import Login, LoginCache
from eng5_runner.errors import ConfigurationError, NotAllowed, ServiceUnavailable, TemporaryFailure
from eng5_runner.run.ports import Clock

# An access token with less than this to live is renewed first.
REFRESH_MARGIN = timedelta(seconds=60)


async def log_in(cache: LoginCache, identity: IdentityClient, *, email: str, password: str, clock: Clock) -> Login:
    """Exchange credentials for a login and keep it.

    Raises:
        RunnerError: see `IdentityClient.login`, and the cache could not be written.
    """
    began = clock.now()
    pair = await identity.login(email, password=password)
    login = _login(pair, url=identity.url, refresh_token=pair.refresh_token, began=began)
    async with cache.held():
        cache.write(login)
    return login


async def current_login(cache: LoginCache, identity: IdentityClient, *, clock: Clock) -> Login | None:
    """The login on record, renewed if it is about to expire; None if nobody is logged in.

    Raises:
        NotAllowed: it has expired and cannot be renewed.
        ServiceUnavailable: it has expired and the Identity Service cannot be used.
        RunnerError: the cache cannot be used.
    """
    login = cache.read()
    if login is None or login.is_good_at(clock.now() + REFRESH_MARGIN):
        return login
    async with cache.held():
        login = cache.read()  # another process may have been quicker
        if login is None or login.is_good_at(clock.now() + REFRESH_MARGIN):
            return login
        renewed = await _renewed(login, identity, clock=clock)
        if renewed is not login:
            cache.write(renewed)
        return renewed


async def _renewed(login: Login, identity: IdentityClient, *, clock: Clock) -> Login:
    """A new login for an old one, or the old one for as long as it lasts."""
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
    # A service that does not rotate its refresh tokens need not give a new one.
    refresh_token = pair.refresh_token or login.refresh_token
    return _login(pair, url=login.identity_url, refresh_token=refresh_token, began=began)


def _login(pair: TokenPair, *, url: str, refresh_token: str | None, began: datetime) -> Login:
    """The tokens with their end, counted from when they were asked for."""
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
        Whether there was one, and whether the service has revoked it.

    Raises:
        RunnerError: the cache cannot be used.
    """
    async with cache.held():
        try:
            login = cache.read()
        except ConfigurationError:  # open to others: what stands in it is not used, only removed
            login = None
        there_was = cache.forget()
    if login is None or login.refresh_token is None:
        return there_was, False
    try:
        return there_was, await identity.revoke(login.refresh_token)
    except (ServiceUnavailable, ConfigurationError):
        return there_was, False
