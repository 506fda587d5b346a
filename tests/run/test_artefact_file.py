"""Finding a run's artefact: in whatever mode it ran, and where there is none the message says why and what to do."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from eng5_runner.core.spec import Mode
from eng5_runner.effects.ledger import LEDGER_NAME
from eng5_runner.errors import InputsInvalid, InputsMissing, RunnerError
from eng5_runner.run.artefact_file import artefact_name, load_artefact

OLD_RUNS = Path(__file__).parents[1] / "guard" / "runs"


def refusal(directory: Path, kind: type[RunnerError]) -> str:
    with pytest.raises(kind) as caught:
        load_artefact(directory)
    return f"{caught.value.message}\n{caught.value.remedy}"


@pytest.mark.parametrize(("run", "mode"), [("0.1.0-execute", Mode.EXECUTE), ("0.1.0-anchor-align", Mode.ANCHOR_ALIGN)])
def test_the_artefact_of_a_run_in_any_mode_is_read(run, mode):
    assert load_artefact(OLD_RUNS / run).metadata.runner_mode == mode


def test_a_run_that_is_not_over_says_how_to_finish_it(tmp_path):
    shutil.copy(OLD_RUNS / "0.1.0-execute" / LEDGER_NAME, tmp_path / LEDGER_NAME)
    text = refusal(tmp_path, InputsMissing)
    assert f"{tmp_path} has no artefact yet" in text
    assert f"eng5-runner resume {tmp_path}" in text and f"eng5-runner hydrate {tmp_path}" in text


def test_a_directory_that_is_no_run_is_named(tmp_path):
    assert f"{tmp_path} is not the directory of a run" in refusal(tmp_path, InputsMissing)


def test_a_directory_that_does_not_exist_is_named(tmp_path):
    assert f"There is no run {tmp_path / 'nowhere'}" in refusal(tmp_path / "nowhere", InputsMissing)


def test_a_damaged_artefact_is_named_by_its_file_and_place(tmp_path):
    path = tmp_path / artefact_name(Mode.EXECUTE)
    data = (OLD_RUNS / "0.1.0-execute" / path.name).read_bytes()
    path.write_bytes(data.replace(b'"theta": ', b'"thetx": '))
    text = refusal(tmp_path, InputsInvalid)
    assert str(path) in text and "bt_summary.0.theta" in text and f"eng5-runner hydrate {tmp_path}" in text


def test_of_two_artefacts_none_is_guessed(tmp_path):
    for run, mode in (("0.1.0-execute", Mode.EXECUTE), ("0.1.0-anchor-align", Mode.ANCHOR_ALIGN)):
        shutil.copy(OLD_RUNS / run / artefact_name(mode), tmp_path)
    text = refusal(tmp_path, InputsInvalid)
    assert artefact_name(Mode.EXECUTE) in text and artefact_name(Mode.ANCHOR_ALIGN) in text
