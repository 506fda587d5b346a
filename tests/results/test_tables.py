"""Tables for spreadsheets: text is inert, numbers are numbers."""

from __future__ import annotations

import csv
import io
from dataclasses import replace

import pandas as pd
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.human_scale import Disagreement, HumanPosition, HumanScale
from eng5_runner.results.artefact.judge import JudgeFigures, JudgeQuality, LeftOutAnchor
from eng5_runner.results.artefact.measurement import CheckedGrades, CheckedStudent
from eng5_runner.results.comparison_table import parse_comparisons
from eng5_runner.results.tables import RunTable, run_tables, table_csv
from tests.support.artefacts import RUN, artefact, comparison, entry, projection, sha256, with_files
from tests.support.results import alignment_of, call, calls, compared, inputs_of

FAILED = call("birk", "cleo", None)

FORMULAS = ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1", "\n=1", "\0=1", "＝1", "＋1", "－1", "＠1"]
ACTIVE = tuple("=+-@\t\r\n\0＝＋－＠")


def whole(table: RunTable) -> bytes:
    """The file of a table."""
    return b"".join(table_csv(table))


def tables(made: Artefact) -> dict[str, bytes]:
    """File name → CSV of each table that has rows."""
    return {f"{table.name}.csv": whole(table) for table in run_tables(made)}


def rows(data: bytes) -> list[dict[str, str]]:
    """What a reader gets, every cell as text."""
    return list(csv.DictReader(io.StringIO(data.decode(), newline=""), strict=True))


@pytest.mark.parametrize("payload", FORMULAS)
@pytest.mark.parametrize(
    ("field", "column"),
    [("justification", "justification"), ("model", "model"), ("provider", "provider"), ("request_id", "id")],
)
def test_a_formula_is_inert(field, column, payload):
    (row,) = rows(
        tables(artefact(llm_comparisons=(comparison("birk", "cleo", "birk", **{field: payload}),)))["comparisons.csv"]
    )
    assert row[column] == f"'{payload}"


@pytest.mark.parametrize("payload", FORMULAS)
def test_a_formula_in_a_failures_reason_is_inert(payload):
    row = replace(FAILED, failure_code=payload, failure_reason=payload)
    (row,) = rows(tables(artefact(failed_comparisons=(row,)))["failed_comparisons.csv"])
    assert row["failure_code"] == row["failure_reason"] == f"'{payload}"


@given(text=st.text(alphabet=st.characters(codec="utf-8")))
def test_no_text_makes_a_cell_that_a_spreadsheet_would_run(text):
    """And it comes back whole: line breaks, quotes and separators within it are part of its cell."""
    told = comparison("birk", "cleo", "birk", justification=text)
    (row,) = rows(tables(artefact(llm_comparisons=(told,)))["comparisons.csv"])
    assert not row["justification"].startswith(ACTIVE)
    assert row["justification"].removeprefix("'") == text.removeprefix("'") or row["justification"] == text


def test_numbers_stay_numbers_also_negative_ones():
    data = tables(artefact(bt_summary=(entry("birk", theta=-1.25, se=0.5),)))["essays.csv"]
    (row,) = rows(data)
    assert (row["theta"], row["standard_error"], row["judgements"]) == ("-1.25", "0.5", "5")
    assert row["is_anchor"] == "false"


def test_a_projection_stands_in_its_essays_row_and_is_empty_where_there_is_none():
    graded = projection("birk", "C+", most_probable_grade="B", confidence="MID")
    made = artefact(bt_summary=(entry("birk"), entry("cleo", rank=2)), grade_projections=(graded,))
    with_grade, without = rows(tables(made)["essays.csv"])
    assert (with_grade["grade"], with_grade["label"], with_grade["p_C+"], with_grade["p_A"]) == (
        "C+",
        "MID",
        "1.0",
        "0.0",
    )
    assert (without["grade"], without["label"], without["p_C+"]) == ("", "", "")


