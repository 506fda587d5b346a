"""`import`: a study of HuleEdu's runner as a run directory of ours."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from uuid import UUID

import pytest

import eng5_runner as eng5
from eng5_runner.app.inspect import hydrate_run
from tests.support.huleedu_run import RECORDED, messages, write_run
from tests.support.runner import run


def test_an_imported_study_is_reported_listed_compared_fitted_and_verified(tmp_path: Path) -> None:
    study, target = write_run(tmp_path), tmp_path / "runs" / "imported"
    told = run("import", study, "--out", target, "--anchors", tmp_path / "anchors.csv", "--json", cwd=tmp_path)
    assert told.code == 0, told.err
    assert told.lines[-1]["event"] == "Imported"
    assert any("numbers of words" in what for what in told.lines[-1]["missing"])
    hydrate_run(Path(shutil.copytree(RECORDED, tmp_path / "ours")))
    ours, theirs = eng5.open_run(tmp_path / "ours"), eng5.open_run(target)
    assert [row.winner_position for row in theirs.comparisons] == [row.winner_position for row in ours.comparisons]
    assert len(theirs.failed) == len(ours.failed)
    assert [row.justification for row in theirs.comparisons] == [row.justification for row in ours.comparisons]
    assert [round(essay.theta, 3) for essay in theirs.essays] == [round(essay.theta, 3) for essay in ours.essays]
    assert theirs.artefact.service_result is not None
    verified = eng5.verify(target)
    assert (verified.comparisons, verified.outcome) == (24, "complete")
    assert verified.missing == tuple(told.lines[-1]["missing"])
    (listed,) = eng5.list_runs(tmp_path / "runs")
    assert (listed.label, listed.comparisons) == ("old study", 24)
    assert eng5.compare(target, target).verdicts.agreement == 1.0
    assert len(eng5.fit(target / "tables" / "comparisons.csv").items) == len(theirs.essays)
    page = (target / "report.html").read_text()
    assert "HuleEdu&#x27;s runner 0.1.0 ran this study" in page or "HuleEdu's runner 0.1.0 ran this study" in page
    with pytest.raises(eng5.UsageError, match="took place elsewhere"):
        eng5.resume(target)
    shared = eng5.export_public(target, out=tmp_path / "shared")
    assert set(verified.missing) <= set(eng5.verify(shared).missing)


def test_an_older_artefact_does_not_say_who_was_first_and_the_record_says_so(tmp_path: Path) -> None:
    study = write_run(tmp_path, with_order=False, partial=True)
    imported = eng5.import_run(study, out=tmp_path / "imported", anchors=tmp_path / "anchors.csv")
    origin = imported.artefact.metadata.origin
    assert origin is not None and origin.order_unknown
    assert any("shown first" in what for what in origin.missing)
    assert imported.outcome == "partial"
    assert "90.0 s" in imported.artefact.runner_status.reasons[0]


def test_events_alone_make_a_run(tmp_path: Path) -> None:
    """As records of a topic, one a line, with the service's list of anchors."""
    write_run(tmp_path)
    lines = [json.dumps({"topic": "any", "value": message}) for message in messages("comparison")]
    (tmp_path / "events.jsonl").write_text("\n".join([*lines, lines[0], ""]))
    rows = [line.split(",") for line in (tmp_path / "anchors.csv").read_text().splitlines()[1:]]
    anchors = [{"id": int(name.removeprefix("ANCHOR_")), "grade": grade} for name, grade in rows]
    (tmp_path / "anchors.json").write_text(json.dumps({"anchors": anchors}))
    imported = eng5.import_run(tmp_path / "events.jsonl", out=tmp_path / "imported", anchors=tmp_path / "anchors.json")
    assert len(imported.comparisons) == 24
    assert imported.artefact.metadata.origin is not None
    missing = "; ".join(imported.artefact.metadata.origin.missing)
    assert "texts and files" in missing
    assert "messages" not in missing, "all are there"


def test_events_of_other_studies_in_the_same_topics_are_left_out_or_refused(tmp_path: Path) -> None:
    """An artefact says which study is meant; events alone do not."""
    study, anchors = write_run(tmp_path), tmp_path / "anchors.csv"
    foreign = json.loads(json.dumps(next(messages("comparison"))))
    own = foreign["data"]["request_metadata"]["bos_batch_id"]
    foreign["data"]["request_metadata"] |= {"bos_batch_id": str(UUID(int=7)), "essay_a_id": "SOMEBODY_ELSE"}
    (study / "events" / "foreign.json").write_text(json.dumps(foreign))
    imported = eng5.import_run(study, out=tmp_path / "whole", anchors=anchors)
    assert len(imported.comparisons) == 24 and len(imported.essays) == 13
    lines = [json.dumps(message) for message in (*messages("comparison"), foreign)]
    (tmp_path / "events.jsonl").write_text("\n".join(lines))
    with pytest.raises(eng5.InputsInvalid, match=rf"2 studies: 26 of {own}, 1 of {UUID(int=7)}") as refused:
        eng5.import_run(tmp_path / "events.jsonl", out=tmp_path / "events", anchors=anchors)
    assert "grep" in str(refused.value.remedy)


def test_what_cannot_be_imported_is_refused_with_a_way_on(tmp_path: Path) -> None:
    study = write_run(tmp_path)
    with pytest.raises(eng5.InputsMissing, match="The grade of ANCHOR_"):
        eng5.import_run(study, out=tmp_path / "a")
    (tmp_path / "empty").mkdir()
    with pytest.raises(eng5.InputsMissing, match="neither an artefact"):
        eng5.import_run(tmp_path / "empty", out=tmp_path / "a")
    (tmp_path / "broken.json").write_text("{")
    with pytest.raises(eng5.InputsInvalid, match="is no JSON"):
        eng5.import_run(tmp_path / "broken.json", out=tmp_path / "a")
    with pytest.raises(eng5.UsageError, match="is not empty"):
        eng5.import_run(study, out=study, anchors=tmp_path / "anchors.csv")
    assert not (tmp_path / "a").exists()
