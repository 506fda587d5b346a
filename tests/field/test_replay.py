"""The recorded run of the real services, replayed: the whole runner gives a valid, complete artefact of it."""

from __future__ import annotations

import asyncio
import json
import shutil
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator, FormatChecker

from eng5_runner.effects.schema import violations_by_reference
from eng5_runner.inventory.essay_ids import student_id
from tests.support.field import recorded
from tests.support.field.replay import execute
from tests.support.field.services import FieldServices
from tests.support.runner import Ran, artefact, newest, run

FIELDS_SCHEMA = Path(__file__).parent / "data" / "assessment_run.v1.0.schema.json"


async def test_the_recorded_run_is_complete_and_valid(bootstrap: str, tmp_path: Path) -> None:
    async with FieldServices(bootstrap) as field:
        ran = await execute(field, tmp_path)
    assert ran.code == 0, ran.err
    made = artefact(newest(tmp_path))
    assert len(made["llm_comparisons"]) == 24
    assert made["runner_status"]["outcome"] == "complete"
    assert made["runner_status"]["partial_data"] is False
    assert violations_by_reference(made) == []
    schema = json.loads(FIELDS_SCHEMA.read_text())
    known_sha = made | {"metadata": made["metadata"] | {"git_sha": "0123456"}}
    Draft202012Validator(schema, format_checker=FormatChecker()).validate(known_sha)
    assert run("verify", newest(tmp_path), cwd=tmp_path).code == 0


async def test_anchors_are_registered_where_a_person_asks_for_it_and_the_run_says_so(
    embedded: str, tmp_path: Path
) -> None:
    """By the option; a dry run with the same option asks nobody."""
    async with FieldServices(embedded) as field:
        field.anchors = {}
        dry = await execute(field, tmp_path, "--register-anchors", "--mode", "dry-run")
        assert (dry.code, field.asked.total()) == (0, 0), dry.err
        ran = await execute(field, tmp_path, "--register-anchors", "--expected-grade-scale", recorded.SCALE)
    assert ran.code == 0, ran.err
    assert field.asked["POST /api/v1/anchors/register"] == 9
    assert "9 anchors were registered and read back: anchor_essay_eng_5_test_A (A) is row 29" in ran.err
    assert len(artefact(newest(tmp_path))["llm_comparisons"]) == 24


@pytest.fixture(scope="module")
def replayed(embedded: str, tmp_path_factory: pytest.TempPathFactory) -> tuple[FieldServices, Path, Ran]:
    """One such run, which several tests read."""
    folder = tmp_path_factory.mktemp("replayed")

    async def replay() -> tuple[FieldServices, Ran]:
        async with FieldServices(embedded) as field:
            return field, await execute(field, folder)

    field, ran = asyncio.run(replay())
    assert ran.code == 0, ran.err
    return field, newest(folder), ran


def test_students_alone_are_sent_and_uploaded(replayed) -> None:
    """CJ owns the anchors; beside the students only the task is stored."""
    field, _, _ = replayed
    (sent,) = field.requests
    essays = sent["data"]["essays_for_cj"]
    recorded_essays = recorded.request()["essays_for_cj"]
    assert [essay["text_storage_id"] for essay in essays] == [one["text_storage_id"] for one in recorded_essays]
    assert field.asked["POST /v1/content"] == 5
    assert not any(path.endswith("/content/") for path in field.asked)
    assert sent["metadata"]["max_comparisons"] == 24
    assert sent["data"]["assignment_id"] == recorded.ASSIGNMENT


def test_every_essay_is_known_by_our_id_and_every_anchor_by_its_known_grade(replayed) -> None:
    """The service says grade U of every anchor, and calls them by names that are new in every batch."""
    _, directory, _ = replayed
    made = artefact(directory)
    labels = {one["anchor_id"]: one["label"] for one in made["inputs"]["anchors"]}
    grades = {row["anchor_label"]: row["grade"] for row in recorded.anchors()}
    entries = made["bt_summary"]
    assert {labels[e["essay_id"]]: e["anchor_grade"] for e in entries if e["is_anchor"]} == grades
    students = {student_id(name) for name in recorded.students()}
    assert {e["essay_id"] for e in entries if not e["is_anchor"]} == students
    assert {one["essay_id"] for one in made["service_result"]["essays"]} == students | set(labels)
    # A mock judge has drawn lots: its order of the anchors allows no grades, and that is what is said.
    assert (made["grade_model"]["available"], made["grade_projections"]) == (False, [])
    assert "do not clearly rise" in made["grade_model"]["reason"]


