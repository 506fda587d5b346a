"""PDFs and large documents are taken apart in processes that may die of it."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from contextlib import suppress
from pathlib import Path

import pytest

from eng5_runner.inventory.extraction import Extraction
from eng5_runner.inventory.findings import Unreadable
from tests.inputs import documents as doc
from tests.inputs.folders import Folder, essay


def children() -> set[str]:
    """Our child processes; read as a whole again when a thread ends meanwhile, for its children go to another one."""
    while True:
        with suppress(FileNotFoundError, ProcessLookupError):
            tasks = Path("/proc/self/task").iterdir()
            return {pid for task in tasks for pid in (task / "children").read_text().split()}


def test_pages_of_a_pdf_follow_one_another(folder: Folder) -> None:
    folder.put("student_essays/paper.pdf", doc.pdf("The first page of it.", "The second page."))
    assert folder.text_of_student("paper.pdf") == "The first page of it.\nThe second page."


@pytest.mark.parametrize(
    ("data", "kind"),
    [
        (b"", "damaged_document"),
        (b"%PDF-1.4 and nothing else", "damaged_document"),
        (doc.pdf("A page that was cut in two.")[:200], "damaged_document"),
        (doc.pdf(), "damaged_document"),
        (doc.pdf(*["A page."] * 201), "too_large"),
        (doc.pdf_of([b"BT /F1 12 Tf " + (b"(" + b"many letters " * 2_000 + b") Tj ") * 50 + b"ET"]), "too_large"),
    ],
    ids=["empty", "header only", "cut", "no pages", "many pages", "much text"],
)
def test_bad_pdfs(data: bytes, kind: str) -> None:
    """Each has its own name for what is wrong."""
    with Extraction() as extraction, pytest.raises(Unreadable) as caught:
        extraction.text(data, "pdf")
    assert caught.value.kind == kind


def test_one_bad_pdf_costs_only_itself(folder: Folder) -> None:
    """The others are read, in the same workers."""
    for number in range(6):
        folder.put(f"student_essays/paper_{number}.pdf", doc.pdf(essay(f"paper {number}")))
    folder.put("student_essays/paper_6.pdf", doc.pdf(essay("cut"))[:300])
    assets = folder.read()
    assert [(each.kind, each.file) for each in assets.findings] == [("damaged_document", "student_essays/paper_6.pdf")]
    assert len(assets.texts) == 11


def test_a_large_docx_is_read_in_a_worker(folder: Folder) -> None:
    """The text is the same wherever it is taken out."""
    picture = os.urandom(1_500_000)
    data = doc.archive(
        {
            "_rels/.rels": doc.relations(("officeDocument", "d.xml")),
            "d.xml": doc.part("document", doc.paragraph(doc.run("With a picture."))),
            "picture.png": picture,
        }
    )
    folder.put("student_essays/large.docx", data)
    assert folder.text_of_student("large.docx") == "With a picture."


def asked_of_a_worker(*files: tuple[str, bytes], cut: int = 0) -> subprocess.CompletedProcess[bytes]:
    """A worker by itself, which ends when its input does: an `Extraction` kills its workers."""
    requests = [
        json.dumps({"format": kind, "size": len(data), "seconds": 60}).encode() + b"\n" + data for kind, data in files
    ]
    asked = b"".join(requests)
    command = [sys.executable, "-P", "-m", "eng5_runner.inventory.extraction_worker"]
    return subprocess.run(command, input=asked[: len(asked) - cut], capture_output=True, check=False)


def test_a_worker_answers_one_request_after_another_and_ends_with_its_input() -> None:
    anchors = doc.cells(["anchor_id", "grade"], ["A1", "B"])
    numbers = [*anchors, ["<c><v>7</v></c>", '<c t="b"><v>1</v></c>', '<c t="str"><f>UPPER("b")</f><v>C</v></c>']]
    shared = [['<c t="s"><v>1</v></c>', '<c t="s"><v>0</v></c>']]
    ended = asked_of_a_worker(
        ("pdf", doc.pdf("The only page.")),
        ("docx", doc.docx(doc.paragraph(doc.run("A paragraph.")))),
        ("xlsx", doc.odd_xlsx(("new", "visible", numbers), ("old", "hidden", anchors))),
        ("xlsx", doc.odd_xlsx(("Sheet", "visible", shared), strict=True, shared=("<t>a</t>", "<r><t>b</t></r>"))),
        ("xlsx", doc.odd_xlsx(("Sheet", "visible", [["<c><v>no number</v></c>"]]))),
        ("xlsx", b"no zip file"),
        ("docx", doc.archive({"_rels/.rels": "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"})),
    )
    assert ended.returncode == 0, ended.stderr
    pdf, docx, table, strict, *refused = map(json.loads, ended.stdout.splitlines())
    assert (pdf["text"], docx["text"]) == ("The only page.", "A paragraph.")
    rows = [["anchor_id", "grade"], ["A1", "B"], ["7", "TRUE", "C"]]
    assert table["sheets"] == [["new", False, rows, []], ["old", True, rows[:2], []]]
    assert strict["sheets"] == [["Sheet", False, [["b", "a"]], []]]
    assert [answer["refused"]["kind"] for answer in refused] == [*["damaged_document"] * 2, "forbidden_xml"]


def test_a_worker_ends_when_a_file_does_not_arrive_whole() -> None:
    ended = asked_of_a_worker(("docx", b"never read to its end"), cut=1)
    assert (ended.returncode, ended.stdout) == (1, b"")
    assert b"the runner went away" in ended.stderr


def test_a_file_that_needs_too_much_computing_is_given_up() -> None:
    """The system ends its worker, and the next file gets a new one."""
    with Extraction(seconds=1) as extraction:
        for _ in range(2):
            with pytest.raises(Unreadable) as caught:
                extraction.text(doc.slow_pdf(), "pdf")
            assert caught.value.kind == "extraction_stopped"
            assert "more than 1 s of computing time" in caught.value.finding("x").message
            assert caught.value.finding("x").remedy


def test_a_reader_that_is_blocked_is_given_up_at_last() -> None:
    """It does not compute; only the clock can tell."""
    with Extraction(patience=0.01) as extraction, pytest.raises(Unreadable) as caught:
        extraction.text(doc.slow_pdf(), "pdf")
    assert "0.01 s" in caught.value.finding("x").message


def test_a_worker_that_dies_is_replaced() -> None:
    """Killed at work, it costs its file; killed at rest, it costs nothing."""
    refusals: list[Unreadable] = []
    before = children()

    def read_slowly() -> None:
        try:
            extraction.text(doc.slow_pdf(), "pdf")
        except Unreadable as refusal:
            refusals.append(refusal)

    with Extraction() as extraction:
        reader = threading.Thread(target=read_slowly)
        reader.start()
        while not children() - before:
            time.sleep(0.01)
        os.kill(int((children() - before).pop()), 9)
        reader.join()
        assert [refusal.kind for refusal in refusals] == ["extraction_stopped"]
        for _ in range(extraction.workers):
            assert extraction.text(doc.pdf(essay("life")), "pdf").text == essay("life").rstrip()
        for pid in children() - before:
            os.kill(int(pid), 9)
        for _ in range(extraction.workers):
            assert extraction.text(doc.pdf(essay("life")), "pdf").text == essay("life").rstrip()
    assert children() <= before


def test_a_worker_sees_none_of_our_secrets(monkeypatch: pytest.MonkeyPatch) -> None:
    """A document that took over its worker would find no token in the environment."""
    monkeypatch.setenv("JWT_SECRET_KEY", "canary-5f1c")
    before = children()
    with Extraction() as extraction:
        extraction.text(doc.pdf(essay("spies")), "pdf")
        workers = children() - before
        assert workers
        for pid in workers:
            assert b"canary-5f1c" not in Path(f"/proc/{pid}/environ").read_bytes()
