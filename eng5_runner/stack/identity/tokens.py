"""Admin tokens in the form of the real Identity Service, signed with a secret that is kept only in memory."""

from __future__ import annotations

import secrets
from datetime import UTC, datetime, timedelta

import jwt

ISSUER = "huleedu-identity-service"
AUDIENCE = "huleedu-platform"
ADMIN_ROLE = "admin"
_ALGORITHM = "HS256"
_SECRET_BYTES = 48


class TokenInvalid(Exception):
    """There is no token, or it is from another authority, or it has expired."""


class TokenAuthority:
    """Issues and checks tokens; authorities accept each other's tokens only if they share a secret."""

    def __init__(self, *, secret: str | None = None) -> None:
        self._secret = secret or secrets.token_hex(_SECRET_BYTES)

    def issue(self, *, subject: str, roles: tuple[str, ...], valid_for: timedelta) -> str:
        """A signed token.

        Args:
            subject: who it is for.
            roles: what the bearer may do.
            valid_for: from now.
        """
        now = datetime.now(UTC)
        claims = {
            "sub": subject,
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now,
            "exp": now + valid_for,
            "roles": list(roles),
        }
        return jwt.encode(claims, self._secret, algorithm=_ALGORITHM)

    def roles(self, token: str) -> tuple[str, ...]:
        """The roles in a token.

        Raises:
            TokenInvalid: the signature, issuer, audience or time does not fit.
        """
        if not token.isascii():  # as a header's bytes that are no text come
            raise TokenInvalid("no token has such characters")
        try:
            claims = jwt.decode(
                token,
                self._secret,
                algorithms=[_ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iss", "aud", "sub"]},
            )
        except jwt.PyJWTError as error:
            raise TokenInvalid(str(error)) from error
        roles = claims.get("roles")
        return tuple(role for role in roles if isinstance(role, str)) if isinstance(roles, list) else ()
