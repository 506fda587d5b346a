"""What a public copy keeps of a run: each value that it holds is listed, and everything else is replaced or gone."""

from __future__ import annotations

import hashlib
import hmac
import json
from typing import Any
from uuid import UUID

import pytest
from msgspec.structs import replace

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.contracts.envelope import Envelope
from eng5_runner.contracts.flaws import receive_comparison
from eng5_runner.contracts.messages import parse_callback
from eng5_runner.contracts.request import CJAssessmentRequest
from eng5_runner.contracts.topics import Topic
from eng5_runner.core.choices import DEFAULT_USER
from eng5_runner.core.essay_names import EssayNames
from eng5_runner.core.events import (
    AnchorRow,
    CallbackAccepted,
    CallbackRejected,
    CallbackRepeated,
    CheckGradesAdded,
    EssayUploaded,
    HumanJudgement,
    HumanJudgementsAdded,
    KnownGrade,
    ListeningFrom,
    PreflightPassed,
    RequestPrepared,
    RunClosed,
    RunStarted,
)
from eng5_runner.core.inputs import EssayFlag
from eng5_runner.core.origin import Origin
from eng5_runner.core.public.events import WITHHELD, PublicRecord
from eng5_runner.core.public.inputs import public_inputs
from eng5_runner.core.public.messages import WireNames, public_callback, public_comparison
from eng5_runner.core.public.pseudonyms import FEWEST_WORDS, PublicNames
from eng5_runner.core.request import build_request
from eng5_runner.core.spec import Budget, RunSpec, Study, Target
from tests.support.results import inputs_of
from tests.support.run import messages
from tests.support.run.events import AT, ONE_OF_EACH, VERSIONS, place
from tests.support.run.runs import ASSIGNMENT, RUN_ID, make_spec

SECRET = b"only the owner has this ledger"
OURS = {"anchor-a1": "A", "anchor-b1": "C+", "anchor-e1": "E-"}
INPUTS = inputs_of(
    students=("birk", "cleo", "dag"), anchors=OURS, words={"dag": FEWEST_WORDS - 1, "cleo": FEWEST_WORDS}
)
PSEUDONYMS = PublicNames.of(INPUTS, secret=SECRET)
TO = PSEUDONYMS.essays
SENT = {wire: ours for ours, wire in messages.SENT.items()}
ROW = AnchorRow(row_id=29, anchor_id="anchor-a1")
NAMES = WireNames(EssayNames.of(SENT, rows=[ROW]), PSEUDONYMS)
ORIGIN = Origin(kind="public-copy", program="p", made_at=AT, sources=(), missing=("reasons",))
GATHERING = ("PreflightPassed", "ListeningFrom", "RequestPrepared", "RequestPublished")
HASH = "3c" * 32


def keyed(value: str, digits: int = 64) -> str:
    return hmac.new(SECRET, value.encode(), hashlib.sha256).hexdigest()[:digits]


def uuid(value: object) -> str:
    return str(UUID(hex=keyed(str(value), 32), version=4))


def text_of(essay_id: str) -> str:
    return hashlib.sha256(essay_id.encode()).hexdigest()


def record(*, with_reasons: bool = False) -> PublicRecord:
    return PublicRecord(NAMES, public_inputs(INPUTS, PSEUDONYMS), origin=ORIGIN, with_reasons=with_reasons)


def test_essays_get_numbers_in_an_order_that_only_the_owner_can_compute() -> None:
    assert sorted(TO.values()) == ["anchor-01", "anchor-02", "anchor-03", "essay-01", "essay-02", "essay-03"]
    for kind in ("anchor", "essay"):
        numbered = [ours for ours, name in sorted(TO.items(), key=lambda both: both[1]) if name.startswith(kind)]
        assert numbered == sorted(numbered, key=keyed)
    many = PublicNames.of(inputs_of(students=[f"s{number:03}" for number in range(100)]), secret=SECRET)
    assert {len(name) for name in many.essays.values()} == {len("essay-001")}


def test_ids_and_hashes_of_the_copy_are_keyed_by_its_secret() -> None:
    names = PublicNames.of(INPUTS, secret=SECRET)
    assert (names.keyed("x"), names.uuid(7)) == (keyed("x"), UUID(uuid(7)))
    assert PublicNames.of(INPUTS, secret=b"another").keyed("x") != keyed("x")