def test_each_row_has_the_names_of_its_essays_files():
    failed = replace(FAILED, essay_a_id="cleo", essay_b_id="birk")
    made = tables(
        with_files(
            artefact(
                students=("birk", "cleo"),
                bt_summary=(entry("birk"), entry("anchor-a1", rank=2, grade="A")),
                llm_comparisons=(comparison("birk", "anchor-a1", "birk"),),
                failed_comparisons=(failed,),
            ),
            {"birk": "Björn Åkesson.docx", "cleo": "=cleo.txt", "anchor-a1": "A1.txt"},
        )
    )
    assert [row["file"] for row in rows(made["essays.csv"])] == ["Björn Åkesson.docx", "A1.txt"]
    (judged,), (failed_row,) = rows(made["comparisons.csv"]), rows(made["failed_comparisons.csv"])
    assert (judged["file_a"], judged["file_b"]) == ("Björn Åkesson.docx", "A1.txt")
    assert (failed_row["file_a"], failed_row["file_b"]) == ("'=cleo.txt", "Björn Åkesson.docx")


def test_a_table_without_rows_is_not_made():
    assert tables(artefact()) == {}


def test_anchors_come_from_the_alignment():
    alignment = alignment_of(inputs_of(anchors={"anchor-a1": "A", "anchor-b1": "B"}), calls("anchor-a1>anchor-b1"))
    refused = LeftOutAnchor(anchor_id="anchor-a1", grade="A", refused="too few anchors")
    made = artefact(anchor_alignment=alignment.model_copy(update={"left_out": (refused,)}))
    (row,) = rows(tables(made)["anchors.csv"])
    told = {name: cell for name, cell in row.items() if cell}
    assert told == {
        "run_id": RUN, "id": "anchor-a1", "file": "anchor-a1.txt", "grade": "A", "refused": "too few anchors",
    }  # fmt: skip


def test_what_the_service_says_stands_beside_our_own():
    compared_with = compared({"birk": (1.0, 0.5), "cleo": (0.0, 0.5)}, {"birk": (9.0, 0.5), "cleo": (0.0, None)})
    made = tables(artefact(comparison_with_service=compared_with))
    assert made["service.csv"].startswith(b'"run_id","id","file","theta","service_theta"')
    birk, cleo = rows(made["service.csv"])
    assert (birk["theta"], birk["service_theta"], birk["beyond_precision"]) == ("1.0", "9.0", "true")
    assert (cleo["service_theta"], cleo["service_standard_error"]) == ("0.0", "")
    assert b"\r" not in made["service.csv"]


def whole_run() -> Artefact:
    """Students with and without words of a judge, an anchor, a failure: every kind of empty cell."""
    return with_files(
        artefact(
            students=("birk", "cleo"),
            bt_summary=(entry("birk"), entry("anchor-a1", rank=2, grade="A"), entry("cleo", rank=3)),
            grade_projections=(projection("birk", "C+"), projection("cleo", "A", extrapolated=True)),
            llm_comparisons=(
                comparison("birk", "cleo", "birk", confidence=3),
                comparison("birk", "anchor-a1", "birk", sequence=2, justification="It argues, “well”,\nit says."),
            ),
            failed_comparisons=(FAILED,),
        ),
        {"birk": "1.txt", "cleo": "2.txt", "anchor-a1": "A1.txt"},
    )


PANDAS = {"b": "truth", "i": "whole", "f": "number", "O": "text", "U": "text", "T": "text"}


@pytest.mark.parametrize("table", list(run_tables(whole_run())), ids=lambda table: table.name)
def test_pandas_and_polars_see_the_types_that_a_table_declares(table):
    data = whole(table)
    by_pandas, by_polars = pd.read_csv(io.BytesIO(data)), pl.read_csv(data)
    assert list(by_pandas.columns) == list(table.columns) == by_polars.columns
    filled = [name for name in table.columns if by_polars[name].null_count() < len(by_polars)]
    assert {"run_id", "id"} <= {*filled} and len(filled) >= 12
    for name in filled:
        kind, found = table.columns[name], by_polars[name].dtype
        assert kind == {pl.Boolean: "truth", pl.Int64: "whole", pl.Float64: "number", pl.String: "text"}[found]
        assert PANDAS[pd.api.types.pandas_dtype(by_pandas[name].dtype).kind] == kind, name
        assert [None if pd.isna(value) else value for value in by_pandas[name]] == by_polars[name].to_list(), name


def test_an_empty_cell_is_empty_and_an_empty_text_too():
    (_, *lines) = tables(whole_run())["essays.csv"].decode().splitlines()
    assert all('""' not in line for line in lines)
    assert [rows(tables(whole_run())["essays.csv"])[1][name] for name in ("flag", "grade", "infit")] == ["", "", ""]


