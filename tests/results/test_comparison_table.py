"""Tables of comparisons: what is read, and that every error names the table, the row and the column."""

from __future__ import annotations

import math

import pytest

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from eng5_runner.core.table import IsHeading, Table, table_from_csv
from eng5_runner.errors import InputsInvalid
from eng5_runner.results.comparison_table import (
    ComparisonTable,
    is_comparisons_heading,
    is_grades_heading,
    parse_anchors,
    parse_check_grades,
    parse_comparisons,
)

LEGACY = GRADE_SCALES["eng5_np_legacy_9_step"]
HEAD = "item_a,item_b,winner"


def csv(text: str, is_heading: IsHeading) -> Table:
    return table_from_csv(text.encode(), is_heading=is_heading)


def table(*lines: str, head: str = HEAD) -> ComparisonTable:
    return parse_comparisons(csv("\n".join((head, *lines)), is_comparisons_heading), name="judged.csv")


def rows(found: ComparisonTable) -> list[tuple[str, str, float, float]]:
    data = found.comparisons
    columns = (data.first.tolist(), data.second.tolist(), data.outcome.tolist(), data.weight.tolist())
    return [(data.items[a], data.items[b], outcome, weight) for a, b, outcome, weight in zip(*columns, strict=True)]


def refusal(*lines: str, head: str = HEAD) -> InputsInvalid:
    with pytest.raises(InputsInvalid) as caught:
        table(*lines, head=head)
    return caught.value


def test_a_winner_is_the_first_the_second_or_neither():
    found = table("x,y,a", "x,z,b", "y,z,tie", "z,x,")
    assert rows(found) == [("x", "y", 1.0, 1.0), ("x", "z", 0.0, 1.0), ("y", "z", 0.5, 1.0)]
    assert (found.ties, found.missing) == (1, 1)


def test_case_and_space_around_cells_do_not_matter():
    assert rows(table(" x , y , A ", head="Item_A, ITEM_B ,Winner")) == [("x", "y", 1.0, 1.0)]


def test_a_row_may_stand_for_many():
    found = table("x,y,a,3", "x,y,tie,2", "x,y,,4", "y,x,b,0", head=f"{HEAD},count")
    assert rows(found) == [("x", "y", 0.5, 2.0), ("x", "y", 1.0, 3.0)]
    assert (found.ties, found.missing) == (2, 4)


def test_an_item_whose_comparisons_all_failed_is_an_item():
    assert table("x,y,a", "x,z,").comparisons.items == ("x", "y", "z")


def test_judges_are_kept_apart_where_the_table_names_them():
    found = table("x,y,a,ann", "x,y,b,bo", "y,x,a,ann", head=f"{HEAD},judge")
    assert list(found.judges) == ["ann", "bo"]
    assert found.judges["ann"].weight.sum() == 2.0
    assert found.comparisons.weight.sum() == 3.0
    assert table("x,y,a").judges == {}
    assert table("x,y,a,", head=f"{HEAD},judge").judges == {}, "a column without a name names nobody"


@pytest.mark.parametrize(
    ("head", "lines"),
    [
        ("candidate_chosen,candidate_not_chosen,judge", ["x,y,j", "y,z,k"]),
        ("id,timeTaken,createdAt,judgeId,chosen,notChosen", ["1,3,t,j,x,y", "2,3,t,k,y,z"]),
        ("ID1,ID2,better_id,model", ["x,y,x,j", "z,y,y,k"]),
        ("object1,object2,result,judge", ["x,y,1,j", "z,y,0,k"]),
        ("judge,a,b,chose_a", ["j,x,y,1", "k,z,y,0"]),
        ('"","Judge ID",won,lost', ["1,j,x,y", "2,k,y,z"]),
        ("Left,Right,Winner,assessor", ["x,y,left,j", "z,y,Right,k"]),
        ("item_a,item_b,winner,rater", ["x,y,x,j", "z,y,y,k", "x,z,NA,k"]),
        ("item_a,item_b,winner,judge", ["x,y,1,j", "z,y,2,k"]),
        ("sequence,essay_a_id,essay_b_id,model,winner_id,loser_id,winner_position", ["1,x,y,j,x,y,a", "2,z,y,k,y,z,b"]),
    ],
)
def test_the_forms_of_other_programs_say_the_same(head, lines):
    found = table(*lines, head=head)
    wins = dict(zip(found.comparisons.items, found.comparisons.wins.tolist(), strict=True))
    assert wins == {"x": 1.0, "y": 1.0, "z": 0.0}
    assert list(found.judges) == ["j", "k"]


