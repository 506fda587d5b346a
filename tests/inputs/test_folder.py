"""Which files of the assets folder are read, and how."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from eng5_runner.core.inputs import Inputs
from eng5_runner.errors import InputsMissing, UsageError
from eng5_runner.inventory.locations import like_a_usual_name
from eng5_runner.inventory.read import read_assets
from tests.inputs import documents as doc
from tests.inputs.folders import SCALE, Folder, essay, make_good


def test_the_inventory_tells_each_file(folder: Folder) -> None:
    """Every file has its size and hash, and its text's hash and word count, which are those of the bytes to send."""
    raw = "\ufeffOne two\r\nthree  \r\n".encode()
    folder.put("student_essays/Åsa Öberg.txt", raw)
    assets = folder.read()
    assert assets.inputs is not None
    (student,) = [each for each in assets.inputs.students if each.essay_id == "asa-oberg"]
    assert student.file.model_dump() == {
        "source_path": "student_essays/Åsa Öberg.txt",
        "file_name": "Åsa Öberg.txt",
        "sha256": hashlib.sha256(raw).hexdigest(),
        "size": len(raw),
        "encoding": "utf-8-sig",
        "format": "txt",
    }
    assert assets.texts[student.text_sha256] == b"One two\nthree"
    assert student.text_sha256 == hashlib.sha256(b"One two\nthree").hexdigest()
    assert student.word_count == 3


def test_inputs_are_sorted_and_survive_being_saved(folder: Folder) -> None:
    """What is written to inputs.json and read back is equal and has the same digest."""
    for name in ("zebra", "Ant", "mole"):
        folder.put(f"student_essays/{name}.txt", essay(name))
    inputs = folder.inputs()
    ids = [student.essay_id for student in inputs.students]
    assert ids == sorted(ids)
    again = Inputs.model_validate_json(inputs.model_dump_json())
    assert again == inputs
    assert again.digest() == inputs.digest()


def test_the_digest_follows_the_contents_and_not_the_place(folder: Folder, tmp_path: Path) -> None:
    """A copy elsewhere has the same digest, with lock files too; a changed letter gives another."""
    copy = make_good(tmp_path / "copy")
    copy.put("student_essays/.DS_Store", "junk")
    assert copy.inputs().digest() == folder.inputs().digest()
    copy.put("student_essays/essay_01.txt", essay("peaches"))
    assert copy.inputs().digest() != folder.inputs().digest()


def test_the_folder_of_the_field_is_found_as_it_is(tmp_path: Path) -> None:
    """Its names, lock files and a rater table without grades need no settings."""
    folder = Folder(tmp_path)
    folder.put("eng5_np_vt_2017_essay_instruction.md", "Write about travelling.")
    folder.put("llm_prompt_cj_assessment_eng5.md", "Judge the language first.")
    folder.put("ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA.csv", "\ufeffANCHOR-ID;grade;Anna\nF+1;F+;E\nE-1;E-;E\n")
    folder.put("ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA.xlsx", "not even looked at")
    folder.put("anchor_essays/F+1.docx", doc.docx(doc.paragraph(doc.run(essay("fish")))))
    folder.put("anchor_essays/E-1.docx", doc.docx(doc.paragraph(doc.run(essay("eels")))))
    folder.put("anchor_essays/~$F+1.docx", "lock")
    folder.put("student_essays/Anna Ek SA24 – ENG 5.docx", doc.docx(doc.paragraph(doc.run(essay("hats")))))
    folder.put("student_essays/Bo Al SA24 – ENG 5.docx", doc.docx(doc.paragraph(doc.run(essay("hills")))))
    folder.put("student_essays/Thumbs.db", "junk")
    inputs = folder.inputs()
    assert [(each.anchor_id, each.grade, each.label) for each in inputs.anchors] == [
        ("anchor-e-1", "E-", "E-1"),
        ("anchor-fplus1", "F+", "F+1"),
    ]
    assert [each.essay_id for each in inputs.students] == ["anna-ek-sa24-eng-5", "bo-al-sa24-eng-5"]
    assert inputs.instructions.text == "Judge the language first."
    assert inputs.prompt.text == "Write about travelling."
    assert inputs.anchor_table is not None
    assert inputs.anchor_table.encoding == "utf-8-sig"
    assert inputs.notes == (
        "ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA.csv is used, ANCHOR_ESSAYS_BAYESIAN_INFERENCE_DATA.xlsx passed over.",
        "2 lock files, hidden files and the like were passed over.",
    )


