"""An essay's name on the wire: no other batch has it, the service takes it, and it leads back to our id."""

from __future__ import annotations

import json
import re
import shutil
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
ids = st.sets(st.one_of(names_of_files.map(student_id), names_of_files.map(anchor_id)), min_size=1, max_size=40)
LONG = {f"{'a-very-long-name-of-a-student':.30}-{n:05}" for n in range(12)}


@given(essay_ids=ids, run_id=st.uuids(), other=st.uuids(), data=st.data())
@example(essay_ids=LONG, run_id=UUID(int=1 << 120), other=UUID(int=1 << 121), data=None)
@example(essay_ids={"a-b", "a", "a-", "ab", "a_b"}, run_id=UUID(int=0), other=UUID(int=1 << 96), data=None)
def test_every_set_of_essays_has_names_that_no_other_run_has(essay_ids, run_id, other, data):
    """Other: of another id in its first eight digits, by which a run's directory is called too."""
    assume(run_id.hex[:8] != other.hex[:8])
    unnamed = data.draw(st.sets(st.sampled_from(sorted(essay_ids)))) if data else set()
    sent = wire_ids(essay_ids, run_id=run_id, hidden=unnamed)
    assert sent.keys() == essay_ids
    assert len(set(sent.values())) == len(essay_ids)
    assert set(sent.values()).isdisjoint(wire_ids(essay_ids, run_id=other).values())
    assert all(re.fullmatch(r"[a-z0-9_-]{3,36}", name) for name in sent.values())
    assert not any(name.lower().startswith("anchor") for name in sent.values())


@given(essay_ids=ids, run_id=st.uuids())
@example(essay_ids={"a-b", "a", "a-", "ab", "a_b"}, run_id=UUID(int=0))
def test_names_are_in_the_order_of_our_ids_so_that_a_seed_pairs_the_same_essays_in_every_run(essay_ids, run_id):
    sent = wire_ids(essay_ids, run_id=run_id)
    assert sorted(essay_ids, key=sent.__getitem__) == sorted(essay_ids)


def test_ten_thousand_long_names_that_begin_alike_stay_apart():
    essay_ids = [f"{'students-of-the-eastern-school':.30}-{n:05}" for n in range(10_000)]
    sent = wire_ids(essay_ids, run_id=OTHER_RUN)
    assert len(set(sent.values())) == 10_000
    assert max(map(len, sent.values())) <= 36


@given(essay_ids=ids, run_id=st.uuids())
def test_every_name_leads_back_to_its_essay(essay_ids, run_id):
    sent = wire_ids(essay_ids, run_id=run_id)
    names = EssayNames.of({name: essay_id for essay_id, name in sent.items()})
    assert [names.our_id(name) for name in sent.values()] == list(sent)
    told = " and ".join(sent.values())
    assert names.with_our_ids(f"could not fetch {told}.") == f"could not fetch {' and '.join(sent)}."


def test_a_student_can_be_recognised_and_an_anchor_does_not_tell_its_grade(tmp_path):
    """The service shows names to the judge."""
    run = Run(tmp_path / "run")
    run.start()
    (prepared,) = [event for event in run.events if isinstance(event, RequestPrepared)]
    names = [essay["essay_id"] for essay in json.loads(prepared.payload)["data"]["essays_for_cj"]]
    assert names == list(messages.SENT.values())
    assert [name for name in names if "birk" in name] == ["4-birk-c0ffee00"]
    assert not any("anchor" in name or "a1" in name for name in names)


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
    failure = messages.failed(UUID("c0ffee00-1111-4222-8333-444455556666"), "no text for 4-birk-c0ffee00, sorry")
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
