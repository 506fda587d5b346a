"""What models cost and take: every token has its rate, nothing unknown is zero, and the user's file comes first."""

from __future__ import annotations

from datetime import date
from decimal import Decimal
from pathlib import Path

import pytest

from eng5_runner.contracts.request import Provider, ReasoningEffort
from eng5_runner.errors import ConfigurationError
from eng5_runner.judges.cost_bound import batch_factor
from eng5_runner.judges.manifest import USERS_FILE, Limits, Manifest, Model, Price, Rates, Usage, built_in, users_own

PLAIN = Rates(input=Decimal("1.0"), output=Decimal("4.0"))
CACHED = Rates(input=Decimal("1.0"), output=Decimal("4.0"), cached_input=Decimal("0.1"), cache_write=Decimal("1.25"))
LOOKED_UP = {"looked_up": date(2026, 11, 22), "source": "a page"}


def model(model_id: str, provider: Provider = Provider.OPENAI, **changes: object) -> Model:
    return Model.model_validate({"id": model_id, "provider": provider} | changes)


@pytest.mark.parametrize(
    ("rates", "usage", "usd"),
    [
        (PLAIN, Usage(), "0"),
        (PLAIN, Usage(prompt=1000), "1"),
        (PLAIN, Usage(completion=1000), "4"),
        (PLAIN, Usage(prompt=1500, completion=250), "2.5"),
        (PLAIN, Usage(prompt=1000, cached=600, cache_written=200), "1"),  # the cache costs like input
        (CACHED, Usage(prompt=1000, cached=600), "0.46"),
        (CACHED, Usage(prompt=1000, cache_written=200), "1.05"),
        (CACHED, Usage(prompt=1000, cached=600, cache_written=200, completion=100), "0.91"),
        (CACHED, Usage(prompt=100, cached=600), "0.06"),  # more from the cache than was read: nothing is taken off
    ],
)
def test_every_token_costs_its_rate(rates, usage, usd):
    assert rates.cost(usage) == Decimal(usd)


def test_a_prompt_above_the_mark_costs_the_other_rates_in_all():
    long = Rates(input=Decimal(2), output=Decimal(8))
    price = Price(**PLAIN.model_dump(), **LOOKED_UP, long_prompt_above=1000, long_prompt=long)
    assert price.of(Usage(prompt=1000, completion=1000)) == Decimal(5)
    assert price.of(Usage(prompt=1001, completion=1000)) == Decimal("10.002")
    assert Price(**PLAIN.model_dump(), **LOOKED_UP).of(Usage(prompt=10**6)) == Decimal(1000)


def test_an_answer_of_the_batch_api_costs_its_part():
    price = Price(**PLAIN.model_dump(), **LOOKED_UP, batch_factor=Decimal("0.5"))
    assert price.of(Usage(prompt=1000), batched=True) == Decimal("0.5")
    assert price.of(Usage(prompt=1000)) == Decimal(1)
    assert Price(**PLAIN.model_dump(), **LOOKED_UP).of(Usage(prompt=1000), batched=True) == Decimal(1)
    assert model("m", price=price).cost(Usage(prompt=1000), batched=True) == Decimal("0.5")


def test_the_highest_rates_are_above_every_other():
    long = Rates(input=Decimal(2), output=Decimal(3))
    price = Price(**CACHED.model_dump(), **LOOKED_UP, long_prompt_above=1000, long_prompt=long)
    assert price.highest() == {"input": 2.0, "output": 4.0}
    assert Price(**CACHED.model_dump(), **LOOKED_UP).highest() == {"input": 1.25, "output": 4.0}


def test_what_the_provider_billed_is_the_cost_and_without_a_price_there_is_none():
    priced = model("m", price=Price(**PLAIN.model_dump(), **LOOKED_UP))
    assert priced.cost(Usage(prompt=1000)) == Decimal(1)
    assert priced.cost(Usage(prompt=1000, billed=Decimal("0.3"))) == Decimal("0.3")
    assert priced.cost(Usage(prompt=1000, billed=Decimal(0))) == Decimal(0)
    assert model("m").cost(Usage(prompt=1000)) is None


@pytest.mark.parametrize(("day", "retired"), [(date(2027, 3, 2), False), (date(2027, 3, 3), True)])
def test_a_model_answers_on_its_last_day(day, retired):
    assert model("m", retires=date(2027, 3, 2)).is_retired(day) is retired
    assert not model("m").is_retired(day)


def test_a_providers_models_keep_their_order_for_the_first_is_its_default():
    manifest = Manifest(models=(model("b"), model("x", Provider.GOOGLE), model("a")))
    assert [one.id for one in manifest.of(Provider.OPENAI)] == ["b", "a"]
    assert manifest.of(Provider.ANTHROPIC) == ()


def test_of_two_manifests_the_first_is_right():
    """A model of the same name at another provider is another model."""
    ours = Manifest(models=(model("m", name="ours"),), limits={Provider.OPENAI: Limits(concurrency=1)})
    others = Manifest(
        models=(model("other"), model("m", name="theirs"), model("m", Provider.OPENROUTER)),
        limits={Provider.OPENAI: Limits(concurrency=2), Provider.GOOGLE: Limits(concurrency=3)},
    )
    both = ours.before(others)
    assert [(one.id, one.provider.value, one.name) for one in both.models] == [
        ("m", "openai", "ours"),
        ("other", "openai", None),
        ("m", "openrouter", None),
    ]
    assert both.limits_of(Provider.OPENAI).concurrency == 1
    assert both.limits_of(Provider.GOOGLE).concurrency == 3
    assert both.limits_of(Provider.ANTHROPIC) == Limits()


