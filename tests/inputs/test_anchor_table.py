"""The anchors' grades, from the table or the file names."""

from __future__ import annotations

import pytest

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.inventory.anchor_grades import grade_in_name
from tests.inputs import documents as doc
from tests.inputs.folders import Folder, essay

LEGACY = "eng5_np_legacy_9_step"


def grades(folder: Folder, grade_scale: str = LEGACY) -> dict[str, str]:
    assets = folder.read(grade_scale=grade_scale)
    assert assets.inputs is not None, assets.findings
    return {anchor.label: anchor.grade for anchor in assets.inputs.anchors}


@pytest.mark.parametrize(
    ("stem", "scale", "grade"),
    [
        ("A1", LEGACY, "A"),
        ("F+2", LEGACY, "F+"),
        ("E-", LEGACY, "E-"),
        ("E−1", LEGACY, "E-"),
        ("anchor_essay_eng_5_17_vt_001_C+", LEGACY, "C+"),
        ("ANCHOR ESSAY ENG 5 NP_D-12", LEGACY, "D-"),
        ("essay_C", "swedish_8_anchor", "C"),
        ("essay_C", LEGACY, None),
        ("F", LEGACY, None),
        ("a1", LEGACY, None),
        ("essay_07", "eng5_np_national_9_step", None),
        ("Banana", LEGACY, None),
        ("", LEGACY, None),
    ],
)
def test_grades_in_file_names(stem: str, scale: str, grade: str | None) -> None:
    """A grade and a number, or the part after the last underscore; nothing is guessed."""
    assert grade_in_name(stem, GRADE_SCALES[scale])[0] == grade


@pytest.mark.parametrize(
    "table",
    [
        "anchor_id,grade\nA1,A\nsecond,C+\n",
        "\ufeffANCHOR-ID;Grade;Rater\nA1;A;B\nSECOND;C+;C\n",
        "Anchor ID\tGRADE\n\nA1\t A \nsecond\tC+\n",
        "\n\nother,file_name,grade\nx,a1.TXT,A\ny,second,C+\n",
        'anchor_id,comment,grade\nA1,"one,\ntwo",A\nsecond,"a ""b""",C+\n',
        "anchor_id,grade\nA1\nsecond,C+,too,many\n",
    ],
)
def test_tables(folder: Folder, table: str) -> None:
    """Delimiter, case and further columns do not matter; rows match by file name, or id and stem."""
    folder.put("anchors.csv", table)
    folder.put("anchor_essays/second.txt", essay("seconds"))
    assert grades(folder) == {"A1": "A", "second": "C+"}


def test_a_spreadsheet_says_the_same(folder: Folder) -> None:
    """Whole numbers lose their decimal point: on the national scale a grade is a number."""
    folder.put("anchors.xlsx", doc.xlsx([], ["anchor_id", "grade"], ["A1", 5.0], [None, None], ["second", 7]))
    folder.put("anchor_essays/second.txt", essay("seconds"))
    assets = folder.read(grade_scale="eng5_np_national_9_step")
    assert assets.findings == ()
    assert assets.inputs is not None
    assert [anchor.grade for anchor in assets.inputs.anchors] == ["5", "7"]
    assert assets.inputs.anchor_table is not None
    assert assets.inputs.anchor_table.format == "xlsx"


@pytest.mark.parametrize(
    "change",
    [
        lambda _: b"no zip file",
        lambda data: data[:-100],
        lambda _: doc.archive({"xl/workbook.xml": "<!DOCTYPE x [<!ENTITY a 'b'>]><x/>"}),
        lambda _: doc.archive({"xl/workbook.xml": "<x/>"}),
        lambda _: doc.archive({"xl/workbook.xml": "<x>" + " " * 20_000_000 + "</x>"}),
    ],
    ids=["not a zip", "cut", "entities", "no workbook", "bomb"],
)
def test_a_bad_spreadsheet_is_one_finding(folder: Folder, change) -> None:
    """Nothing is said of the anchors' grades when the table cannot be read."""
    folder.put("anchors.xlsx", change(doc.xlsx(["anchor_id", "grade"], ["A1", "A"])))
    finding = folder.only_finding()
    assert finding.file == "anchors.xlsx"
    assert finding.kind in {"damaged_document", "forbidden_xml", "too_large"}


TABLE = doc.cells(["anchor_id", "grade"], ["A1", "B"])
OLD = doc.cells(["anchor_id", "grade"], ["A1", "F+"])
RATERS = doc.cells(["anchor_id", "Anna"], ["A1", "C"])
README = doc.cells(["About", "grades"])


