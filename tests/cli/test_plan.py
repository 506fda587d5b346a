"""A plan as a person and a program read it."""

from __future__ import annotations

import asyncio
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
from aiohttp import web

from tests.support.runner import clean_environment, newest, run
from tests.support.servers import serving

MODELS = """
[limits.openai]
requests_per_minute = 60

[[models]]
id = "own-model"
provider = "openai"
max_tokens = 500
[models.price]
input = 0.001
output = 0.002
looked_up = 2026-11-22
source = "a test"

[[models]]
id = "free-of-price"
provider = "openai"
"""


@pytest.fixture
def own_models(tmp_path: Path) -> dict[str, str]:
    """An environment with models of one's own, at an address where nobody listens."""
    (tmp_path / "models.toml").write_text(MODELS)
    return {"ENG5_MODELS_FILE": str(tmp_path / "models.toml"), "ENG5_OPENAI_BASE_URL": "http://127.0.0.1:1/v1"}


def planned(*more: object, study: Path, cwd: Path, env: dict[str, str] | None = None) -> dict:
    ran = run("--mode", "plan", "--assets", study, "--json", *more, cwd=cwd, env=env)
    assert ran.code == 0, ran.err
    return next(line for line in ran.lines if line["event"] == "Plan")


def test_a_plan_holds_precision_price_and_time_in_one_object(study: Path, tmp_path: Path) -> None:
    plan = planned(study=study, cwd=tmp_path)
    assert [one["spread"] for one in plan["precision"]] == [1.0, 2.0, 4.0, 6.0]
    assert all(0 < one["exact"] < one["within_one"] < 1 for one in plan["precision"])
    assert plan["judge"]["usd"] == {"low": 0.0, "high": 0.0}
    prices = [one["usd"]["high"] for one in plan["candidates"]]
    assert len(prices) >= 3 and prices == sorted(prices) and prices[0] > 0
    assert all(one["tariff"]["looked_up"] and one["tariff"]["source"] for one in plan["candidates"])


def test_a_plan_says_beforehand_that_the_anchors_can_give_no_grades(study: Path, tmp_path: Path) -> None:
    """Five anchors of one grade are enough anchors, and still no measure of a grade."""
    one_grade = tmp_path / "one_grade"
    shutil.copytree(study, one_grade)
    named = sorted((one_grade / "anchor_essays").iterdir())
    (one_grade / "anchors.csv").write_text(
        "anchor_id,grade,file_name\n" + "".join(f"k{n},C+,{file.name}\n" for n, file in enumerate(named))
    )
    ran = run("--mode", "plan", "--assets", one_grade, cwd=tmp_path)
    assert "no grades will be projected: anchors of one grade only" in " ".join(ran.err.split())
    plan = planned(study=one_grade, cwd=tmp_path)
    assert all(one["within_one"] is None for one in plan["precision"])


def test_a_plan_says_which_agreement_with_teachers_it_assumes(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "plan", "--assets", study, "--judge-agreement", "0.7", cwd=tmp_path)
    assert "agrees with teachers by r = 0.70" in " ".join(f"{ran.out} {ran.err}".split())
    assert planned("--judge-agreement", "0.7", study=study, cwd=tmp_path)["agreement"] == {"r": 0.7, "origin": "given"}


DOUBTFUL = (
    "Click here to enter text. " + "I like my dog, and it is a very good dog that I have had for a long time. " * 2
)


@pytest.mark.parametrize("verb", [("--mode", "plan"), ("--mode", "execute", "--yes"), ("preflight",)])
def test_strict_makes_a_warning_an_error(verb: tuple[str, ...], study: Path, tmp_path: Path) -> None:
    """Without it the doubt is shown and the plan goes on."""
    (study / "student_essays" / "doubtful.txt").write_text(DOUBTFUL)
    ran = run(*verb, "--assets", study, "--strict", "--json", cwd=tmp_path)
    findings = [line for line in ran.lines if line["event"] == "Finding"]
    assert ran.code == 65
    assert {(line["severity"], line["kind"], line["file"]) for line in findings} >= {
        ("error", "placeholder", "student_essays/doubtful.txt")
    }
    assert planned(study=study, cwd=tmp_path)["run_directory"]