def test_the_columns_are_those_of_every_run():
    """A stacked table has one heading: what this run lacks is an empty column, not a missing one."""
    bare = artefact(bt_summary=(entry("birk"),))
    assert [t.columns for t in run_tables(bare)] == [t.columns for t in run_tables(whole_run()) if t.name == "essays"]


OF_A_CALL = (
    "run_id id sequence essay_a_id essay_b_id file_a file_b provider model tokens_prompt tokens_completion cost_usd "
    "started_at completed_at"
)
P = "p_F p_F+ p_E- p_E+ p_D- p_D+ p_C- p_C+ p_B p_A"
HEADINGS = {
    "essays": "run_id id file is_anchor rank theta standard_error theta_low theta_high infit outfit judgements wins "
    "losses flag words anchor_grade grade most_probable_grade within_one_step within_one_step_at_least label "
    f"extrapolated {P}",
    "comparisons": f"{OF_A_CALL} winner_id loser_id winner_position confidence prompt_hash justification",
    "failed_comparisons": f"{OF_A_CALL} failure_code failure_reason",
    "anchors": f"run_id id file grade rank theta standard_error projected_grade {P} refused",
    "service": "run_id id file theta service_theta theta_difference theta_difference_in_se standard_error "
    "service_standard_error se_ratio grade service_grade beyond_precision",
    "human_scale": "run_id id file theta standard_error judgements",
    "check_grades": "run_id id file teachers_grade grade steps_above",
    "disagreements": "run_id id file judge winner loser loser_file difference judgements",
}
WHOLE = "rank judgements wins losses words sequence tokens_prompt tokens_cached tokens_completion"
TRUTH = "is_anchor extrapolated beyond_precision probability_is_bound"
NUMBERS = (
    "theta standard_error theta_low theta_high infit outfit within_one_step within_one_step_at_least cost_usd "
    "confidence service_theta theta_difference theta_difference_in_se service_standard_error se_ratio steps_above "
    f"difference probability_a {P}"
)
KIND_OF: dict[str, str] = {
    name: kind for kind, names in (("whole", WHOLE), ("truth", TRUTH), ("number", NUMBERS)) for name in names.split()
}


def judged_by_people() -> Artefact:
    """A run with teachers' judgements and grades beside the judge's, and with the service's figures."""
    alignment = alignment_of(inputs_of(anchors={"anchor-a1": "A", "anchor-b1": "B"}), calls("anchor-a1>anchor-b1"))
    graded = LeftOutAnchor(anchor_id="anchor-a1", grade="A", projected_grade="B", probabilities={"B": 0.75, "A": 0.25})
    human = HumanScale(
        people=2,
        judgements=3,
        model_judgements=4,
        positions=(HumanPosition(essay_id="birk", theta=1.5, standard_error=0.25, judgements=3),),
        disagreements=(Disagreement(judge="ann", winner="cleo", loser="birk", difference=0.5, judgements=2),),
    )
    checked = CheckedGrades(
        file_name="known.csv",
        sha256=sha256("known"),
        given=1,
        within_one=1,
        shift=-1.0,
        is_shifted=False,
        students=(CheckedStudent(essay_id="birk", teachers_grade="B", grade="C+", steps_above=-1.0),),
    )
    return whole_run().model_copy(
        update={
            "anchor_alignment": alignment.model_copy(update={"left_out": (graded,)}),
            "comparison_with_service": compared({"birk": (1.0, 0.5)}, {"birk": (9.0, 0.5)}),
            "human_scale": human,
            "grade_check": checked,
        }
    )


def test_each_table_has_its_columns_in_their_order_and_a_column_its_type():
    made = {table.name: dict(table.columns) for table in run_tables(judged_by_people())}
    assert {name: " ".join(columns) for name, columns in made.items()} == HEADINGS
    for name, kind in (both for columns in made.values() for both in columns.items()):
        assert kind == KIND_OF.get(name, "text"), name


def only(name: str) -> dict[str, str]:
    """The cells that the only row of a table has."""
    (row,) = rows(tables(judged_by_people())[f"{name}.csv"])
    return {column: cell for column, cell in row.items() if cell and column != "run_id"}


def test_what_people_judged_and_graded_has_its_tables():
    assert only("human_scale") == {
        "id": "birk", "file": "1.txt", "theta": "1.5", "standard_error": "0.25", "judgements": "3",
    }  # fmt: skip
    assert only("check_grades") == {
        "id": "birk", "file": "1.txt", "teachers_grade": "B", "grade": "C+", "steps_above": "-1.0",
    }  # fmt: skip
    assert only("disagreements") == {
        "id": "cleo", "file": "2.txt", "judge": "ann", "winner": "cleo", "loser": "birk", "loser_file": "1.txt",
        "difference": "0.5", "judgements": "2",
    }  # fmt: skip