def test_only_a_text_that_nobody_can_guess_keeps_its_hash() -> None:
    """It counts below fifty words, for the text as for its file."""
    dag, cleo = (next(student for student in INPUTS.students if student.essay_id == name) for name in ("dag", "cleo"))
    assert PSEUDONYMS.short == {dag.text_sha256, dag.file.sha256}
    assert PSEUDONYMS.short_essays == {"dag"}
    assert PSEUDONYMS.text_hash(dag.text_sha256) == keyed(dag.text_sha256)
    assert PSEUDONYMS.text_hash(cleo.text_sha256) == cleo.text_sha256


def test_a_short_anchor_has_hashes_that_nobody_can_guess() -> None:
    inputs = inputs_of(students=("birk",), anchors=OURS, words={"anchor-b1": FEWEST_WORDS - 1})
    names = PublicNames.of(inputs, secret=SECRET)
    (ours,) = (anchor for anchor in inputs.anchors if anchor.anchor_id == "anchor-b1")
    (copied,) = (
        anchor for anchor in public_inputs(inputs, names).anchors if anchor.anchor_id == names.essays["anchor-b1"]
    )
    assert (copied.text_sha256, copied.file.sha256) == (keyed(ours.text_sha256), keyed(ours.file.sha256))


def test_of_the_inputs_documents_stay_and_essays_have_other_names() -> None:
    flag = EssayFlag(essay_id="birk", kinds=("hidden_text",), twin="cleo")
    alone = EssayFlag(essay_id="anchor-a1", kinds=("instructs_judge",))
    given = INPUTS.model_copy(update={"flags": (flag, alone), "notes": INPUTS.notes})
    copy = public_inputs(given, PSEUDONYMS)
    for document, name, original in (
        (copy.instructions, "instructions", INPUTS.instructions),
        (copy.prompt, "task", INPUTS.prompt),
    ):
        assert document is not None
        assert original is not None
        places = {"source_path": f"{name}.txt", "file_name": f"{name}.txt"}
        assert document == original.model_copy(update={"file": original.file.model_copy(update=places)})
    assert copy.grade_scale == INPUTS.grade_scale
    assert (copy.anchor_table, copy.notes) == (None, ())
    for essays, folder, key in (("anchors", "anchor_essays", "anchor_id"), ("students", "student_essays", "essay_id")):
        copied = [essay.model_dump() for essay in getattr(copy, essays)]
        assert [essay[key] for essay in copied] == sorted(essay[key] for essay in copied)
        for original in (essay.model_dump() for essay in getattr(INPUTS, essays)):
            name = TO[original[key]]
            hidden = keyed if original[key] == "dag" else str
            file = original["file"] | {
                "source_path": f"{folder}/{name}.txt",
                "file_name": f"{name}.txt",
                "sha256": hidden(original["file"]["sha256"]),
            }
            expected = original | {key: name, "file": file, "text_sha256": hidden(original["text_sha256"])}
            (found,) = (essay for essay in copied if essay[key] == name)
            assert found == expected | ({"label": name} if essays == "anchors" else {})
    assert [(one.essay_id, one.kinds, one.twin) for one in copy.flags] == [
        (TO["anchor-a1"], ("instructs_judge",), None),
        (TO["birk"], ("hidden_text",), TO["cleo"]),
    ]
    assert public_inputs(INPUTS.model_copy(update={"instructions": None}), PSEUDONYMS).instructions is None


def test_a_name_on_the_wire_becomes_the_copys_or_none() -> None:
    assert NAMES.name(messages.SENT["birk"]) == TO["birk"]
    assert NAMES.name("ANCHOR_29_0a1b2c3d") == "ANCHOR_29_0"
    assert NAMES.name("anna-svensson") is None
    with pytest.raises(AssertionError, match="essays of the run"):
        NAMES.pair(messages.SENT["birk"], "anna-svensson")
    with pytest.raises(AssertionError, match="essays of the run"):
        NAMES.pair("anna-svensson", messages.SENT["birk"])