def test_what_the_columns_were_taken_for_is_told():
    shown = table("x,y,a,j,teacher,3,4,0.5", head=f"{HEAD},judge,judge_kind,count,confidence,probability").columns
    assert str(shown) == (
        "item_a as the item shown first, item_b as the one shown second, winner as the winner, judge as the judge, "
        "judge_kind as its kind, count as the number of comparisons, confidence as the judge's confidence, "
        "probability as the probability that the first is better"
    )
    chosen = table("x,y,j", head="won,lost,rater").columns
    assert str(chosen) == "won as the winner and lost as the loser, rater as the judge"
    assert chosen.to_json() == {"winner": "won", "loser": "lost", "judge": "rater"}
    assert (shown.are_ours, chosen.are_ours, table("x,y,x", head="id1,id2,winner").columns.are_ours) == (
        True, False, False,
    )  # fmt: skip


def test_items_called_as_places_are_told_from_places():
    places = ("a,b,a", "b,a,b", "b,c,a", "c,a,b")
    assert table(*places).comparisons.wins.tolist() == [3.0, 1.0, 0.0], "all are places: a means the first"
    names = ("a,b,a", "b,a,a", "b,c,b", "c,a,c")
    assert table(*names).comparisons.wins.tolist() == [2.0, 1.0, 1.0], "c is no place, so all are names"
    both = ("a,b,a", "b,a,b")
    assert table(*both, head="item_a,item_b,winner_id").comparisons.wins.tolist() == [1.0, 1.0], "an id is a name"


def test_a_slip_in_a_hundred_rows_is_left_out_and_counted():
    rows_of_two = [f"{a},{b},a" for a, b in ("xy", "yx", "yz") * 40]
    found = table(*rows_of_two, "x,x,a")
    assert (found.with_itself, found.comparisons.weight.sum()) == (1, 120.0)
    assert "row 122, column item_b: 'x' is compared with itself" in refusal(*rows_of_two, "x,x,a", "x,x,b").message


def test_a_winner_that_is_neither_of_the_two_is_refused():
    assert (
        "row 3, column winner_id: 'z' is none of the two" in refusal("x,y,x", "x,y,z", head="id1,id2,winner_id").message
    )


def test_what_the_places_say_is_told():
    assert table("x,y,a", "y,x,b", "y,z,b", "z,y,a").places == "known"
    assert table("x,y,a", "z,y,a").places == "winner first"
    assert table("x,y,b", "z,y,b").places == "winner last"
    by_name = [f"{a},{b},{'ab'[n % 2]}" for n, (a, b) in enumerate((a, b) for a in "uvwxyz" for b in "uvwxyz" if a < b)]
    assert table(*by_name).places == "confounded"
    assert table("x,y", head="won,lost").places == "not stated"


@pytest.mark.parametrize(
    ("head", "first", "second"),
    [(HEAD, "x,y,a", "z,y,a"), (HEAD, "y,x,b", "y,z,b"), ("won,lost", "x,y", "z,y")],
)
def test_where_the_places_say_nothing_the_first_is_the_one_whose_name_comes_first(head, first, second):
    """And what the judge said of the first is turned with the pair."""
    assert rows(table(first, second, head=head)) == [("x", "y", 1.0, 1.0), ("y", "z", 0.0, 1.0)]


def test_a_probability_is_turned_with_its_pair():
    found = table("x,y,a,0.75,true", "z,y,a,0.75,0", "z,w,a,,", head=f"{HEAD},probability,probability_is_bound")
    said = [(one.first, one.second, one.outcome, one.probability, one.is_bound) for one in found.said]
    assert found.places == "winner first"
    assert said == [("x", "y", 1.0, 0.75, True), ("y", "z", 0.0, 0.25, False), ("w", "z", 0.0, None, False)]


def test_what_a_judge_says_beside_who_won_is_kept_for_each_row_that_counts():
    found = table("x,y,a,3,2", "y,z,b,,1", "z,x,a,sure,0", "x,z,,5,1", head=f"{HEAD},confidence,count")
    assert [(one.confidence, one.count, one.judge) for one in found.said] == [(3.0, 2, ""), (None, 1, "")]
    assert table("x,y,a", "y,z,b").said == (), "a table that says only who won says nothing beside it"
    assert [one.judge for one in table("x,y,a,ann", "y,z,b,bo", head=f"{HEAD},judge").said] == ["ann", "bo"]


@pytest.mark.parametrize("told", ["1.01", "-0.01", "7"])
def test_a_probability_is_from_0_to_1(told):
    error = refusal("x,y,a,0", "y,x,a,1", f"x,z,a,{told}", head=f"{HEAD},probability")
    assert error.message == f"judged.csv, row 4, column probability: '{told}' is no probability."


