"""Two runs side by side: what is the same is found by text, what differs is shown with its uncertainty."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from eng5_runner.measure.model.bradley_terry import fit
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import GradesAvailable, TeacherAgreement
from eng5_runner.results.artefact.study import InstructionsRecord, JudgeIdentity, PromptHashes
from eng5_runner.results.compare import EssayCounts, Flip, RankMove, RunInComparison, compare_artefacts
from eng5_runner.results.text_roles import INSTRUCTIONS, TASK
from tests.support.artefacts import GRADES, metadata, projection, seen_as, sha256, status
from tests.support.results import alignment_of, all_pairs, inputs_of
from tests.support.studies import balanced_study, normal_truth

THETAS = [float(n) - 4 for n in range(8)] + [float(theta) for theta in np.linspace(-3, 3, 12) + 0.123]


def test_a_run_agrees_with_itself_and_is_no_new_evidence():
    compared = compare_artefacts(seen_as(THETAS), seen_as(THETAS))
    essays, positions, grades, verdicts = compared.essays, compared.positions, compared.grades, compared.verdicts
    assert (essays.shared, essays.only_in_a, essays.only_in_b) == (20, 0, 0)
    assert positions.pearson.estimate == positions.kendall_tau_b.estimate == 1.0
    assert positions.pearson_disattenuated is None, "the same judge was asked the same"
    assert (grades.exact, grades.b_higher_by_steps) == (1.0, 0.0)
    assert (verdicts.agreement, verdicts.flips, verdicts.same_prompts) == (1.0, (), 190)
    assert compared.anchors.verdict == "cannot tell"
    assert compared.swapped_texts == ()


def test_a_flip_is_found_in_whatever_order_it_was_asked_and_shown_with_both_reasons():
    moved = [*THETAS]
    moved[8], moved[9] = moved[9], moved[8]
    other = seen_as(moved, label="b", judge="m2")
    turned = tuple(replace(row, essay_a_id=row.essay_b_id, essay_b_id=row.essay_a_id) for row in other.llm_comparisons)
    compared = compare_artefacts(seen_as(THETAS), other.model_copy(update={"llm_comparisons": turned}))
    (flip,) = compared.verdicts.flips
    assert (flip.essays, flip.a_prefers) == (("essay-08", "essay-09"), "essay-09")
    assert (flip.why_a, flip.why_b) == ("a says so", "b says so")
    assert compared.verdicts.agreement == pytest.approx(189 / 190, abs=1e-6)
    low, high = compared.verdicts.interval_90
    assert low < 189 / 190 < high
    assert compared.positions.moves[0].rank_a != compared.positions.moves[0].rank_b


def test_each_fact_of_two_runs_stands_in_its_place():
    a = seen_as([2.0, 1.0, 0.0, -1.0], anchors=2)
    b = seen_as([2.0, -1.5, 0.0, 1.0, 3.0], anchors=2, label="b", judge="m2", name="uppsats-{:02}".format)
    compared = compare_artefacts(a, b)
    assert (compared.essays.shared, compared.essays.only_in_a, compared.essays.only_in_b) == (4, 0, 1)
    turned = compare_artefacts(b, a)
    assert (turned.essays.shared, turned.essays.only_in_a, turned.essays.only_in_b) == (4, 1, 0)
    assert compared.positions.essays == 4
    assert compared.positions.moves[0] == RankMove(
        essay_a="essay-01",
        essay_b="uppsats-01",
        file_a="essay-01.txt",
        file_b="uppsats-01.txt",
        rank_a=2,
        rank_b=5,
        theta_a=1.0,
        theta_b=-1.5,
        is_anchor=True,
    )
    moves = [(move.essay_a, move.is_anchor) for move in compared.positions.moves]
    assert moves == [("essay-01", True), ("essay-00", True), ("essay-02", False), ("essay-03", False)]
    verdicts = compared.verdicts
    assert (verdicts.shared_pairs, verdicts.decided_by_both, verdicts.same_prompts) == (6, 6, 0)
    assert verdicts.agreement == 0.5
    assert verdicts.flips[0] == Flip(
        essays=("essay-01", "essay-02"),
        files=("essay-01.txt", "essay-02.txt"),
        why_a="a says so",
        why_b="b says so",
        a_prefers="essay-01",
    )
    assert [flip.essays for flip in verdicts.flips[1:]] == [("essay-01", "essay-03"), ("essay-02", "essay-03")]
    assert (compared.anchors, verdicts.of_anchors.pairs) == (None, 1), "two shared anchors are no order"


def test_a_run_is_identified_by_what_it_states_of_itself():
    stated = {
        "batch_label": "b",
        "batch_uuid": "deadbeef-1111-4222-8333-444455556666",
        "runner_version": "9.9",
        "grade_scale": "eng5_np_legacy_9_step",
        "seed": 7,
        "inputs_sha256": sha256("b"),
        "judges": (JudgeIdentity(provider="p", model="m", kind="k"),),
    }
    teachers = TeacherAgreement(correlation=0.5, interval_90=(0.25, 0.75), among="anchors", share_reproduced=0.125)
    run = seen_as(THETAS, label="b", reliability=0.625).model_copy(
        update={
            "metadata": metadata(**stated),
            "runner_status": status(outcome="partial"),
            "prompt_hashes": PromptHashes(distinct=1, asked_more_than_once=0, digest=sha256("prompts")),
            "grade_model": GradesAvailable.model_construct(agreement_with_teachers=teachers),
        }
    )
    known, bare = compare_artefacts(run, seen_as(THETAS)).runs
    assert known == RunInComparison(
        **stated,
        outcome="partial",
        reliability=0.625,
        agreement_with_teachers=teachers,
        prompts=sha256("prompts"),
    )
    assert bare.agreement_with_teachers is None


def test_grades_are_compared_in_steps():
    """Of six students two have the same grade in both, two are a step higher and two are two steps lower."""
    a = seen_as([*THETAS[:8], *(0.0,) * 6])
    steps = (0, 0, 1, 1, -2, -2)
    places = {f"essay-{number:02}": 4 + by for number, by in enumerate(steps, start=8)}
    b = a.model_copy(
        update={"grade_projections": tuple(projection(name, GRADES[place]) for name, place in places.items())}
    )
    grades = compare_artefacts(a, b).grades
    assert (grades.students, grades.exact) == (6, pytest.approx(2 / 6, abs=1e-6))
    assert (grades.within_one, grades.b_higher_by_steps) == (
        pytest.approx(4 / 6, abs=1e-6),
        pytest.approx(-2 / 6, abs=1e-6),
    )
    assert grades.quadratic_weighted_kappa.estimate == 0.0
    gone = a.model_copy(update={"grade_projections": ()})
    assert compare_artefacts(a, gone).grades is None


def test_a_pair_with_an_even_score_has_no_verdict_and_the_first_reason_stands():
    a = seen_as([1.0, 0.0, -1.0], anchors=1)
    even = replace(a.llm_comparisons[0], winner_id="essay-01", loser_id="essay-00", justification="on second thought")
    compared = compare_artefacts(
        a.model_copy(update={"llm_comparisons": (*a.llm_comparisons, even)}),
        seen_as([-1.0, 0.0, 1.0], anchors=1, label="b"),
    )
    assert (compared.verdicts.shared_pairs, compared.verdicts.decided_by_both) == (3, 2)
    assert [flip.essays for flip in compared.verdicts.flips] == [("essay-00", "essay-02"), ("essay-01", "essay-02")]
    assert (compared.verdicts.agreement, compared.verdicts.flips[0].why_a) == (0.0, "a says so")
    twice = replace(a.llm_comparisons[0], justification="once more")
    again = a.model_copy(update={"llm_comparisons": (replace(a.llm_comparisons[0], justification=None), twice, even)})
    nothing = again.model_copy(update={"llm_comparisons": (*again.llm_comparisons, twice)})
    (flip,) = compare_artefacts(nothing, seen_as([-1.0, 0.0, 1.0], anchors=1, label="b")).verdicts.flips
    assert (flip.why_a, flip.a_prefers) == ("once more", "essay-00")


def documents(run, *, instructions: str, task: str):
    """The run with these files as the judge's instructions and as the students' task; "" for none."""

    def record(name: str) -> InstructionsRecord:
        sha = sha256(name)
        return InstructionsRecord(
            source_path=name and f"{name}.md", checksum=sha, content=name, content_sha256=sha, word_count=1
        )

    inputs = run.inputs.model_copy(update={"instructions": record(instructions), "prompt_reference": record(task)})
    return run.model_copy(update={"inputs": inputs})


@pytest.mark.parametrize(
    ("roles", "swapped"),
    [
        (("rubric", "task"), []),
        (("", "task"), []),
        (("other", "task"), []),
        (("task", "rubric"), [("rubric.md", INSTRUCTIONS, TASK), ("task.md", TASK, INSTRUCTIONS)]),
        (("task", "other"), [("task.md", TASK, INSTRUCTIONS)]),
        (("", "rubric"), [("rubric.md", INSTRUCTIONS, TASK)]),
    ],
)
def test_texts_that_changed_their_roles_are_named(roles, swapped):
    a = documents(seen_as(THETAS), instructions="rubric", task="task")
    b = documents(seen_as(THETAS, label="b"), instructions=roles[0], task=roles[1])
    found = compare_artefacts(a, b).swapped_texts
    assert [(text.file, text.role_a, text.role_b) for text in found] == swapped


def test_a_text_that_was_edited_is_known_by_its_file():
    a = documents(seen_as(THETAS), instructions="rubric", task="task")
    b = documents(seen_as(THETAS, label="b"), instructions="task", task="rubric")
    edited = b.inputs.prompt_reference.model_copy(update={"content_sha256": sha256("edited")})
    b = b.model_copy(update={"inputs": b.inputs.model_copy(update={"prompt_reference": edited})})
    assert len(compare_artefacts(a, b).swapped_texts) == 2


def test_essays_are_the_same_by_their_text_not_by_their_name():
    compared = compare_artefacts(seen_as(THETAS), seen_as(THETAS, label="b", name="uppsats-{:02}".format))
    assert compared.positions.pearson.estimate == 1.0
    assert compared.verdicts.agreement == 1.0


def test_each_of_several_copies_of_a_text_has_one_partner_that_of_its_own_name_first():
    def copied(names: str, **changes: object) -> Artefact:
        run = seen_as(THETAS, name=lambda n: f"copy-{names[n]}" if n < len(names) else f"essay-{n:02}", **changes)
        same = [one.model_copy(update={"text_sha256": sha256("0")}) for one in run.inputs.anchors[: len(names)]]
        anchors = (*same, *run.inputs.anchors[len(names) :])
        return run.model_copy(update={"inputs": run.inputs.model_copy(update={"anchors": anchors})})

    compared = compare_artefacts(copied("xyz"), copied("zwv", label="b"))
    assert compared.essays == EssayCounts(shared=len(THETAS), only_in_a=0, only_in_b=0)
    partners = {move.essay_a: move.essay_b for move in compared.positions.moves if "copy" in move.essay_a}
    assert partners == {"copy-z": "copy-z", "copy-x": "copy-w", "copy-y": "copy-v"}


def test_runs_of_other_essays_have_nothing_in_common():
    run = seen_as(THETAS)
    given = run.inputs
    others = {
        kind: tuple(one.model_copy(update={"text_sha256": sha256(one.text_sha256)}) for one in getattr(given, kind))
        for kind in ("anchors", "students")
    }
    compared = compare_artefacts(run, run.model_copy(update={"inputs": given.model_copy(update=others)}))
    assert compared.essays.shared == 0
    assert compared.positions is compared.grades is compared.anchors is None
    assert compared.verdicts.agreement is None


def test_a_judge_who_turns_the_anchors_around_is_said_to_agree_less():
    backwards = [-theta for theta in THETAS]
    anchors = compare_artefacts(seen_as(THETAS), seen_as(backwards, label="b", judge="m2")).anchors
    assert (anchors.tau_b_a.estimate, anchors.tau_b_b.estimate) == (1.0, -1.0)
    assert anchors.verdict == "a agrees more with the experts"
    other_way = compare_artefacts(seen_as(backwards), seen_as(THETAS, label="b", judge="m2")).anchors
    assert other_way.verdict == "b agrees more with the experts"


def test_grades_on_two_scales_are_not_compared():
    other = seen_as(THETAS, label="b").model_copy(update={"metadata": metadata(grade_scale="swedish_8_anchor")})
    assert compare_artefacts(seen_as(THETAS), other).grades is None


@pytest.mark.parametrize("reliability", [0.0, None])
def test_without_a_reliability_no_attenuation_is_undone(reliability):
    """An absent reliability is absent, and none of 0 is divided by."""
    other = seen_as(THETAS, label="b", judge="m2", reliability=reliability or 0.0)
    if reliability is None:
        other = other.model_copy(update={"bt_model": None})
    compared = compare_artefacts(seen_as(THETAS), other)
    assert compared.positions.pearson_disattenuated is None
    assert compared.runs[1].reliability == reliability


@pytest.fixture
def alignment():
    """What a run states of eight anchors: one inversion, so that τ-b is not the 1 that `seen_as` has."""
    anchors = dict(zip((f"anchor-{n}" for n in range(8)), GRADES, strict=True))
    return alignment_of(inputs_of(anchors=anchors), all_pairs([*anchors][::-1], upsets=[("anchor-2", "anchor-3")]))


def stating(alignment, **run):
    return seen_as(THETAS, **run).model_copy(update={"anchor_alignment": alignment})


def test_the_tau_b_of_all_anchors_is_the_one_that_each_run_states(alignment):
    """One figure has one interval, in the run's summary and beside another run."""
    anchors = compare_artefacts(stating(alignment), seen_as(THETAS, label="b")).anchors
    assert anchors.tau_b_a.estimate == alignment.kendall_tau_b < 1.0
    assert anchors.tau_b_a.interval_90 == alignment.intervals_90.kendall_tau_b
    assert anchors.tau_b_b.estimate == 1.0, "an older version stated no interval"


