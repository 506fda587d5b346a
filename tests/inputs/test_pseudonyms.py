"""Pseudonyms: rows of a key table are only added, and nothing that is read shows a file's own name."""

from __future__ import annotations

import json
import re
import stat
from collections.abc import Callable
from pathlib import Path
from random import Random

import pytest

from eng5_runner.core.inputs import Inputs
from eng5_runner.errors import DiskError, InputsInvalid, InputsMissing
from eng5_runner.inventory.boundary_pairs import read_pairs
from eng5_runner.inventory.pseudonyms import KeyTable, Pseudonyms
from eng5_runner.inventory.read import Assets, read_assets
from eng5_runner.run.pseudonyms import names_for, names_of, words_shared
from tests.inputs.folders import SCALE, Folder, essay

# No part of these may be shown.
STUDENTS = ("2017-NP Klass TE17B-Lindqvist Svensson, Maria.txt", "Björn Åkesson.txt", "李明.md", "Öman=Zelda.txt")
ANCHORS = {"Gunhild Quist_C+.txt": "C+", "Holger.txt": "B"}
PARTS = (
    *("te17b", "lindqvist", "svensson", "maria", "björn", "bjorn", "åkesson", "akesson", "李明", "öman", "oman"),
    *("zelda", "gunhild", "quist", "holger"),
)


def backwards(names: list[str]) -> None:
    names.reverse()


def parse(text: str | bytes) -> KeyTable:
    return KeyTable.parse(text.encode() if isinstance(text, str) else text, name="the key table k.csv")


def test_a_new_table_has_a_row_for_each_file_in_another_order() -> None:
    table = parse("").extended(["a.txt", "c.txt", "b.txt"], shuffle=backwards)
    assert table.data == b"file_name,pseudonym\nc.txt,essay-001\nb.txt,essay-002\na.txt,essay-003\n"
    assert parse(table.data).pseudonyms == table.pseudonyms


def test_rows_are_only_added_and_numbers_go_on() -> None:
    before = '\ufefffile_name;pseudonym;class\n"a;1.txt";Essay-041;9B\nb.txt;P7;9B'
    table = parse(before).extended(["b.txt", "new.txt", "a;1.txt"], shuffle=backwards)
    assert table.data.decode() == before + "\nnew.txt;essay-042;\n"
    assert parse(table.data).pseudonyms == {"a;1.txt": "Essay-041", "b.txt": "P7", "new.txt": "essay-042"}
    assert table.extended(["b.txt"], shuffle=backwards) is table


def test_rows_are_added_in_the_encoding_of_the_table() -> None:
    before = "file_name,pseudonym\nÅsa.txt,P1\n".encode("cp1252")
    table = parse(before).extended(["Örjan.txt"], shuffle=backwards)
    assert table.data == before + "Örjan.txt,essay-001\n".encode("cp1252")
    with pytest.raises(InputsInvalid, match="lacks a letter"):
        parse(before).extended(["李明.txt"], shuffle=backwards)


def test_a_file_name_is_the_same_in_every_form_of_unicode() -> None:
    table = parse("file_name,pseudonym\nA\u030asa.txt,P1\n")
    assert Pseudonyms(table).shown("\u00c5sa.txt") == Pseudonyms(table).shown("A\u030asa.txt") == "P1.txt"


@pytest.mark.parametrize(
    ("rows", "words"),
    [
        ("Maria.txt,P1\nMaria.txt,P2\n", "row 3: an earlier row has the same file"),
        ("Maria.txt,P1\nBo.txt,p1\n", "rows 2 and 3 have the same pseudonym"),
        ("Maria.txt,\n", "row 2: there is no file name, or no pseudonym"),
        ("Maria.txt,Maria Lindqvist\n", "row 2"),
        (",P1\n", "row 2"),
    ],
)
def test_an_error_in_the_table_names_rows_and_no_files(rows: str, words: str) -> None:
    with pytest.raises(InputsInvalid, match=words) as caught:
        parse(f"file_name,pseudonym\n{rows}")
    assert "Maria" not in caught.value.message + caught.value.remedy


@pytest.mark.parametrize("text", ["name,number\nMaria.txt,1\n", "Maria.txt\n", 'file_name,pseudonym\n"Maria', "PK\3\4"])
def test_another_file_is_refused_and_stays_as_it_is(text: str, tmp_path: Path) -> None:
    path = tmp_path / "k.csv"
    path.write_text(text)
    with pytest.raises(InputsInvalid, match="key table") as caught:
        names_for(path)
    assert "Maria" not in caught.value.message + caught.value.remedy
    assert path.read_text() == text