CONDITIONS = {
    "bos_batch_id": str(RUN_ID),
    "batch_id": str(RUN_ID),
    "comparison_iteration": 2,
    "system_prompt_sha256": "5d" * 32,
    "cassette": True,
    "repeat_index": 1,
    "answer_form": "json",
    "cost_known": False,
    "served_model": "m-2027-01-01",
    "system_fingerprint": "fp_1",
    "probability_a": 0.75,
    "probability_is_bound": True,
    "cached_tokens": 5,
    "batched": True,
    "cj_request_type": "cj_retry",
}
REPLAY = {
    "request_id": "queue-of-before",
    "recorded_at": "2027-01-02T03:04:05.000000Z",
    "cost_usd": 0.5,
    "prompt_tokens": 7,
    "completion_tokens": 8,
}


def comparison(
    *pair: str, winner: str | None = "Essay A", about: dict[str, Any] | None = None, **data: Any
) -> dict[str, Any]:
    """A message with a value in each field, private ones included."""
    message: dict[str, Any] = messages.comparison_message(RUN_ID, 1, (pair[0], pair[1]), winner=winner)
    message["data"] |= {"trace_id": "trace-of-anna"} | data
    message["data"]["request_metadata"] |= CONDITIONS | {"prompt_sha256": HASH, "cj_source": "anna's folder"}
    message["data"]["request_metadata"] |= about or {}
    return message


def copied(message: dict[str, Any], *, with_reasons: bool = False) -> dict[str, Any]:
    received, _ = receive_comparison(messages.raw(message))
    shared, raw = public_comparison(received, NAMES, with_reasons=with_reasons)
    found: dict[str, Any] = json.loads(raw)
    assert found["data"] == shared.model_dump(mode="json", exclude_none=True)
    return found


def test_a_comparison_keeps_its_figures_and_conditions_under_other_names() -> None:
    private = comparison("birk", "cleo", about={"replay_of": REPLAY, "prompt_templates": {"task": HASH, "my öl": HASH}})
    copy = copied(private)
    data = private["data"]
    same = ("winner", "confidence", "provider", "model", "response_time_ms", "token_usage", "cost_estimate")
    assert copy == {
        "event_id": uuid(private["event_id"]),
        "event_timestamp": "2027-03-02T08:16:10.250000+00:00",
        "correlation_id": uuid(private["correlation_id"]),
        "data": {
            **{key: data[key] for key in same},
            "requested_at": "2027-03-02T08:00:01Z",
            "completed_at": "2027-03-02T09:00:01.500000Z",
            "request_id": uuid(data["request_id"]),
            "correlation_id": uuid(data["correlation_id"]),
            "request_metadata": CONDITIONS
            | {"essay_a_id": TO["birk"], "essay_b_id": TO["cleo"], "prompt_sha256": HASH}
            | {"replay_of": REPLAY | {"request_id": uuid("queue-of-before"), "recorded_at": "2027-01-02T03:04:05Z"}}
            | {"prompt_templates": {"task": HASH}},
        },
    }


def test_what_a_comparison_lacks_its_copy_lacks() -> None:
    private = comparison("birk", "cleo") | {"event_id": None, "event_timestamp": None}
    copy = copied(private)
    assert (copy["event_id"], copy["event_timestamp"]) == (None, None)
    assert copy["data"]["request_metadata"].keys().isdisjoint(("replay_of", "prompt_templates"))
    assert copied(private | {"correlation_id": None})["correlation_id"] is None
    private["data"]["correlation_id"] = None
    assert copied(private)["data"]["correlation_id"] == uuid(private["correlation_id"]), "that of the envelope"


@pytest.mark.parametrize("pair", [("dag", "cleo"), ("cleo", "dag")])
def test_the_hash_of_a_prompt_with_a_short_essay_is_not_published(pair: tuple[str, str]) -> None:
    """It could be tried, whichever essay of the pair is short."""
    assert copied(comparison(*pair))["data"]["request_metadata"]["prompt_sha256"] == keyed(HASH)


def test_a_word_of_a_service_stays_and_a_text_does_not() -> None:
    for said, kept in (("cj_retry", "cj_retry"), ("anna wrote this", None), ("x" * 61, None)):
        about = copied(comparison("birk", "cleo", about={"cj_request_type": said}))["data"]["request_metadata"]
        assert about.get("cj_request_type") == kept