def test_our_own_names_keep_their_roles_beside_those_of_the_field(folder: Folder) -> None:
    """`instructions` is what the judge goes by, `prompt` is the task; each has precedence over the field's name."""
    folder.put("instructions.md", "Judge it.")
    folder.put("prompt.md", "Write it.")
    folder.put("eng5_np_vt_2017_essay_instruction.md", "Write about travelling.")
    folder.put("llm_prompt_cj_assessment_eng5.md", "Judge the language first.")
    inputs = folder.inputs()
    assert (inputs.instructions.text, inputs.prompt.text) == ("Judge it.", "Write it.")
    assert "instructions.md is used, llm_prompt_cj_assessment_eng5.md passed over." in inputs.notes
    assert "prompt.md is used, eng5_np_vt_2017_essay_instruction.md passed over." in inputs.notes


def test_a_folder_without_a_rubric_is_used_with_a_warning(folder: Folder) -> None:
    folder.remove("instructions.md")
    assets = folder.read()
    assert assets.inputs is not None
    assert assets.inputs.instructions is None
    (warning,) = [finding for finding in assets.findings if finding.kind == "missing_instructions"]
    assert (warning.severity, warning.message) == (
        "warning",
        "There are no instructions for the judge: without --rubric, the service's own criteria apply.",
    )
    assert Inputs.model_validate_json(assets.inputs.model_dump_json()).digest() == assets.inputs.digest()


def test_settings_in_the_folder_give_other_names(folder: Folder) -> None:
    """eng5.toml moves every part and states the encoding; the usual names are then not looked at."""
    folder.put("texts/task.txt", "Skriv på engelska".encode("cp1252"))
    folder.put("texts/judge.md", "Better one?")
    folder.put("known.csv", "anchor id\tgrade\nx\tB\n")
    folder.put("known/x.txt", essay("boats"))
    folder.put("new/one.txt", essay("one"))
    folder.put("new/two.txt", essay("two"))
    folder.put(
        "eng5.toml",
        "[assets]\ninstructions = 'texts/task.txt'\nprompt = './texts/judge.md'\nanchor_table = 'known.csv'\n"
        "anchor_essays = 'known/'\nstudent_essays = 'new'\nencoding = 'cp1252'\n",
    )
    inputs = folder.inputs()
    assert inputs.instructions.text == "Skriv på engelska"
    assert inputs.instructions.file.encoding == "cp1252 given"
    assert inputs.prompt.file.source_path == "texts/judge.md"
    assert [(each.file.source_path, each.grade) for each in inputs.anchors] == [("known/x.txt", "B")]
    assert [each.essay_id for each in inputs.students] == ["one", "two"]


@pytest.mark.parametrize(
    ("settings", "kind", "said"),
    [
        ("[assets]\npromt = 'x'", "invalid_settings", "Did you mean prompt?"),
        ("[asets]\nprompt = 'x'", "invalid_settings", "Did you mean assets?"),
        ("[assets]\nprompt = 3", "invalid_settings", "prompt"),
        ("assets = 3", "invalid_settings", "[assets]"),
        ("[assets", "invalid_settings", "Correct it"),
        ("[assets]\nencoding = 'rot13'", "invalid_settings", "cp1252"),
        ("[assets]\nencoding = 'klingon'", "invalid_settings", "cp1252"),
        ("[assets]\nprompt = 'nowhere.md'", "missing_file", "put it there"),
        ("[assets]\nprompt = '../outside.md'", "outside_folder", "Copy the file"),
        ("[assets]\nprompt = '/dev/zero'", "outside_folder", "Copy the file"),
        ('[assets]\nprompt = "a\\u0000b"', "unreadable_file", "readable"),
        ("[assets]\nstudent_essays = 'prompt.md'", "unreadable_file", "folder"),
        ("[assets]\nprompt = 'anchor_essays'", "unsupported_format", ".md"),
        ("[assets]\nanchor_table = 'prompt.md'", "unsupported_format", ".csv, .tsv, .txt, .xlsm, .xlsx"),
    ],
)
def test_wrong_settings(folder: Folder, settings: str, kind: str, said: str) -> None:
    """A wrong setting is a finding that says what would be right."""
    folder.put("../outside.md", "secret")
    folder.put("eng5.toml", settings)
    found = [each for each in folder.read().findings if each.kind == kind]
    assert len(found) == 1
    assert said in found[0].remedy


