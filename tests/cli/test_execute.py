"""The three modes as a new user meets them, on the embedded stack: real HTTP, the real Kafka protocol."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path

import pytest

from eng5_runner import __version__
from tests.support.runner import DEMO, artefact, judgements, newest, run


def test_the_demo_runs_to_a_complete_verified_artefact(tmp_path: Path) -> None:
    ran = run("--mode", "execute", "--assets", DEMO, "--seed", 7, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert ran.out == "", "standard output is for data"
    for told in ("Students", "Anchors", "Cost", "offline baseline, not a language model", "eng5-runner verify"):
        assert told in ran.err
    directory = newest(tmp_path)
    made = artefact(directory)
    assert len(made["llm_comparisons"]) == 440
    assert made["runner_status"]["outcome"] == "complete"
    assert made["runner_status"]["partial_data"] is False
    assert made["anchor_alignment"]["kendall_tau_b"] >= 0.6
    assert len(made["grade_projections"]) == 30
    assert run("verify", directory, cwd=tmp_path).code == 0
    sums = subprocess.run(["sha256sum", "-c", "manifest.sha256"], cwd=directory, capture_output=True, check=False)
    assert sums.returncode == 0, sums.stderr


def test_two_runs_with_one_seed_judge_the_same_pairs_with_the_same_result(study: Path, tmp_path: Path) -> None:
    found = []
    for _ in range(2):
        assert run("--mode", "execute", "--assets", study, "--seed", 11, cwd=tmp_path).code == 0
        made = artefact(newest(tmp_path))
        thetas = {one["essay_id"]: (one["theta"], one["standard_error"]) for one in made["bt_summary"]}
        found.append((judgements(newest(tmp_path)), thetas))
    assert found[0] == found[1]


def test_plan_says_what_it_would_do_and_sends_nothing(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "plan", "--assets", study, cwd=tmp_path)
    assert ran.code == 0, ran.err
    assert "comparisons: 160" in ran.err
    assert "to upload: 17 texts" in ran.err
    assert not list((tmp_path / "runs").glob("*/ledger.jsonl"))


def test_dry_run_writes_the_request_and_a_valid_artefact(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "dry-run", "--assets", study, "--max-comparisons", 30, cwd=tmp_path)
    assert ran.code == 0, ran.err
    directory = newest(tmp_path)
    request = json.loads(next((directory / "requests").glob("*.json")).read_text())
    assert request["metadata"] == {
        "runner_mode": "dry-run",
        "batch_label": "study",
        "reads_to_end": True,
        "max_comparisons": 30,
        "soft_judgements": "auto",
    }
    assert len(request["data"]["essays_for_cj"]) == 16
    made = artefact(directory, "dry-run")
    assert made["llm_comparisons"] == [] and made["bt_summary"] == []
    ids = sorted(
        one.get("essay_id") or one["anchor_id"] for part in ("students", "anchors") for one in made["inputs"][part]
    )
    assert sorted(one["essay_id"][:2] for one in request["data"]["essays_for_cj"]) == [
        f"{n:02}" for n in range(1, len(ids) + 1)
    ]
    assert run("verify", directory, cwd=tmp_path).code == 0


@pytest.mark.skipif(shutil.which("unshare") is None, reason="needs unshare to take the network away")
@pytest.mark.parametrize("mode", [("plan",), ("dry-run",), ("execute", "--no-kafka")])
def test_without_a_network_all_that_sends_nothing_works(mode: tuple[str, ...], study: Path, tmp_path: Path) -> None:
    probe = subprocess.run(["unshare", "--net", "true"], capture_output=True, check=False)
    if probe.returncode:
        pytest.skip("this user may not make network namespaces")
    ran = run("--mode", *mode, "--assets", study, cwd=tmp_path, before=("unshare", "--net"))
    assert ran.code == 0, ran.err


def test_max_comparisons_is_the_exact_total(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "execute", "--assets", study, "--max-comparisons", 21, cwd=tmp_path).code == 0
    assert len(artefact(newest(tmp_path))["llm_comparisons"]) == 21


def test_json_lines_carry_the_same_facts(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "execute", "--assets", study, "--max-comparisons", 16, "--json", cwd=tmp_path)
    assert ran.code == 0, ran.err
    kinds = [line["event"] for line in ran.lines]
    assert kinds[0] == "Plan" and kinds[-1] == "Summary"
    assert kinds.count("EssayUploaded") == 17
    assert sum(line["event"] == "CallbackAccepted" and line["kind"] == "comparison" for line in ran.lines) == 16
    assert "raw" not in ran.out


def test_the_log_names_the_run_on_each_line_and_holds_no_essay(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "execute", "--assets", study, "--max-comparisons", 16, "--verbose", cwd=tmp_path).code == 0
    log = (newest(tmp_path) / "run.log.jsonl").read_text()
    records = [json.loads(line) for line in log.splitlines()]
    assert all({"batch_id", "mode", "correlation_id"} <= record.keys() for record in records)
    assert records[-1]["event"] == "runner_validation_state"
    for essay in study.glob("*_essays/*.txt"):
        assert essay.read_text()[:60] not in log
    assert "eyJ" not in log


@pytest.mark.parametrize("mode", ["plan", "dry-run"])
def test_the_validation_state_is_logged_in_every_mode(mode: str, study: Path, tmp_path: Path) -> None:
    assert run("--mode", mode, "--assets", study, cwd=tmp_path).code == 0
    logs = list((tmp_path / "runs").glob("[0-9]*/run.log.jsonl"))
    assert len(logs) == 1
    assert json.loads(logs[0].read_text().splitlines()[-1])["event"] == "runner_validation_state"


def test_a_run_records_the_version_of_the_tool(study: Path, tmp_path: Path) -> None:
    """Old runs keep the version that made them, since it is in the ledger's first line."""
    assert run("--mode", "dry-run", "--assets", study, cwd=tmp_path).code == 0
    with (newest(tmp_path) / "ledger.jsonl").open() as ledger:
        recorded = json.loads(ledger.readline())["versions"]["runner"]
    assert recorded == artefact(newest(tmp_path), "dry-run")["metadata"]["runner_version"] == __version__
    assert run("--version", cwd=tmp_path).out == f"eng5-runner {__version__}\n"


