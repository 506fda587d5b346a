"""What a `.env` may add to the environment: it can have come with a stranger's study."""

from __future__ import annotations

import pytest

from eng5_runner.app.environment import keys_in

KEY, ADDRESS = "OPENAI_API_KEY", "ENG5_OPENAI_BASE_URL"
OTHER_KEY, MODELS = "ANTHROPIC_API_KEY", "ENG5_MODELS_FILE"


@pytest.mark.parametrize(
    ("file", "environment", "taken", "left"),
    [
        ({KEY: "k", ADDRESS: "a"}, {}, {KEY: "k", ADDRESS: "a"}, {}),
        ({ADDRESS: "a", MODELS: "m"}, {}, {ADDRESS: "a", MODELS: "m"}, {}),
        ({ADDRESS: "a"}, {KEY: "mine"}, {}, {ADDRESS: KEY}),
        ({KEY: "k", ADDRESS: "a"}, {KEY: "mine"}, {}, {ADDRESS: KEY}),
        ({ADDRESS: "a"}, {OTHER_KEY: "mine"}, {ADDRESS: "a"}, {}),
        ({MODELS: "m"}, {OTHER_KEY: "mine"}, {}, {MODELS: OTHER_KEY}),
        ({KEY: "k"}, {ADDRESS: "mine"}, {KEY: "k"}, {}),
        ({ADDRESS: "a"}, {KEY: "mine", ADDRESS: "my own"}, {}, {}),
        ({KEY: "", ADDRESS: None, "ENG5_MODE": "execute"}, {}, {}, {}),
    ],
)
def test_an_address_is_used_only_with_a_key_of_the_same_file(
    file: dict[str, str | None], environment: dict[str, str], taken: dict[str, str], left: dict[str, str]
) -> None:
    assert keys_in(file, environment) == (taken, left)