def rename(folder: Folder, **names: str) -> None:
    """Give entries of the folder other names; `__` stands for a dot."""
    for name, other in names.items():
        (folder.root / name.replace("__", ".")).rename(folder.root / other)


@pytest.mark.parametrize("table", ["Anchors.csv", "anchors.CSV", "anchors.csv.txt", "ANCHORS.csv.TXT"])
def test_a_table_is_read_whatever_its_case_and_second_ending(folder: Folder, table: str) -> None:
    """A table that is ignored gives wrong grades, and Windows hides the second ending."""
    folder.put(table, "anchor_id,grade\nA1,F+\n")
    inputs = folder.read().inputs
    assert inputs is not None
    assert [each.grade for each in inputs.anchors] == ["F+"]
    assert inputs.notes == (f"{table} is read as anchors.csv.",)
    assert inputs.anchor_table is not None and inputs.anchor_table.format == "csv"


def test_all_parts_are_found_whatever_their_case(folder: Folder) -> None:
    before = folder.inputs()
    rename(folder, prompt__md="PROMPT.MD", instructions__md="Instructions.md.txt")
    rename(folder, anchor_essays="Anchor_Essays", student_essays="STUDENT_ESSAYS")
    inputs = folder.inputs()
    assert [each.text_sha256 for each in inputs.students] == [each.text_sha256 for each in before.students]
    assert (inputs.prompt.text, inputs.instructions.text) == (before.prompt.text, before.instructions.text)
    assert inputs.notes == (
        "Instructions.md.txt is read as instructions.md.",
        "PROMPT.MD is read as prompt.md.",
    )


@pytest.mark.parametrize("name", ["eng5.toml", "Eng5.TOML", "eng5.toml.txt"])
@pytest.mark.parametrize("encoding", ["utf-8", "utf-8-sig", "utf-16"])
def test_settings_are_read_and_name_files_in_any_unicode_form(folder: Folder, name: str, encoding: str) -> None:
    """A folder that was zipped on a Mac has decomposed letters; a person types composed ones, and backslashes."""
    folder.put("Elevtexter a\u030ak9/ett.txt", essay("one"))
    folder.put("Elevtexter a\u030ak9/tva\u030a.txt", essay("two"))
    folder.put("Mall/Uppgift.txt", "Write.")
    folder.put(
        name,
        "[assets]\nstudent_essays = 'elevtexter \u00e5k9'\nprompt = 'mall\\uppgift.TXT'\n".encode(encoding),
    )
    inputs = folder.inputs()
    assert [each.essay_id for each in inputs.students] == ["ett", "tva"]
    assert inputs.prompt.text == "Write."
    assert inputs.notes[-1] == "Not used: prompt.md, student_essays/."


def test_the_exact_name_goes_first_and_the_other_is_named(folder: Folder) -> None:
    """On file systems that tell case apart both can exist."""
    folder.put("anchors.csv", "anchor_id,grade\nA1,A\n")
    folder.put("Anchors.csv", "anchor_id,grade\nA1,F+\n")
    folder.put("Student_Essays/anna.txt", essay("anna"))
    findings = folder.read().findings
    assert [(finding.kind, finding.file, finding.severity) for finding in findings] == [
        ("unused_file", "Anchors.csv", "warning"),
        ("unused_file", "Student_Essays", "warning"),
    ]
    assert [each.grade for each in folder.read().inputs.anchors] == ["A"]


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("anchor.csv", "anchors.csv"),
        ("anchors (1).csv", "anchors.csv"),
        ("Ankare.xlsx", "anchors.csv"),
        ("grades.xls", "anchors.csv"),
        ("eng5.toml.bak", "eng5.toml"),
    ],
)
def test_a_near_miss_is_named_with_the_usual_name(folder: Folder, name: str, usual: str) -> None:
    folder.put(name, "anchor_id,grade\nA1,F+\n")
    finding = folder.only_finding()
    assert (finding.kind, finding.file) == ("unused_file", name)
    assert usual in finding.message and f"rename it to {usual}" in finding.remedy