def test_without_a_file_of_the_users_there_are_none_of_theirs(tmp_path: Path):
    assert users_own({}) == users_own({USERS_FILE: ""}) == Manifest()
    path = tmp_path / "models.toml"
    path.write_text('[[models]]\nid = "mine"\nprovider = "openai"\n[models.price]\ninput = 0.1\noutput = 0.2\n'
                    'looked_up = 2026-11-22\nsource = "a page"\n')  # fmt: skip
    (mine,) = users_own({USERS_FILE: str(path)}).models
    assert mine.price is not None
    assert (mine.id, mine.price.input) == ("mine", Decimal("0.1")), "a price is read as it is written"


@pytest.mark.parametrize("text", ["[[models]]\n", "no toml", '[[models]]\nid = ""\nprovider = "openai"\n'])
def test_a_file_that_is_none_is_refused_by_its_name(tmp_path: Path, text: str):
    path = tmp_path / "models.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as caught:
        users_own({USERS_FILE: str(path)})
    assert str(path) in caught.value.message and USERS_FILE in caught.value.remedy


def test_what_is_built_in_names_each_model_once_and_no_price_is_free():
    models = built_in().models
    assert len({(one.provider, one.id) for one in models}) == len(models)
    assert all(one.price.input > 0 and one.price.output > 0 for one in models if one.price)


def test_the_environment_sets_how_many_calls_are_made_at_the_same_time(tmp_path: Path) -> None:
    file = tmp_path / "models.toml"
    file.write_text("[limits.openai]\nconcurrency = 3\nattempts = 2\n")
    own = users_own({"ENG5_MODELS_FILE": str(file), "ENG5_JUDGE_CONCURRENCY": "200"})
    assert (own.limits_of(Provider.OPENAI).concurrency, own.limits_of(Provider.OPENAI).attempts) == (200, 2)
    assert own.before(built_in()).limits_of(Provider.ANTHROPIC).concurrency == 200
    assert users_own({"ENG5_MODELS_FILE": str(file)}).limits_of(Provider.OPENAI).concurrency == 3
    assert Limits().concurrency == 64
    for calls in (1, 2000):
        assert users_own({"ENG5_JUDGE_CONCURRENCY": f" {calls} "}).limits_of(Provider.GOOGLE).concurrency == calls
    for wrong in ("0", "²", "-1", "many", "2001", "1.5"):
        with pytest.raises(ConfigurationError, match="ENG5_JUDGE_CONCURRENCY"):
            users_own({"ENG5_JUDGE_CONCURRENCY": wrong})


@pytest.mark.parametrize(
    ("says", "effort", "own_server", "asks"),
    [
        ("always", ReasoningEffort.HIGH, False, True),
        ("without_reasoning", ReasoningEffort.NONE, False, True),
        ("without_reasoning", None, True, False),
        ("never", ReasoningEffort.NONE, True, False),
        (None, None, True, True),
        (None, None, False, False),
    ],
)
def test_who_is_asked_for_log_probabilities(says, effort, own_server, asks):
    assert model("m", log_probabilities=says).tells_probabilities(effort, own_server=own_server) is asks


def test_the_entry_tells_the_name_and_the_price_in_a_batch():
    price = {"input": 1, "output": 4, "batch_factor": 0.5} | LOOKED_UP
    named, plain = model("m", name="Mine", price=price).entry(attempts=1), model("m").entry(attempts=1)
    assert (named.display_name, plain.display_name) == ("Mine", "m")
    assert batch_factor(named) == Decimal("0.5") and batch_factor(plain) is None


def test_the_entry_tells_all_that_preflight_and_plan_ask():
    known = model(
        "m",
        Provider.OPENAI,
        family="f",
        context=1000,
        max_output=500,
        max_tokens=300,
        temperature="never",
        reasoning_efforts=("low",),
        verbosities=("high",),
        answers="json",
        price={"input": 1, "output": 4} | LOOKED_UP,
        released=date(2026, 1, 2),
        retires=date(2026, 2, 3),
        recommended_for=("essays",),
    ).entry(attempts=3)
    assert known.model_dump(exclude_none=True) == {
        "model_id": "m",
        "provider": "openai",
        "display_name": "m",
        "model_family": "f",
        "max_tokens": 500,
        "context_window": 1000,
        "capabilities": {
            "language_model": True,
            "temperature": "never",
            "reasoning_efforts": ["low"],
            "verbosities": ["high"],
            "answers": "json",
            "attempts": 3,
            "answer_tokens": 300,
            "highest_cost_per_1k": {"input": 1.0, "output": 4.0},
            "batch_api": True,
            "batch_factor": None,
            "price": "looked up 2026-11-22: a page",
            "retires": "2026-02-03",
            "retired": True,
        },
        "cost_per_1k_input_tokens": 1.0,
        "cost_per_1k_output_tokens": 4.0,
        "is_deprecated": True,
        "release_date": "2026-01-02",
        "recommended_for": ("essays",),
    }
    bare = model("m", Provider.OPENROUTER).entry(attempts=1)
    told = ("answers", "highest_cost_per_1k", "batch_api", "price", "retires", "retired")
    assert bare.capabilities is not None
    assert [bare.capabilities[key] for key in told] == ["schema", None, False, "unknown", None, False]
    assert (bare.is_deprecated, bare.release_date, bare.recommended_for) == (False, None, None)
    assert (bare.cost_per_1k_input_tokens, bare.cost_per_1k_output_tokens) == (None, None)
    assert model("m", deprecated=True).entry(attempts=1).is_deprecated