def test_each_judgement_is_the_recorded_one(replayed) -> None:
    _, directory, _ = replayed
    names = {name: student_id(name) for name in recorded.students()}
    by_label = {one["label"]: one["anchor_id"] for one in artefact(directory)["inputs"]["anchors"]}
    names |= {f"ANCHOR_{row['id']}": by_label[row["anchor_label"]] for row in recorded.anchors()}
    expected = {}
    for message in recorded.callbacks()[:-2]:
        data = message.value["data"]
        sides = [data["request_metadata"][f"essay_{side}_id"] for side in "ab"]
        first, second = (names.get(side) or names[side.rpartition("_")[0]] for side in sides)
        expected[data["request_id"]] = (first, second, first if data["winner"] == "Essay A" else second)
    stated = {
        one["request_id"]: (one["essay_a_id"], one["essay_b_id"], one["winner_id"])
        for one in artefact(directory)["llm_comparisons"]
    }
    assert stated == expected


def test_missing_figures_are_left_out_and_computed_from_the_comparisons(replayed) -> None:
    """The recorded result has no standard errors and a wrong count of comparisons."""
    _, directory, _ = replayed
    made = artefact(directory)
    assert all(entry["standard_error"] > 0 for entry in made["bt_summary"])
    assert sum(entry["comparison_count"] for entry in made["bt_summary"]) == 48
    assert "78" not in {str(value) for value in made["runner_status"]["comparisons"].values()}
    for essay in made["service_result"]["essays"]:
        assert not {"bt_se", "standard_error"} & essay.keys()


def test_the_wires_names_are_in_no_output_but_the_request(replayed) -> None:
    _, directory, ran = replayed
    (sent,) = replayed[0].requests
    names = [essay["essay_id"] for essay in sent["data"]["essays_for_cj"]]
    outputs = [*directory.glob("tables/*.csv"), *directory.glob("assessment_run.*.json"), directory / "run.log.jsonl"]
    told = [path.read_text() for path in outputs] + [ran.out, ran.err]
    assert not [name for name in (*names, "ANCHOR_") for text in told if name in text]


def test_what_is_paid_for_is_gathered_without_a_login(replayed, tmp_path: Path) -> None:
    """The admin side is asked before the request is sent; who resumes later may have no token any more."""
    field, directory, _ = replayed
    copy = Path(shutil.copytree(directory, tmp_path / "run", ignore=shutil.ignore_patterns("run.lock")))
    lines = (copy / "ledger.jsonl").read_bytes().splitlines(keepends=True)
    sent = next(number for number, line in enumerate(lines) if json.loads(line)["type"] == "RequestPublished")
    (copy / "ledger.jsonl").write_bytes(b"".join(lines[: sent + 1]))
    (copy / "manifest.json").unlink()
    resumed = run("resume", copy, cwd=tmp_path, env=field.environment | {"HULEEDU_ADMIN_TOKEN": "Bearer x y"})
    assert resumed.code == 0, resumed.err
    assert len(artefact(copy)["llm_comparisons"]) == 24
    assert run("verify", copy, cwd=tmp_path).code == 0


async def test_after_a_failed_batch_a_person_is_sent_to_a_new_run(embedded: str, tmp_path: Path) -> None:
    """Resuming would only read the failure once more."""
    async with FieldServices(embedded, script=lambda sent: recorded.as_of(sent, recorded.failures()[:1])) as field:
        ran = await execute(field, tmp_path)
    assert ran.code == 69, ran.err
    assert "then start a new run" in ran.err and "eng5-runner resume" not in ran.err
