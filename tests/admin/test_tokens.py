"""Where a token is looked for, in which order, and that no token shows."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from eng5_runner.app.tokens import admin_token, no_token, state_folder
from eng5_runner.effects.identity.client import DEVELOPMENT_SUBJECT, claims_of
from eng5_runner.effects.identity.login_cache import Login, LoginCache
from eng5_runner.errors import ConfigurationError
from tests.admin.site import SECRET, Site

URL = "http://identity.example/v1/auth"


@pytest.fixture
def everything(tmp_path: Path) -> dict[str, str]:
    """Every source at once."""
    now = datetime.now(UTC)
    login = Login(
        identity_url=URL,
        access_token="canary-login",
        refresh_token="canary-refresh",
        obtained_at=now,
        expires_at=now + timedelta(hours=1),
    )
    LoginCache(tmp_path, identity_url=URL).write(login)
    return {
        "HULEEDU_SERVICE_ACCOUNT_TOKEN": "canary-service",
        "HULEEDU_ADMIN_TOKEN": "canary-admin",
        "ENG5_STATE_DIR": str(tmp_path),
        "IDENTITY_SERVICE_URL": URL + "/",
        "ENVIRONMENT": "development",
        "JWT_SECRET_KEY": "canary-secret",
    }


async def test_the_contract_s_order(everything: dict[str, str]) -> None:
    said: list[str] = []
    found = []
    for gone in ("HULEEDU_SERVICE_ACCOUNT_TOKEN", "HULEEDU_ADMIN_TOKEN", "ENG5_STATE_DIR", "JWT_SECRET_KEY"):
        token = await admin_token(everything, announce=said.append)
        assert token is not None
        assert "canary" not in repr(token)
        found.append((token.source, token.value))
        assert bool(said) == (token.source == "development")
        everything[gone] = "" if gone != "ENG5_STATE_DIR" else everything[gone] + "/elsewhere"

    assert found[:3] == [
        ("HULEEDU_SERVICE_ACCOUNT_TOKEN", "canary-service"),
        ("HULEEDU_ADMIN_TOKEN", "canary-admin"),
        ("login_cache", "canary-login"),
    ]
    source, value = found[3]
    claims = claims_of(value)
    assert claims is not None
    assert (source, claims.subject) == ("development", DEVELOPMENT_SUBJECT)
    assert len(said) == 1
    assert "canary" not in said[0]
    assert await admin_token(everything, announce=said.append) is None


@pytest.mark.parametrize("environment", ["", "production", "staging", "dev", "developmental"])
async def test_only_development_makes_its_own(tmp_path: Path, environment: str) -> None:
    variables = {"ENVIRONMENT": environment, "JWT_SECRET_KEY": "canary", "ENG5_STATE_DIR": str(tmp_path)}
    assert await admin_token(variables, announce=pytest.fail) is None
    assert "only if ENVIRONMENT is development" in no_token(variables).remedy
    assert "canary" not in no_token(variables).remedy


async def test_a_token_made_here_opens_services_that_share_the_secret(site: Site) -> None:
    variables = {"ENVIRONMENT": "Development", "JWT_SECRET_KEY": SECRET, "ENG5_STATE_DIR": str(site.folder)}
    token = await admin_token(variables, announce=lambda _: None)
    assert token is not None
    assert await site.administration(token.value).instructions("a1") is None


@pytest.mark.parametrize("name", ["HULEEDU_SERVICE_ACCOUNT_TOKEN", "HULEEDU_ADMIN_TOKEN"])
@pytest.mark.parametrize("value", ["Bearer canary", "canary\r\nX-Evil: 1", "canäry", "canary\0"])
async def test_a_variable_that_holds_no_token_is_named_and_not_shown(name: str, value: str) -> None:
    with pytest.raises(ConfigurationError) as caught:
        await admin_token({name: value}, announce=pytest.fail)
    assert name in caught.value.message
    assert "can" not in caught.value.message.replace("cannot", "")


def test_the_state_folder_is_the_user_s_unless_named() -> None:
    assert state_folder({"ENG5_STATE_DIR": "/x"}) == Path("/x")
    assert state_folder({}).name == "eng5-runner"
