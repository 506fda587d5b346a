"""The artefact of a small run: what was given is stated, what follows is computed, and nothing else."""

from __future__ import annotations

import hashlib
from uuid import NAMESPACE_URL, UUID, uuid5

import pytest

from eng5_runner.contracts.request import LLMConfigOverrides, Provider
from eng5_runner.core.events import EssayUploaded
from eng5_runner.core.inputs import EssayFlag
from eng5_runner.core.origin import Origin, RecordFile
from eng5_runner.core.spec import Budget, Study
from eng5_runner.core.state import RunState
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.record import ManifestEntry
from eng5_runner.results.judgements import gather_evidence
from eng5_runner.results.projection import project_artefact
from eng5_runner.results.runner_status import MessageRecord
from tests.support.results import NOON, arrived, ledger, service_says
from tests.support.run import messages
from tests.support.run.runs import RUN_ID, VERSIONS, make_inputs, make_spec

INPUTS, _ = make_inputs()
MANIFEST = tuple(ManifestEntry(path=name, sha256="0" * 64, bytes=7) for name in ("config", "inputs", "ledger"))
ESSAYS = ("anchor-a1", "anchor-b1", "birk", "cleo", "dag", "anchor-e1")
CALLS = [
    messages.comparison_message(RUN_ID, number, pair, winner="Essay A")
    for number, pair in enumerate((a, b) for n, a in enumerate(ESSAYS) for b in ESSAYS[n + 1 :])
]
COURSE = UUID("22222222-3333-4444-8555-666677778888")


def projected(
    *more: object, judged: bool = True, model: str | None = None, origin: Origin | None = None, **spec: object
) -> Artefact:
    """The small run with this spec, all its comparisons and these events besides."""
    events = ledger()
    started = events[0]
    events[0] = started.model_copy(update={"spec": make_spec(**spec), "origin": origin})
    for message in CALLS if judged else ():
        told = dict(message)
        told["data"] = message["data"] | ({"model": model} if model else {})
        events.append(arrived("comparison", told))
    events = [*events[:2], *more, *events[2:]] if more and isinstance(more[0], EssayUploaded) else [*events, *more]
    state, messages = RunState(), MessageRecord()
    evidence = gather_evidence(INPUTS, messages.noting(events), state=state)
    return project_artefact(INPUTS, evidence, state=state, messages=messages, manifest=MANIFEST)


@pytest.fixture
def artefact() -> Artefact:
    return projected()


def test_a_record_from_elsewhere_states_what_it_was_made_from_and_when():
    source = RecordFile(name="batch.json", sha256="1c" * 32)
    origin = Origin(kind="import", program="p 1.2", made_at=NOON, sources=(source,), missing=("the prompts",))
    stated = projected(origin=origin).metadata.origin
    assert (stated.kind, stated.program, stated.made_at) == ("import", "p 1.2", "2027-03-02T12:00:00.000000Z")
    assert [(one.name, one.sha256) for one in stated.sources] == [("batch.json", "1c" * 32)]
    assert (stated.missing, stated.order_unknown, stated.licence) == (("the prompts",), None, None)


def test_who_ran_what_and_when(artefact):
    stated = artefact.metadata
    assert (stated.batch_uuid, stated.batch_label, stated.runner_mode.value) == (str(RUN_ID), "a label", "execute")
    assert (stated.runner_version, stated.git_sha) == (VERSIONS.runner, VERSIONS.git_sha)
    assert stated.started_at == stated.generated_at == "2027-03-02T12:00:00.000000Z"
    assert (stated.grade_scale, stated.inputs_sha256) == (INPUTS.grade_scale, INPUTS.digest())
    assert stated.correlation_id == str(make_spec().correlation_id)


def test_a_flagged_essay_says_so_and_the_others_do_not():
    names = (INPUTS.anchors[0].anchor_id, INPUTS.students[0].essay_id)
    kinds = ("hidden_text",)
    flagged = INPUTS.model_copy(update={"flags": tuple(EssayFlag(essay_id=name, kinds=kinds) for name in names)})
    state, noted = RunState(), MessageRecord()
    evidence = gather_evidence(flagged, noted.noting(ledger()), state=state)
    stated = project_artefact(flagged, evidence, state=state, messages=noted, manifest=MANIFEST).inputs
    assert [anchor.flags for anchor in stated.anchors] == [kinds, *[None] * (len(INPUTS.anchors) - 1)]
    assert [student.flags for student in stated.students] == [kinds, *[None] * (len(INPUTS.students) - 1)]


def test_a_guest_run_has_ids_that_the_same_inputs_always_have(artefact):
    stated = artefact.metadata
    assert stated.assignment_id == str(uuid5(NAMESPACE_URL, f"eng5-runner:assignment:{INPUTS.digest()}"))
    assert stated.course_id == str(uuid5(NAMESPACE_URL, "course:ENG5"))
    assert stated.assignment_id_origin.startswith("derived") and stated.course_id_origin.startswith("derived")