def test_judges_have_a_table_where_several_judged():
    figures = [
        JudgeFigures.model_construct(
            provider="p", model=name, judgements=4, infit=1.5, disagrees=True, slope=0.5, first_won=won
        )
        for name, won in (("m1", 3), ("m2", None))
    ]
    both = JudgeQuality.model_construct(judges=tuple(figures))
    run = whole_run().model_copy(update={"judge_quality": both})
    (table,) = [table for table in run_tables(run) if table.name == "judges"]
    kinds = {"judgements": "whole", "disagrees": "truth", "first_won": "whole"}
    texts = ("run_id", "id", "provider", "model")
    names = "infit outfit agreed expected disagrees slope slope_se position_effect position_effect_se first_won".split()  # noqa: SIM905 - as a heading reads
    assert dict(table.columns) == {
        name: "text" if name in texts else kinds.get(name, "number") for name in (*texts, "judgements", *names)
    }
    first = {name: cell for name, cell in rows(whole(table))[0].items() if cell}
    assert first == {
        "run_id": RUN, "id": "p/m1", "provider": "p", "model": "m1", "judgements": "4", "infit": "1.5",
        "disagrees": "true", "slope": "0.5", "first_won": "3",
    }  # fmt: skip
    assert rows(whole(table))[1]["first_won"] == "", "where it says nothing about the judge"
    alone = both.model_copy(update={"judges": tuple(figures[:1])})
    assert "judges" not in {table.name for table in run_tables(run.model_copy(update={"judge_quality": alone}))}


def test_an_anchor_has_its_place_and_what_the_others_grade_it():
    row = only("anchors")
    assert [row[name] for name in ("id", "rank", "theta", "standard_error", "grade", "projected_grade")] == [
        *("anchor-a1", "2", "0.0", "0.4", "A", "B"),
    ]
    assert (row["p_B"], row["p_A"], row["p_F"]) == ("0.75", "0.25", "0.0")
    assert "refused" not in row


def test_an_essays_row_counts_its_words_and_losses_and_knows_whether_it_is_beyond_the_anchors():
    birk, anchor, cleo = rows(tables(whole_run())["essays.csv"])
    assert [(row["words"], row["wins"], row["losses"]) for row in (birk, anchor, cleo)] == [("10", "2", "3")] * 3
    assert [row["extrapolated"] for row in (birk, anchor, cleo)] == ["false", "false", "true"]
    assert float(birk["theta_low"]) == -float(birk["theta_high"]) == pytest.approx(-0.658)
    (ungraded,) = rows(tables(artefact(bt_summary=(entry("anchor-a1", grade="A"),)))["essays.csv"])
    assert ungraded["extrapolated"] == "", "without grades nobody asked"


def test_columns_of_some_runs_only_stand_where_a_run_has_them():
    flagged = whole_run()
    students = tuple(one.model_copy(update={"flags": ("hidden_text",)}) for one in flagged.inputs.students)
    inputs = flagged.inputs.model_copy(update={"students": students})
    told = (comparison("birk", "cleo", "birk", probability_a=0.75, probability_is_bound=True, flagged="both"),)
    made = artefact(bt_summary=flagged.bt_summary, llm_comparisons=told, inputs=inputs)
    (row,) = rows(tables(made)["comparisons.csv"])
    assert (row["probability_a"], row["probability_is_bound"], row["flagged"]) == ("0.75", "true", "both")
    assert [one["text_flags"] for one in rows(tables(made)["essays.csv"])] == ["hidden_text", "", "hidden_text"]
    kinds = {table.name: table.columns for table in run_tables(made)}["comparisons"]
    assert (kinds["probability_a"], kinds["probability_is_bound"], kinds["flagged"]) == ("number", "truth", "text")


def test_fit_reads_a_runs_comparisons_as_they_are():
    (table,) = (table for table in run_tables(whole_run()) if table.name == "comparisons")
    read = parse_comparisons(rows(whole(table)), name="comparisons.csv")
    assert (read.comparisons.items, read.ties, read.missing) == (("anchor-a1", "birk", "cleo"), 0, 0)
    assert list(read.judges) == ["m1"]
