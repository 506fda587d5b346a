"""Whatever is changed in a finished run's directory is noticed and named."""

from __future__ import annotations

import json
import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import pytest

from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.effects.outputs import CONFIG_NAME, INPUTS_NAME, MANIFEST_NAME, SUMS_NAME
from eng5_runner.errors import InputsInvalid, InputsMissing, VerificationFailed
from eng5_runner.run.hydrate import Outputs, hydrate, listed_files, write
from eng5_runner.run.manifest import read_manifest
from eng5_runner.run.run_directory import saved_run
from eng5_runner.run.verify import verify
from tests.support.run import outcomes
from tests.support.run.runs import Run

REQUEST = "requests/{}.json"
FILES = [
    "assessment_run.execute.json",
    CONFIG_NAME,
    INPUTS_NAME,
    LEDGER_NAME,
    MANIFEST_NAME,
    SUMS_NAME,
    "report.html",
    "tables/failed_comparisons.csv",
    REQUEST,
]


@pytest.fixture(scope="module")
def original(tmp_path_factory) -> Run:
    """A finished run without judgements, whose outputs are computed in no time."""
    run = outcomes.failed(tmp_path_factory.mktemp("original") / "run")
    run.finish()
    return run


@pytest.fixture
def copied(original, tmp_path) -> Path:
    """A copy to be spoilt."""
    return Path(shutil.copytree(original.directory, tmp_path / "run"))


def place(run: Path, name: str) -> Path:
    """A file of the run; the request's name holds its event id."""
    if name == REQUEST:
        (found,) = (run / "requests").iterdir()
        return found
    return run / name


def told(run: Path) -> str:
    with pytest.raises(VerificationFailed) as caught:
        verify(run)
    assert caught.value.exit_code == 5
    return caught.value.message


def test_the_files_that_are_spoilt_here_are_all_there_are(original):
    there = {place(original.directory, name).relative_to(original.directory).as_posix() for name in FILES}
    assert there == {*listed_files(original.directory), MANIFEST_NAME, SUMS_NAME}


def test_a_ledger_that_was_emptied_is_not_a_run_that_ended_before_its_first_event(copied):
    (copied / LEDGER_NAME).write_bytes(b"")
    with pytest.raises(InputsInvalid, match=r"does not begin with the ledger that manifest\.json lists"):
        saved_run(copied)
    (copied / MANIFEST_NAME).unlink()
    with pytest.raises(InputsMissing, match="the run ended before its first event"):
        saved_run(copied)


@pytest.mark.parametrize("outcome", outcomes.OUTCOMES)
def test_a_finished_run_verifies_and_stock_tools_say_so_too(outcome, finished):
    run = finished[outcome]
    verified = verify(run.directory)
    assert verified.files == len(read_manifest(run.directory))
    done = subprocess.run(
        ["sha256sum", "--check", "--strict", SUMS_NAME], cwd=run.directory, capture_output=True, text=True, check=True
    )
    assert done.stdout.count(": OK") == verified.files + 1


def test_writing_again_changes_nothing(original, copied):
    before = {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()}
    write(copied, hydrate(copied))
    assert {path: path.read_bytes() for path in copied.rglob("*") if path.is_file()} == before


@pytest.mark.parametrize("name", FILES)
@pytest.mark.parametrize("share", [0.0, 0.2, 0.4, 0.6, 0.8, 1.0])
def test_one_flipped_bit_in_any_file_is_named(name, share, copied):
    """At sampled offsets, a different bit at each."""
    path = place(copied, name)
    data = bytearray(path.read_bytes())
    data[int((len(data) - 1) * share)] ^= 1 << int(share * 5)
    path.write_bytes(data)
    assert path.name in told(copied)


def test_any_flipped_bit_of_the_manifest_is_a_failed_verification(copied, original):
    """Also those in a key, after which an entry no longer says what it must."""
    path = copied / MANIFEST_NAME
    data = path.read_bytes()
    for at in range(0, min(len(data), 300), 3):
        flipped = bytearray(data)
        flipped[at] ^= 1 << at % 8
        path.write_bytes(flipped)
        assert MANIFEST_NAME in told(copied) or SUMS_NAME in told(copied)


