"""A request goes in by Kafka, comparisons and results come out."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest

from eng5_runner.contracts.callbacks import EssayResult
from eng5_runner.contracts.topics import Topic
from tests.support.stack.driver import Client, RecordingJudge, batch_id_of, request, running
from tests.support.stack.texts import essay

# What the real service publishes for an anchor and for an essay without a grade.
UNGRADED = ("U", 0.0, 0.0, "LOW")
GRADES = ("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")


def ungraded(result: EssayResult) -> tuple[object, ...]:
    return result.letter_grade, result.normalized_score, result.confidence_score, result.confidence_label


def shown(pairs: list[tuple[str, str, str | None]]) -> tuple[Counter[str], Counter[str]]:
    return Counter(first for first, _, _ in pairs), Counter(second for _, second, _ in pairs)


async def test_a_guest_batch_is_compared_twenty_times_an_essay_and_ranked(stack: Client) -> None:
    raw = request(await stack.essays(6), metadata={"seed": 11})

    batch = await stack.run(raw)

    assert len(batch.comparisons) == 60
    first, second = shown(batch.pairs)
    assert all(first[f"student_{n:02}"] + second[f"student_{n:02}"] == 20 for n in range(6))
    assert all(abs(first[essay_id] - second[essay_id]) <= 1 for essay_id in first)
    assert batch.thin.status == "completed_successfully"
    assert batch.thin.processing_summary is not None
    assert batch.thin.processing_summary.successful == 6
    results = batch.rich.essay_results
    assert [result.rank for result in results] == [1, 2, 3, 4, 5, 6]
    places = [result.bt_score for result in results if result.bt_score is not None]
    assert places == sorted(places, reverse=True)
    assert sum(places) == pytest.approx(0, abs=1e-9)
    assert {ungraded(result) for result in results} == {UNGRADED}
    # The texts are good, fair and poor in turn.
    assert {result.essay_id for result in results[:2]} == {"student_00", "student_03"}
    assert {result.essay_id for result in results[-2:]} == {"student_02", "student_05"}


async def test_every_message_says_whose_it_is(stack: Client) -> None:
    raw = request(await stack.essays(4), metadata={"max_comparisons": 4})

    batch = await stack.run(raw)

    for comparison in batch.comparisons:
        about = comparison.request_metadata
        assert about.bos_batch_id == batch.batch_id
        assert about.cj_batch_id == batch.rich.cj_assessment_job_id == batch.thin.cj_assessment_job_id
        assert (about.cj_source, about.cj_request_type) == ("els", "cj_comparison")
        assert about.prompt_sha256 is not None
        assert (comparison.provider, comparison.model) == ("mock", "offline-baseline-2")
        assert comparison.justification is not None
        assert comparison.justification.startswith("Offline baseline, not a language model")
        assert comparison.confidence is not None
        assert 1 <= comparison.confidence <= 5
        assert comparison.cost_estimate == 0
        assert comparison.token_usage.prompt_tokens > 0
    assert sorted(one.request_metadata.comparison_iteration or 0 for one in batch.comparisons) == [1, 1, 2, 2]
    assert len({one.correlation_id for one in batch.comparisons}) == 4
    assert batch.rich.batch_id == batch.batch_id


@pytest.mark.parametrize(("given", "wanted"), [(7, 7), (1, 1), ("7", 40), (True, 40), (None, 40)])
async def test_max_comparisons_is_the_exact_total_if_an_integer(stack: Client, given: object, wanted: int) -> None:
    batch = await stack.run(request(await stack.essays(4), metadata={"max_comparisons": given}))

    assert len(batch.comparisons) == wanted
    assert batch.rich.assessment_metadata is not None
    assert batch.rich.assessment_metadata.comparison_count == wanted


async def test_the_same_seed_gives_the_same_comparisons_on_another_stack(
    tmp_path: Path,
) -> None:
    found = []
    for number, seed in enumerate((17, 17, 18)):
        async with running(tmp_path / str(number)) as stack:
            essays = await stack.essays(9)
            order = essays if number else essays[::-1]
            found.append(await stack.run(request(order, metadata={"seed": seed, "max_comparisons": 20})))

    assert found[0].batch_id != found[1].batch_id
    assert found[0].pairs == found[1].pairs != found[2].pairs
    places = [[(one.essay_id, one.bt_score) for one in batch.rich.essay_results] for batch in found]
    assert places[0] == places[1] != places[2]


async def test_without_a_seed_the_batch_decides(stack: Client) -> None:
    essays = await stack.essays(8)

    one, other = [await stack.run(request(essays, metadata={"max_comparisons": 12})) for _ in range(2)]

    assert one.pairs != other.pairs


async def test_batches_run_at_the_same_time_and_do_not_mix(stack: Client) -> None:
    essays = await stack.essays(5)
    requests = [request(essays, metadata={"max_comparisons": 20, "seed": seed}) for seed in range(4)]
    for raw in requests:
        await stack.publish(raw)

    batches = [await stack.outcome(batch_id_of(raw)) for raw in requests]

    assert [len(batch.comparisons) for batch in batches] == [20] * 4
    assert all(batch.thin.entity_id == batch.rich.entity_id == batch.batch_id for batch in batches)


async def test_the_judge_sees_the_task_and_the_rubric_and_no_essay_id(tmp_path: Path) -> None:
    judge = RecordingJudge()
    async with running(tmp_path, judge=judge) as stack:
        task = await stack.upload("Write about a place that changed you.")
        raw = request(
            await stack.essays(3),
            metadata={"max_comparisons": 6},
            student_prompt_ref={"references": {"student_prompt_text": {"storage_id": task, "path": ""}}},
            llm_config_overrides={"judge_rubric_override": "Judge the reasoning alone."},
        )
        batch = await stack.run(raw)

    assert len(judge.prompts) == 6
    for prompt in judge.prompts:
        assert "**Student Assignment:**\nWrite about a place that changed you." in prompt
        assert "**Assessment Criteria:**\nJudge the reasoning alone." in prompt
        assert len(re.findall(r"\*\*Essay [AB]:\*\*\n", prompt)) == 2
        assert "student_" not in prompt
        assert batch.batch_id not in prompt


async def test_an_assignment_brings_its_anchors_and_grades(stack: Client) -> None:
    # Good, fair and poor texts as top, middle and bottom grades: six of each kind of three.
    graded = [("A", 0), ("B", 3), ("A", 6), ("D+", 1), ("D-", 4), ("D+", 7), ("F+", 2), ("E-", 5), ("F+", 8)]
    anchors = [(f"anchor_{number}", grade, essay(30 + number)) for grade, number in graded]
    await stack.set_up_assignment("assignment-1", anchors)

    batch = await stack.run(request(await stack.essays(6), assignment_id="assignment-1", metadata={"seed": 5}))

    assert len(batch.comparisons) == 150
    results = {result.essay_id: result for result in batch.rich.essay_results}
    known = {essay_id: result for essay_id, result in results.items() if result.is_anchor}
    assert len(known) == 9
    assert all(re.fullmatch(rf"ANCHOR_\d+_{batch.batch_id[:8]}", essay_id) for essay_id in known)
    assert {ungraded(result) for result in known.values()} == {UNGRADED}
    named = sorted(str(result.display_name).removeprefix("ANCHOR GRADE ") for result in known.values())
    assert named == sorted(grade for grade, _ in graded)
    good, poor = results["student_00"], results["student_02"]
    assert str(good.letter_grade) in GRADES
    assert good.normalized_score is not None
    assert poor.normalized_score is not None
    assert good.normalized_score > poor.normalized_score
    assert batch.rich.assessment_metadata is not None
    summary = batch.rich.assessment_metadata.grade_projection_summary
    assert summary is not None
    assert summary.projections_available is True
    assert summary.grade_probabilities is not None
    assert set(summary.grade_probabilities) == {f"student_{number:02}" for number in range(6)}
    assert all(sum(chances.values()) == pytest.approx(1) for chances in summary.grade_probabilities.values())
    assert summary.bt_stats is not None
    assert all(place.bt_se and place.bt_se > 0 for place in summary.bt_stats.values())
    assert batch.thin.processing_summary is not None
    assert batch.thin.processing_summary.total_essays == 6


async def test_no_grades_are_made_up_where_the_anchors_do_not_suffice(stack: Client) -> None:
    await stack.set_up_assignment("assignment-2", [("one", "A", essay(30)), ("two", "B", essay(33))])

    batch = await stack.run(request(await stack.essays(3), assignment_id="assignment-2"))

    assert batch.rich.assessment_metadata is not None
    summary = batch.rich.assessment_metadata.grade_projection_summary
    assert summary is not None
    assert summary.projections_available is False
    assert summary.calibration_info is not None
    assert "anchors" in str(summary.calibration_info["reason"])
    students = [result for result in batch.rich.essay_results if not result.is_anchor]
    assert {ungraded(student) for student in students} == {UNGRADED}
    maps = (summary.primary_grades, summary.confidence_labels, summary.confidence_scores, summary.grade_probabilities)
    assert maps == ({}, {}, {}, {})


async def test_failed_comparisons_are_asked_again_twice(tmp_path: Path) -> None:
    judge = RecordingJudge(failures=2)
    async with running(tmp_path, judge=judge) as stack:
        batch = await stack.run(request(await stack.essays(4), metadata={"max_comparisons": 4}))

    assert Counter(Counter(judge.prompts).values()) == {3: 4}
    kinds = Counter((one.request_metadata.cj_request_type, one.winner is None) for one in batch.comparisons)
    assert kinds == {("cj_comparison", True): 4, ("cj_retry", True): 4, ("cj_retry", False): 4}
    assert batch.thin.status == "completed_successfully"
    errors = [one for one in batch.comparisons if one.error_detail is not None]
    assert {one.error_detail.error_code for one in errors if one.error_detail} == {"LLM_PROVIDER_TIMEOUT"}
    assert all(one.request_metadata.prompt_sha256 and one.token_usage.prompt_tokens == 0 for one in errors)


async def test_a_request_that_is_at_work_already_is_skipped(tmp_path: Path) -> None:
    judge = RecordingJudge()
    async with running(tmp_path, judge=judge) as stack:
        raw = request(await stack.essays(4), metadata={"max_comparisons": 40})
        await stack.publish(raw)
        await stack.publish(raw)
        batch = await stack.outcome(batch_id_of(raw))

    assert len(batch.raw(Topic.COMPLETED)) == len(batch.raw(Topic.RESULT)) == 1
    assert len(judge.prompts) == 40