def test_the_judges_reason_stays_only_where_it_is_asked_for_and_names_essays_as_the_copy_does() -> None:
    reason = f"Better than {messages.SENT['cleo']} and ANCHOR_29_0a1b2c3d."
    private = comparison("birk", "cleo", justification=reason)
    assert "justification" not in copied(private)["data"]
    kept = copied(private, with_reasons=True)["data"]["justification"]
    assert kept == f"Better than {TO['cleo']} and {TO['anchor-a1']}."
    private["data"]["justification"] = None
    assert "justification" not in copied(private, with_reasons=True)["data"]


@pytest.mark.parametrize(
    ("error", "kept"),
    [
        (
            {"error_code": "RATE_LIMIT", "message": "Anna's text is too long", "details": {"is_retryable": False}},
            {"error_code": "RATE_LIMIT", "details": {"is_retryable": False}},
        ),
        (
            {"error_code": "not for Anna", "message": f"cut off: {MAY_BE_CHARGED}", "correlation_id": "c"},
            {"error_code": "UNKNOWN", "message": MAY_BE_CHARGED},
        ),
        (
            {"error_code": "E", "details": {"is_interrupted": True, "is_retryable": "of Anna", "text": True}},
            {"error_code": "E", "details": {"is_interrupted": True}},
        ),
        ({"error_code": "E"}, {"error_code": "E"}),
    ],
)
def test_of_an_error_its_code_stays_and_whether_it_may_be_charged(error: dict[str, Any], kept: dict[str, Any]) -> None:
    data = copied(comparison("birk", "cleo", winner=None, error_detail=error))["data"]
    assert data["error_detail"] == kept
    assert "winner" not in data


def shared(topic: Topic, message: bytes) -> dict[str, Any]:
    copy: dict[str, Any] = json.loads(public_callback(parse_callback(topic, message), NAMES))
    return copy


def with_data(callback: messages.Callback, **data: Any) -> bytes:
    message = json.loads(callback.value)
    message["data"] |= data
    return messages.raw(message)


STOP = {
    "max_cost_usd": 1.0,
    "spent_usd": 0.9,
    "next_at_most_usd": 0.2,
    "comparisons": 3,
    "comparisons_wanted": 9,
}


def test_a_completion_keeps_its_status_and_its_stop() -> None:
    plain = {"entity_id": str(RUN_ID), "entity_type": "batch", "timestamp": "2027-03-02T10:00:00Z"}
    copy = shared(Topic.COMPLETED, messages.completed(RUN_ID).value)
    assert copy["data"] == plain | {"status": "completed_successfully"}
    assert copy["event_id"] == uuid(json.loads(messages.completed(RUN_ID).value)["event_id"])
    odd = shared(Topic.COMPLETED, messages.completed(RUN_ID, "done for Anna").value)
    assert odd["data"] == plain | {"status": "unknown"}
    info = {"reason": "cost_limit", "details": STOP | {"of": "Anna"}, "text": "Anna"}
    stopped = shared(
        Topic.COMPLETED, with_data(messages.completed(RUN_ID), system_metadata={"error_info": info, "event": "Anna's"})
    )
    known = {"entity_type": "batch", "error_info": {"reason": "cost_limit", "details": STOP}}
    assert stopped["data"] == plain | {"status": "completed_successfully", "system_metadata": known}


def test_of_a_failure_only_the_batch_and_the_time_stay() -> None:
    copy = shared(Topic.FAILED, messages.failed(RUN_ID, "Anna's essay is no text").value)
    assert copy["data"] == {
        "entity_id": str(RUN_ID),
        "entity_type": "batch",
        "timestamp": "2027-03-02T10:00:00Z",
    }


def test_a_comparison_is_no_batch_event() -> None:
    with pytest.raises(AssertionError, match="function of its own"):
        public_callback(parse_callback(Topic.COMPARISON, messages.raw(comparison("birk", "cleo"))), NAMES)


