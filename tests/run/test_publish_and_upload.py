"""Each request and each text goes out once, whatever happened to the one before."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from eng5_runner.canonical import sha256_hex
from eng5_runner.cli.exit_codes import exit_code
from eng5_runner.core.events import EssayUploaded, RequestPrepared, RequestPublished
from eng5_runner.core.spec import Target, Uploading
from eng5_runner.errors import InputsInvalid, ServiceUnavailable, TemporaryFailure
from tests.support.run.memory_kafka import Cluster
from tests.support.run.runs import DRY, REMOTE, Run, make_spec
from tests.support.run.world import MemoryCache, World, whole_story


def payload(run: Run) -> bytes:
    (prepared,) = [event for event in run.events if isinstance(event, RequestPrepared)]
    return prepared.payload.encode()


def unknown(directory: Path, fault: str) -> Run:
    """A run whose request got no acknowledgement."""
    run = Run(directory / "run", World(publish_fault=fault))
    with pytest.raises(TemporaryFailure):
        run.start()
    run.world.publish_fault = None
    return run


def test_a_request_without_acknowledgement_is_found_and_not_sent_again(tmp_path):
    run = unknown(tmp_path, "ack lost")
    assert exit_code(run.resume()) == 0
    (published,) = [event for event in run.events if isinstance(event, RequestPublished)]
    assert published.found
    assert run.world.cluster.requests == [payload(run)]
    assert set(run.world.cj.asked.values()) == {1}


def test_a_request_that_never_arrived_is_sent_with_identical_bytes(tmp_path):
    run = unknown(tmp_path, "never arrives")
    assert run.world.cluster.requests == []
    assert exit_code(run.resume()) == 0
    assert run.world.cluster.requests == [payload(run)]


def test_a_request_is_found_behind_other_runs_requests(tmp_path):
    world = World()
    world.cluster.append("huleedu.els.cj_assessment.requested.v1", b"somebody else's")
    run = Run(tmp_path / "run", world)
    world.publish_fault = "ack lost"
    with pytest.raises(TemporaryFailure):
        run.start()
    world.publish_fault = None
    assert exit_code(run.resume()) == 0
    assert len(world.cluster.requests) == 2


def test_an_unknown_outcome_twice_and_a_new_broker_still_send_the_same_bytes(tmp_path):
    run = unknown(tmp_path, "never arrives")
    run.world.publish_fault = "never arrives"
    with pytest.raises(TemporaryFailure):
        run.resume()
    run.world.publish_fault = None
    run.world.cluster = Cluster("cluster-2")
    assert exit_code(run.resume()) == 0
    assert run.world.cluster.requests == [payload(run)]


def test_a_broker_that_lost_the_request_alone_gets_it_again(tmp_path):
    """Its log ends just where our record stood: one record shorter is forgotten, too."""
    world = World()
    world.cj.script = lambda _run_id, _essays: []
    run = Run(tmp_path / "run", world)
    assert exit_code(run.start()) == 75
    lost = world.cluster.requests.pop()
    world.cj.script = whole_story
    assert exit_code(run.resume()) == 0
    assert world.cluster.requests == [lost]
    assert "the broker is a new one: sending the same request again" in run.notices


def test_the_ledger_holds_the_bytes_before_they_are_sent(tmp_path):
    """When the request's record is in the topic, the ledger names it."""
    world = World()
    run = Run(tmp_path / "run", world)
    known = []
    world.cj.script = lambda _run_id, _essays: known.append(payload(run)) or []
    run.start()
    assert known == world.cluster.requests


def test_each_distinct_text_is_uploaded_once(tmp_path):
    """Also where two students handed in the same text."""
    run = Run(tmp_path / "run")
    first, second, *rest = run.inputs.students
    twin = second.model_copy(update={"text_sha256": first.text_sha256})
    run.inputs = run.inputs.model_copy(update={"students": (first, twin, *rest)})
    run.start()
    assert sorted(run.world.content.texts.values()) == sorted(set(run.texts.values()) - {text_of_second(run)})
    assert run.world.content.requests == 6


def text_of_second(run: Run) -> bytes:
    wanted = {one.text_sha256 for one in (*run.inputs.students, *run.inputs.anchors)} | {run.inputs.prompt.text_sha256}
    (left,) = [text for sha256, text in run.texts.items() if sha256 not in wanted]
    return left


def second_run(first: Run, directory: Path, **spec: object) -> Run:
    """Another run of the same texts in the same world."""
    return Run(directory / "second", first.world, make_spec(**spec))


def test_a_cache_whose_sample_holds_is_believed(tmp_path):
    """A second run uploads nothing and looks at three texts; each run at three before it sends its request, and the
    first at its first upload."""
    first = Run(tmp_path / "run")
    first.start()
    again = second_run(first, tmp_path)
    again.start()
    assert (first.world.content.requests, first.world.content.downloads) == (7, 10)
    assert all(event.cached for event in again.events if isinstance(event, EssayUploaded))