def test_the_size_and_the_seed_of_the_study_are_stated():
    stated = projected(judged=False, budget=Budget(max_comparisons=12, seed=7)).metadata
    assert (stated.max_comparisons, stated.seed) == (12, 7)


def test_given_ids_are_stated_as_given():
    stated = projected(judged=False, study=Study(course_id=COURSE)).metadata
    assert (stated.course_id, stated.course_id_origin) == (str(COURSE), "given")


@pytest.mark.parametrize(
    ("model", "kind"),
    [("gpt-test", "language model"), ("offline-baseline-1", "offline baseline, not a language model")],
)
def test_a_judge_is_said_to_be_a_language_model_or_not(model, kind):
    (judge,) = projected(model=model).metadata.judges
    assert (judge.provider, judge.model, judge.kind) == ("mock", model, kind)


def test_before_any_judgement_the_judge_is_the_one_that_was_asked_for():
    wanted = LLMConfigOverrides(provider_override=Provider.OPENAI, model_override="gpt-test")
    (judge,) = projected(judged=False, judge=wanted).metadata.judges
    assert (judge.provider, judge.model) == ("openai", "gpt-test")
    assert projected(judged=False).metadata.judges == ()


def test_essays_are_stated_with_their_files_and_where_they_are_stored():
    student = INPUTS.students[0]
    stored = EssayUploaded(at=NOON, text_sha256=student.text_sha256, storage_id="a" * 32)
    inputs = projected(stored, judged=False).inputs
    first, second = inputs.students[:2]
    assert (first.essay_id, first.storage_id, second.storage_id) == ("birk", "a" * 32, None)
    assert (first.file_name, first.source_path) == ("birk.txt", "student_essays/birk.txt")
    assert (first.checksum, first.bytes, first.text_sha256) == (
        student.file.sha256,
        student.file.size,
        student.text_sha256,
    )
    assert [(anchor.anchor_id, anchor.grade) for anchor in inputs.anchors] == [
        ("anchor-a1", "A"),
        ("anchor-b1", "C+"),
        ("anchor-e1", "E-"),
    ]
    assert {anchor.storage_id for anchor in inputs.anchors} == {None}
    assert (inputs.instructions.content, inputs.prompt_reference.content) == (
        "Judge the language.",
        "Write about rain.",
    )
    assert inputs.prompt_reference.content_sha256 == INPUTS.prompt.text_sha256


def test_every_call_is_a_row_and_every_essay_a_place(artefact):
    assert [row.sequence for row in artefact.llm_comparisons] == list(range(1, 16))
    assert [entry.essay_id for entry in artefact.bt_summary] == list(ESSAYS)
    assert artefact.costs.total_usd == pytest.approx(sum(row.cost_usd for row in artefact.llm_comparisons))
    assert artefact.prompt_hashes.distinct == 15
    assert artefact.failed_comparisons == ()


def test_without_a_result_the_service_has_said_nothing(artefact):
    assert (artefact.service_result, artefact.comparison_with_service) == (None, None)


def test_with_a_result_its_figures_stand_beside_the_runners():
    result = {"data": service_says({"essay_id": messages.SENT["birk"], "bt_score": 1.0}).model_dump(mode="json")}
    message = messages.envelope("result", result["data"])
    stated = projected(arrived("result", message))
    assert stated.service_result is not None and stated.comparison_with_service is not None
    assert [essay.essay_id for essay in stated.service_result.essays] == ["birk"]
    assert [essay.essay_id for essay in stated.comparison_with_service.essays] == ["birk"]


def test_the_artefact_names_what_it_rests_on_and_where_it_was_made(artefact):
    assert tuple(artefact.validation.manifest) == MANIFEST
    assert artefact.validation.artefact_checksum == "0" * 64, "not sealed yet"
    environment = artefact.validation.cli_environment
    assert (environment.python, environment.os) == (VERSIONS.python, VERSIONS.os)


def test_an_adaptive_design_is_known_to_the_estimates():
    budget = make_spec().budget.model_copy(update={"design": "adaptive"})
    stated = projected(budget=budget)
    assert stated.bt_model is not None
    assert stated.bt_model.reliability.separation_inflated is True
    assert stated.stopping.design == "adaptive"


def test_a_run_without_instructions_states_an_empty_document():
    state, messages = RunState(), MessageRecord()
    bare = INPUTS.model_copy(update={"instructions": None})
    evidence = gather_evidence(bare, messages.noting(ledger()), state=state)
    stated = project_artefact(bare, evidence, state=state, messages=messages, manifest=MANIFEST).inputs.instructions
    nothing = hashlib.sha256(b"").hexdigest()
    assert (stated.checksum, stated.content_sha256, stated.content) == (nothing, nothing, "")
    assert (stated.source_path, stated.word_count) == ("", 0)