def test_the_tau_b_of_some_of_the_anchors_is_estimated(alignment):
    anchors = compare_artefacts(stating(alignment), seen_as(THETAS[:7], label="b", anchors=7)).anchors
    assert (anchors.anchors, anchors.tau_b_a.estimate) == (7, 1.0)
    low, high = anchors.tau_b_a.interval_90
    assert low < high <= 1.0, "the errors of the positions are part of it"


def test_the_tau_b_of_a_run_with_other_grades_is_estimated_by_those_of_the_first(alignment):
    other = stating(alignment, label="b")
    regraded = tuple(
        entry.model_copy(update={"anchor_grade": "F"}) if entry.essay_id == "essay-00" else entry
        for entry in other.bt_summary
    )
    anchors = compare_artefacts(seen_as(THETAS), other.model_copy(update={"bt_summary": regraded})).anchors
    assert anchors.tau_b_b.estimate == 1.0


def test_undone_attenuation_finds_that_two_judges_see_the_same():
    """Two judges with errors of their own, on the same truth: about 1, where plain r is the reliability."""
    plain, undone = [], []
    for seed in range(12):
        truth = normal_truth(40, spread=1.5, seed=seed)
        fits = [fit(balanced_study(truth, rounds=10, seed=100 * seed + judge)) for judge in (1, 2)]
        runs = [
            seen_as(
                fitted.theta.tolist(),
                anchors=3,
                label=f"{n}",
                judge=f"m{n}",
                reliability=1.0 - float(np.mean(np.square(fitted.standard_errors))) / fitted.prior_sd**2,
            )
            for n, fitted in enumerate(fits)
        ]
        positions = compare_artefacts(*runs).positions
        plain.append(positions.pearson.estimate)
        undone.append(positions.pearson_disattenuated)
    assert np.mean(plain) < 0.85
    assert np.mean(undone) == pytest.approx(1.0, abs=0.06)