LOOK = {
    "round": 1,
    "comparisons": 8,
    "judgements": 7.5,
    "fewest": 2.0,
    "components": 1,
    "reliability": 0.5,
    "standard_error_90": 0.7,
    "verdict": "go on",
}
DECIDED = {"pairs": 1, "comparisons": 6, "comparisons_wanted": 8}
BIRK, FOREIGN = messages.SENT["birk"], "anna-svensson"
SUMMARY = {
    "projections_available": True,
    "primary_grades": {BIRK: "B", FOREIGN: "A", messages.SENT["cleo"]: "a friend of Anna"},
    "confidence_labels": {BIRK: "HIGH", FOREIGN: "LOW", messages.SENT["cleo"]: "Anna says so"},
    "confidence_scores": {BIRK: 0.9, FOREIGN: 0.1},
    "grade_probabilities": {BIRK: {"B": 0.8, "Anna's": 0.2}, FOREIGN: {"B": 1.0}},
    "bt_stats": {BIRK: {"bt_mean": 0.3, "bt_se": 0.1}, FOREIGN: {"bt_mean": 0.0}},
    "calibration_info": {"of": "Anna"},
}
KEPT_SUMMARY = {
    "projections_available": True,
    "primary_grades": {TO["birk"]: "B"},
    "confidence_labels": {TO["birk"]: "HIGH"},
    "confidence_scores": {TO["birk"]: 0.9},
    "grade_probabilities": {TO["birk"]: {"B": 0.8}},
    "bt_stats": {TO["birk"]: {"bt_mean": 0.3, "bt_se": 0.1}},
}
METADATA = {
    "anchor_essays_used": 3,
    "calibration_method": "gaussian",
    "anchor_grade_distribution": {"A": 1, "C+": 1, "Anna's": 1},
    "comparison_count": 12,
    "processing_duration_seconds": 3.5,
    "llm_temperature": 0.2,
    "stopping_looks": [LOOK, LOOK | {"verdict": "Anna is best!"}],
    "cost_stop": STOP,
    "decided": DECIDED,
    "grade_projection_summary": SUMMARY,
}
KEPT_METADATA = METADATA | {
    "anchor_grade_distribution": {"A": 1, "C+": 1},
    "stopping_looks": [LOOK],
    "grade_projection_summary": KEPT_SUMMARY,
}


def result_of(**data: Any) -> dict[str, Any]:
    copy: dict[str, Any] = shared(Topic.RESULT, with_data(messages.result(RUN_ID, ["birk"]), **data))["data"]
    return copy


def test_a_result_keeps_its_figures_by_the_copys_names() -> None:
    row = {
        "essay_id": BIRK,
        "normalized_score": 0.5,
        "letter_grade": "B",
        "confidence_score": 0.7,
        "confidence_label": "MID",
        "bt_score": 0.25,
        "rank": 1,
        "is_anchor": False,
    }
    private = {"feedback_uri": "http://anna", "metrics_uri": "http://anna", "display_name": "Anna"}
    told = {
        "model_used": "m",
        "model_provider": "p",
        "model_version": "v",
        "batch_id": str(RUN_ID),
        "assessed_at": "2027-03-02T11:00:00Z",
    }
    odd = {"essay_id": messages.SENT["cleo"], "letter_grade": "of Anna", "confidence_label": "Anna", "rank": 2}
    copy = result_of(
        **told,
        assignment_id="Anna's",
        assessment_method="by Anna",
        essay_results=[row | private, odd, {"essay_id": FOREIGN, "rank": 3}],
        assessment_metadata=METADATA | {"assignment_id": "of Anna", "course_code": "Anna's"},
    )
    assert copy == told | {
        "entity_id": str(RUN_ID),
        "entity_type": "batch",
        "timestamp": "2027-03-02T10:00:00Z",
        "essay_results": [row | {"essay_id": TO["birk"]}, {"essay_id": TO["cleo"], "rank": 2}],
        "assessment_metadata": KEPT_METADATA,
    }


@pytest.mark.parametrize(("label", "kept"), [("HIGH", "HIGH"), ("MID", "MID"), ("LOW", "LOW"), ("Anna", None)])
def test_a_label_of_the_services_list_stays(label: str, kept: str | None) -> None:
    (row,) = result_of(essay_results=[{"essay_id": BIRK, "confidence_label": label}])["essay_results"]
    assert row.get("confidence_label") == kept


