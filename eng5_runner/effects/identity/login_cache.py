"""The logins of this user: one small file for each Identity Service, readable by the user only."""

from __future__ import annotations

import asyncio
import os
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Annotated

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field, ValidationError

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.services import TokenText
from eng5_runner.effects import durable
from eng5_runner.errors import ConfigurationError, DiskError, TemporaryFailure
from eng5_runner.systems import flags, is_mine_alone
from eng5_runner.transport.file_lock import lock, open_lock, why_not

LOCK_SECONDS = 90.0
_LOCK_PAUSE_SECONDS = 0.05
_LARGEST = 1 << 16


class Login(BaseModel):
    """A login as the file holds it.

    Attributes:
        identity_url: the service that gave the tokens.
        access_token: sent to the services' admin routes.
        refresh_token: exchanged for new tokens before the access token expires; None if the service gave none.
        obtained_at: by this machine's clock.
        expires_at: the access token's end, by this machine's clock.
    """

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    identity_url: str
    access_token: Annotated[TokenText, Field(repr=False)]
    refresh_token: Annotated[TokenText | None, Field(repr=False)]
    obtained_at: AwareDatetime
    expires_at: AwareDatetime

    def is_good_at(self, moment: datetime) -> bool:
        """Whether the access token can be used. False if the clock moved to before the login."""
        return self.obtained_at <= moment < self.expires_at


class LoginCache:
    """The login at one Identity Service. Several processes may use it at the same time."""

    def __init__(self, state_folder: Path, *, identity_url: str) -> None:
        self._folder = state_folder / "logins"
        self._path = self._folder / f"{sha256_hex(identity_url.encode())[:16]}.json"
        self._identity_url = identity_url

    def read(self) -> Login | None:
        """The login, or None if there is none, or none that can be used.

        Raises:
            ConfigurationError: another user can read the file, or owns it.
            DiskError: it cannot be read.
        """
        try:
            file = os.open(self._path, os.O_RDONLY | flags("O_NOFOLLOW", "O_CLOEXEC", "O_BINARY"))
        except FileNotFoundError:
            return None
        except OSError as error:
            raise self._cannot("read", error) from None
        with os.fdopen(file, "rb") as opened:
            if not is_mine_alone(os.fstat(opened.fileno())):
                raise ConfigurationError(
                    f"Other users can read the login cache {self._path}.",
                    remedy=f"If nobody has used it: chmod 600 {self._path}. Otherwise: `eng5-runner admin logout`.",
                )
            try:
                login = Login.model_validate_json(opened.read(_LARGEST))
            except ValidationError:  # losing a cache costs one more login
                return None
        return login if login.identity_url == self._identity_url else None

    def write(self, login: Login) -> None:
        """Replace the login, durably.

        Raises:
            DiskError: it could not be written.
        """
        self._make_folder()
        try:
            durable.replace(self._path, login.model_dump_json().encode() + b"\n")
        except OSError as error:
            raise self._cannot("written", error) from None

    def forget(self) -> bool:
        """Remove the login; returns whether there was a file.

        Raises:
            DiskError: it could not be removed.
        """
        try:
            self._path.unlink()
        except FileNotFoundError:
            return False
        except OSError as error:
            raise self._cannot("removed", error) from None
        return True

    @asynccontextmanager
    async def held(self) -> AsyncIterator[None]:
        """Hold the lock that keeps other processes from changing the login.

        Raises:
            TemporaryFailure: another process holds the lock for too long.
            DiskError: the lock cannot be made.
        """
        file = await asyncio.to_thread(self._locked)
        try:
            yield
        finally:
            os.close(file)

    def _locked(self) -> int:
        self._make_folder()
        try:
            file = open_lock(self._path.with_suffix(".lock"))
        except OSError as error:
            raise self._cannot("locked", error) from None
        deadline = time.monotonic() + LOCK_SECONDS
        while True:
            try:
                lock(file)
            except BlockingIOError:
                if time.monotonic() >= deadline:
                    os.close(file)
                    raise TemporaryFailure(
                        f"Another process has locked the login cache {self._path} for {LOCK_SECONDS:.0f} s.",
                        remedy="Wait until it ends, then try again.",
                    ) from None
                time.sleep(_LOCK_PAUSE_SECONDS)
            except OSError as error:
                os.close(file)
                raise self._cannot("locked", error) from None
            else:
                return file

    def _make_folder(self) -> None:
        try:
            self._folder.mkdir(parents=True, exist_ok=True, mode=0o700)
            self._folder.chmod(0o700)
        except OSError as error:
            raise self._cannot("written", error) from None

    def _cannot(self, what: str, error: OSError) -> DiskError:
        return DiskError(
            f"The login cache {self._path} cannot be {what}: {why_not(error)}.",
            remedy="Check the folder's permissions, or choose another folder with ENG5_STATE_DIR.",
        )
