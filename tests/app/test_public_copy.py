"""`export --public`: the copy verifies on its own, and nothing private is in any byte of it."""

from __future__ import annotations

import io
import json
import re
import shutil
import zipfile
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

import eng5_runner as eng5
from eng5_runner.app.inspect import hydrate_run
from eng5_runner.app.judge.people import PeoplesFiles, add_from_people
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.public.inputs import public_inputs
from eng5_runner.core.public.pseudonyms import PublicNames
from eng5_runner.inventory.read import read_assets
from eng5_runner.run.artefact_file import load_artefact
from tests.support.runner import run

ROOT = Path(__file__).parents[2]
RUNS = ROOT / "tests" / "guard" / "runs"
# Of the demo by a version whose names on the wire had a part of the files' names; and one with failed comparisons.
DEMO, RECORDED = RUNS / "0.1.0-execute", RUNS / "0.1.0-recorded"


@pytest.fixture(scope="module")
def copy(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("copy") / "public"
    ran = run("export", DEMO, "--public", folder, "--json", cwd=folder.parent)
    assert ran.code == 0, ran.err
    assert ran.lines[-1]["folder"] == str(folder)
    return folder


def contents(folder: Path) -> Iterator[tuple[str, bytes]]:
    """Every file, and every file inside one that is compressed."""
    for path in folder.rglob("*"):
        if path.is_file():
            data = path.read_bytes()
            yield path.name, data
            if zipfile.is_zipfile(io.BytesIO(data)):
                archive = zipfile.ZipFile(io.BytesIO(data))
                yield from ((name, archive.read(name)) for name in archive.namelist())


def callbacks(run_directory: Path) -> Iterator[dict[str, Any]]:
    for line in (run_directory / "ledger.jsonl").read_text().splitlines():
        event = json.loads(line)
        if event["type"] == "CallbackAccepted":
            yield json.loads(event["raw"])["data"]


def private_of(run_directory: Path) -> set[str]:
    """Names of files, ids, names on the wire, reasons and messages of errors of a run."""
    inputs = json.loads((run_directory / "inputs.json").read_text())
    found: set[str] = {json.loads((run_directory / "ledger.jsonl").read_text().partition("\n")[0])["spec"]["assets"]}
    for essay in (*inputs["anchors"], *inputs["students"]):
        found |= {essay["file"]["file_name"], essay["file"]["source_path"], essay.get("anchor_id", "anchor-a1")}
        found |= {essay["essay_id"]} if "essay_id" in essay else set()
    for data in callbacks(run_directory):
        found |= {data.get("justification") or "", (data.get("error_detail") or {}).get("message") or ""}
        metadata = data.get("request_metadata", {})
        sent = {metadata.get("essay_a_id", ""), metadata.get("essay_b_id", "")}
        found |= {name for name in sent if not name.startswith("ANCHOR_")}
        found |= {str(data.get("request_id", "")), str(data.get("correlation_id", ""))}
    return {text for text in found if len(text) > 4}


def sentences() -> set[str]:
    texts = read_assets(ROOT / "examples" / "eng5_demo", grade_scale="eng5_np_legacy_9_step")
    kept = {texts.inputs.prompt.text_sha256}
    essays = [text.decode() for sha256, text in texts.texts.items() if sha256 not in kept]
    return {part.strip() for essay in essays for part in re.split(r"[.!?\n]", essay) if len(part.strip()) > 12}


def test_no_sentence_name_or_reason_is_in_any_byte_of_the_copy(copy: Path) -> None:
    private, texts = private_of(DEMO), sentences()
    assert len(private) > 100
    assert len(texts) > 300
    shared = dict(contents(copy))
    assert len(shared) >= 15
    instructions = (copy / "prompts" / "instructions.md").read_text() + (copy / "prompts" / "task.md").read_text()
    texts = {text for text in texts if text not in instructions}
    for name, data in shared.items():
        text = data.decode()
        assert [piece for piece in private | texts if piece in text] == [], name


def test_the_copy_verifies_on_its_own_and_says_what_cannot_be_checked(tmp_path: Path) -> None:
    eng5.export_public(RECORDED, out=tmp_path / "copy")
    moved = shutil.move(tmp_path / "copy", tmp_path / "elsewhere")
    verified = eng5.verify(moved)
    assert verified.comparisons == 24
    assert any("reasons" in sentence for sentence in verified.missing)
    table = moved / "tables" / "comparisons.csv"
    table.write_text(table.read_text().replace("essay-01", "essay-02", 1))
    with pytest.raises(eng5.VerificationFailed, match=r"tables/comparisons\.csv is not what the ledger gives"):
        eng5.verify(moved)


def test_the_figures_of_the_copy_are_those_of_the_run(copy: Path, tmp_path: Path) -> None:
    """Paired by the hashes of the texts, which stay."""
    today = Path(shutil.copytree(DEMO, tmp_path / "run"))
    hydrate_run(today)
    compared = eng5.compare(today, copy)
    assert compared.essays.shared == 44
    assert compared.verdicts.agreement == 1.0
    assert max(abs(move.theta_a - move.theta_b) for move in compared.positions.moves) < 1e-3
    fitted = run("fit", copy / "tables" / "comparisons.csv", "--json", cwd=copy.parent)
    assert fitted.code == 0, fitted.err


def test_reasons_stay_where_they_are_asked_for_and_messages_of_errors_never_do(tmp_path: Path) -> None:
    copied = eng5.export_public(RECORDED, out=tmp_path / "copy", with_reasons=True)
    kept = {row.justification for row in copied.comparisons}
    assert kept == {data["justification"] for data in callbacks(RECORDED) if data.get("winner")}
    assert copied.failed
    assert all(row.failure_reason.endswith(": no message") for row in copied.failed)
    assert "the judge's reasons" not in " ".join(eng5.verify(copied).missing)


def test_a_hash_that_could_be_guessed_is_not_published() -> None:
    inputs = Inputs.model_validate_json((DEMO / "inputs.json").read_text())
    first = inputs.students[0]
    brief = inputs.model_copy(update={"students": (first.model_copy(update={"word_count": 9}), *inputs.students[1:])})
    shared = public_inputs(brief, PublicNames.of(brief, secret=b"1"))
    kept = {student.text_sha256 for student in shared.students} | {student.file.sha256 for student in shared.students}
    assert first.text_sha256 not in kept
    assert first.file.sha256 not in kept
    assert {student.text_sha256 for student in inputs.students[1:]} <= kept
    assert shared.anchor_table is None, "its hash can be guessed from the names in it"


def test_the_numbers_follow_neither_names_nor_another_ledger() -> None:
    inputs = Inputs.model_validate_json((DEMO / "inputs.json").read_text())
    one, again, other = (PublicNames.of(inputs, secret=secret).essays for secret in (b"1", b"1", b"2"))
    assert one == again != other
    assert [one[student.essay_id] for student in inputs.students] != sorted(
        one[student.essay_id] for student in inputs.students
    )


def test_the_crate_keeps_the_rules_of_ro_crate_and_of_its_profile(copy: Path) -> None:
    document = json.loads((copy / "ro-crate-metadata.json").read_text())
    assert "https://w3id.org/ro/crate/1.1/context" in document["@context"]
    entities = {entity["@id"]: entity for entity in document["@graph"]}
    assert len(entities) == len(document["@graph"]), "each @id once"
    descriptor, root = entities["ro-crate-metadata.json"], entities["./"]
    assert (descriptor["@type"], descriptor["about"]) == ("CreativeWork", {"@id": "./"})
    assert descriptor["conformsTo"] == {"@id": "https://w3id.org/ro/crate/1.1"}
    assert root["@type"] == "Dataset"
    assert all(root[name] for name in ("name", "description", "license"))
    assert re.fullmatch(r"\d{4}-\d\d-\d\d", root["datePublished"])
    assert entities[root["conformsTo"]["@id"]]["@type"] == "CreativeWork"
    action = entities[root["mentions"]["@id"]]
    assert action["@type"] == "CreateAction"
    tool = entities[action["instrument"]["@id"]]
    assert (tool["@type"], tool["softwareVersion"]) == ("SoftwareApplication", "0.1.0")
    assert action["actionStatus"] == "http://schema.org/CompletedActionStatus"
    named = [place["@id"] for place in (*root["hasPart"], *action["object"], *action["result"])]
    assert set(named) <= entities.keys(), "every reference is described"
    files = {path.relative_to(copy).as_posix() for path in copy.rglob("*") if path.is_file()}
    described = {name for name, entity in entities.items() if entity["@type"] == "File"}
    assert described == files - {"ro-crate-metadata.json", "manifest.json", "manifest.sha256"}
    sums = dict(line.split("  ")[::-1] for line in (copy / "manifest.sha256").read_text().splitlines())
    assert all(entities[name]["sha256"] == sums[name] for name in described)


def test_a_copy_is_not_continued_and_says_in_its_report_what_it_is(copy: Path) -> None:
    refused = run("resume", copy, cwd=copy.parent)
    assert refused.code == 2
    assert "took place elsewhere" in refused.err
    assert "A public copy, made on" in (copy / "report.html").read_text()


def test_names_of_files_in_the_instructions_and_a_folder_in_use_are_refused(tmp_path: Path) -> None:
    broken = shutil.copytree(DEMO, tmp_path / "run")
    name = load_artefact(DEMO).inputs.students[0].file_name
    inputs = Inputs.model_validate_json((broken / "inputs.json").read_text())
    named = inputs.prompt.model_copy(update={"text": f"Write like {name}."})
    changed = inputs.model_copy(update={"prompt": named})
    lines = (broken / "ledger.jsonl").read_text()
    (broken / "inputs.json").write_text(changed.model_dump_json())
    (broken / "ledger.jsonl").write_bytes(_with_digest(lines, inputs.digest(), changed.digest()))
    (broken / "manifest.json").unlink()
    with pytest.raises(eng5.InputsInvalid, match="has the name of an essay's file"):
        eng5.export_public(broken, out=tmp_path / "copy")
    with pytest.raises(eng5.UsageError, match="is not empty"):
        eng5.export_public(DEMO, out=broken)


def _with_digest(ledger: str, before: str, after: str) -> bytes:
    """The ledger of a run that began with other inputs, its first line sealed again."""
    first, rest = ledger.split("\n", 1)
    body = first.replace(before, after).rpartition(',"_crc"')[0].encode()
    return b'%s,"_crc":"%08x"}\n' % (body, zlib.crc32(body)) + rest.encode()


def test_people_who_judged_have_no_name_in_the_copy(tmp_path: Path) -> None:
    whole = Path(shutil.copytree(RECORDED, tmp_path / "run"))
    first, second = (entry.essay_id for entry in eng5.open_run(whole).artefact.bt_summary[:2])
    file = tmp_path / "klass-9b.csv"
    file.write_text(f"judge,item_a,item_b,winner\nAda Lind,{first},{second},b\n", encoding="utf-8")
    add_from_people(whole, PeoplesFiles(judgements=file))
    copy = eng5.export_public(whole, out=tmp_path / "copy")
    human = copy.artefact.human_scale
    assert human is not None and human.judgements == 1
    every = b"".join(path.read_bytes() for path in copy.path.rglob("*") if path.is_file())
    assert b"Ada" not in every and b"klass-9b" not in every