def test_a_result_without_figures_has_none_in_the_copy() -> None:
    assert "assessment_metadata" not in result_of()
    bare = result_of(assessment_metadata={"comparison_count": 1})
    assert bare["assessment_metadata"] == {"comparison_count": 1}
    empty = result_of(assessment_metadata={"grade_projection_summary": {"projections_available": False}})
    assert empty["assessment_metadata"] == {"grade_projection_summary": {"projections_available": False}}


def test_the_start_has_the_copys_inputs_and_no_address_path_or_account() -> None:
    study = Study(assignment_id=ASSIGNMENT, course_id=RUN_ID, user_id="anna", org_id="anna's school")
    budget = Budget(design="boundary", pairs=(("birk", "cleo"), ("dag", "nobody")), repeats=2)
    private: RunSpec = make_spec(label="anna", assets="/home/anna", pseudonyms="key.csv", study=study, budget=budget)
    start = RunStarted(at=AT, spec=private, inputs_sha256="0" * 64, versions=VERSIONS)
    target = Target(stack="remote", replays=private.target.replays)
    named = {"assignment_id": UUID(uuid(ASSIGNMENT)), "course_id": UUID(uuid(RUN_ID))}
    pairs = ((TO["birk"], TO["cleo"]), (TO["dag"], WITHHELD))
    known = {
        "label": "run-c0ffee00",
        "assets": "assets",
        "pseudonyms": None,
        "study": study.model_copy(update=named | {"user_id": DEFAULT_USER, "org_id": None}),
        "budget": budget.model_copy(update={"pairs": pairs}),
        "target": target,
    }
    copy = record()
    assert copy.event(start) == start.model_copy(
        update={"spec": private.model_copy(update=known), "inputs_sha256": copy.inputs.digest(), "origin": ORIGIN}
    )
    guest = record().event(start.model_copy(update={"spec": make_spec(target=target)}))
    assert isinstance(guest, RunStarted)
    assert (guest.spec.study.assignment_id, guest.spec.study.course_id) == (None, None)


def opened(*stages: str, with_reasons: bool = False, **spec: object) -> PublicRecord:
    """The record of a run of which so many events were copied."""
    started = ONE_OF_EACH["RunStarted"].model_copy(update={"spec": make_spec(**spec)})
    copy = record(with_reasons=with_reasons)
    copy.event(started)
    passed = PreflightPassed(at=AT, checks=("anna's disk",), warnings=("anna",), anchor_rows=(ROW,))
    prepared = request_of(**spec)
    by_name = {"PreflightPassed": passed, "RequestPrepared": prepared}
    for stage in stages:
        copy.event(by_name.get(stage, ONE_OF_EACH[stage]))
    return copy


def request_of(metadata: dict[str, Any] | None = None, **spec: object) -> RequestPrepared:
    """The request of a guest run, with an error's text and an organisation that a person may have named."""
    sent = build_request(make_spec(**spec), INPUTS, storage_ids={text_of("birk"): "s-birk"}, at=AT)
    system = sent.data.system_metadata.model_copy(update={"error_info": {"of": "Anna"}})
    data = sent.data.model_copy(update={"org_id": "anna's school", "user_id": "anna", "system_metadata": system})
    changed = sent.model_copy(update={"data": data, "metadata": {**(sent.metadata or {}), **(metadata or {})}})
    return RequestPrepared(at=AT, event_id=sent.event_id, payload=changed.model_dump_json())


def sent_by(event: object) -> Envelope[CJAssessmentRequest]:
    assert isinstance(event, RequestPrepared)
    return Envelope[CJAssessmentRequest].model_validate_json(event.payload)