@pytest.fixture
def private(tmp_path: Path) -> Folder:
    """A good folder with pupils' names."""
    folder = Folder(tmp_path / "assets")
    folder.put("instructions.md", "Write an essay.\n")
    folder.put("prompt.md", "Say which essay is better.\n")
    for place, names in (("student_essays", STUDENTS), ("anchor_essays", ANCHORS)):
        for name in names:
            folder.put(f"{place}/{name}", essay(name[:1]))
    folder.put("anchors.csv", "file_name,grade\nHolger.txt,B\n")
    return folder


def read(folder: Folder, key: Path) -> Assets:
    return read_assets(folder.root, grade_scale=SCALE, names=names_for(key))


def usable(assets: Assets) -> Inputs:
    assert assets.inputs is not None, assets.findings
    return assets.inputs


def assert_silent(text: str) -> None:
    assert [part for part in PARTS if part in text.casefold()] == []


def stated(assets: Assets) -> str:
    parts = [finding.model_dump() for finding in assets.findings]
    parts += [] if assets.inputs is None else [assets.inputs.model_dump(mode="json")]
    return json.dumps(parts, ensure_ascii=False)


def test_inputs_have_pseudonyms_and_the_grades_that_the_own_names_gave(private: Folder, tmp_path: Path) -> None:
    key = tmp_path / "k.csv"
    assets = read(private, key)
    assert_silent(stated(assets))
    inputs = usable(assets)
    pseudonyms = parse(key.read_bytes()).pseudonyms
    assert pseudonyms.keys() == {*STUDENTS, *ANCHORS}
    assert sorted(student.essay_id for student in inputs.students) == sorted(pseudonyms[name] for name in STUDENTS)
    assert {f"{anchor.label}": anchor.grade for anchor in inputs.anchors} == {
        pseudonyms[name]: grade for name, grade in ANCHORS.items()
    }
    (note,) = [anchor for anchor in inputs.anchors if anchor.grade == "B"]
    assert note.file.source_path == f"anchor_essays/{pseudonyms['Holger.txt']}.txt"
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def test_pseudonyms_stay_when_files_come_and_go(private: Folder, tmp_path: Path) -> None:
    key = tmp_path / "k.csv"
    first = usable(read(private, key))
    before = key.read_bytes()
    assert usable(read(private, key)).digest() == first.digest()
    assert key.read_bytes() == before
    private.remove(f"student_essays/{STUDENTS[0]}")
    private.put("student_essays/Xenia.txt", essay("x"))
    second = usable(read(private, key))
    assert key.read_bytes().startswith(before)
    assert key.read_bytes().count(b"\n") == before.count(b"\n") + 1
    kept = {student.text_sha256: student.essay_id for student in first.students}
    assert [kept.get(student.text_sha256, student.essay_id) for student in second.students] == [
        student.essay_id for student in second.students
    ]


def test_a_table_that_others_can_read_becomes_private(private: Folder, tmp_path: Path) -> None:
    key = tmp_path / "k.csv"
    usable(read(private, key))
    key.chmod(0o644)
    usable(read(private, key))
    assert stat.S_IMODE(key.stat().st_mode) == 0o600


def _swapped(folder: Folder) -> None:
    folder.put("anchors.csv", "file_name,grade\nC+,Gunhild Quist\nHolger.txt,Zelda\n")


def _no_grade(folder: Folder) -> None:
    folder.remove("anchors.csv")


def _folder_named(folder: Folder) -> None:
    (folder.root / "student_essays").rename(folder.root / "Klass Lindqvist")
    folder.put("eng5.toml", '[assets]\nstudent_essays = "Klass Lindqvist"\nprompt = "Zelda.md"\n')


FAULTS: list[tuple[str, Callable[[Folder], object]]] = [
    ("identical_text", lambda folder: folder.put("student_essays/Maria 2.txt", essay(STUDENTS[0][:1]))),
    ("empty_text", lambda folder: folder.put("student_essays/Maria 2.txt", "")),
    ("unsupported_format", lambda folder: folder.put("student_essays/Maria.Lindqvist", "x")),
    ("ignored_folder", lambda folder: folder.put("student_essays/Maria Lindqvist/a.txt", "x")),
    ("damaged_document", lambda folder: folder.put("student_essays/Maria.docx", "x")),
    ("unknown_encoding", lambda folder: folder.put("student_essays/Maria.txt", b"\xff")),
    ("short_anchor", lambda folder: folder.put("anchor_essays/Maria_A.txt", "short")),
    ("row_without_file", lambda folder: folder.put("anchors.csv", "file_name,grade\nMaria.txt,A\nHolger.txt,B\n")),
    ("duplicate_row", lambda folder: folder.put("anchors.csv", "file_name,grade\nHolger,A\nHolger.txt,B\n")),
    ("unknown_grade", _swapped),
    ("anchor_without_grade", _no_grade),
    ("missing_file", _folder_named),
    ("unused_file", lambda folder: folder.put("anchors Lindqvist.csv", "x")),
    (
        "short_anchor",
        lambda folder: folder.put("Klass Svensson/Maria.txt", "x") and folder.put("anchor_essays/Maria_A.txt", "x"),
    ),
    ("outside_folder", lambda folder: (folder.root / "student_essays/Maria.txt").symlink_to("/dev/null")),
    ("unreadable_file", lambda folder: (folder.root / "student_essays/Maria.txt").symlink_to("Zelda.txt")),
]