def test_the_judges_that_are_models_are_told_by_their_kind_and_else_by_their_names():
    head = f"{HEAD},judge,judge_kind"
    assert table("x,y,a,ann,teacher", "y,x,a,gpt-5.1,human", "x,z,a,b2,LLM", head=head).models == {"b2"}
    assert table("x,y,a,ann", "y,x,a,gpt-5.1", head=f"{HEAD},judge").models == {"gpt-5.1"}
    assert table("x,y,a,ann,", "y,x,a,gpt-5.1,", "x,z,b,,model", head=head).models == {"gpt-5.1"}
    assert table("x,y,a,model", "y,z,a,model", head=f"{HEAD},judge_kind").models == set()
    assert "row 2, column judge_kind: 'cat' is no kind of judge" in refusal("x,y,a,ann,cat", head=head).message
    both = refusal("x,y,a,ann,human", "y,x,a,ann,model", head=head)
    assert both.message == "judged.csv, row 3, column judge_kind: ann is a person in one row and a model in another."


@pytest.mark.parametrize("delimiter", [",", ";", "\t"])
def test_the_delimiter_is_the_one_of_the_heading(delimiter):
    text = "\n".join(line.replace(",", delimiter) for line in (HEAD, "x,y,a", ",,", "y,x,b"))
    found = parse_comparisons(csv(text, is_comparisons_heading), name="t")
    assert found.comparisons.weight.sum() == 2.0, "rows without any cell are passed over"


def test_a_name_in_quotes_may_hold_the_delimiter():
    assert table('"x, the first",y,a').comparisons.items == ("x, the first", "y")


BOTH = "Name the two items of every comparison."


@pytest.mark.parametrize(
    ("line", "column", "told", "remedy"),
    [
        (",y,a,,", "item_a", "it is empty", BOTH),
        ("x,,a,,", "item_b", "it is empty", BOTH),
        ("x,x,a,,", "item_b", "'x' is compared with itself", "Correct the row, or take it out."),
        (
            "x,y,c,,",
            "winner",
            "'c' is no outcome",
            "Write a, b or tie, or the item that won; leave it empty where there was no judgement.",
        ),
        (
            "x,y,a,2,",
            "probability",
            "'2' is no probability",
            "Write the probability that the first item is better, from 0 to 1, or leave it empty.",
        ),
        ("x,y,a,,-1", "count", "'-1' is not a whole number", "Write how many comparisons the row counts."),
    ],
)
def test_a_row_that_cannot_be_is_named_with_its_column_and_what_to_do(line, column, told, remedy):
    error = refusal("x,y,a,,", line, head=f"{HEAD},probability,count")
    assert error.message == f"judged.csv, row 3, column {column}: {told}."
    assert error.remedy == remedy


@pytest.mark.parametrize("count", ["-1", "1.5", "many", "²", "1000000001"])
def test_a_count_is_a_whole_number(count):
    assert "row 2, column count" in refusal(f"x,y,a,{count}", head=f"{HEAD},count").message
    assert table("x,y,a,1000000000", head=f"{HEAD},count").comparisons.weight.sum() == 1e9


@pytest.mark.parametrize("head", ["item_a,winner", "item_a,item_b,item_b,winner", "a,b,c"])
def test_a_heading_that_lacks_a_column_is_told_what_it_has(head):
    error = refusal("x,y,a", head=head)
    assert "row 1: the column item_" in error.message and "is needed once" in error.message
    assert "item_a, item_b, winner" in error.remedy


def test_more_cells_than_columns_are_refused_unless_they_are_empty():
    assert "row 2: it has 4 cells, the heading 3 columns" in refusal("x,y,a,z").message
    assert rows(table("x,y,a,,")) == [("x", "y", 1.0, 1.0)]


@pytest.mark.parametrize("lines", [(), ("x,y,",), ("x,y,a,0",)])
def test_a_table_without_any_winner_is_refused(lines):
    assert "no comparison with a winner" in refusal(*lines, head=f"{HEAD},count").message


def test_rows_of_a_program_are_read_as_a_file_would_be():
    records = [
        {"item_a": "x", "item_b": "y", "winner": "a", "count": 2.0, "judge": None},
        {"item_a": "x", "item_b": "y", "winner": math.nan, "count": None, "judge": "ann"},
        {"item_a": 1, "item_b": 2.0, "winner": "b"},
    ]
    found = parse_comparisons(records, name="rows")
    assert rows(found) == [("1", "2", 0.0, 1.0), ("x", "y", 1.0, 2.0)]
    assert found.missing == 1
    with pytest.raises(InputsInvalid, match="rows, row 1, column winner"):
        parse_comparisons([{"item_a": "x", "item_b": "y", "winner": "z"}], name="rows")