def test_the_request_names_essays_and_texts_as_the_copy_does() -> None:
    private = request_of({"seed": 7, "batch_label": "anna", "llm_batching_mode_hint": ["anna"], "text": "Anna"})
    before, after = sent_by(private), sent_by(opened("PreflightPassed", "ListeningFrom").event(private))
    essays = {messages.SENT[ours]: ours for ours in TO}
    stored = {TO[essays[ref.essay_id]]: keyed(ref.text_storage_id, 32) for ref in before.data.essays_for_cj}
    assert [(ref.essay_id, ref.text_storage_id) for ref in after.data.essays_for_cj] == sorted(stored.items())
    assert before.data.student_prompt_ref is not None
    assert after.data.student_prompt_ref is not None
    task = before.data.student_prompt_ref.references["student_prompt_text"].storage_id
    (reference,) = after.data.student_prompt_ref.references.items()
    assert (reference[0], reference[1].storage_id) == ("student_prompt_text", keyed(task, 32))
    assert after.metadata == {"runner_mode": "execute", "max_comparisons": 15, "seed": 7, "reads_to_end": True}
    same = ("essays_for_cj", "student_prompt_ref", "user_id", "org_id", "system_metadata")
    assert after.data.model_dump(exclude=set(same)) == before.data.model_dump(exclude=set(same))
    assert (after.data.user_id, after.data.org_id) == (DEFAULT_USER, None)
    assert after.data.system_metadata == before.data.system_metadata.model_copy(update={"error_info": {}})
    assert after.model_dump(exclude={"data", "metadata"}) == before.model_dump(exclude={"data", "metadata"})


def test_a_request_for_an_assignment_names_it_by_a_uuid_of_the_copys_own() -> None:
    assigned: dict[str, Any] = {"study": Study(assignment_id=ASSIGNMENT)}
    copy = opened("PreflightPassed", "ListeningFrom", **assigned)
    pairs = [[messages.SENT["birk"], "ANCHOR_29"], ["anna", messages.SENT["cleo"]]]
    after = sent_by(copy.event(request_of({"design": "boundary", "pairs": pairs}, **assigned)))
    named = (after.data.assignment_id, after.data.parent_id, after.data.system_metadata.parent_id)
    assert named == (uuid(ASSIGNMENT),) * 3
    assert (after.metadata or {})["pairs"] == [[TO["birk"], "ANCHOR_29_0"], [WITHHELD, TO["cleo"]]]
    assert (after.metadata or {})["design"] == "boundary"


def test_what_opens_a_run_keeps_neither_sentences_nor_the_clusters_name() -> None:
    passed = PreflightPassed(at=AT, checks=("anna",), warnings=("anna",), anchor_rows=(ROW,), call_at_most_usd=0.1)
    copy = opened()
    shared_row = ROW.model_copy(update={"anchor_id": TO["anchor-a1"]})
    assert copy.event(passed) == passed.model_copy(update={"checks": (), "warnings": (), "anchor_rows": (shared_row,)})
    for essay, kept in (("cleo", str), ("dag", keyed)):
        up = EssayUploaded(at=AT, text_sha256=text_of(essay), storage_id="anna-1", cached=True)
        expected = {"text_sha256": kept(text_of(essay)), "storage_id": keyed("anna-1", 32)}
        assert copy.event(up) == up.model_copy(update=expected)
    listening = ListeningFrom(at=AT, cluster_id="anna's", request_ends=(place(0),), callback_ends=(place(5),))
    assert copy.event(listening) == listening.model_copy(update={"cluster_id": keyed("anna's", 22)})


def test_an_accepted_comparison_is_found_by_the_copys_ids() -> None:
    raw = messages.raw(comparison("birk", "cleo"))
    request_id = json.loads(raw)["data"]["request_id"]
    wire = messages.SENT
    came = CallbackAccepted(
        at=AT,
        position=place(6),
        raw=raw.decode(),
        kind="comparison",
        key=f"comparison:{request_id}",
        fingerprint="f",
        judged=True,
        note="a flaw",
        about=f"{wire['birk']}|{wire['cleo']}|1",
    )
    expected = {
        "key": f"comparison:{uuid(request_id)}",
        "fingerprint": keyed("f", 16),
        "about": f"{TO['birk']}|{TO['cleo']}|1",
    }
    for with_reasons in (False, True):
        copy = opened(*GATHERING, with_reasons=with_reasons).event(came)
        assert isinstance(copy, CallbackAccepted)
        assert ("justification" in json.loads(copy.raw)["data"]) is with_reasons
        assert json.loads(copy.raw) == copied(json.loads(raw), with_reasons=with_reasons)
        assert copy == replace(came, **expected | {"raw": copy.raw})
    older = opened(*GATHERING).event(replace(came, about=None))
    assert isinstance(older, CallbackAccepted)
    assert older.about is None


