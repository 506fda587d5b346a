"""Every known model, whether it can be called here and now, and what to do where it cannot."""

from __future__ import annotations

from pathlib import Path

import pytest

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.catalogue import (
    BASELINE_MODEL,
    SPELLING_MODEL,
    KnownModel,
    baseline_model,
    is_model_name,
    known_models,
    models_at,
)
from eng5_runner.judges.credentials import PLACES
from eng5_runner.judges.manifest import USERS_FILE, Manifest, Model, built_in

OPENAI = PLACES[Provider.OPENAI]
KEY = {OPENAI.key: "secret"}
OWN_SERVER = {OPENAI.base_url: "http://127.0.0.1:8080/v1"}


@pytest.fixture
def own_file(tmp_path: Path) -> dict[str, str]:
    """A file of the user's own with a model of theirs, and one that is over."""
    path = tmp_path / "models.toml"
    path.write_text(
        '[[models]]\nid = "mine"\nprovider = "openai"\n\n[[models]]\nid = "old"\nprovider = "openai"\n'
        "retires = 2020-01-01\n\n[limits.openai]\nattempts = 2\nconcurrency = 3\n"
    )
    return {USERS_FILE: str(path)}


def known(environ: dict[str, str]) -> dict[str, KnownModel]:
    return {model.entry.model_id: model for model in known_models(environ)}


def test_the_baseline_is_first_and_always_ready():
    first = next(iter(known_models({})))
    assert (first.entry, first.model, first.place) == (baseline_model(), None, None)
    assert (first.state, first.remedy, first.reachable) == ("ready", None, True)
    assert not first.is_retired


def test_the_baseline_says_that_it_is_no_language_model_and_costs_nothing():
    entry = baseline_model()
    assert (entry.model_id, entry.provider, entry.model_family) == (BASELINE_MODEL, "mock", "baseline")
    assert entry.capabilities == {"offline": True, "deterministic": True, "language_model": False}
    assert (entry.cost_per_1k_input_tokens, entry.cost_per_1k_output_tokens) == (0.0, 0.0)
    assert entry.is_deprecated is False
    assert entry.display_name is not None and "not a language model" in entry.display_name
    assert entry.recommended_for == ("trying the tool", "a baseline to compare language models with")


def test_every_built_in_model_is_known_once_and_by_provider():
    models = [model.entry for model in known_models({})][2:]
    built = [(model.provider.value, model.id) for provider in PLACES for model in built_in().of(provider)]
    assert [(entry.provider, entry.model_id) for entry in models] == built


def test_without_a_key_a_model_needs_one():
    for model in list(known_models({}))[2:]:
        assert model.place is not None and not model.is_retired
        assert (model.state, model.reachable, model.key_set) == ("needs a key", False, False)
        assert model.remedy == f"set {model.place.key}, or {model.place.base_url} for a server of your own"
        assert (model.own, model.at_address) == (False, True)


def test_with_its_key_a_provider_s_models_are_ready_and_others_are_not():
    found = known(KEY)
    ready = {name for name, model in found.items() if model.state == "ready"}
    assert ready == {model.id for model in built_in().of(Provider.OPENAI)} | {BASELINE_MODEL, SPELLING_MODEL}
    model = found[built_in().of(Provider.OPENAI)[0].id]
    assert (model.key_set, model.reachable, model.remedy, model.place) == (True, True, None, OPENAI)
    assert model.model == built_in().of(Provider.OPENAI)[0]


def test_a_key_of_spaces_is_none():
    name = built_in().of(Provider.OPENAI)[0].id
    assert (known({OPENAI.key: "  "})[name].key_set, known({OPENAI.key: "  "})[name].reachable) == (False, False)


def test_a_server_of_ones_own_has_the_models_of_the_user_s_file_alone(own_file):
    found = known(OWN_SERVER | own_file)
    other = found[built_in().of(Provider.OPENAI)[0].id]
    assert (found["mine"].state, found["mine"].own, found["mine"].at_address) == ("ready", True, True)
    assert (other.state, other.at_address, other.reachable, other.key_set) == ("not on your server", False, True, False)
    assert other.remedy == f"{OPENAI.base_url} leads to a server of your own; {USERS_FILE} names its models"


def test_a_model_that_is_over_says_so_whatever_else_is_there(own_file):
    for environ in ({}, KEY, OWN_SERVER):
        old = known(environ | own_file)["old"]
        assert (old.state, old.remedy, old.is_retired) == ("retired on 2020-01-01", None, True)


def test_the_limits_are_those_of_the_provider(own_file):
    found = known(KEY | own_file)
    assert (found["mine"].limits.attempts, found["mine"].limits.concurrency) == (2, 3)
    assert found["mine"].entry.capabilities["attempts"] == 2
    assert list(found)[:2] == [BASELINE_MODEL, SPELLING_MODEL]
    assert list(found)[2] == "mine", "the user's file comes first"


def test_an_own_server_is_at_its_own_prices():
    mine = Model.model_validate({"id": "mine", "provider": "openai"})
    own = Manifest(models=(mine,))
    assert models_at(Provider.OPENAI, own=own, own_server=True) == (mine,)
    assert models_at(Provider.OPENAI, own=own, own_server=False) == (mine, *built_in().of(Provider.OPENAI))


@pytest.mark.parametrize(
    ("judge", "is_model"),
    [("GPT_5.1", True), ("anthropic/Claude Haiku 4.5", True), ("Claudette", False), ("P07", False)],
)
def test_a_model_is_known_by_its_name_however_it_is_written(judge, is_model):
    assert is_model_name(judge) is is_model
