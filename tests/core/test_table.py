"""Tables of other people: the same rows, however a program wrote them."""

from __future__ import annotations

import codecs

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from eng5_runner.core.table import (
    NotATable,
    Sheet,
    Table,
    cell_name,
    column_key,
    has,
    number,
    table_from_csv,
    table_from_sheets,
)

ROWS = (("Åsa Öberg", "3,5", "a note"), ("Bo", "2", ""))


def read(data: str | bytes, *columns: str, encoding: str | None = None) -> Table:
    raw = data.encode() if isinstance(data, str) else data
    return table_from_csv(raw, is_heading=has(*(columns or ("pupil", "mark"))), encoding=encoding)


def cells(table: Table) -> tuple[tuple[str, ...], ...]:
    return tuple(row.cells for row in table.rows)


def written(delimiter: str = ";", end: str = "\r\n") -> str:
    rows = (("Pupil", "Mark", "Comment"), *ROWS)
    return end.join(delimiter.join(f'"{cell}"' if delimiter in cell else cell for cell in row) for row in rows) + end


@pytest.mark.parametrize("end", ["\n", "\r\n", "\r"])
@pytest.mark.parametrize("delimiter", [",", ";", "\t", "|"])
def test_any_delimiter_and_line_end(delimiter, end):
    table = read(written(delimiter, end))
    assert (table.heading, cells(table), table.delimiter) == (("Pupil", "Mark", "Comment"), ROWS, delimiter)
    assert [row.number for row in table.rows] == [2, 3]


@pytest.mark.parametrize(
    ("data", "encoding"),
    [
        (written().encode(), "utf-8"),
        (written().encode("utf-8-sig"), "utf-8-sig"),
        (codecs.BOM_UTF16_LE + written("\t").encode("utf-16-le"), "utf-16-le"),
        (codecs.BOM_UTF16_BE + written().encode("utf-16-be"), "utf-16-be"),
        (written().encode("utf-16-le"), "utf-16-le"),
        (written().encode("utf-16-be"), "utf-16-be"),
        (written().encode("cp1252"), "cp1252 guessed"),
        (written().encode("cp850"), "cp850 guessed"),
        (written().encode("mac_roman"), "mac_roman guessed"),
    ],
)
def test_any_encoding(data, encoding):
    table = read(data)
    assert (cells(table), table.encoding) == (ROWS, encoding)
    assert bool(table.notes) == encoding.endswith("guessed")


@pytest.mark.parametrize(
    ("text", "page"),
    [("E–", "cp1252"), ("Łukasz Wiśniewski Dąbrowska", "cp1250"), ("André’s", "cp1252")],
)
def test_a_code_page_is_guessed_by_its_letters(text, page):
    assert read(f"pupil;mark\n{text};1\n".encode(page)).rows[0].cells[0] == text


def test_a_stated_encoding_is_used_and_not_guessed():
    data = "pupil;mark\nИван;1\n".encode("cp1251")
    assert read(data, encoding="cp1251").rows[0].cells == ("Иван", "1")
    with pytest.raises(NotATable, match="ascii"):
        read(data, encoding="ascii")


def test_composed_and_decomposed_letters_are_the_same():
    assert cells(read("pupil,mark\nA\u030asa,1\n")) == (("Åsa", "1"),)


@pytest.mark.parametrize("line", ["sep=;\n", "SEP=;\r\n", '"sep=;"\n', "sep=;;;\n"])
def test_a_line_for_excel_names_the_delimiter(line):
    table = read(line + "a,pupil;mark\nBo, jr;1\n", "mark")
    assert table.heading == ("a,pupil", "mark")
    assert table.rows[0] == (2, ("Bo, jr", "1"))
    assert read("sep=#\npupil#mark\nBo#1\n").delimiter == "#"


def test_rows_above_the_heading_are_passed_over_and_noted():
    table = read("Results of class 9B;;\n\nprinted 1 May;;\nPupil;Mark;\nBo;1;\n;;\nCy;2;\n")
    assert (table.heading, table.heading_number) == (("Pupil", "Mark"), 4)
    assert table.rows == ((5, ("Bo", "1")), (7, ("Cy", "2")))
    assert table.notes == ("rows 1 to 3 above the heading were passed over",)
    assert read("Results\nPupil,Mark\n").notes == ("row 1 above the heading was passed over",)
    guessed, passed_over = read("Klass 9å\nPupil;Mark\nBo;1\n".encode("cp1252")).notes
    assert guessed.startswith("its letters were read as ")
    assert passed_over == "row 1 above the heading was passed over"


def test_a_title_with_many_commas_does_not_choose_the_delimiter():
    assert cells(read("Class 9B, 9C, 9D, and all others\nPupil;Mark\nBo;1,5\n")) == (("Bo", "1,5"),)


def test_without_a_heading_the_first_row_counts():
    table = read("\na;b;c\n1;2;3\n", "nobody")
    assert (table.heading, table.heading_number, cells(table)) == (("a", "b", "c"), 2, (("1", "2", "3"),))
    assert read("").heading == ()
    assert read("\n \n").rows == ()