@pytest.mark.parametrize(("kind", "spoil"), FAULTS, ids=[kind for kind, _ in FAULTS])
def test_a_finding_shows_no_own_name(
    kind: str, spoil: Callable[[Folder], object], private: Folder, tmp_path: Path
) -> None:
    spoil(private)
    assets = read(private, tmp_path / "k.csv")
    assert kind in {finding.kind for finding in assets.findings}
    assert_silent(stated(assets))


def test_a_file_whose_name_cannot_be_written_is_refused_and_not_in_the_table(private: Folder, tmp_path: Path) -> None:
    (private.root / "student_essays").joinpath(b"Maria\xff.txt".decode(errors="surrogateescape")).write_text("x")
    assets = read(private, tmp_path / "k.csv")
    assert "undecodable_name" in {finding.kind for finding in assets.findings}
    assert b"\nMaria" not in (tmp_path / "k.csv").read_bytes()
    assert_silent(stated(assets))


def test_a_folder_without_a_row_may_name_its_anchors_by_pseudonym(private: Folder, tmp_path: Path) -> None:
    """As the finding about an anchor without a grade says."""
    private.remove("anchors.csv")
    key = tmp_path / "k.csv"
    (without,) = [finding for finding in read(private, key).findings if finding.severity == "error"]
    pseudonym = parse(key.read_bytes()).pseudonyms["Holger.txt"]
    assert f"anchor_id {pseudonym} " in without.remedy
    private.put("anchors.csv", f"anchor_id,grade\n{pseudonym},B\n")
    assert {anchor.grade for anchor in usable(read(private, key)).anchors} == {"B", "C+"}


def test_a_table_of_pairs_may_have_the_own_names(private: Folder, tmp_path: Path) -> None:
    key, pairs = tmp_path / "k.csv", tmp_path / "pairs.csv"
    inputs = usable(read(private, key))
    shown = parse(key.read_bytes()).pseudonyms
    pairs.write_text(f"essay_a,essay_b\nbjörn åkesson,李明.md\n{shown['Öman=Zelda.txt']},Holger\n")
    assert read_pairs(pairs, inputs, names=names_of(key)) == (
        (shown["Björn Åkesson.txt"], shown["李明.md"]),
        (shown["Öman=Zelda.txt"], f"anchor-{shown['Holger.txt']}"),
    )
    pairs.write_text("essay_a,essay_b\nbjörn åkesson,Zelda Quist\n")
    with pytest.raises(InputsInvalid, match="row 2: there is no essay with this name") as caught:
        read_pairs(pairs, inputs, names=names_of(key))
    assert_silent(caught.value.message)


def test_a_run_that_has_begun_needs_its_table_and_does_not_change_it(private: Folder, tmp_path: Path) -> None:
    key = tmp_path / "k.csv"
    with pytest.raises(InputsMissing, match="key table"):
        names_of(key)
    usable(read(private, key))
    before = key.read_bytes()
    private.put("student_essays/Maria.txt", essay("x"))
    assets = read_assets(private.root, grade_scale=SCALE, names=names_of(key))
    assert key.read_bytes() == before
    assert_silent(stated(assets))


def test_a_folder_that_cannot_be_written_is_a_matter_of_the_disk(private: Folder, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    with pytest.raises(DiskError, match=re.escape("k.csv cannot be read")):
        read(private, tmp_path / "a file" / "k.csv")


def test_words_that_paths_share_with_file_names_are_found() -> None:
    names = Pseudonyms(parse('file_name,pseudonym\n"Lindqvist, Åsa 9B.txt",P1\n'))
    texts = {"a": "/home/lindqvist/x", "b": "/home/A\u030aSA", "c": "/home/quist/9b/txt"}
    assert words_shared(names, texts) == ("a", "b")


def test_the_order_of_the_numbers_is_random() -> None:
    names = [f"{number:03}.txt" for number in range(50)]
    table = parse("").extended(names, shuffle=Random(1).shuffle)
    assert [table.pseudonyms[name] for name in names] != sorted(table.pseudonyms.values())
