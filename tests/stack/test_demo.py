"""The baseline judge ranks the demo's anchors sensibly through the whole stack."""

from __future__ import annotations

import csv
from pathlib import Path

import pytest
from scipy.stats import kendalltau

from eng5_runner.contracts.grade_scales import GRADE_SCALES
from tests.support.stack.driver import SCALE, Client, request

DEMO = Path(__file__).parents[2] / "examples" / "eng5_demo"


@pytest.mark.skipif(not DEMO.is_dir(), reason="the demo's texts are not there")
async def test_the_anchors_of_the_demo_come_out_near_their_grades(stack: Client) -> None:
    """Kendall's tau-b with the known grades is at least 0.6, over the anchors that are plain text."""
    table = list(csv.DictReader((DEMO / "anchors.csv").read_text(encoding="utf-8-sig").splitlines()))
    rows = [row for row in table if row["file_name"].endswith(".txt")]
    anchors = [
        (row["anchor_id"], row["grade"], (DEMO / "anchor_essays" / row["file_name"]).read_text(encoding="utf-8"))
        for row in rows
    ]
    await stack.set_up_assignment("demo", anchors)
    students = sorted((DEMO / "student_essays").glob("*.txt"))[:12]
    essays = [
        {"essay_id": path.stem, "text_storage_id": await stack.upload(path.read_text(encoding="utf-8"))}
        for path in students
    ]

    batch = await stack.run(request(essays, assignment_id="demo", metadata={"seed": 2017}))

    known = [result for result in batch.rich.essay_results if result.is_anchor]
    assert len(known) == len(anchors)
    steps = [GRADE_SCALES[SCALE].index(str(result.display_name).removeprefix("ANCHOR GRADE ")) for result in known]
    assert kendalltau(steps, [result.bt_score for result in known]).statistic >= 0.6
