"""`models`, `cache` and `.env`, as a person at a terminal meets them."""

from __future__ import annotations

import asyncio
import json
import socket
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from eng5_runner.contracts.services import ModelManifest
from eng5_runner.stack.llm.cache import JudgementFile, Recording
from tests.support.judges.driver import MODELS, environ_for
from tests.support.judges.judged_stack import stack
from tests.support.judges.servers import KEY, chat, in_turn
from tests.support.runner import newest, run
from tests.support.small_study import build_study

NO_KEYS = dict.fromkeys(("OPENAI_API_KEY", "OPENROUTER_API_KEY", "GEMINI_API_KEY", "ANTHROPIC_API_KEY"), "")


def models(tmp_path: Path, *arguments: str, **environ: str) -> dict[str, dict[str, Any]]:
    ran = run("models", "--json", *arguments, cwd=tmp_path, env=NO_KEYS | environ)
    assert ran.code == 0, ran.err
    assert KEY not in ran.out + ran.err
    return {line["model_id"]: line for line in ran.lines}  # type: ignore[misc]


def test_models_tells_prices_abilities_and_which_key_is_set(tmp_path: Path) -> None:
    known = models(tmp_path, ANTHROPIC_API_KEY=KEY)

    haiku, luna = known["claude-haiku-5-5"], known["gpt-6-luna"]
    assert (haiku["key"], haiku["state"]) == ({"variable": "ANTHROPIC_API_KEY", "set": True}, "ready")
    assert (luna["key"], luna["state"]) == ({"variable": "OPENAI_API_KEY", "set": False}, "needs a key")
    assert "OPENAI_API_KEY" in luna["remedy"]
    assert (haiku["price"]["input"], haiku["price"]["looked_up"]) == (0.0001, "2026-11-22")
    assert haiku["capabilities"]["reasoning_efforts"] == ["low", "medium", "high"]
    assert known["offline-baseline-2"]["state"] == "ready"


@pytest.mark.parametrize("lacking", [False, True], ids=["installed", "not installed"])
def test_the_baseline_with_word_lists_needs_its_extra(tmp_path: Path, lacking: bool) -> None:
    """Where the lists are missing, it is refused before anything is started, and the remedy installs them."""
    if lacking:
        (tmp_path / "sitecustomize.py").write_text("import sys\nsys.modules['symspellpy'] = None\n")
    path = {"PYTHONPATH": str(tmp_path)} if lacking else {}
    build_study(tmp_path / "study")
    judge = ("--llm-provider", "mock", "--llm-model", "offline-baseline-2-spelling")
    ran = run("--mode", "execute", "--assets", "study", *judge, cwd=tmp_path, env=NO_KEYS | path)
    if not lacking:
        assert ran.code == 0, ran.err
        artefact = json.loads((newest(tmp_path) / "assessment_run.execute.json").read_bytes())
        (stated,) = artefact["metadata"]["judges"]
        assert stated["model"] == "offline-baseline-2-spelling" and "baseline" in stated["kind"]
        return
    assert ran.code == 78
    assert "offline-baseline-2-spelling of mock cannot be asked: its word lists are not installed" in ran.err
    assert "python -m pip install 'symspellpy'" in ran.err and not (tmp_path / "runs").exists()


def test_models_of_one_provider(tmp_path: Path) -> None:
    assert {one["provider"] for one in models(tmp_path, "--provider", "google").values()} == {"google"}
    wrong = run("models", "--provider", "elsewhere", cwd=tmp_path)
    assert wrong.code == 2
    assert "anthropic" in wrong.err


def test_the_users_file_adds_models_and_an_own_server_has_only_those(tmp_path: Path) -> None:
    known = models(tmp_path, **environ_for(tmp_path, "http://127.0.0.1:9"))

    assert (known["local-7b"]["origin"], known["local-7b"]["state"]) == ("own", "ready")
    assert known["unpriced"]["price"] is None and known["unpriced"]["cost_per_1k_input_tokens"] is None
    assert (known["gpt-6-luna"]["origin"], known["gpt-6-luna"]["state"]) == ("built-in", "not on your server")


def test_the_table_is_for_people(tmp_path: Path) -> None:
    ran = run("models", cwd=tmp_path, env=NO_KEYS | {"OPENAI_API_KEY": KEY})

    assert ran.code == 0 and ran.out == ""
    for told in ("gpt-6-luna", "2026-11-22", "ready", "needs a key", "set ANTHROPIC_API_KEY"):
        assert told in ran.err
    assert KEY not in ran.err


