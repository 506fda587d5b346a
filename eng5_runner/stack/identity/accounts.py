"""The Identity Service's tables: accounts with argon2id hashes, and refresh tokens that are used once.

A refresh token that was exchanged and comes again means that two parties hold it. Shortly afterwards that is a client
whose answer was lost; later it is a theft, and everything that stems from the same login ends.
"""

from __future__ import annotations

import asyncio
import hashlib
import secrets
import time
from base64 import b64encode
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any
from uuid import uuid4

from argon2 import PasswordHasher
from argon2.exceptions import VerificationError
from sqlalchemy import delete, func, insert, select, update
from sqlalchemy.engine import Row
from sqlalchemy.exc import IntegrityError

from eng5_runner.contracts.services import ADMIN_ROLE
from eng5_runner.stack.platform.store import Store
from eng5_runner.stack.platform.tables import identity_accounts, identity_refresh_tokens
from eng5_runner.stack.platform.transactions import Transaction

FIRST_ADMIN_EMAIL = "admin@eng5.localhost"
REFRESH_TOKEN_SECONDS = 7 * 86400
# So long after its exchange a refresh token may come again: an answer was lost on its way.
GRACE_SECONDS = 10
_PASSWORD_BYTES = 18
_REFRESH_TOKEN_BYTES = 32
# Each hashing takes 64 MiB.
_HASHINGS = 2


@dataclass(frozen=True, slots=True, kw_only=True)
class Account:
    """An account that can log in."""

    account_id: int
    email: str
    roles: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FirstAdmin:
    """The account that the first start creates, with its password, which is stored nowhere."""

    email: str
    password: str = field(repr=False)


class Accounts:
    """The tables of accounts and refresh tokens."""

    def __init__(
        self, store: Store, *, now: Callable[[], float] = time.time, hasher: PasswordHasher | None = None
    ) -> None:
        """Set the tables up.

        Args:
            store: the database.
            now: seconds since 1970.
            hasher: sets the cost of a guess; None for argon2's default, 64 MiB and three passes.
        """
        self._store = store
        self._now = now
        self._hasher = hasher or PasswordHasher()
        self._hashing = asyncio.Semaphore(_HASHINGS)
        # As costly to check as a real one, and the hash of nothing that is known.
        self._of_nobody = (
            f"$argon2id$v=19$m={self._hasher.memory_cost},t={self._hasher.time_cost},p={self._hasher.parallelism}"
            f"${_unpadded(secrets.token_bytes(self._hasher.salt_len))}"
            f"${_unpadded(secrets.token_bytes(self._hasher.hash_len))}"
        )

    async def create_first_admin(self) -> FirstAdmin | None:
        """Create an administrator with a random password, if there is no account yet.

        Call it last before the password is shown: after a failure in between, nobody knows the password.
        """
        found = await self._store.row(select(func.count()).select_from(identity_accounts))
        if found is not None and found[0]:
            return None
        first = FirstAdmin(email=FIRST_ADMIN_EMAIL, password=secrets.token_urlsafe(_PASSWORD_BYTES))
        try:
            await self.create(first.email, password=first.password, roles=(ADMIN_ROLE,))
        except IntegrityError:  # another process that shares the database was quicker
            return None
        return first

    async def create(self, email: str, *, password: str, roles: tuple[str, ...]) -> None:
        """Add an account."""
        row = {
            "email": normal_email(email),
            "password_hash": await self._in_thread(self._hasher.hash, password),
            "roles": " ".join(roles),
            "created_at": datetime.now(UTC).isoformat(),
        }
        await self._store.once(lambda connection: connection.execute(insert(identity_accounts), [row]))

    async def authenticate(self, email: str, *, password: str) -> Account | None:
        """The account of these credentials; None if they are wrong. An unknown account takes as long as a known one."""
        query = select(identity_accounts).where(identity_accounts.c.email == normal_email(email))
        row = await self._store.row(query)
        known = self._of_nobody if row is None else row.password_hash
        matches = await self._in_thread(self._matches, known, password)
        return _account(row) if row is not None and matches else None

    async def open_session(self, account: Account) -> str:
        """A new refresh token, the first of a family. Deletes expired tokens."""

        async def begin(connection: Transaction) -> str:
            expired = identity_refresh_tokens.c.expires_at <= int(self._now())
            await connection.execute(delete(identity_refresh_tokens).where(expired))
            return await self._new_token(connection, account_id=account.account_id, family=uuid4().hex)

        return await self._store.once(begin)

    async def exchange(self, refresh_token: str) -> tuple[Account, str] | None:
        """The account of a refresh token and the token's successor; None if the token is not valid."""
        tokens, now = identity_refresh_tokens, int(self._now())
        held = (tokens.c.family, tokens.c.expires_at, tokens.c.exchanged_at)
        query = select(*held, identity_accounts).join_from(tokens, identity_accounts).where(_is(refresh_token))

        async def exchange(connection: Transaction) -> tuple[Account, str] | None:
            row = (await connection.execute(query)).first()
            if row is None or row.expires_at <= now:
                return None
            if row.exchanged_at is not None and now - row.exchanged_at > GRACE_SECONDS:
                await connection.execute(delete(tokens).where(tokens.c.family == row.family))
                return None
            if row.exchanged_at is None:
                await connection.execute(update(tokens).where(_is(refresh_token)).values(exchanged_at=now))
            return _account(row), await self._new_token(connection, account_id=row.id, family=row.family)

        return await self._store.once(exchange)

    async def end_session(self, refresh_token: str) -> None:
        """Revoke a refresh token and all that stem from the same login."""
        tokens = identity_refresh_tokens
        family = select(tokens.c.family).where(_is(refresh_token)).scalar_subquery()
        statement = delete(tokens).where(tokens.c.family == family)
        await self._store.once(lambda connection: connection.execute(statement))

    async def _new_token(self, connection: Transaction, *, account_id: int, family: str) -> str:
        token = secrets.token_urlsafe(_REFRESH_TOKEN_BYTES)
        row = {
            "token_sha256": _digest(token),
            "family": family,
            "account_id": account_id,
            "expires_at": int(self._now()) + REFRESH_TOKEN_SECONDS,
        }
        await connection.execute(insert(identity_refresh_tokens), [row])
        return token

    def _matches(self, password_hash: str, password: str) -> bool:
        try:
            return self._hasher.verify(password_hash, password)
        except VerificationError:
            return False

    async def _in_thread(self, work: Callable[..., Any], *arguments: str) -> Any:
        async with self._hashing:
            return await asyncio.to_thread(work, *arguments)


def normal_email(email: str) -> str:
    """As accounts are found by it."""
    return email.strip().casefold()


def _account(row: Row[Any]) -> Account:
    return Account(account_id=row.id, email=row.email, roles=tuple(row.roles.split()))


def _is(refresh_token: str) -> Any:
    return identity_refresh_tokens.c.token_sha256 == _digest(refresh_token)


def _digest(token: str) -> str:
    return hashlib.sha256(token.encode()).hexdigest()


def _unpadded(data: bytes) -> str:
    return b64encode(data).decode().rstrip("=")
