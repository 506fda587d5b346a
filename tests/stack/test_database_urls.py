"""Where a service's database is, from the environment alone."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy.engine import URL, make_url

from eng5_runner.errors import ConfigurationError
from eng5_runner.stack.platform.database import DRIVER, SERVICES, database_url

CJ = SERVICES["cj"]
DIFFICULT = "pa#ss@wo%rd:/ +é%20"
LOGIN = {"HULEEDU_DB_USER": "us@er", "HULEEDU_DB_PASSWORD": DIFFICULT}
PRODUCTION = {
    "ENVIRONMENT": "production",
    "HULEEDU_DB_USER": "us@er",
    "HULEEDU_PROD_DB_PASSWORD": DIFFICULT,
    "HULEEDU_PROD_DB_HOST": "db.example",
}
WHOLE = "postgresql+asyncpg://u:p%40ss@own:1/cj"
SHARED = "postgresql+asyncpg://u:p@shared:2/all"


def url_of(environment: dict[str, str], service: str = "cj") -> URL:
    found = database_url(SERVICES[service], environment)
    assert found is not None
    return found


def test_without_any_variable_there_is_no_server() -> None:
    assert database_url(CJ, {"ENVIRONMENT": "production", "ENV_TYPE": "docker", "SERVICE_DATABASE_URL": ""}) is None


@given(st.text(st.characters(codec="utf-8", exclude_characters="\0"), min_size=1))
def test_any_password_goes_into_the_url_and_comes_out_the_same(password: str) -> None:
    written = url_of(LOGIN | {"HULEEDU_DB_PASSWORD": password}).render_as_string(hide_password=False)
    read = make_url(written)
    assert (read.username, read.password, read.host, read.database) == ("us@er", password, "localhost", CJ.name)


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({"CJ_ASSESSMENT_SERVICE_DATABASE_URL": WHOLE, "SERVICE_DATABASE_URL": SHARED} | PRODUCTION, WHOLE),
        ({"SERVICE_DATABASE_URL": SHARED} | PRODUCTION, SHARED),
        ({"CONTENT_SERVICE_DATABASE_URL": WHOLE, "SERVICE_DATABASE_URL": SHARED}, SHARED),
        ({"SERVICE_DATABASE_URL": "postgres://u:p@shared:2/all"}, SHARED),
        (
            {"SERVICE_DATABASE_URL": "postgresql://u:p@shared:2/all?sslmode=require"},
            SHARED + "?ssl=require",
        ),
    ],
)
def test_a_whole_url_goes_before_its_parts_and_the_service_s_own_before_the_shared_one(
    environment: dict[str, str], expected: str
) -> None:
    assert url_of(environment).render_as_string(hide_password=False) == expected


@pytest.mark.parametrize(
    ("environment", "host", "port"),
    [
        (LOGIN, "localhost", CJ.local_port),
        (LOGIN | {"ENV_TYPE": "docker"}, CJ.container, 5432),
        (PRODUCTION, "db.example", 5432),
        (PRODUCTION | {"HULEEDU_PROD_DB_PORT": "6432", "ENV_TYPE": "docker"}, "db.example", 6432),
        (PRODUCTION | {"HULEEDU_DB_PASSWORD": "of development"}, "db.example", 5432),
    ],
)
def test_each_environment_has_its_place(environment: dict[str, str], host: str, port: int) -> None:
    url = url_of(environment)
    assert (url.drivername, url.host, url.port, url.database) == (DRIVER, host, port, CJ.name)
    assert (url.username, url.password) == ("us@er", DIFFICULT)


def test_services_in_one_environment_have_databases_of_their_own() -> None:
    places = {(url.host, url.port, url.database) for url in (url_of(LOGIN, service) for service in SERVICES)}
    assert len(places) == len(SERVICES)


@pytest.mark.parametrize("variable", ["HULEEDU_DB_USER", "HULEEDU_DB_PASSWORD"])
def test_a_login_that_lacks_something_is_told_by_the_variable_s_name(variable: str) -> None:
    with pytest.raises(ConfigurationError) as refused:
        database_url(CJ, LOGIN | {variable: ""})
    assert refused.value.message.endswith(f"not set are {variable}")
    assert DIFFICULT not in str(refused.value) + refused.value.remedy


def test_production_wants_its_own_password_and_host() -> None:
    with pytest.raises(ConfigurationError, match="HULEEDU_PROD_DB_HOST, HULEEDU_PROD_DB_PASSWORD"):
        database_url(CJ, LOGIN | {"ENVIRONMENT": "production"})


@pytest.mark.parametrize(
    ("environment", "told"),
    [
        ({"SERVICE_DATABASE_URL": "secret"}, "SERVICE_DATABASE_URL holds no database URL"),
        ({"SERVICE_DATABASE_URL": "postgresql://u:secret@host:port/x"}, "SERVICE_DATABASE_URL holds no database URL"),
        ({"SERVICE_DATABASE_URL": "mysql://u:secret@host/x"}, "SERVICE_DATABASE_URL names a mysql database"),
        ({"SERVICE_DATABASE_URL": "postgresql://u:secret@host"}, "SERVICE_DATABASE_URL names no database"),
        ({"SERVICE_DATABASE_URL": "postgresql:///x?user=secret"}, "SERVICE_DATABASE_URL names no host"),
        (PRODUCTION | {"HULEEDU_PROD_DB_PORT": "secret"}, "HULEEDU_PROD_DB_PORT is no port"),
        (PRODUCTION | {"HULEEDU_PROD_DB_PORT": "70000"}, "HULEEDU_PROD_DB_PORT is no port"),
    ],
)
def test_what_is_no_address_is_refused_by_the_variable_s_name_without_its_value(
    environment: dict[str, str], told: str
) -> None:
    with pytest.raises(ConfigurationError) as refused:
        database_url(CJ, environment)
    assert refused.value.message == told
    assert "secret" not in str(refused.value) + refused.value.remedy