async def test_the_service_gives_the_same_figures(tmp_path: Path) -> None:
    async with stack(tmp_path, in_turn(chat())) as at:
        async with at.http.get(f"{at.at.llm_provider_service_url}/models") as response:
            manifest = ModelManifest.model_validate_json(await response.read())
        environ = {"ENG5_MODELS_FILE": str(tmp_path / "models.toml"), "ENG5_OPENAI_BASE_URL": "http://127.0.0.1:9/v1"}
        told = await asyncio.to_thread(models, tmp_path, **environ)

    served = {one.model_id: one.model_dump(mode="json") for entries in manifest.providers.values() for one in entries}
    assert served.keys() == {name for name, one in told.items() if one["state"] == "ready"}
    for name, entry in served.items():
        assert {field: told[name][field] for field in entry} == entry


def recording(model: str, *, days: float) -> Recording:
    return Recording(
        provider="openai",
        model=model,
        winner="Essay A",
        justification="Because.",
        confidence=3,
        prompt_tokens=1,
        completion_tokens=1,
        cost_usd=0.1,
        request_id="r",
        recorded_at=datetime.now(UTC) - timedelta(days=days),
        prompt_sha256="0" * 64,
    )


@pytest.fixture
def cache(tmp_path: Path) -> Path:
    file = JudgementFile(tmp_path / "cache")
    for number, (model, days) in enumerate((("old", 100), ("old", 40), ("new", 40), ("new", 0), ("new", 0))):
        file.record([(f"{number:064x}", recording(model, days=days))])
    file.close()
    return tmp_path


def kept(cwd: Path, *arguments: object) -> dict[str, int]:
    ran = run("cache", "list", "--json", *arguments, cwd=cwd)
    assert ran.code == 0, ran.err
    return {str(one["model"]): int(str(one["judgements"])) for one in ran.lines if one["event"] == "Judgements"}


def test_cache_list_tells_what_there_is_how_much_and_how_old(cache: Path) -> None:
    assert kept(cache) == {"old": 2, "new": 3}
    assert kept(cache, "--model", "new") == {"new": 3}
    whole = run("cache", "list", "--json", cwd=cache).lines[-1]
    assert whole["folder"] == str(cache / "cache") and int(str(whole["bytes"])) > 1000
    assert whole["older_than"] == {"a day": 3, "a week": 3, "30 days": 3, "a year": 0}
    told = run("cache", "list", cwd=cache)
    assert told.out == "" and "old" in told.err and "3 older than 30 days" in told.err


@pytest.mark.parametrize(
    ("arguments", "left"),
    [
        (("--older-than", 60), {"old": 1, "new": 3}),
        (("--older-than", 30), {"new": 2}),
        (("--model", "new"), {"old": 2}),
        (("--older-than", 30, "--model", "new"), {"old": 2, "new": 2}),
        (("--all",), {}),
    ],
)
def test_cache_prune_removes_what_was_named(cache: Path, arguments: tuple[object, ...], left: dict[str, int]) -> None:
    ran = run("cache", "prune", *arguments, "--json", cwd=cache)

    assert ran.code == 0, ran.err
    assert ran.lines[0]["judgements"] == 5 - sum(left.values())
    assert kept(cache) == left


@pytest.mark.parametrize("arguments", [(), ("--all", "--model", "new"), ("--older-than", 1, "--all")])
def test_cache_prune_wants_to_know_what(cache: Path, arguments: tuple[object, ...]) -> None:
    assert run("cache", "prune", *arguments, cwd=cache).code == 2
    assert kept(cache) == {"old": 2, "new": 3}


def test_records_of_files_are_told_and_removed(cache: Path) -> None:
    (cache / "cache" / "0123456789abcdef.files").write_bytes(b"x" * 2048)
    assert "records of 1 assets folder, 2 KiB" in run("cache", "list", cwd=cache).err
    assert run("cache", "prune", "--files", "--all", cwd=cache).code == 2
    ran = run("cache", "prune", "--files", "--json", cwd=cache)
    assert (ran.code, ran.lines) == (0, [{"event": "Pruned", "folders": 1}])
    assert not [*(cache / "cache").glob("*.files")]
    assert kept(cache) == {"old": 2, "new": 3}


def test_a_damaged_cache_is_told_and_can_be_removed(cache: Path) -> None:
    (cache / "cache" / "judgements.sqlite").write_bytes(b"not a database" * 1000)

    broken = run("cache", "list", cwd=cache)
    assert broken.code == 74 and "cache prune --all" in broken.err
    assert run("cache", "prune", "--all", cwd=cache).code == 0
    assert kept(cache) == {}