def test_what_is_missing_by_choice_is_invalid_only_when_strict(study: Path, tmp_path: Path) -> None:
    (study / "instructions.md").unlink()
    assert run("--mode", "plan", "--assets", study, "--strict", cwd=tmp_path).code == 65
    (study / "prompt.md").unlink()
    assert run("--mode", "plan", "--assets", study, cwd=tmp_path).code == 66


def test_findings_and_notes_are_whole_in_a_narrow_place(study: Path, tmp_path: Path) -> None:
    """Three names that begin alike are three names; what is not used is named."""
    names = [f"2026-05-12_NP_Engelska5_delC_{name}_NA25A.txt" for name in ("Anna_Andersson", "Bo_Berg", "Cia_Ceder")]
    for name in names:
        (study / "student_essays" / name).write_text(f"{name} has forgotten it.")
    (study / "photo.jpg").write_text("x")
    ran = run("--mode", "plan", "--assets", study, cwd=tmp_path, env={"COLUMNS": "60"})
    squeezed = "".join(ran.err.split())
    assert "Notused:photo.jpg." in squeezed
    assert all(name.partition("delC_")[2][:6] in squeezed for name in names) and "…" not in ran.err


def test_a_person_reads_what_it_buys_and_takes(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "plan", "--assets", study, cwd=tmp_path)
    for told in (
        "σ 6",
        "reliability",
        "grade within one step",
        "comparisons for reliability 0.9",
        "USD, likely",
        "price: 0 USD",
    ):
        assert told in ran.err
    assert max(map(len, ran.err.splitlines())) <= 120


def test_the_chosen_model_is_priced_from_the_texts_and_its_limits(
    study: Path, tmp_path: Path, own_models: dict[str, str]
) -> None:
    model = ("--llm-provider", "openai", "--llm-model", "own-model", "--max-cost", 0.5)
    plan = planned(*model, study=study, cwd=tmp_path, env=own_models)
    judge = plan["judge"]
    assert judge["tariff"]["model"] == "own-model" and plan["candidates"] == []
    assert judge["tariff"]["ready"] is True
    assert judge["seconds"]["low"] >= 160, "160 questions, 60 a minute"
    assert plan["within_max_cost"]["surely"] < plan["within_max_cost"]["likely"][1]
    assert judge["tariff"]["concurrency"] != 7
    wider = planned(*model, "--judge-concurrency", 7, study=study, cwd=tmp_path, env=own_models)["judge"]
    assert wider["tariff"]["concurrency"] == 7
    offered = {one["tariff"]["model"] for one in planned(study=study, cwd=tmp_path, env=own_models)["candidates"]}
    assert "own-model" in offered and not any(name.startswith("gpt-") for name in offered), "an address of one's own"
    longer = tmp_path / "rubric.md"
    longer.write_text("Judge by the content. " * 400)
    more = planned(*model, "--rubric", longer, study=study, cwd=tmp_path, env=own_models)["judge"]
    assert more["prompt_tokens"]["low"] > judge["prompt_tokens"]["low"] + 800
    assert more["usd"]["low"] > judge["usd"]["low"]


def test_a_model_without_a_price_is_said_to_have_none(study: Path, tmp_path: Path, own_models: dict[str, str]) -> None:
    judge = ("--llm-provider", "openai", "--llm-model", "free-of-price", "--max-cost", 3)
    ran = run("--mode", "plan", "--assets", study, *judge, cwd=tmp_path, env=own_models)
    assert "unknown" in ran.err and "how far it goes is not known" in ran.err


NO_KEYS = dict.fromkeys(("OPENAI_API_KEY", "OPENROUTER_API_KEY", "ANTHROPIC_API_KEY", "GEMINI_API_KEY"), "")