def test_settings_say_where_they_came_from(study: Path, tmp_path: Path) -> None:
    (tmp_path / "settings.toml").write_text('batch-id = "from file"\nseed = 5\n')
    ran = run(
        *("--mode", "dry-run", "--assets", study, "--config", "settings.toml", "--seed", 6),
        cwd=tmp_path,
        env={"ENG5_BATCH_ID": "from environment"},
    )
    assert ran.code == 0, ran.err
    config = (newest(tmp_path) / "config.resolved.toml").read_text()
    assert 'batch_id = "from environment"' in config and "seed = 6" in config
    assert 'seed = "flag"' in config and 'batch_id = "environment"' in config and 'language = "default"' in config


def test_the_metrics_agree_with_the_artefact(study: Path, tmp_path: Path) -> None:
    assert run("--mode", "execute", "--assets", study, "--max-comparisons", 16, cwd=tmp_path).code == 0
    told = (newest(tmp_path) / "metrics.prom").read_text()
    assert 'eng5_callbacks_total{outcome="judged"} 16.0' in told
    assert 'eng5_uploads_total{source="upload"} 17.0' in told
    assert 'eng5_stage_seconds{stage="gather"}' in told


def test_an_endless_patience_is_refused_before_anything_begins(study: Path, tmp_path: Path) -> None:
    ran = run("--mode", "execute", "--assets", study, "--completion-timeout", "inf", cwd=tmp_path)
    assert ran.code == 2
    assert "--completion-timeout must be a number above 0" in ran.err
    assert not (tmp_path / "runs").exists()


def test_preflight_asks_everything_and_leaves_nothing(study: Path, tmp_path: Path) -> None:
    ran = run("preflight", "--assets", study, cwd=tmp_path)
    assert ran.code == 0, ran.err
    for about in ("Content Service", "Kafka topics", "judge", "CJ service", "assignment"):
        assert about in ran.err
    assert not (tmp_path / "runs").exists()


def test_preflight_names_all_that_stands_in_the_way_with_its_remedy(study: Path, tmp_path: Path) -> None:
    services = {
        "KAFKA_BOOTSTRAP_SERVERS": "127.0.0.1:1",
        "CONTENT_SERVICE_URL": "http://127.0.0.1:1/v1/content",
        "CJ_SERVICE_URL": "http://127.0.0.1:1",
    }
    ran = run("preflight", "--assets", study, "--json", cwd=tmp_path, env=services)
    assert ran.code == 69
    broken = {line["about"]: line["error"]["remedy"] for line in ran.lines if line["error"]}
    assert broken.keys() == {"Kafka", "Content Service", "CJ service"}
    assert all(broken.values())


@pytest.mark.parametrize("service", ["KAFKA_BOOTSTRAP_SERVERS", "CONTENT_SERVICE_URL"])
def test_a_service_that_is_not_there_is_named_and_the_run_can_go_on_later(
    service: str, study: Path, tmp_path: Path
) -> None:
    address = "127.0.0.1:1" if service.startswith("KAFKA") else "http://127.0.0.1:1/v1/content"
    ran = run("--mode", "execute", "--yes", "--assets", study, cwd=tmp_path, env={service: address})
    assert ran.code == 69
    assert "Connection refused" in ran.err
    assert "eng5-runner resume" in ran.err
    assert "Traceback" not in ran.err