def test_quotes_hold_delimiters_quotes_and_line_ends():
    table = read('pupil, mark\n"Bo, jr", "a ""b""\nc"\nCy,2\n')
    assert table.rows == ((2, ("Bo, jr", 'a "b"\nc')), (3, ("Cy", "2")))


def test_a_number_kept_as_text_by_excel_loses_its_sign():
    assert cells(read('pupil,mark\n="007",2\n"=""008""",=1+1\n')) == (("007", "2"), ("008", "=1+1"))


def test_short_rows_are_filled_and_long_ones_named():
    table = read("pupil,mark\nBo\nCy,1,,\nDi,1,2,,3,\n")
    assert cells(table) == (("Bo", ""), ("Cy", "1"), ("Di", "1", "2", "", "3"))
    assert table.overlong() == (4, ("Di", "1", "2", "", "3"))
    assert read(written()).overlong() is None


@pytest.mark.parametrize(
    ("data", "reason"),
    [
        (b"PK\x03\x04...", "spreadsheet"),
        (b"\xd0\xcf\x11\xe0", "office file"),
        (b"%PDF-1.4", "PDF"),
        (b"pupil,mark\na\0b,1", "no text file"),
        (b'pupil,mark\n"Bo,1\n', "line 2"),
        (b"pupil,mark\n" + b"Bo,1\n" * 99 + b'"Bo"x,1\n', "line 101"),
        (b"pupil,mark\n" + b"x" * 200_000, "line 2"),
    ],
)
def test_what_is_no_table_is_refused_with_a_reason(data, reason):
    with pytest.raises(NotATable) as refused:
        read(data)
    assert reason in refused.value.reason


@example(b"\xff\xfe\x00")
@given(st.binary(max_size=300))
@settings(deadline=None)
def test_any_bytes_are_a_table_or_refused(data):
    try:
        table = read(data)
    except NotATable as refusal:
        assert refusal.reason  # noqa: PT017 - to be a table is right as well
    else:
        assert all(len(row.cells) >= len(table.heading) and any(row.cells) for row in table.rows)


GRID = [["Results"], [" Pupil ", "Mark", ""], ["", ""], ["Bo", "1"]]
PLAIN = [["Pupil", "Mark"], ["Cy", "2"]]


def test_a_sheet_goes_the_same_way():
    table = table_from_sheets([Sheet("a", hidden=False, rows=GRID)], is_heading=has("mark"))
    assert (table.heading, table.rows) == (("Pupil", "Mark"), ((4, ("Bo", "1")),))
    assert (table.delimiter, table.encoding) == (None, None)


def test_the_first_visible_sheet_with_the_heading_is_read_and_rather_the_best():
    sheets = [Sheet("x", False, [["a"]]), Sheet("y", True, GRID), Sheet("z", False, PLAIN), Sheet("w", False, GRID)]
    table = table_from_sheets(sheets, is_heading=has("mark"))
    assert cells(table) == (("Cy", "2"),)
    assert table.notes[0] == "its sheet z was read" and "y, w" in table.notes[1]
    graded = [*sheets, Sheet("best", False, [["Pupil", "Mark", "Grade"], ["Di", "3", "A"]])]
    assert cells(table_from_sheets(graded, is_heading=has("mark"), best=has("grade"))) == (("Di", "3", "A"),)


@pytest.mark.parametrize(
    ("sheets", "reason"),
    [([Sheet("x", False, [["a"]]), Sheet("y", True, PLAIN)], "hidden sheet y"), ([], "no visible")],
)
def test_a_hidden_sheet_is_not_read(sheets, reason):
    with pytest.raises(NotATable) as refused:
        table_from_sheets(sheets, is_heading=has("mark"))
    assert reason in refused.value.reason


def test_formulas_without_value_are_told_from_the_heading_on():
    sheet = Sheet("a", False, GRID, [(1, 1), (2, 3), (4, 28)])
    assert table_from_sheets([sheet], is_heading=has("mark")).unvalued == ((2, 2), (4, 27))
    assert [cell_name(row, column) for row, column in ((1, 0), (2, 25), (4, 27), (9, 702))] == [
        "A1",
        "Z2",
        "AB4",
        "AAA9",
    ]


def test_names_of_columns_are_compared_without_case_and_signs():
    assert column_key("ANCHOR-ID") == column_key("anchor_id") == column_key(" Anchor Id ") == "anchorid"


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("3", 3), ("3.0", 3), ("0,5", 0.5), (" -1,25 ", -1.25), ("\u22122", -2), (".5", 0.5), ("2.", 2), ("1e-3", 1e-3),
        ("1 234,5", 1234.5), ("1\xa0234", 1234), ("1’234.5", 1234.5), ("1.234,5", 1234.5), ("1,234.5", 1234.5),
        ("1.234.567", 1234567), ("1,234,567", 1234567), ("0,125", 0.125), ("12,5", 12.5), ("3.125", 3.125),
    ],
)  # fmt: skip
def test_numbers(text, value):
    assert number(text) == value


@pytest.mark.parametrize("text", ["", "a", "nan", "inf", "1,234", "1,2,3", "1_000", "1.2.3", "--1", "²", "1 2"])
def test_what_is_no_number_or_two(text):
    with pytest.raises(ValueError):
        number(text)