def test_all_judgements_are_one_where_the_table_names_no_judge():
    one = table("x,y,a", "y,z,b")
    assert one.by_judge == (one.comparisons,)
    several = table("x,y,a,ann", "y,z,b,bo", head=f"{HEAD},judge")
    assert list(several.by_judge) == [several.judges["ann"], several.judges["bo"]]


def check_grades(*lines: str, **how: object) -> dict[str, str]:
    known = {"x.txt": "x", "y.txt": "y"}
    given = {"name": "known.csv", "scale": LEGACY, "items": known.get} | how
    return parse_check_grades(csv("\n".join(("file,grade", *lines)), is_grades_heading), **given)


def test_known_grades_of_students_include_the_one_below_the_lowest():
    assert check_grades("x.txt,F", "y.txt,A") == {"x": "F", "y": "A"}
    with pytest.raises(InputsInvalid, match=r"known\.csv has no grades\."):
        check_grades()


@pytest.mark.parametrize(
    ("lines", "how", "told"),
    [
        (["z.txt,A"], {}, "known.csv, row 2, column file: 'z.txt' is in no comparison."),
        (["z.txt,A"], {"private": True}, "known.csv, row 2, column file: this name is in no comparison."),
        (["z.txt,A"], {"unknown": ("is nobody", "Do.")}, "known.csv, row 2, column file: 'z.txt' is nobody."),
        (
            ["x.txt,A", "x.txt,B"],
            {"private": True},
            "known.csv, row 3, column file: this name stands in an earlier row.",
        ),
        (
            ["x.txt,Z"],
            {},
            "known.csv, row 2, column grade: 'Z' is not a grade that a student can have on eng5_np_legacy_9_step.",
        ),
    ],
)
def test_a_known_grade_that_cannot_be_is_named_with_its_column_and_privately_without_the_name(lines, how, told):
    with pytest.raises(InputsInvalid) as caught:
        check_grades(*lines, **how)
    assert caught.value.message == told
    assert caught.value.remedy == (how["unknown"][1] if "unknown" in how else caught.value.remedy)


def anchors(*lines: str, head: str = "item,grade") -> dict[str, int]:
    return parse_anchors(
        csv("\n".join((head, *lines)), is_grades_heading), name="anchors.csv", scale=LEGACY, items=("x", "y")
    )


def test_anchors_have_the_index_of_their_grade():
    assert anchors("x,F+", "y,A") == anchors("y,A", "x,F+", head="anchor_id,grade") == {"x": 0, "y": 8}


@pytest.mark.parametrize(
    "head",
    ["Essay,grade", "File name,grade", "student,grade,essay", "essay_id,grade,id", "candidate,GRADE", "id,grade,text"],
)
def test_a_table_of_grades_may_call_its_items_what_a_table_of_comparisons_calls_them(head):
    assert anchors("x,A,1", head=f"{head},note" if head.count(",") == 1 else head) == {"x": 8}


@pytest.mark.parametrize(
    ("line", "column", "told", "remedy"),
    [
        ("z,A", "item", "'z' is in no comparison", "Write it as in the table of comparisons."),
        ("x,A", "item", "'x' stands in an earlier row", "Keep one row for each."),
        (
            "y,F",  # below the lowest is no anchor's grade
            "grade",
            "'F' is not a grade that an anchor can have on eng5_np_legacy_9_step",
            "Use one of F+ E- E+ D- D+ C- C+ B A, or choose another --grade-scale.",
        ),
    ],
)
def test_an_anchor_that_cannot_be_is_named_with_its_column_and_what_to_do(line, column, told, remedy):
    with pytest.raises(InputsInvalid) as caught:
        anchors("x,E-", line)
    assert caught.value.message == f"anchors.csv, row 3, column {column}: {told}."
    assert caught.value.remedy == remedy


@pytest.mark.parametrize(
    ("record", "lacking"),
    [
        ({"item": "x", "mark": "A"}, "grade"),
        ({"name": "x", "grade": "A"}, "item"),
        ({"item": "x", "grade": "A", "Grade": "B"}, "grade"),
        ({"item": "x", "Item": "y", "grade": "A"}, "item"),
        ({}, "item"),
    ],
)
def test_grades_of_a_program_need_an_item_and_a_grade_once_each(record, lacking):
    with pytest.raises(InputsInvalid) as caught:
        parse_anchors([record], name="rows", scale=LEGACY, items=("x", "y"))
    told = f"rows, row 1: the column {lacking} is needed once; the heading has {', '.join(record) or 'nothing'}."
    assert caught.value.message == told
    assert caught.value.remedy.startswith(
        "Give the table a heading line with the columns item (or anchor_id, essay_id, "
    )
    assert caught.value.remedy.endswith(" and grade.")
