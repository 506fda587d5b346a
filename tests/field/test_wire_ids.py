"""An essay's name on the wire: no other batch has it, the service takes it, and it leads back to our id."""

from __future__ import annotations

import json
import re
import shutil
from dataclasses import replace
from pathlib import Path
from uuid import UUID

import pytest
from hypothesis import assume, example, given
from hypothesis import strategies as st

from eng5_runner.contracts.topics import Topic
from eng5_runner.core.essay_names import EssayNames, wire_ids
from eng5_runner.core.events import CallbackAccepted, RequestPrepared
from eng5_runner.errors import InputsInvalid
from eng5_runner.inventory.essay_ids import anchor_id, student_id
from eng5_runner.run.hydrate import hydrate
from tests.support.run import messages
from tests.support.run.runs import GRADES, STUDENTS, Run, make_spec, write_ledger
from tests.support.run.world import World

OLD_RUN = Path(__file__).parent / "data" / "run_with_plain_ids"
OTHER_RUN = UUID("0ddba115-1111-4222-8333-444455556666")

names_of_files = st.text(st.characters(codec="utf-8"), min_size=1, max_size=60)
ids = st.one_of(names_of_files.map(student_id), names_of_files.map(anchor_id))
# Essay id → SHA-256 of its text; few digits, so that essays with the same text are among them.
essays = st.dictionaries(ids, st.text("0123456789abcdef", min_size=1, max_size=2), min_size=1, max_size=40)


@given(essays=essays, run_id=st.uuids(), other=st.uuids())
@example(essays={"a-b": "1", "a": "1", "a-": "1", "ab": "0"}, run_id=UUID(int=0), other=UUID(int=1 << 96))
def test_every_set_of_essays_has_names_that_no_other_run_has(essays, run_id, other):
    """Other: of another id in its first eight digits, by which a run's directory is called too."""
    assume(run_id.hex[:8] != other.hex[:8])
    sent = wire_ids(essays, run_id=run_id)
    assert sent.keys() == essays.keys()
    assert len(set(sent.values())) == len(essays)
    assert set(sent.values()).isdisjoint(wire_ids(essays, run_id=other).values())
    assert all(re.fullmatch(r"\d{1,5}-essay-[0-9a-f]{8}", name) for name in sent.values())


@given(essays=essays, run_id=st.uuids(), other=st.uuids())
def test_a_seed_pairs_the_same_texts_in_every_run(essays, run_id, other):
    """The service pairs essays in the order of their names."""
    in_one, in_other = (sorted(essays, key=wire_ids(essays, run_id=run).__getitem__) for run in (run_id, other))
    assert in_one == in_other
    assert [essays[essay_id] for essay_id in in_one] == sorted(essays.values())


def test_ten_thousand_essays_stay_apart():
    sent = wire_ids({f"{n:05}": f"{n % 7}" for n in range(10_000)}, run_id=OTHER_RUN)
    assert len(set(sent.values())) == 10_000
    assert max(map(len, sent.values())) <= 36


@given(essays=essays, run_id=st.uuids())
def test_every_name_leads_back_to_its_essay(essays, run_id):
    sent = wire_ids(essays, run_id=run_id)
    names = EssayNames.of({name: essay_id for essay_id, name in sent.items()})
    assert [names.our_id(name) for name in sent.values()] == list(sent)
    told = " and ".join(sent.values())
    assert names.with_our_ids(f"could not fetch {told}.") == f"could not fetch {' and '.join(sent)}."


def test_nothing_that_is_sent_has_a_part_of_a_file_name(tmp_path):
    """Names of files hold pupils' names and anchors' grades, and the service shows the names of essays to the judge."""
    run = Run(tmp_path / "run")
    run.start()
    (prepared,) = [event for event in run.events if isinstance(event, RequestPrepared)]
    names = [essay["essay_id"] for essay in json.loads(prepared.payload)["data"]["essays_for_cj"]]
    assert names == list(messages.SENT.values())
    files = [essay.file.file_name for essay in (*run.inputs.students, *run.inputs.anchors)]
    parts = {part for name in files for part in re.split(r"[^a-z]+", name.lower()) if len(part) > 2} - {"txt"}
    assert {"birk", "cleo", "dag"} <= parts
    assert [part for part in parts if part in prepared.payload.lower()] == []