@pytest.mark.parametrize(
    ("kind", "message", "note", "kept"),
    [
        ("completed", messages.completed(RUN_ID), "completed_successfully", "completed_successfully"),
        ("completed", messages.completed(RUN_ID, "done for Anna"), "done for Anna", "unknown"),
        ("failed", messages.failed(RUN_ID), "Annas", WITHHELD),
        ("result", messages.result(RUN_ID, ["birk"]), "precise enough", "precise enough"),
    ],
)
def test_of_a_batch_event_only_a_status_of_the_services_list_is_noted(
    kind: Any, message: messages.Callback, note: str, kept: str
) -> None:
    came = CallbackAccepted(
        at=AT,
        position=replace(place(6), topic=message.topic),
        raw=message.value.decode(),
        kind=kind,
        key=kind,
        fingerprint="f",
        note=note,
    )
    copy = opened(*GATHERING).event(came)
    raw = public_callback(parse_callback(Topic(message.topic), message.value), NAMES)
    assert copy == replace(came, raw=raw, fingerprint=keyed("f", 16), note=kept)


def test_what_was_not_used_is_not_copied() -> None:
    copy = opened(*GATHERING)
    again = CallbackRepeated(at=AT, position=place(7), key="k-anna", conflict=True, raw="Anna")
    assert copy.event(again) == again.model_copy(update={"key": keyed("k-anna"), "raw": None})
    refused = CallbackRejected(at=AT, position=place(8), reason="Anna", raw=None, raw_base64="QQ==", sha256=HASH)
    nothing = {"reason": WITHHELD, "raw": None, "raw_base64": None, "sha256": None}
    assert copy.event(refused) == refused.model_copy(update=nothing)
    stopped = ONE_OF_EACH["DeadlineReached"]
    assert copy.event(stopped) == stopped


def test_what_people_added_stays_under_names_that_tell_nobody_who_they_are() -> None:
    copy = opened()
    rows = (
        HumanJudgement(judge="Ms Berg", first="birk", second="cleo", winner="first"),
        HumanJudgement(judge="", first="dag", second="birk", winner="second"),
    )
    people = HumanJudgementsAdded(at=AT, file_name="anna.csv", sha256=HASH, shown_in_order=True, judgements=rows)
    file = {"file_name": f"{keyed('anna.csv', 8)}.csv", "sha256": keyed(HASH)}
    named = (
        HumanJudgement(judge=f"person-{keyed('Ms Berg', 8)}", first=TO["birk"], second=TO["cleo"], winner="first"),
        HumanJudgement(judge="", first=TO["dag"], second=TO["birk"], winner="second"),
    )
    assert copy.event(people) == people.model_copy(update=file | {"judgements": named})
    known = CheckGradesAdded(at=AT, file_name="anna.csv", sha256=HASH, grades=(KnownGrade(essay_id="birk", grade="B"),))
    grades = (KnownGrade(essay_id=TO["birk"], grade="B"),)
    assert copy.event(known) == known.model_copy(update=file | {"grades": grades})


def test_why_a_run_is_not_whole_is_said_again_from_the_copy() -> None:
    """The run's own words can hold a service's."""
    copy = opened(*GATHERING)
    copy.event(ONE_OF_EACH["DeadlineReached"])
    closed = RunClosed(at=AT, outcome="partial", reasons=("the service said: Anna",))
    again = copy.event(closed)
    assert isinstance(again, RunClosed)
    assert again.reasons[0] == "idle deadline after 1 s"
    assert "Anna" not in " ".join(again.reasons)
    whole = RunClosed(at=AT, outcome="complete")
    assert opened(*GATHERING).event(whole) == whole
    unsent: dict[str, Any] = {"send": False, "mode": "dry-run", "target": Target(stack="embedded")}
    withheld = opened("RequestPrepared", **unsent).event(closed)
    assert isinstance(withheld, RunClosed)
    assert withheld.reasons == (WITHHELD,)