@pytest.mark.parametrize("held", [None, b"another text"])
def test_a_cache_that_names_what_the_service_does_not_hold_is_forgotten(held, tmp_path):
    """All of it, entries of other runs included: the service lost them as well."""
    first = Run(tmp_path / "run")
    first.start()
    content = first.world.content
    first.world.cache.known["0" * 64] = "1" * 32
    for storage_id in list(content.texts):
        del content.texts[storage_id]
        if held is not None:
            content.texts[storage_id] = held
    second_run(first, tmp_path).start()
    assert content.requests == 14
    assert set(first.world.cache.known.values()) <= content.texts.keys()


def test_force_uploads_again_without_asking_the_cache(tmp_path):
    first = Run(tmp_path / "run")
    first.start()
    second_run(first, tmp_path, uploading=Uploading(concurrency=3, force=True)).start()
    assert (first.world.content.requests, first.world.content.downloads) == (14, 8)


@pytest.mark.parametrize("at", range(1, 8))
@pytest.mark.parametrize("concurrency", [1, 4])
def test_after_a_failure_at_any_upload_a_new_run_sends_exactly_the_rest(at, concurrency, tmp_path):
    """And so does a resume, from its ledger, when there is no cache."""
    world = World()
    world.content.fails_at = at
    uploading = Uploading(concurrency=concurrency)
    run = Run(tmp_path / "run", world, make_spec(uploading=uploading))
    with pytest.raises(ServiceUnavailable):
        run.start()
    kept = [event for event in run.events if isinstance(event, EssayUploaded)]
    assert len(kept) == len(world.content.texts) == at - 1
    world.content.fails_at = None
    world.content.requests = 0
    if concurrency == 1:
        world.cache = MemoryCache()
        run.resume()
    else:
        second_run(run, tmp_path, uploading=uploading).start()
    assert world.content.requests == 8 - at
    assert sorted(world.content.texts.values()) == sorted(run.texts.values())


def test_a_stop_in_the_middle_of_the_uploads_keeps_those_that_were_made(tmp_path):
    world = World()
    stop = asyncio.Event()
    run = Run(tmp_path / "run", world)

    def after_upload() -> None:
        if world.content.requests == 3:
            stop.set()

    world.content.after_upload = after_upload
    state = run.start(stop=stop)
    assert state.closed.outcome == "interrupted"
    assert len(state.storage_ids) == len(world.content.texts) == world.content.requests < 7
    assert exit_code(run.resume()) == 0
    assert world.content.requests == 7


@pytest.mark.parametrize("send", [True, False])
def test_one_id_for_two_texts_is_refused_before_anything_is_sent(send, tmp_path):
    """A proxy that repeats its first answer does that: each essay would be compared with itself."""
    world = World()
    world.content.always_gives = "7" * 32
    run = Run(tmp_path / "run", world, make_spec(send=send))
    with pytest.raises(ServiceUnavailable, match="two different texts the same id"):
        run.start()
    assert world.cluster.requests == []
    assert len([event for event in run.events if isinstance(event, EssayUploaded)]) == 1
    world.content.always_gives = None
    assert exit_code(run.resume()) == 0
    assert sorted(world.content.texts.values()) == sorted(run.texts.values())


def test_a_service_that_loses_texts_is_known_by_its_first_upload(tmp_path):
    world = World()
    world.content.after_upload = world.content.texts.clear
    run = Run(tmp_path / "run", world, make_spec(send=False))
    with pytest.raises(ServiceUnavailable, match="now has nothing"):
        run.start()


def test_an_error_that_nobody_foresaw_ends_the_upload(tmp_path):
    """It must not look like a text that is still due, which would be tried for ever."""
    world = World()
    world.content.breaks_with = ZeroDivisionError("a bug")
    stop = asyncio.Event()

    def observe(told: object) -> None:
        if world.content.requests > 20:
            stop.set()  # or this test would not end either

    with pytest.raises(ZeroDivisionError):
        Run(tmp_path / "run", world).start(observe=observe, stop=stop)


def test_a_text_that_is_gone_is_named(tmp_path):
    run = Run(tmp_path / "run")
    gone = run.inputs.students[0].text_sha256
    del run.texts[gone]
    with pytest.raises(InputsInvalid, match=gone[:12]):
        run.start()


def test_a_dry_run_sends_nothing_and_has_its_request(tmp_path):
    """Its texts are named by their content, which cannot be taken for a storage id."""
    run = Run(tmp_path / "run", spec=make_spec(**DRY))
    state = run.start()
    assert (state.closed.outcome, exit_code(state)) == ("not-sent", 0)
    assert (run.world.cluster.requests, run.world.content.requests) == ([], 0)
    assert f"sha256:{sha256_hex(run.texts[run.inputs.students[0].text_sha256])}".encode() in payload(run)


def test_a_run_without_kafka_uploads_and_prepares(tmp_path):
    run = Run(tmp_path / "run", spec=make_spec(send=False, target=Target.model_validate(REMOTE.model_dump())))
    state = run.start()
    assert (state.closed.outcome, len(state.storage_ids)) == ("not-sent", 7)
    assert run.world.cluster.requests == []