@pytest.mark.parametrize(
    ("name", "usual"),
    [
        ("Students", "student_essays/"),
        ("elevtexter", "student_essays/"),
        ("student essays", "student_essays/"),
        ("Anchor-essays", "anchor_essays/"),
        ("ankartexter", "anchor_essays/"),
        ("anchor_esays", "anchor_essays/"),
        ("photos", None),
    ],
)
def test_a_folder_may_have_been_meant_for_one_that_is_lacking(name: str, usual: str | None) -> None:
    lacking = ("student_essays/", "anchor_essays/", "anchors.csv", "prompt.md")
    assert like_a_usual_name(name, is_folder=True, lacking=lacking) == usual
    assert like_a_usual_name(name, is_folder=True, lacking=()) is None


@pytest.mark.parametrize("name", ["ancors.tsv", "anchors_old.csv", "Kopia av anchors.xlsx"])
def test_a_name_like_the_table_is_named_beside_the_table(name: str) -> None:
    """A table of students' grades is not: nothing is wrong with it."""
    assert like_a_usual_name(name, is_folder=False, lacking=()) == "anchors.csv"
    assert like_a_usual_name("student_levels.csv", is_folder=False, lacking=()) is None
    assert like_a_usual_name("student_levels.csv", is_folder=False, lacking=("anchors.csv",)) == "anchors.csv"


def test_a_prompt_that_is_not_there_may_have_another_name(folder: Folder) -> None:
    rename(folder, prompt__md="prompt v2.odt", instructions__md="rubric.md")
    kinds = {finding.file: finding.kind for finding in folder.read().findings}
    assert kinds["prompt v2.odt"] == kinds["rubric.md"] == "unused_file"
    folder.put("prompt.md", "Write.")
    folder.put("instructions.md", "Judge.")
    assert folder.kinds() == []
    assert folder.read().notes == ("Not used: prompt v2.odt, rubric.md.",)


def test_everything_that_is_not_used_is_named(folder: Folder) -> None:
    """Files and folders of the folder, also beside a file that eng5.toml names; hidden files and the like are not.

    Nor are those that `init` writes and that are no assets.
    """
    for name in (
        "README.md",
        "settings.toml",
        "photo.jpg",
        "texts/README.md",
        "texts/task.md",
        "texts/old.md",
        "texts/more/a.md",
        "~$prompt.md",
        ".git/x",
    ):
        folder.put(name, "x")
    folder.put("grades.csv", "x")
    folder.put("anchors.csv", "anchor_id,grade\nA1,A\n")
    folder.put("eng5.toml", "[assets]\nprompt = 'texts/task.md'\n")
    assert folder.inputs().notes == (
        "Not used: grades.csv, photo.jpg, prompt.md, texts/README.md, texts/more/, texts/old.md.",
    )


@pytest.mark.parametrize("name", ["prompt.md", "eng5.toml", "anchors.csv", "student_essays/essay_01.txt"])
def test_a_pipe_anywhere_does_not_hold_us_up(folder: Folder, name: str) -> None:
    (folder.root / name).unlink(missing_ok=True)
    os.mkfifo(folder.root / name)
    assert "not_a_regular_file" in folder.kinds()


def test_a_name_is_the_same_on_every_file_system(folder: Folder, tmp_path: Path) -> None:
    """Some file systems decompose accents; inputs, digest and the anchor's label do not follow."""
    other = make_good(tmp_path / "other")
    folder.put("anchor_essays/Bj\u00f6rn_B.txt", essay("bears"))
    other.put("anchor_essays/Bjo\u0308rn_B.txt", essay("bears"))
    assert folder.inputs() == other.inputs()
    assert folder.inputs().digest() == other.inputs().digest()


def test_anchors_and_students_in_one_folder_say_everything_once(folder: Folder) -> None:
    folder.put("student_essays/broken.docx", "not a zip file")
    folder.put("eng5.toml", "[assets]\nanchor_essays = 'student_essays'\n")
    assert folder.kinds().count("damaged_document") == 1


def test_a_folder_in_place_of_a_file_is_refused(folder: Folder) -> None:
    folder.remove("prompt.md")
    (folder.root / "prompt.md").mkdir()
    assert folder.kinds() == ["not_a_regular_file"]


def test_links_within_the_folder_are_followed(folder: Folder) -> None:
    """A link to a file of the folder is that file under another name."""
    folder.put("pool/x.txt", essay("pools"))
    (folder.root / "student_essays/linked.txt").symlink_to("../pool/x.txt")
    assert "linked" in [each.essay_id for each in folder.inputs().students]