@pytest.mark.parametrize(("of_a", "of_b", "undone"), [(0.8, 0.8, 1.0), (0.0, 0.8, None), (0.8, 0.0, None)])
def test_attenuation_is_undone_to_1_at_most_and_only_where_both_reliabilities_allow(of_a, of_b, undone):
    """The same order by two judges: r is 1 already."""
    a, b = seen_as(THETAS, reliability=of_a), seen_as(THETAS, label="b", judge="m2", reliability=of_b)
    assert compare_artefacts(a, b).positions.pearson_disattenuated == undone


def test_the_pairs_of_anchors_that_both_judged_tell_which_run_decides_as_the_experts_did():
    """Of 28 pairs of anchors the second run has the two lowest the wrong way round."""
    worse = [*THETAS]
    worse[0], worse[1] = worse[1], worse[0]
    paired = compare_artefacts(seen_as(THETAS), seen_as(worse, label="b", judge="m2")).verdicts.of_anchors
    assert (paired.pairs, paired.both_right, paired.only_a_right, paired.only_b_right) == (28, 27, 1, 0)
    assert paired.p_value == 1.0 and paired.more_pairs > 100
    assert paired.verdict.startswith("cannot tell: about ") and "if A is as much better" in paired.verdict
    turned = compare_artefacts(seen_as(THETAS), seen_as([-theta for theta in THETAS], label="b")).verdicts.of_anchors
    assert turned.verdict == "A decides more pairs of anchors as the experts did" and turned.p_value < 0.001


def test_the_price_of_agreement_is_what_a_run_cost_for_its_tau_b():
    good, turned = seen_as(THETAS), seen_as([-theta for theta in THETAS], label="b")
    compared = compare_artefacts(good, turned)
    assert compared.costs[0].usd_per_agreement == pytest.approx(good.costs.total_usd)
    assert compared.costs[1].usd_per_agreement is None, "it has none"
    other_way = compare_artefacts(turned, good).costs
    assert [cost.usd_per_agreement for cost in other_way] == [None, pytest.approx(good.costs.total_usd)]


def test_each_run_pays_for_its_own_agreement():
    """The second run has two anchors the wrong way round, so τ-b is 26/28, and each unit of it costs more."""
    worse = [*THETAS]
    worse[0], worse[1] = worse[1], worse[0]
    run = seen_as(worse, label="b")
    cost = compare_artefacts(seen_as(THETAS), run).costs[1]
    assert cost.usd == run.costs.total_usd > 0.0
    assert cost.usd_per_agreement == pytest.approx(run.costs.total_usd / (26 / 28), abs=1e-5)
