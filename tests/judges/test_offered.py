"""Which judges a stack offers, what it tells of them, and that no key is told with it."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest
import structlog

from eng5_runner.contracts.request import LLMConfigOverrides, Provider, ReasoningEffort
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.compatibility import refusals
from eng5_runner.judges.credentials import PLACES, access_to
from eng5_runner.judges.manifest import Usage, built_in, users_own
from eng5_runner.stack.llm.providers.registry import open_judges
from tests.support.judges.driver import environ_for, site
from tests.support.judges.servers import KEY, anthropic_error, chat, in_turn, openai_error

BASELINES = ["offline-baseline-2", "offline-baseline-2-spelling"]


async def test_without_a_key_there_are_the_baselines_alone() -> None:
    async with open_judges({}) as judges:
        assert [entry.model.model_id for entry in judges] == BASELINES


@pytest.mark.parametrize("provider", [provider for provider in PLACES if provider is not Provider.OPENROUTER])
async def test_a_key_offers_its_provider_s_models_and_no_others(provider: Provider) -> None:
    async with open_judges({PLACES[provider].key: KEY}) as judges:
        offered = {entry.model.provider for entry in judges}

    assert offered == {"mock", provider.value}


async def test_an_own_server_has_the_users_models_only(tmp_path: Path) -> None:
    environ = environ_for(tmp_path, "http://127.0.0.1:9")
    async with open_judges(environ) as judges:
        assert [entry.model.model_id for entry in judges] == [*BASELINES, "local-7b", "unpriced"]


async def test_the_users_file_comes_before_what_is_built_in(tmp_path: Path) -> None:
    file = tmp_path / "own.toml"
    file.write_text('[[models]]\nid = "gpt-6-luna"\nprovider = "openai"\n[[models]]\nid = "new"\nprovider = "openai"\n')
    async with open_judges({"OPENAI_API_KEY": KEY, "ENG5_MODELS_FILE": str(file)}) as judges:
        models = [entry.model for entry in judges if entry.model.provider == "openai"]

    assert [model.model_id for model in models] == ["gpt-6-luna", "new", "gpt-6.1-sol", "gpt-5.1"]
    assert models[0].cost_per_1k_input_tokens is None


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("models = 3", "models"),
        ('[[models]]\nid = "x"\nprovider = "elsewhere"', "provider"),
        ('[[models]]\nid = "x"\nprovider = "openai"\nprise = 3', "prise"),
        ("[[", "TOML"),
    ],
)
def test_a_bad_file_of_models_says_where(tmp_path: Path, text: str, told: str) -> None:
    file = tmp_path / "own.toml"
    file.write_text(text)
    with pytest.raises(ConfigurationError, match=told):
        users_own({"ENG5_MODELS_FILE": str(file)})


def test_a_missing_file_of_models_says_so(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="No such file"):
        users_own({"ENG5_MODELS_FILE": str(tmp_path / "none.toml")})


def test_every_built_in_price_has_its_day_and_source() -> None:
    for model in built_in().models:
        assert model.price is not None
        assert model.price.looked_up <= date(2026, 11, 27) and "/" in model.price.source
        assert 0 < model.price.input < model.price.output


def test_long_prompts_cost_what_long_prompts_cost() -> None:
    (haiku,) = (model for model in built_in().models if model.id == "claude-haiku-5-5")

    assert haiku.cost(Usage(prompt=100_000, completion=1000)) == Decimal("0.0105")
    assert haiku.cost(Usage(prompt=100_001, completion=1000)) == Decimal("0.0525005")


def test_a_temperature_goes_only_with_no_reasoning() -> None:
    (luna,) = (model for model in built_in().models if model.id == "gpt-6-luna")
    cool = LLMConfigOverrides(temperature_override=0.1)

    entry, today = luna.entry(attempts=1), date(2026, 11, 22)
    (refusal,) = refusals(entry, cool, today=today)
    assert "only with the reasoning effort none" in refusal.for_clients()
    assert not list(refusals(entry, cool.model_copy(update={"reasoning_effort": ReasoningEffort.NONE}), today=today))


@pytest.fixture
def everything_logged(caplog: pytest.LogCaptureFixture) -> Iterator[list[str]]:
    """All that any library logs, and our own log."""
    caplog.set_level(logging.DEBUG)
    with structlog.testing.capture_logs() as ours:
        lines: list[str] = []
        yield lines
    lines += [repr(entry) for entry in ours]
    structlog.reset_defaults()  # else it counts as configured, for tests that come later


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
async def test_keys_appear_nowhere(
    tmp_path: Path, provider: str, caplog: pytest.LogCaptureFixture, everything_logged: list[str]
) -> None:
    wrong = openai_error(401, "invalid_api_key") if provider == "openai" else anthropic_error(401, KEY)
    async with site(tmp_path, in_turn(wrong), provider=provider) as at:
        failed = await at.fails()
        judge = at.entries["local-7b"]
        access = access_to(Provider(provider), at.environ, timeout_seconds=1)
        told = [repr(judge), repr(vars(judge.judge)), repr(access), failed.message, repr(failed.__context__)]

    assert access is not None and access.key == KEY
    assert KEY not in "\n".join(told + everything_logged + [record.getMessage() for record in caplog.records])


async def test_the_manifest_says_what_a_model_takes(tmp_path: Path) -> None:
    async with site(tmp_path, in_turn(chat())) as at:
        told = at.entries["local-7b"].model

    assert (told.cost_per_1k_input_tokens, told.cost_per_1k_output_tokens) == (0.0025, 0.01)
    assert told.capabilities is not None
    assert told.capabilities["reasoning_efforts"] == ["low", "high"]
    assert told.capabilities["price"] == "looked up 2026-11-22: invented"
