"""The report: one page that needs nothing, says what the artefact says, and lets no text become markup."""

from __future__ import annotations

import base64
import hashlib
import re
from dataclasses import replace
from html.parser import HTMLParser

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from eng5_runner.canonical import canonical_json
from eng5_runner.reports.html_report import report
from eng5_runner.results.artefact import parse_artefact
from eng5_runner.results.artefact.study import JudgeIdentity
from tests.support.run.outcomes import OUTCOMES
from tests.support.run.runs import GRADES, STUDENTS

VOID = {"meta"}
# Whatever would fetch, run or lead away.
ACTIVE_TAGS = {"link", "img", "iframe", "object", "embed", "form", "base", "audio", "video"}
ACTIVE_ATTRIBUTES = re.compile(r"^(on|src|xlink|style|action)")
POLICY = re.compile(r"default-src 'none'; style-src '(sha256-\S+)'; script-src '(sha256-\S+)'; base-uri 'none'")


class Page(HTMLParser):
    """The page as a browser would take it apart."""

    def __init__(self, data: bytes) -> None:
        super().__init__()
        self.open: list[str] = []
        self.tags: list[str] = []
        self.attributes: list[str] = []
        self.links: list[str] = []
        self.ids: list[str] = []
        self.raw = {"style": "", "script": ""}
        self.words = ""
        self.feed(data.decode())
        self.close()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append(tag)
        self.attributes += [name for name, _ in attrs]
        self.links += [value or "" for name, value in attrs if name == "href"]
        self.ids += [value or "" for name, value in attrs if name == "id"]
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        if self.open and self.open[-1] in self.raw:
            self.raw[self.open[-1]] += data
        elif self.open:
            self.words += f"{data}\n"


@pytest.fixture(scope="module")
def typed(artefacts):
    """The artefact of every outcome, as a report reads it."""
    return {outcome: parse_artefact(canonical_json(artefact)) for outcome, artefact in artefacts.items()}


@pytest.fixture(scope="module")
def plain(typed):
    """The page of a run that ended well."""
    return Page(report(typed["complete"]))


@pytest.mark.parametrize("outcome", OUTCOMES)
def test_a_report_of_every_outcome_is_whole_and_needs_nothing(outcome, artefacts, typed):
    data = report(typed[outcome])
    page = Page(data)
    assert page.open == []
    assert not ACTIVE_TAGS & set(page.tags)
    assert not [name for name in page.attributes if ACTIVE_ATTRIBUTES.match(name)]
    assert not re.search(r"url\(|@import|//", page.raw["style"] + page.raw["script"])
    assert page.tags.count("script") == 1
    assert all(link.startswith("#") for link in page.links) and {link[1:] for link in page.links} <= set(page.ids)
    assert len(set(page.ids)) == len(page.ids)
    assert f"{artefacts[outcome]['runner_status']['outcome']}, " in page.words
    for reason in artefacts[outcome]["runner_status"]["reasons"]:
        assert reason[1:] in page.words


def test_the_policy_allows_the_page_s_own_style_and_script_and_no_other(typed):
    data = report(typed["complete"])
    found = POLICY.search(data.decode())
    assert found is not None
    for kind, allowed in zip(("style", "script"), found.groups(), strict=True):
        digest = hashlib.sha256(Page(data).raw[kind].encode()).digest()
        assert allowed == f"sha256-{base64.b64encode(digest).decode()}"


def test_what_the_artefact_says_stands_in_the_report(artefacts, typed):
    artefact = artefacts["complete"]
    words = Page(report(typed["complete"])).words
    for entry in artefact["bt_summary"]:
        assert f"{entry['theta']:+.2f}" in words and entry["essay_id"] in words
    for projection in artefact["grade_projections"]:
        assert f"{projection['within_one_step']:.2f}" in words
    for told in (
        artefact["metadata"]["inputs_sha256"],
        artefact["metadata"]["git_sha"],
        artefact["prompt_hashes"]["digest"],
        artefact["validation"]["artefact_checksum"],
        f"{artefact['costs']['total_usd']:.4f} USD",
        "sha256sum -c manifest.sha256",
    ):
        assert told in words
    assert all(name in words for name in (*GRADES, *STUDENTS))


def test_every_essay_is_in_the_picture_with_its_figures_in_words(artefacts, typed):
    """For those who cannot see it, and on hovering for those who can."""
    artefact = artefacts["complete"]
    data = report(typed["complete"]).decode()
    begin = data.index('<div class="whole"><svg')
    picture = data[begin : data.index("</svg>", begin)]
    assert picture.count("<circle") == len(STUDENTS) and picture.count("<rect") == len(GRADES)
    for entry in artefact["bt_summary"]:
        figures = re.escape(f"{entry['theta']:+.2f} ± {entry['standard_error']:.2f}")
        assert re.search(rf"<title>{entry['essay_id']} \([^)]+\): θ {figures}", picture)


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None, max_examples=60)
@given(
    text=st.text(min_size=1)
    | st.sampled_from(["<script>alert(1)</script>", '"><img src=x>', "</style>", "&amp;", "\0", "\ud800"])
)
def test_no_text_becomes_markup(text, typed, plain):
    """Names, files, labels and messages come from outside."""
    artefact = typed["complete"]
    student, *others = artefact.inputs.students
    first, *rows = artefact.llm_comparisons
    changed = {
        "metadata": artefact.metadata.model_copy(update={"batch_label": text}),
        "runner_status": artefact.runner_status.model_copy(update={"reasons": (text,)}),
        "inputs": artefact.inputs.model_copy(
            update={"students": (student.model_copy(update={"source_path": text}), *others)}
        ),
        "llm_comparisons": (replace(first, justification=text), *rows),
    }
    page = Page(report(artefact.model_copy(update=changed)))
    assert sorted(page.tags) == sorted(plain.tags)
    assert page.open == []


@pytest.mark.parametrize(
    ("kind", "warned"), [("language model", False), ("offline baseline, not a language model", True)]
)
def test_the_baseline_is_never_taken_for_a_language_model(kind, warned, typed):
    artefact = typed["complete"]
    judge = JudgeIdentity(provider="mock", model="m", kind=kind)
    changed = artefact.model_copy(update={"metadata": artefact.metadata.model_copy(update={"judges": (judge,)})})
    assert ("It is no language model" in Page(report(changed)).words) is warned


def test_an_absent_figure_is_a_dash_and_never_zero(typed):
    """As in an artefact of an older version, or where a figure is undefined."""
    artefact = typed["complete"]
    model = artefact.bt_model.model_copy(update={"position_effect": None})
    alignment = artefact.anchor_alignment.model_copy(update={"kendall_tau_b": None, "left_out_exact": None})
    changed = artefact.model_copy(update={"bt_model": model, "anchor_alignment": alignment, "grade_projections": ()})
    lines = Page(report(changed)).words.split("\n")
    assert lines[lines.index("advantage of being shown first") + 1] == "–"
    assert lines[lines.index("order of the anchors against their grades") + 1] == "–"
    assert not [line for line in lines if line in ("+0.00", "0.00", "+0.00 ± 0.00 logits")]