@pytest.mark.parametrize("mode", ["plan", "dry-run"])
@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (("--llm-model", "claude-haiku-5-5"), "It is a model of anthropic: choose that with --llm-provider"),
        (("--llm-model", "claude-haiku-5.5"), "Near: claude-haiku-5-5 (--llm-provider anthropic)"),
        (("--llm-provider", "anthropic", "--llm-model", "claude-haiku-5.5"), "Near: claude-haiku-5-5"),
        (("--llm-provider", "openai", "--llm-model", "claude-haiku-5-5"), "It is a model of anthropic"),
        (("--llm-provider", "anthropic", "--llm-max-tokens", "2000000"), "--llm-max-tokens"),
    ],
)
def test_a_judge_that_no_run_could_ask_has_no_plan(
    mode: str, judge: tuple[str, ...], said: str, study: Path, tmp_path: Path
) -> None:
    ran = run("--mode", mode, "--assets", study, *judge, cwd=tmp_path, env=NO_KEYS)
    assert ran.code == 78, ran.err
    assert said in ran.err and "0 USD" not in ran.err


def test_a_key_can_come_after_the_plan(study: Path, tmp_path: Path) -> None:
    judge = ("--llm-provider", "anthropic", "--llm-model", "claude-haiku-5-5")
    ran = run("--mode", "plan", "--assets", study, *judge, "--json", cwd=tmp_path, env=NO_KEYS)
    assert ran.code == 0, ran.err
    (warning,) = [str(line["message"]) for line in ran.lines if line["event"] == "Warning"]
    assert "needs a key" in warning and "ANTHROPIC_API_KEY" in warning
    (plan,) = [line for line in ran.lines if line["event"] == "Plan"]
    assert plan["judge"]["usd"]["high"] > 0  # type: ignore[index]


SERVICES = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1", "CJ_SERVICE_URL": "http://127.0.0.1:1"}


@pytest.mark.parametrize(
    ("judge", "said"),
    [
        (("--llm-model", "claude-haiku-5-5"), "the service's default provider has the model claude-haiku-5-5"),
        (("--llm-provider", "anthropic", "--llm-model", "claude-haiku-5.5"), "Near: claude-haiku-5-5"),
    ],
)
def test_given_services_may_know_more_models(judge: tuple[str, ...], said: str, study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "plan", "--assets", study, *judge, "--json", cwd=tmp_path, env=NO_KEYS | SERVICES)
    assert ran.code == 0, ran.err
    (warning,) = [str(line["message"]) for line in ran.lines if line["event"] == "Warning"]
    assert said in warning and "may know it" in warning


THEIRS = [
    {
        "model_id": "house-judge-7",
        "provider": "openai",
        "max_tokens": 500,
        "cost_per_1k_input_tokens": 0.5,
        "cost_per_1k_output_tokens": 1.5,
    },
    {"model_id": "own-model", "provider": "openai", "cost_per_1k_input_tokens": 9.0, "cost_per_1k_output_tokens": 9.0},
]


async def test_a_model_that_only_the_service_knows_has_the_service_s_price(
    study: Path, tmp_path: Path, own_models: dict[str, str]
) -> None:
    async def models(request: web.Request) -> web.StreamResponse:
        assert (request.method, request.path) == ("GET", "/api/v1/models")
        return web.json_response({"providers": {"openai": THEIRS}, "total_models": len(THEIRS)})

    async with serving(models) as url:
        env = own_models | SERVICES | {"LLM_PROVIDER_SERVICE_URL": f"{url}/api/v1"}
        arguments = ("--mode", "plan", "--assets", study, "--llm-provider", "openai", "--llm-model")
        told = await asyncio.to_thread(run, *arguments, "house-judge-7", cwd=tmp_path, env=env)
        lines = (await asyncio.to_thread(run, *arguments, "house-judge-7", "--json", cwd=tmp_path, env=env)).lines
        ours = (await asyncio.to_thread(run, *arguments, "own-model", "--json", cwd=tmp_path, env=env)).lines
    assert told.code == 0 and "the given service's own, from its /models" in " ".join(told.err.split()), told.err
    theirs = lines[-1]["judge"]
    assert theirs["tariff"]["source"] == "the LLM provider service's own /models"  # type: ignore[index]
    assert theirs["tariff"]["prices"]["input"] == 0.5 and theirs["usd"]["low"] > 1  # type: ignore[index]
    assert ours[-1]["judge"]["tariff"]["source"] == "a test", "our list goes first"  # type: ignore[index]


