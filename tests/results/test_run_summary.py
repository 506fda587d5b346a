"""A run in one row, and what it took."""

from __future__ import annotations

from dataclasses import asdict, replace

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.results.artefact.judge import AnchorAlignment
from eng5_runner.results.artefact.measurement import GradeCentre, GradesAvailable, TeacherAgreement
from eng5_runner.results.artefact.record import ComparisonCounts
from eng5_runner.results.artefact.study import Costs, JudgeIdentity, TokenCounts
from eng5_runner.results.run_cost import cost_of, perhaps_charged
from eng5_runner.results.run_summary import summary_of
from tests.support.artefacts import AT, RUN, artefact, comparison, metadata, model, status
from tests.support.results import call

ANCHORS = {"anchor-a1": "A", "anchor-b1": "B", "anchor-e1": "E-"}


def test_a_run_in_one_row() -> None:
    judges = (
        JudgeIdentity(provider="openai", model="m1", kind="k"),
        JudgeIdentity(provider="mistral", model="m2", kind="k"),
    )
    grades = GradesAvailable(
        method="any",
        within_grade_sd=1.0,
        centres={grade: GradeCentre(theta=0.0, standard_deviation=1.0) for grade in ("A", "B")},
        inversion_probabilities=(0.5,),
        agreement_with_teachers=TeacherAgreement(correlation=0.75, interval_90=(0.5, 0.875), among="students"),
    )
    run = artefact(
        anchors=ANCHORS,
        students=("birk", "cleo"),
        metadata=metadata(batch_label="a label", judges=judges),
        runner_status=status(comparisons=ComparisonCounts(judged=17, failed=2), outcome="partial"),
        bt_model=model(reliability=0.625),
        grade_model=grades,
        anchor_alignment=AnchorAlignment.model_construct(kendall_tau_b=0.25),
        costs=Costs(total_usd=1.25, token_counts=()),
    )
    assert asdict(summary_of(run, directory="runs/x")) == {
        "label": "a label",
        "started_at": AT,
        "judge": "openai m1, mistral m2",
        "essays": 5,
        "comparisons": 17,
        "outcome": "partial",
        "reliability": 0.625,
        "agreement": 0.75,
        "tau_b": 0.25,
        "cost_usd": 1.25,
        "mode": "execute",
        "run_id": RUN,
        "directory": "runs/x",
    }


def test_what_a_run_has_not_is_none() -> None:
    bare = summary_of(artefact(), directory="d")
    assert (bare.judge, bare.reliability, bare.agreement, bare.tau_b) == (None, None, None, None)


def test_what_a_run_took_by_its_judgements_and_its_agreement() -> None:
    tokens = [
        TokenCounts(
            provider="p",
            model=name,
            comparisons=1,
            prompt_tokens=600,
            completion_tokens=40,
            usd=0.5,
            cached_tokens=part,
        )
        for name, part in (("m1", 5), ("m2", None))
    ]
    rows = tuple(comparison("birk", "cleo", "birk", sequence=number) for number in (1, 2, 3, 4))
    failed = (call("birk", "cleo", None),)
    run = artefact(
        llm_comparisons=rows,
        failed_comparisons=failed * 3,
        runner_status=status(comparisons=ComparisonCounts(judged=4, failed=1), outcome="partial"),
        costs=Costs(total_usd=1.0, token_counts=tuple(tokens)),
    )
    assert cost_of(run, tau_b=0.5).model_dump() == {
        "judged": 4,
        "failed": 1,
        "usd": 1.0,
        "usd_per_comparison": 0.25,
        "usd_per_agreement": 2.0,
        "prompt_tokens": 1200,
        "completion_tokens": 80,
        "cached_tokens": 5,
    }
    for tau_b in (None, 0.0, -0.5):
        assert cost_of(run, tau_b=tau_b).usd_per_agreement is None
    bare = cost_of(artefact(), tau_b=None)
    assert (bare.usd_per_comparison, bare.cached_tokens) == (None, None)


def test_calls_whose_answer_was_not_recorded_may_be_charged() -> None:
    failed = call("birk", "cleo", None)
    lost = replace(failed, failure_reason=f"cut off: {MAY_BE_CHARGED}")
    assert perhaps_charged(artefact(failed_comparisons=(failed, lost, lost))) == 2
