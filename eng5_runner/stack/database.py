"""Database URLs from the environment's variables, with every password percent-encoded.

<PREFIX>_DATABASE_URL, SERVICE_DATABASE_URL      taken as they are, in this order
ENVIRONMENT=production                           HULEEDU_DB_USER, HULEEDU_PROD_DB_PASSWORD, HULEEDU_PROD_DB_HOST,
                                                 HULEEDU_PROD_DB_PORT (5432)
otherwise                                        HULEEDU_DB_USER, HULEEDU_DB_PASSWORD, and the service's own host
                                                 and port: inside containers (ENV_TYPE=docker) or on localhost
nothing set                                      no database server: SQLite in the data folder
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from eng5_runner.errors import ConfigurationError

DRIVER = "postgresql+asyncpg"
DEFAULT_PORT = 5432
_PLAIN_DRIVERS = frozenset(("postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg"))


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDatabase:
    """One service's database where nothing overrides it.

    Attributes:
        prefix: of its own override, such as `CJ_ASSESSMENT_SERVICE`.
        name: of the database.
        container: its host name among containers.
        local_port: on a developer's machine.
    """

    prefix: str
    name: str
    container: str
    local_port: int = DEFAULT_PORT


def database_url(service: ServiceDatabase, environment: Mapping[str, str]) -> URL | None:
    """Where the service's database is, or None if the environment names none.

    Raises:
        ConfigurationError: the variables are incomplete or hold no usable URL. Their values are not shown.
    """
    for variable in (f"{service.prefix}_DATABASE_URL", "SERVICE_DATABASE_URL"):
        if environment.get(variable):
            return _given(environment[variable], variable)
    production = environment.get("ENVIRONMENT", "").lower() == "production"
    needed = ["HULEEDU_DB_USER", "HULEEDU_PROD_DB_PASSWORD" if production else "HULEEDU_DB_PASSWORD"]
    if production:
        needed.append("HULEEDU_PROD_DB_HOST")
    present = [variable for variable in needed if environment.get(variable)]
    if not present:
        return None
    if missing := sorted(set(needed) - set(present)):
        raise ConfigurationError(
            f"The database of {service.prefix} cannot be addressed: {', '.join(missing)} not set.",
            remedy=f"Set them, or {service.prefix}_DATABASE_URL as a whole.",
        )
    host, port = _place(service, environment, production=production)
    return URL.create(
        DRIVER,
        username=environment["HULEEDU_DB_USER"],
        password=environment[needed[1]],
        host=host,
        port=port,
        database=service.name,
    )


def _given(text: str, variable: str) -> URL:
    try:
        url = make_url(text)
    except (ArgumentError, ValueError):
        raise ConfigurationError(
            f"{variable} holds no database URL.",
            remedy="The form is postgresql+asyncpg://user:password@host:port/name, with the password percent-encoded.",
        ) from None
    # The services speak asyncpg; a URL written for another driver means the same database.
    return url.set(drivername=DRIVER) if url.drivername in _PLAIN_DRIVERS else url


def _place(service: ServiceDatabase, environment: Mapping[str, str], *, production: bool) -> tuple[str, int]:
    if production:
        return environment["HULEEDU_PROD_DB_HOST"], _port(environment)
    if environment.get("ENV_TYPE", "").lower() == "docker":
        return service.container, DEFAULT_PORT
    return "localhost", service.local_port


def _port(environment: Mapping[str, str]) -> int:
    text = environment.get("HULEEDU_PROD_DB_PORT") or str(DEFAULT_PORT)
    if not text.isdigit():
        raise ConfigurationError("HULEEDU_PROD_DB_PORT is not a number.", remedy="Set it to the port, such as 5432.")
    return int(text)