def test_a_reason_that_names_essays_names_them_by_our_ids(tmp_path):
    world = World()
    story = world.cj.script
    reason = f"{messages.SENT['birk']} is clearer than {messages.SENT['cleo']}."

    def with_names(run_id, essays):
        for callback in story(run_id, essays):
            message = json.loads(callback.value)
            if callback.topic == Topic.COMPARISON:
                message["data"]["justification"] = reason
            yield replace(callback, value=messages.raw(message))

    world.cj.script = lambda run_id, essays: list(with_names(run_id, essays))
    run = Run(tmp_path / "run", world)
    run.start()
    assert {row["justification"] for row in run.artefact()["llm_comparisons"]} == {"birk is clearer than cleo."}


def test_two_runs_of_the_same_assets_share_no_name_and_state_the_same(tmp_path):
    first, second = Run(tmp_path / "first"), Run(tmp_path / "second", spec=make_spec(run_id=OTHER_RUN))
    for run in (first, second):
        run.start()
    sent = [set(_names_in(run)) for run in (first, second)]
    assert not sent[0] & sent[1]
    stated = [run.artefact() for run in (first, second)]
    assert stated[0]["bt_summary"] == stated[1]["bt_summary"]
    assert stated[0]["service_result"] == stated[1]["service_result"]


def _names_in(run: Run) -> list[str]:
    (prepared,) = [event for event in run.events if isinstance(event, RequestPrepared)]
    return [essay["essay_id"] for essay in json.loads(prepared.payload)["data"]["essays_for_cj"]]


def test_people_and_files_hear_of_our_ids_only(tmp_path):
    """Outputs but for the request itself, and the service's own words about an essay."""
    world = World()
    failure = messages.failed(UUID("c0ffee00-1111-4222-8333-444455556666"), "no text for 1-essay-c0ffee00, sorry")
    story = world.cj.script
    # A completion would outweigh the failure.
    world.cj.script = lambda run_id, essays: [
        *(callback for callback in story(run_id, essays) if callback.topic is not Topic.COMPLETED),
        failure,
    ]
    run = Run(tmp_path / "run", world)
    state = run.start()
    assert state.closed.reasons == ("the CJ service reported a failure: no text for birk, sorry",)
    for name, data in run.finish().files.items():
        assert name.startswith("requests/") == any(sent.encode() in data for sent in messages.SENT.values()), name
    stated = run.artefact()
    assert {one["essay_id"] for one in stated["service_result"]["essays"]} == {*GRADES, *STUDENTS}


def contained(expected: object, found: object) -> bool:
    """Whether all that is expected stands in what was found, which may say more."""
    if isinstance(expected, dict):
        return isinstance(found, dict) and all(contained(value, found.get(key)) for key, value in expected.items())
    if isinstance(expected, list):
        return isinstance(found, list) and len(found) == len(expected) and all(map(contained, expected, found))
    return expected == found


def test_a_run_from_before_that_sent_our_ids_as_they_are_states_what_it_stated(tmp_path):
    """Its ledger says under which names it sent its essays; `stated.json` is from its artefact at that time."""
    directory = tmp_path / "run"
    shutil.copytree(OLD_RUN, directory)
    hydrated = hydrate(directory)
    assert hydrated.violations == []
    assert contained(
        json.loads((OLD_RUN / "stated.json").read_text()), json.loads(hydrated.files[hydrated.artefact_name])
    )
    assert len(hydrated.artefact.llm_comparisons) == 16


@pytest.mark.parametrize("payload", ["{}", "no JSON", '{"data": {"essays_for_cj": []}}'])
def test_a_ledger_whose_request_is_none_of_the_runs_is_damaged(payload, plain, tmp_path):
    run = Run(tmp_path / "run", spec=plain.spec)
    run.directory.mkdir()
    for name in ("inputs.json", "config.resolved.toml"):
        shutil.copy(plain.directory / name, run.directory / name)
    events = [e.model_copy(update={"payload": payload}) if isinstance(e, RequestPrepared) else e for e in plain.events]
    assert any(isinstance(event, CallbackAccepted) for event in events)
    write_ledger(run.directory, events)
    with pytest.raises(InputsInvalid, match="not one for this run's essays"):
        hydrate(run.directory)