def test_without_a_cache_there_is_nothing_to_tell_and_none_is_made(tmp_path: Path) -> None:
    assert kept(tmp_path) == {}
    assert "judgements: none" in run("cache", "list", cwd=tmp_path).err
    assert run("cache", "prune", "--all", cwd=tmp_path).code == 0
    assert not (tmp_path / "cache").exists()


def test_keys_come_from_a_dotenv_in_the_working_directory(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"# ours\nexport OPENAI_API_KEY='{KEY}'\nENG5_OPENAI_BASE_URL=\nENG5_MODE=execute\n")
    file.chmod(0o600)
    ran = run("models", "--json", "--provider", "openai", cwd=tmp_path, env={"OPENAI_API_KEY": ""})

    assert ran.code == 0 and ran.err == ""
    assert ran.lines[0]["key"] == {"variable": "OPENAI_API_KEY", "set": True}
    assert KEY not in ran.out


def test_the_environment_stands_over_the_dotenv_and_nothing_else_is_taken(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text("ENG5_MODELS_FILE=nowhere.toml\nENG5_CACHE_DIR=elsewhere\nKAFKA_BOOTSTRAP_SERVERS=somewhere:1\n")
    file.chmod(0o600)
    own = tmp_path / "own.toml"
    own.write_text(MODELS.format(provider="google", attempts=3, timeout=5, limits="", model=""))

    assert "local-7b" in models(tmp_path, "--provider", "google", ENG5_MODELS_FILE=str(own))
    assert run("models", cwd=tmp_path).code == 78
    file.write_text("ENG5_CACHE_DIR=elsewhere\n")
    listed = run("cache", "list", "--json", cwd=tmp_path, env={"ENG5_CACHE_DIR": ""}).lines[-1]
    assert "elsewhere" not in str(listed["folder"])


def test_a_strangers_dotenv_does_not_get_a_key_from_the_environment(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    own = tmp_path / "own.toml"
    own.write_text(MODELS.format(provider="openai", attempts=3, timeout=5, limits="", model=""))
    file = tmp_path / ".env"
    execute = ("--mode", "execute", "--assets", "study", "--llm-provider", "openai", "--llm-model", "local-7b", "--yes")
    with socket.create_server(("127.0.0.1", 0)) as catcher:
        catcher.setblocking(False)
        file.write_text(
            f"ENG5_OPENAI_BASE_URL=http://127.0.0.1:{catcher.getsockname()[1]}/v1\nENG5_MODELS_FILE={own}\n"
        )
        file.chmod(0o600)
        ran = run(*execute, cwd=tmp_path, env={"OPENAI_API_KEY": KEY})
        assert ran.code == 78
        for name in ("ENG5_OPENAI_BASE_URL", "ENG5_MODELS_FILE"):
            assert f"{name} is not used, because OPENAI_API_KEY is not from the same file" in ran.err
        with pytest.raises(BlockingIOError):
            catcher.accept()


def test_an_address_without_encryption_is_refused(tmp_path: Path) -> None:
    build_study(tmp_path / "study")
    own = tmp_path / "own.toml"
    own.write_text(MODELS.format(provider="openai", attempts=3, timeout=5, limits="", model=""))
    environ = {"ENG5_OPENAI_BASE_URL": "http://judge.example/v1", "ENG5_MODELS_FILE": str(own), "OPENAI_API_KEY": KEY}
    execute = ("--mode", "execute", "--assets", "study", "--llm-provider", "openai", "--llm-model", "local-7b", "--yes")
    ran = run(*execute, cwd=tmp_path, env=environ)
    assert ran.code == 78
    assert "no encryption" in ran.err and "ENG5_ALLOW_PLAIN_HTTP=1" in ran.err


def test_a_dotenv_that_others_can_read_is_told_of_without_its_keys(tmp_path: Path) -> None:
    file = tmp_path / ".env"
    file.write_text(f"OPENAI_API_KEY={KEY}\n")
    file.chmod(0o644)
    ran = run("models", "--json", cwd=tmp_path, env={"OPENAI_API_KEY": ""})

    assert ran.code == 0 and "chmod 600 .env" in ran.err
    assert KEY not in ran.err + ran.out


def test_a_dotenv_that_cannot_be_read_is_told_of(tmp_path: Path) -> None:
    (tmp_path / ".env").write_bytes(b"OPENAI_API_KEY=\xff\xfe\n")
    ran = run("models", cwd=tmp_path)

    assert ran.code == 78 and "UTF-8" in ran.err


def retiring(tmp_path: Path, when: str) -> dict[str, str]:
    environ = environ_for(tmp_path, "http://127.0.0.1:9", model=f"retires = {when}")
    return NO_KEYS | environ


def test_a_model_that_is_about_to_retire_is_deprecated_and_one_that_did_is_not_offered(tmp_path: Path) -> None:
    (soon,) = (models(tmp_path, **retiring(tmp_path, "2999-12-31"))[name] for name in ("local-7b",))
    assert (soon["state"], soon["is_deprecated"], soon["capabilities"]["retired"]) == ("ready", True, False)
    table = run("models", "--provider", "openai", cwd=tmp_path, env=retiring(tmp_path, "2999-12-31"))
    assert "2999-12-31" in "".join(table.err.split())

    gone = models(tmp_path, **retiring(tmp_path, "2020-01-31"))["local-7b"]
    assert (gone["state"], gone["capabilities"]["retired"]) == ("retired on 2020-01-31", True)


@pytest.mark.parametrize(
    ("judge", "environ", "told"),
    [
        (("anthropic",), {}, "set ANTHROPIC_API_KEY"),
        (("openrouter",), {"OPENROUTER_API_KEY": KEY}, "ENG5_MODELS_FILE"),
        (("openai", "--llm-model", "gpt-6-lunar"), {"OPENAI_API_KEY": KEY}, "Near: gpt-6-luna"),
        (("openai", "--llm-model", "claude-haiku-5-5"), {"OPENAI_API_KEY": KEY}, "a model of anthropic"),
        (("mock", "--llm-model", "gpt-6-luna"), {"OPENAI_API_KEY": KEY}, "a model of openai"),
        (("openai", "--llm-temperature", 0.5), {"OPENAI_API_KEY": KEY}, "--llm-temperature"),
        (("google", "--output-verbosity", "low"), {"GEMINI_API_KEY": KEY}, "--output-verbosity"),
        (("anthropic", "--reasoning-effort", "none"), {"ANTHROPIC_API_KEY": KEY}, "--reasoning-effort"),
        (("anthropic", "--llm-max-tokens", 200_000), {"ANTHROPIC_API_KEY": KEY}, "--llm-max-tokens"),
    ],
)
def test_a_judge_that_cannot_be_asked_so_stops_a_run_before_it_starts(
    study: Path, tmp_path: Path, judge: tuple[object, ...], environ: dict[str, str], told: str
) -> None:
    ran = run(*("--mode", "execute", "--assets", study, "--llm-provider", *judge), cwd=tmp_path, env=NO_KEYS | environ)

    assert ran.code == 78, ran.err
    assert told.lower() in ran.err.lower()
    assert not (tmp_path / "runs").exists()
    assert KEY not in ran.err


def test_a_run_with_a_retired_model_stops_before_it_starts(study: Path, tmp_path: Path) -> None:
    judge = ("--llm-provider", "openai", "--llm-model", "local-7b")
    environ = retiring(tmp_path, "2020-01-31")
    ran = run("--mode", "execute", "--assets", study, *judge, cwd=tmp_path, env=environ)

    assert ran.code == 78, ran.err
    assert "retired on 2020-01-31" in ran.err
    assert not (tmp_path / "runs").exists()


def test_what_the_baseline_does_nothing_with_is_said(study: Path, tmp_path: Path) -> None:
    asked = ("--llm-temperature", 0.5, "--reasoning-effort", "high", "--output-dir", "study/prompt.md")
    ran = run("--mode", "execute", "--assets", study, *asked, cwd=tmp_path)

    assert ran.code == 74, "it stops at the output folder, so that no stack is needed"
    assert "nothing with temperature, reasoning effort" in " ".join(ran.err.split())


def test_a_deprecated_model_is_told_of(study: Path, tmp_path: Path) -> None:
    asked = ("--llm-provider", "openai", "--output-dir", "study/prompt.md")
    environ = retiring(tmp_path, "2999-12-31")
    ran = run("--mode", "execute", "--assets", study, *asked, cwd=tmp_path, env=environ)

    assert ran.code == 74
    assert "answers until 2999-12-31" in " ".join(ran.err.split())


def test_no_cache_is_for_the_embedded_stack(study: Path, tmp_path: Path) -> None:
    given = {"KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1"}
    ran = run("--mode", "execute", "--assets", study, "--no-cache", cwd=tmp_path, env=given)

    assert ran.code == 2
    assert "stack up --no-cache" in ran.err