@pytest.mark.parametrize(
    "table",
    [
        doc.odd_xlsx(("Sheet", "visible", TABLE), strict=True),
        doc.odd_xlsx(("Sheet", "visible", TABLE), xl__styles="<no styles", docProps__core="<x/>"),
        doc.odd_xlsx(("Sheet", "visible", TABLE), folder="Xl"),
        doc.odd_xlsx(
            (
                "Sheet",
                "visible",
                [['<c t="s"><v>0</v></c>', '<c t="s"><v>2</v></c>'], [doc.cell("A1"), '<c t="s"><v>1</v></c>']],
            ),
            shared=("<t>anchor_id</t>", "<r><t>B</t></r><rPh><t>bee</t></rPh>", "<t>gr_x0061_de</t>"),
        ),
        doc.odd_xlsx(("Sheet", "visible", [TABLE[0], [doc.cell("A1"), '<c t="str"><f>UPPER("b")</f><v>B</v></c>']])),
        doc.odd_xlsx(("old", "hidden", OLD), ("new", "visible", TABLE)),
        doc.odd_xlsx(("older", "veryHidden", OLD), ("Read me", "visible", README), ("new", "visible", TABLE)),
        doc.odd_xlsx(("Raters", "visible", RATERS), ("new", "visible", TABLE)),
        doc.odd_xlsx(("Sheet", "visible", [*README, [], *TABLE])),
    ],
    ids=["strict", "styles", "case", "shared", "formula", "hidden", "second", "raters", "title"],
)
def test_spreadsheets_of_other_programs(folder: Folder, table: bytes) -> None:
    """Only values are read, from the visible sheet that has the columns; the name's ending does not matter."""
    folder.put("anchors.xlsx", table)
    assert grades(folder) == {"A1": "B"}
    (folder.root / "anchors.xlsx").rename(folder.root / "anchors.csv")
    assert grades(folder) == {"A1": "B"}


def test_the_sheet_that_was_read_is_noted(folder: Folder) -> None:
    folder.put("anchors.xlsx", doc.odd_xlsx(("one", "visible", TABLE), ("two", "visible", OLD)))
    assert folder.read().notes == (
        "anchors.xlsx: its sheet one was read.",
        "anchors.xlsx: the same columns are also in two, which was not read.",
    )


@pytest.mark.parametrize(
    ("table", "said"),
    [
        (doc.odd_xlsx(("old", "hidden", TABLE), ("Read me", "visible", README)), "hidden sheet old"),
        (doc.odd_xlsx(("Read me", "visible", README), ("List", "visible", README)), "Read me, List"),
        (doc.odd_xlsx(("a", "visible", [TABLE[0], [doc.cell("A1"), "<c><f>X1</f><v/></c>"]])), "value in B2"),
    ],
    ids=["hidden", "no columns", "formula"],
)
def test_a_spreadsheet_without_a_table_says_why(folder: Folder, table: bytes, said: str) -> None:
    folder.put("anchors.xlsx", table)
    assert said in folder.only_finding().message


def test_a_formula_without_value_matters_only_where_it_is_used(folder: Folder) -> None:
    rows = doc.cells(["anchor_id", "grade", "checked"], ["A1", "B"])
    rows[1].append("<c><f>TODAY()</f></c>")
    folder.put("anchors.xlsx", doc.odd_xlsx(("a", "visible", rows)))
    assert grades(folder) == {"A1": "B"}


@pytest.mark.parametrize("table", ["", "\n\n", "only one cell", "grade\nA\n", f"anchor_id,grade\nA1,{'x' * 200_000}\n"])
def test_a_table_that_is_none(folder: Folder, table: str) -> None:
    folder.put("anchors.csv", table)
    assert folder.kinds() == ["unreadable_table"]


@pytest.mark.parametrize("encoding", ["cp1252", "cp850", "mac_roman", "utf-16"])
def test_a_table_of_any_spreadsheet_program_is_read(folder: Folder, encoding: str) -> None:
    """A note tells a code page that was guessed; a stated one is used."""
    folder.put("anchors.csv", "Year 9;;\nAnchor ID;Grade;\nBjörn;B;\nA1;A;\n".encode(encoding))
    folder.put("anchor_essays/Björn.txt", essay("bears"))
    assert grades(folder) == {"A1": "A", "Björn": "B"}
    assets = folder.read(encoding="utf-8")
    assert {finding.kind for finding in assets.findings} == (set() if encoding == "utf-16" else {"unreadable_table"})


def test_an_unknown_grade_names_the_near_one(folder: Folder) -> None:
    folder.put("anchors.csv", "anchor_id,grade\nA1,c+\n")
    finding = folder.only_finding()
    assert finding.kind == "unknown_grade"
    assert "row 2" in finding.message
    assert "Did you mean C+?" in finding.remedy
    assert "F+ E- E+ D- D+ C- C+ B A" in finding.remedy


def test_an_empty_grade_is_taken_from_the_file_name(folder: Folder) -> None:
    folder.put("anchors.csv", "anchor_id,grade\nA1,\n")
    assert grades(folder) == {"A1": "A"}


def test_a_table_of_ratings_leaves_the_grades_to_the_names(folder: Folder) -> None:
    """The field's table of rater agreement has a column for each rater and none for the grade."""
    folder.put("anchors.csv", "ANCHOR-ID,FILE-NAME,Anna,Bo\nJA24,Jane.docx,A,B\n")
    assert [finding.severity for finding in folder.read().findings] == ["warning"]
    assert grades(folder) == {"A1": "A"}