BROKEN_MANIFESTS = [
    [],
    {},
    {"files": {}},
    {"files": [5]},
    {"files": ["ab"]},
    {"files": [{"path": "a"}]},
    {"files": [{"path": "a", "sha256": "0", "bytes": 1, "more": 1}]},
    {"files": [{"path": ["a"], "sha256": None, "bytes": "x"}]},
]


@pytest.mark.parametrize("manifest", BROKEN_MANIFESTS)
def test_a_manifest_that_is_none_is_a_failed_verification(manifest, copied):
    (copied / MANIFEST_NAME).write_text(json.dumps(manifest))
    told(copied)


@pytest.mark.parametrize("name", FILES)
def test_a_deleted_file_is_named(name, copied):
    path = place(copied, name)
    path.unlink()
    assert path.name in told(copied)


@pytest.mark.parametrize("name", ["more.txt", "tables/more.csv", "requests/more.json", "ledger.jsonl.bak"])
def test_an_added_file_is_named_and_no_doubt_about_the_run(name, copied):
    (copied / name).write_text("more")
    assert verify(copied).extra_files == (name,)


def test_a_file_that_became_a_link_is_named(copied, tmp_path):
    path = copied / CONFIG_NAME
    path.rename(tmp_path / "elsewhere")
    path.symlink_to(tmp_path / "elsewhere")
    assert CONFIG_NAME in told(copied)


def test_two_changes_are_both_named(copied):
    (copied / SUMS_NAME).unlink()
    (copied / CONFIG_NAME).write_text("[other]\n")
    message = told(copied)
    assert SUMS_NAME in message
    assert CONFIG_NAME in message


def test_an_altered_output_with_a_manifest_that_fits_is_still_found(copied):
    """The ledger says what the outputs must be, whatever the manifest vouches for."""
    table = copied / "tables" / "failed_comparisons.csv"
    table.write_bytes(table.read_bytes().replace(b"birk", b"bork"))
    written_without(copied, "tables/failed_comparisons.csv")
    assert "failed_comparisons.csv is not what the ledger gives" in told(copied)


def written_without(run: Path, name: str) -> None:
    """Write all outputs but one, and a manifest that vouches for that one as it is."""
    hydrated, others = hydrate(run), Outputs()
    for path in hydrated.files:
        if path != name:
            others.put(path, hydrated.files.pieces(path))
    write(run, replace(hydrated, files=others))


def rewritten(run: Path, change) -> None:
    """The artefact with a change, under a manifest that fits it."""
    name = "assessment_run.execute.json"
    document = json.loads((run / name).read_bytes())
    change(document)
    (run / name).write_text(json.dumps(document))
    written_without(run, name)


def test_estimates_of_another_version_are_named_and_its_record_must_be_the_ledgers(copied):
    rewritten(copied, lambda document: document.update(grade_model={"available": False, "reason": "another method"}))
    assert verify(copied, version="99").older_reports == ("assessment_run.execute.json",)
    assert "assessment_run.execute.json is not what the ledger gives" in told(copied), "this version's own run"
    rewritten(copied, lambda document: document["metadata"].update(batch_label="other"))
    with pytest.raises(VerificationFailed, match="is not what the ledger gives"):
        verify(copied, version="99")


def test_a_folder_that_is_no_run_is_missing_and_not_failed(tmp_path):
    with pytest.raises(InputsMissing):
        verify(tmp_path)
    (tmp_path / "file").write_text("text")
    with pytest.raises(InputsMissing, match="is a file"):
        verify(tmp_path / "file")


def test_the_torn_tail_and_the_services_own_records_are_not_the_runs_statement(copied):
    (copied / "ledger.torn.7").write_bytes(b"x")
    (copied / "stack").mkdir()
    (copied / "stack" / "cj.sqlite").write_bytes(b"x")
    assert verify(copied).outcome == "failed"


def test_a_run_that_was_not_closed_says_how_to_go_on(copied):
    (copied / MANIFEST_NAME).unlink()
    assert f"{MANIFEST_NAME} is not there: the run was not closed (resume it or hydrate it)" in told(copied)
    write(copied, hydrate(copied))
    assert verify(copied).outcome == "failed", "and that way leads to a run that verifies"
