"""What people read of an artefact: an absent figure is a dash, and artefacts of earlier versions can be shown."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from io import StringIO
from operator import attrgetter
from pathlib import Path

import pytest
from rich.console import Console

from eng5_runner.contracts.callbacks import MAY_BE_CHARGED
from eng5_runner.reports.anchor_markdown import anchor_report
from eng5_runner.reports.figures import between, number, percent, span, usd
from eng5_runner.reports.html_report import report
from eng5_runner.reports.targets import target_rows
from eng5_runner.reports.terminal.compare import show_comparison
from eng5_runner.reports.terminal.summary import show_summary
from eng5_runner.reports.verdict import verdict_of
from eng5_runner.reports.words import chance_of
from eng5_runner.results.artefact import Artefact, parse_artefact
from eng5_runner.results.artefact.judge import (
    FirstPositionAdvantage,
    JudgeFigures,
    JudgeQuality,
    NotMeasured,
    WinlessAnchor,
)
from eng5_runner.results.artefact.study import Costs, TokenCounts, TrialAnswer
from eng5_runner.results.compare import compare_artefacts
from eng5_runner.results.run_summary import summary_of
from tests.support.artefacts import artefact, entry, seen_as, with_files
from tests.support.results import call

DATA = Path(__file__).parents[1] / "results" / "data"
FIRST = parse_artefact((DATA / "first_version.execute.json").read_bytes())
BEFORE_DESIGNS = parse_artefact((DATA / "before_designs.anchor-align.json").read_bytes())
THETAS = [float(n) - 4 for n in range(8)] + [1.5, -0.5, 0.25]

UNKNOWN = NotMeasured(not_measured="as no judgement is there")


def shown(view, *arguments: object, **options: object) -> str:
    """What a view prints, on lines as long as they need to be."""
    console = Console(file=StringIO(), width=200)
    view(console, *arguments, **options)
    return console.file.getvalue()


def in_all_views(run: Artefact) -> tuple[str, str, str]:
    return report(run).decode(), anchor_report(run).decode(), shown(show_summary, run, run_directory=Path("run"))


def line_of(text: str, word: str) -> str:
    return next(line for line in text.splitlines() if word in line)


def test_an_absent_figure_is_a_dash():
    assert (number(None), percent(None), usd(None), span(None), between(None)) == ("–", "–", "–", "–", "")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0, "0.00"), (-1.236, "-1.24"), (1.0, "1.00")], ids=["zero is a figure", "minus", "plus"]
)
def test_a_figure_has_its_decimals(value, text):
    assert number(value) == text
    assert number(abs(value), 1, sign=True).startswith("+")
    assert between((value, 2.0)) == f"({text} to 2.00)"


@pytest.mark.parametrize("run", [FIRST, BEFORE_DESIGNS], ids=["first", "before designs"])
def test_artefacts_of_earlier_versions_can_be_shown(run: Artefact):
    page, markdown = report(run).decode(), anchor_report(run).decode()
    summary = shown(show_summary, run, run_directory=Path("run"))
    for text in (page, markdown, summary):
        assert "None" not in text.replace("None.\n", "") and "anchor-a1" in text
    assert f"{run.bt_summary[0].theta:+.2f}" in summary


def test_the_anchor_report_of_the_first_version_leaves_out_what_that_did_not_measure():
    markdown = anchor_report(FIRST).decode()
    for section in ("## Against the field's targets", "## Anchors without a win", "## The judge"):
        assert section not in markdown
    assert "| – |" in markdown, "the interval of a position"
    assert "## Against the field's targets" in anchor_report(BEFORE_DESIGNS).decode()


def test_a_summary_of_a_run_without_grades_says_why():
    run = artefact(bt_summary=(entry("anchor-a1", grade="A"), entry("birk", rank=2)), students=("birk", "cleo"))
    text = shown(show_summary, run, run_directory=Path("run"))
    assert "no grades are projected: there are no judgements" in text
    assert "+0.00 ± 0.40" in text, "a position of zero is a figure"


def test_an_outvoted_judge_is_a_warning_of_the_summary():
    usual = {"provider": "p", "judgements": 100, "infit": 1.0, "outfit": 1.0, "expected": 0.78}
    judges = tuple(
        JudgeFigures(**usual, model=name, agreed=0.41 if name == "odd" else 0.8, disagrees=name == "odd")
        for name in ("odd", "one", "other")
    )
    run = artefact(
        students=("birk", "cleo"),
        judge_quality=JudgeQuality.model_construct(judges=judges, position_effect=UNKNOWN),
    )
    text = shown(show_summary, run, run_directory=Path("run"))
    assert "p odd disagrees with the others: it agrees in 41%, 78% expected" in text.splitlines()
    assert "p one: 100 judgements, infit 1.00, outfit 1.00, agrees with the others in 80% (78% expected)" in text


def test_calls_that_nobody_knows_the_answer_of_are_stated():
    lost = replace(call("birk", "cleo", None), failure_reason=f"LLM_PROVIDER_UNAVAILABLE: it ended; {MAY_BE_CHARGED}")
    report_page, _, summary = in_all_views(artefact(students=("birk", "cleo"), failed_comparisons=(lost, lost)))
    assert "2 calls have no recorded answer and may have been charged" in summary
    assert "asked without an answer that was recorded, and perhaps charged" in report_page
    other = artefact(students=("birk", "cleo"), failed_comparisons=(call("birk", "cleo", None),))
    assert "charged" not in "".join(in_all_views(other))


def test_two_runs_are_shown_side_by_side():
    text = shown(show_comparison, compare_artefacts(seen_as(THETAS), seen_as(THETAS[::-1], label="b", judge="m2")))
    for words in ("11 essays in both", "θ: Spearman's ρ", "grades: the same, of 3", "flip: ", "more flips"):
        assert words in text


def test_what_cannot_be_compared_is_a_dash():
    """The verdicts of runs without a judgement, and intervals of fewer than six essays."""
    none = artefact(students=("birk", "cleo"))
    text = shown(show_comparison, compare_artefacts(none, none))
    assert line_of(text, "verdicts").split()[-2:] == ["–", "–"]
    assert line_of(text, "reliability").split()[-2:] == ["–", "–"]
    few = seen_as(THETAS[:4], anchors=3)
    assert line_of(shown(show_comparison, compare_artefacts(few, few)), "Pearson").split()[-2:] == ["1.00", "–"]


def test_the_anchors_that_could_be_tested_are_counted_and_the_others_explained():
    alignment = FIRST.anchor_alignment
    assert alignment is not None
    one, two, *rest = alignment.left_out
    fields = {"anchor_id": one.anchor_id, "grade": one.grade, "refused": "the anchors do not rise: 0.5 ± 0.6 logits"}
    changed = alignment.model_copy(
        update={"left_out": (type(one)(**fields), two, *rest), "left_out_exact": 0.4, "left_out_within_one": 0.4}
    )
    run = FIRST.model_copy(update={"anchor_alignment": changed})
    tested = sum(anchor.projected_grade is not None for anchor in changed.left_out)
    assert 0 < tested < changed.anchors
    for text in in_all_views(run):
        words = " ".join(text.split())
        assert f"Of the {tested} anchors (of {changed.anchors}) that could be tested, 40% get their own grade" in words
        assert "“refused”: the other anchors alone can give no grade (the anchors do not rise). So it is with" in words
        assert one.anchor_id in words


def test_anchors_that_nothing_links_are_left_out_of_the_order_in_words():
    assert FIRST.anchor_alignment is not None
    apart = FIRST.anchor_alignment.model_copy(update={"unlinked": 2})
    told = (
        f"The order of the anchors is that of {apart.anchors - 2} anchors alone: nothing links the other 2 with these"
    )
    for text in in_all_views(FIRST.model_copy(update={"anchor_alignment": apart})):
        assert told in " ".join(text.split())
    assert not any("nothing links the other" in text for text in in_all_views(FIRST))


def test_a_price_that_is_not_known_is_not_shown_as_0():
    free = TokenCounts(provider="openai", model="own", comparisons=3, prompt_tokens=9, completion_tokens=6, usd=0.0)
    unpriced = free.model_copy(update={"unpriced": 3})
    paid = free.model_copy(update={"model": "gpt", "usd": 0.5})
    for total, rows, says in (
        (0.0, (unpriced,), "unknown (3 calls have no known price)"),
        (0.5, (paid, unpriced), "at least 0.5000 USD (3 calls have no known price)"),
    ):
        run = FIRST.model_copy(update={"costs": Costs(total_usd=total, token_counts=rows)})
        page, _, terminal = (" ".join(text.split()) for text in in_all_views(run))
        assert says in page and f"in all {says}" in terminal
        assert summary_of(run, directory="run").cost_usd is None
        assert compare_artefacts(run, run).costs[0].usd is None


def copied(run: Artefact, names: Sequence[str], *, rank: int | None = None) -> Artefact:
    """The run with one text for these essays, at one rank if one is given."""
    own = {"text_sha256": "a" * 64}
    anchors, students = (
        tuple(one.model_copy(update=own) if name_of(one) in names else one for one in essays)
        for essays, name_of in (
            (run.inputs.anchors, attrgetter("anchor_id")),
            (run.inputs.students, attrgetter("essay_id")),
        )
    )
    entries = tuple(
        one.model_copy(update={"rank": rank}) if rank is not None and one.essay_id in names else one
        for one in run.bt_summary
    )
    inputs = run.inputs.model_copy(update={"students": students, "anchors": anchors})
    return run.model_copy(update={"inputs": inputs, "bt_summary": entries})


def test_copies_of_a_text_that_stand_apart_are_named_with_their_ranks():
    run = seen_as(THETAS)
    names, files = [entry.essay_id for entry in run.bt_summary], run.inputs.file_names
    first, second, *_ = (f"{files[name]} (rank {rank})" for rank, name in enumerate(names, start=1))
    for text in in_all_views(copied(run, names[:2])):
        says = f"The same text under several names: {first}, {second}. Each copy was compared by itself"
        assert says in " ".join(text.replace("\\", "").split())
    for text in in_all_views(copied(run, names[:7])):
        assert "(rank 5) and 2 more. Each copy" in " ".join(text.replace("\\", "").split())
    for other in (run, copied(run, names[:2], rank=1)):
        assert not any("The same text" in text for text in in_all_views(other))


def test_an_order_that_may_be_noise_has_no_green_banner():
    noise, good = seen_as(THETAS, reliability=0.1), seen_as(THETAS, reliability=0.8)
    for text in in_all_views(noise):
        assert "No better than chance; no grades." in text
    assert 'class="verdict bad"' in report(noise).decode()
    assert 'class="verdict bad"' not in report(good).decode() and "better than chance" not in report(good).decode()


LONG_FILE = "2026-05-12_NP_Engelska5_delC_Anna_Andersson_NA25A.pdf"
LONG_ID = "2026-05-12_np_engelska5_delc_a-1a2b3c4d"[:36]


def with_a_long_name() -> Artefact:
    run = artefact(students=(LONG_ID, "cleo"), bt_summary=(entry(LONG_ID), entry("anchor-a1", rank=2, grade="A")))
    return with_files(run, {LONG_ID: LONG_FILE, "anchor-a1": "A1.docx"})


@pytest.mark.parametrize("width", [50, 80, 200])
def test_no_terminal_is_too_narrow_for_a_whole_file_name_and_a_whole_id(width):
    console = Console(file=StringIO(), width=width)
    show_summary(console, with_a_long_name(), run_directory=Path("run"))
    lines = [[*line.split(), ""] for line in console.file.getvalue().splitlines()]
    column = "".join(line[1] if line[0].isdigit() else line[0] for line in lines)
    for name in (LONG_FILE, LONG_ID, "A1.docx", "anchor-a1"):
        assert name in column


def test_reports_have_the_files_own_names():
    run = with_a_long_name()
    page = report(run).decode()
    assert f"<small>{LONG_FILE}</small>" in page
    assert f"<title>{LONG_ID} ({LONG_FILE}): " in page
    assert f'text-anchor="end">{LONG_ID}</text>' in page
    assert "<small>A1.docx</small>" in page


def test_a_judge_who_goes_by_the_place_is_the_headline_of_all_views():
    advantage = FirstPositionAdvantage.model_construct(first_won=60, judgements=60)
    quality = BEFORE_DESIGNS.judge_quality.model_copy(update={"position_effect": advantage, "judges": ()})
    run = seen_as(THETAS).model_copy(update={"judge_quality": quality})
    says = "60 of 60 judgements were won by the essay that was shown first."
    assert verdict_of(run).headline == "The judge goes by the place and not by the essay; no grades."
    assert says in shown(show_summary, run, run_directory=Path("run"))


def test_the_test_answer_beforehand_is_part_of_the_cost_that_is_shown():
    tokens = TokenCounts(provider="p", model="m", comparisons=60, prompt_tokens=1, completion_tokens=1, usd=0.066)
    answer = TrialAnswer(usd=0.0011, prompt_tokens=1, completion_tokens=1)
    costs = Costs(total_usd=0.0671, token_counts=(tokens,), test_answer=answer)
    page, _, terminal = in_all_views(FIRST.model_copy(update={"costs": costs}))
    assert "in all 0.0671 USD, with 0.0011 for the test answer beforehand" in terminal
    assert "In all 0.0671 USD, failed calls included, and 0.0011 USD for the test answer beforehand." in page


def test_the_probability_of_a_grade_is_never_shown_above_that_of_it_or_a_neighbour():
    likely = next(one for one in FIRST.grade_projections)
    lowered = likely.model_copy(update={"within_one_step": 0.13})
    assert (chance_of(likely), chance_of(lowered)) == (likely.probabilities[likely.grade], 0.13)


def test_an_anchor_of_the_lowest_grade_needs_no_win():
    """Only those above it are counted, as of the judges beside them."""
    alignment = BEFORE_DESIGNS.anchor_alignment
    assert alignment is not None and alignment.without_win is not None
    above, lowest = (
        next(anchor for anchor in BEFORE_DESIGNS.inputs.anchors if anchor.grade == grade) for grade in ("A", "F+")
    )
    winless = [
        WinlessAnchor(anchor_id=one.anchor_id, grade=one.grade, judgements=9.0, expected_probability=0.1)
        for one in (above, lowest)
    ]
    run = BEFORE_DESIGNS.model_copy(
        update={"anchor_alignment": alignment.model_copy(update={"without_win": tuple(winless)})}
    )
    row = next(row for row in target_rows(run) if row.name == "anchors above the lowest grade without a win")
    assert row.found == "1"