def test_an_essay_folder_that_leads_out_is_not_read(folder: Folder, tmp_path: Path) -> None:
    outside = make_good(tmp_path / "outside")
    (folder.root / "student_essays").rename(tmp_path / "gone")
    (folder.root / "student_essays").symlink_to(outside.root / "student_essays")
    assets = folder.read()
    assert [each.kind for each in assets.findings] == ["outside_folder", "no_students"]


def test_the_assets_folder_itself_may_be_a_link(folder: Folder, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(folder.root)
    assert read_assets(tmp_path / "link", grade_scale=SCALE).inputs == folder.inputs()


def test_awkward_names_are_read_and_shown_harmless(folder: Folder) -> None:
    """Line breaks, escapes and right-to-left marks do not reach a finding; the essays are read all the same."""
    for number, name in enumerate(("a\nlevel=error", "b\x1b[2J", "c\u202etxt.exe", "d 🙂", "e'\"; rm -rf", "f" * 250)):
        folder.put(f"student_essays/{name}.txt", essay(f"number {number}"))
        folder.put(f"anchor_essays/{name}.txt", essay(f"nameless {number}"))
    assets = folder.read()
    assert {each.kind for each in assets.findings} == {"anchor_without_grade"}
    assert len(assets.findings) == 6
    for finding in assets.findings:
        assert finding.file.isprintable()
        assert finding.message.isprintable()
        assert finding.remedy.isprintable()


def test_collisions_list_all_members(folder: Folder) -> None:
    """Case, suffix and the Unicode form of a name do not make another essay."""
    for number, name in enumerate(("Caf\u00e9 1.txt", "Cafe\u0301 1.md", "cafe-1.txt", "CAFE 1.docx")):
        text = essay(f"coffee {number}")
        folder.put(f"student_essays/{name}", doc.docx(doc.paragraph(doc.run(text))) if "docx" in name else text)
    finding = folder.only_finding()
    assert finding.kind == "id_collision"
    assert "4 files" in finding.message
    for name in ("Caf\u00e9 1.txt", "Cafe\u0301 1.md", "cafe-1.txt", "CAFE 1.docx"):
        assert name in finding.message


def test_one_unreadable_essay_hides_nothing(folder: Folder) -> None:
    """An unreadable student still counts as a student, and an unreadable anchor's grade is still looked at."""
    folder.put("student_essays/essay_02.txt", b"\xff")
    folder.put("anchor_essays/X1.txt", b"\xff")
    assert folder.kinds() == ["unknown_encoding", "unknown_grade", "unknown_encoding"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root may read everything")
def test_a_file_without_permission_is_unreadable(folder: Folder) -> None:
    (folder.root / "prompt.md").chmod(0)
    assert folder.kinds() == ["unreadable_file"]


def test_no_folder_no_reading(tmp_path: Path) -> None:
    """A wrong --assets is an error of its own, not a list of findings."""
    (tmp_path / "file").write_text("x")
    (tmp_path / "loop").symlink_to("loop")
    for name in ("nowhere", "file", "loop"):
        with pytest.raises(InputsMissing) as caught:
            read_assets(tmp_path / name, grade_scale=SCALE)
        assert "--assets" in caught.value.remedy


def test_an_unknown_scale_is_a_usage_error(folder: Folder) -> None:
    with pytest.raises(UsageError) as caught:
        folder.read(grade_scale="A-F")
    assert SCALE in caught.value.remedy


def test_progress_is_told_from_none_to_all(folder: Folder) -> None:
    """It counts up to the number of files, and is not told of each of many."""
    for number in range(500):
        folder.put(f"student_essays/more_{number}.txt", essay(str(number)))
    folder.put("student_essays/paper.pdf", doc.pdf(essay("paper")))
    told: list[tuple[int, int]] = []
    read_assets(folder.root, grade_scale=SCALE, on_progress=lambda done, total: told.append((done, total)))
    assert told[0] == (0, 506)
    assert told[-1] == (506, 506)
    assert told == sorted(set(told))


def test_progress_can_end_the_reading(folder: Folder) -> None:
    """What the caller raises comes back to it, and no worker is left."""
    folder.put("student_essays/paper.pdf", doc.slow_pdf())

    def stop(done: int, _total: int) -> None:
        if done:
            raise KeyboardInterrupt

    for number in range(2_000):
        folder.put(f"student_essays/more_{number}.txt", essay(str(number)))
    with pytest.raises(KeyboardInterrupt):
        read_assets(folder.root, grade_scale=SCALE, on_progress=stop)
