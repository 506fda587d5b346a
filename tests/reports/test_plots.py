"""The pictures: every essay has its line and its whole label, and a file needs nothing of the page."""

from __future__ import annotations

import io
import re
from xml.etree import ElementTree as ET

import pytest

from eng5_runner.reports.methods import methods_paragraph
from eng5_runner.reports.plots.files import pictures, png_file, svg_file
from eng5_runner.reports.plots.positions import positions_of
from tests.support.artefacts import artefact, entry, seen_as
from tests.support.judged_run import judged_run

MANY = [n / 40 - 2 for n in range(150)]
NAME = "np_eng5_class_te17b_essay_number_{:03}"


def of(thetas: list[float], **options: object):
    return seen_as(thetas, anchors=3, **options)


def words_of(drawing: ET.Element) -> list[str]:
    """Labels, with the parts of a long one joined."""
    return ["".join(part.text or "" for part in group.iter("text")) for group in drawing.iter("g")]


def test_few_essays_are_one_picture_with_a_label_each():
    run = of([0.0, 1.0, 2.0, -1.0])
    drawn = positions_of(run).picture().drawing
    assert [words[:8] for words in words_of(drawn) if words.startswith("essay-")] == [
        row.essay_id for row in run.bt_summary
    ]
    assert list(positions_of(run).panels()) == []


@pytest.mark.parametrize("count", [61, 150])
def test_beyond_sixty_essays_every_one_has_its_whole_label_in_a_column(count):
    run = of(MANY[:count], name=NAME.format)
    columns = positions_of(run).columns()
    found = [words for column in columns for words in words_of(column)]
    for row in run.bt_summary:
        assert sum(words.startswith(row.essay_id) for words in found) == 1
    sizes = [sum(words.startswith("np_") for words in words_of(column)) for column in columns]
    assert max(sizes) <= 60 and sum(sizes) == count


def test_an_interval_is_drawn_around_the_posterior_mean_and_not_around_the_mode():
    run = artefact(bt_summary=(entry("birk").model_copy(update={"interval_90": (-3.0, 1.0)}), entry("cleo", rank=2)))
    drawn = positions_of(run).picture().drawing
    line = next(group for group in drawn.iter("g") if group.get("class") == "student").find("line")
    circle = next(drawn.iter("circle"))
    assert line is not None
    low, middle, high = float(line.get("x1", "")), float(circle.get("cx", "")), float(line.get("x2", ""))
    assert (middle - low) == pytest.approx(3 * (high - middle), abs=0.3)


def test_a_file_stands_alone_and_a_png_shows_it():
    for picture in pictures(of([float(n) for n in range(9)])):
        svg = svg_file(picture)
        assert b"var(--" not in svg and not re.search(rb"href|url\(", svg)
        root = ET.parse(io.BytesIO(svg)).getroot()
        assert picture.title in (root[0].text or "") and picture.description in (root[0].text or "")
        png = png_file(svg)
        width, height = (int.from_bytes(png[at : at + 4], "big") for at in (16, 20))
        assert png.startswith(b"\x89PNG") and width == pytest.approx(3 * float(root.get("width", "")), abs=2)
        assert height > 300


def test_nothing_is_drawn_where_nothing_was_judged():
    assert list(pictures(artefact())) == []


def test_the_methods_say_where_confidence_counts():
    run = judged_run(students=12, anchors=9, per_essay=12, soft=True)
    model = run.bt_model
    assert "Besides who won, the judge's confidence counts" in methods_paragraph(run)
    wins_alone = run.model_copy(update={"bt_model": model.model_copy(update={"soft_judgements": None})})
    assert "Besides who won" not in methods_paragraph(wins_alone)