def test_a_pilot_run_gives_the_spread_and_what_a_comparison_takes(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "execute", "--assets", study, "--seed", 4, "--max-comparisons", 48, cwd=tmp_path)
    assert ran.code == 0, ran.err
    plan = planned("--pilot", newest(tmp_path), study=study, cwd=tmp_path)
    assert [one["origin"] for one in plan["precision"]] == ["low", "estimate", "high"]
    assert plan["judge"]["measured"] is True
    assert plan["pilot"]["comparisons"] == 48
    told = run("--mode", "plan", "--assets", study, "--pilot", newest(tmp_path), cwd=tmp_path).err
    assert "(pilot)" in told and "48 comparisons of 16" in " ".join(told.split())


def test_a_pilot_that_is_none_is_named(study: Path, tmp_path: Path) -> None:
    missing = run("--mode", "plan", "--assets", study, "--pilot", tmp_path, cwd=tmp_path)
    assert missing.code == 66 and f"{tmp_path} is not the directory of a run" in missing.err
    (tmp_path / "assessment_run.execute.json").write_text("{}")
    damaged = run("--mode", "plan", "--assets", study, "--pilot", tmp_path, cwd=tmp_path)
    assert damaged.code == 65 and "assessment_run.execute.json" in damaged.err and "hydrate" in damaged.err


def test_a_plan_loads_no_statistics_no_kafka_and_no_http(study: Path, tmp_path: Path) -> None:
    ended = subprocess.run(
        [sys.executable, "-X", "importtime", "-m", "eng5_runner", "--mode", "plan", "--assets", study],
        cwd=tmp_path,
        env=clean_environment(tmp_path),
        capture_output=True,
        text=True,
        check=True,
    )
    loaded = {line.rpartition("|")[2].strip() for line in ended.stderr.splitlines() if line.startswith("import time")}
    assert "eng5_runner.planning.plan" in loaded
    assert not loaded & {"numpy", "scipy", "aiohttp", "aiokafka", "confluent_kafka", "sqlalchemy"}


def test_a_plan_for_given_services_does_not_take_their_judge_for_ours(study: Path, tmp_path: Path) -> None:
    """Nothing is asked of them, so whom they ask and at what price is not known."""
    plan = planned(study=study, cwd=tmp_path, env=SERVICES)
    assert plan["judge"] is None and plan["own_prompt"] is False
    told = run("--mode", "plan", "--assets", study, cwd=tmp_path, env=SERVICES).err
    assert "its price is not known here" in told and "may have its own" in told
    assert "system prompt: the service's own" in told


def test_a_plan_says_whose_system_prompt_a_language_model_gets(
    study: Path, tmp_path: Path, own_models: dict[str, str]
) -> None:
    arguments = ("--mode", "plan", "--assets", study, "--llm-provider", "openai")
    assert "system prompt: the one that comes with this program" in run(*arguments, cwd=tmp_path, env=own_models).err
    (tmp_path / "system.md").write_text("Judge.")
    given = (*arguments, "--system-prompt", tmp_path / "system.md")
    assert "system prompt:" not in run(*given, cwd=tmp_path, env=own_models).err


def test_a_file_that_is_not_used_is_named_once(study: Path, tmp_path: Path) -> None:
    (study / "notes.odt").write_text("About the study.")
    ran = run("--assets", study, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.err.count("Not used: notes.odt") == 1
