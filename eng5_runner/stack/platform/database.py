"""Database URLs from the environment's variables, with every password percent-encoded.

<PREFIX>_DATABASE_URL, SERVICE_DATABASE_URL      taken as they are, in this order
ENVIRONMENT=production                           HULEEDU_DB_USER, HULEEDU_PROD_DB_PASSWORD, HULEEDU_PROD_DB_HOST,
                                                 HULEEDU_PROD_DB_PORT (5432)
otherwise                                        HULEEDU_DB_USER, HULEEDU_DB_PASSWORD, and the service's own host
                                                 and port: inside containers (ENV_TYPE=docker) or on localhost
none of these set                                no database server: SQLite in the data folder
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import ArgumentError

from eng5_runner.errors import ConfigurationError

DRIVER = "postgresql+asyncpg"
DEFAULT_PORT = 5432
# A URL that was written for another driver means the same database.
_DRIVERS = frozenset(("postgres", "postgresql", "postgresql+psycopg2", "postgresql+psycopg", DRIVER))
_LAST_PORT = 65_535


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceDatabase:
    """One service's database where nothing overrides it.

    Attributes:
        prefix: of its own override, such as `CJ_ASSESSMENT_SERVICE`.
        name: of the database.
        container: its host name among containers.
        local_port: on a developer's machine.
        http_port: where the service itself listens in the field.
    """

    prefix: str
    name: str
    container: str
    local_port: int
    http_port: int


# Names and ports in development are the field's habit: one database and one port for each service.
SERVICES: Mapping[str, ServiceDatabase] = MappingProxyType(
    {
        "content": ServiceDatabase(
            prefix="CONTENT_SERVICE",
            name="huleedu_content",
            container="content_service_db",
            local_port=5445,
            http_port=8001,
        ),
        "cj": ServiceDatabase(
            prefix="CJ_ASSESSMENT_SERVICE",
            name="huleedu_cj_assessment",
            container="cj_assessment_db",
            local_port=5434,
            http_port=9095,
        ),
        "llm": ServiceDatabase(
            prefix="LLM_PROVIDER_SERVICE",
            name="huleedu_llm_provider",
            container="llm_provider_db",
            local_port=5446,
            http_port=8090,
        ),
        "identity": ServiceDatabase(
            prefix="IDENTITY_SERVICE",
            name="huleedu_identity",
            container="identity_db",
            local_port=5442,
            http_port=7005,
        ),
    }
)


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
            f"the database of {service.prefix} cannot be addressed: not set are {', '.join(missing)}",
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


def _given(told: str, variable: str) -> URL:
    form = "postgresql+asyncpg://user:password@host:port/name, with user and password percent-encoded"
    try:
        url = make_url(told)
    except (ArgumentError, ValueError):
        raise ConfigurationError(f"{variable} holds no database URL", remedy=f"The form is {form}.") from None
    if url.drivername not in _DRIVERS:
        raise ConfigurationError(
            f"{variable} names a {url.get_backend_name()} database",
            remedy=f"Name a PostgreSQL, {form}; or leave it out for SQLite in --data-dir.",
        )
    lacking = [part for part in ("host", "database") if not getattr(url, part)]
    if lacking:
        raise ConfigurationError(f"{variable} names no {' and no '.join(lacking)}", remedy=f"The form is {form}.")
    # libpq's word, which asyncpg has another one for.
    query = {"ssl" if name == "sslmode" else name: value for name, value in url.query.items()}
    return url.set(drivername=DRIVER, query=query)


def _place(service: ServiceDatabase, environment: Mapping[str, str], *, production: bool) -> tuple[str, int]:
    if production:
        return environment["HULEEDU_PROD_DB_HOST"], _port(environment)
    if environment.get("ENV_TYPE", "").lower() == "docker":
        return service.container, DEFAULT_PORT
    return "localhost", service.local_port


def _port(environment: Mapping[str, str]) -> int:
    told = environment.get("HULEEDU_PROD_DB_PORT") or str(DEFAULT_PORT)
    if not (told.isascii() and told.isdigit() and 0 < int(told) <= _LAST_PORT):
        raise ConfigurationError("HULEEDU_PROD_DB_PORT is no port", remedy="Set it to a number, such as 5432.")
    return int(told)
