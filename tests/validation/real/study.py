"""Studies of real learners' essays, from files to grades, with judges whose quality and bias are planted.

Each runs through the command line on the embedded stack. The judge is a local server that speaks a provider's API. It
knows each essay's rating, sees it with noise, and may like the first place, long essays, or the students' essays.
"""

from __future__ import annotations

import asyncio
import csv
import json
import math
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from eng5_runner.contracts.grade_scales import DEFAULT_SCALE, GRADE_SCALES
from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, chat, serving
from tests.support.runner import newest, run
from tests.validation.checks import Row, Table

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SEED = 7
_STUDENTS, _EACH, _CHECKED = 60, 20, 10
_ANCHORS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8)  # of nine grades, one essay each
_STEP = 0.8  # logits a grade
_GRADES = GRADE_SCALES[DEFAULT_SCALE].grades
_OUTCOMES = GRADE_SCALES[DEFAULT_SCALE].outcomes
_WITHIN, _OVERCLAIMED = 0.1, 0.1
_HEAD, _OTHER = "**Essay A:**", "**Essay B:**"
_KEY = 60  # characters that tell essays apart


@dataclass(frozen=True)
class Essay:
    """A text and its rating as one of nine grades."""

    text: str
    grade: int

    @property
    def key(self) -> str:
        """Its beginning without spaces, however a prompt wraps it."""
        return "".join(self.text.split())[:_KEY]


@dataclass(frozen=True)
class Planted:
    """A judge.

    Attributes:
        case: for the table.
        noise: of what it sees, in grades.
        first: its advantage of the first place, in logits.
        length: logits for a text that is longer by a factor of e.
        students: by how many grades it likes students' essays more than anchors.
    """

    case: str
    noise: float
    first: float = 0.2
    length: float = 0.0
    students: float = 0.0


_JUDGES = (
    Planted("sees quality well", noise=0.4),
    Planted("sees it less well", noise=1.2),
    Planted("likes long essays and the first place", noise=0.6, first=1.0, length=1.0),
    Planted("likes students 1.5 steps more than anchors", noise=0.4, students=1.5),
)


class Judge:
    """Answers as planted; the same essay is always seen alike."""

    def __init__(self, planted: Planted, *, anchors: Sequence[Essay], students: Sequence[Essay]) -> None:
        generator = np.random.default_rng([_SEED, 1])
        self._first, self._generator, self._worth = planted.first, generator, dict[str, float]()
        for essay in (*anchors, *students):
            seen = essay.grade + planted.noise * generator.normal() + planted.students * (essay in students)
            self._worth[essay.key] = _STEP * seen + planted.length * math.log(len(essay.text))

    def __call__(self, asked: Asked) -> Said:
        prompt = "\n".join(str(message["content"]) for message in asked.body["messages"])
        place, other = prompt.index(_HEAD), prompt.index(_OTHER)
        one, two = (self._seen(prompt[start + len(_HEAD) :]) for start in (place, other))
        first_wins = self._generator.random() < 1.0 / (1.0 + math.exp(two - one - self._first))
        answer = {"winner": "Essay A" if first_wins else "Essay B", "justification": "Planted.", "confidence": 3}
        return chat(json.dumps(answer))

    def _seen(self, after: str) -> float:
        start = "".join(after[: 4 * _KEY].split())
        return next(worth for key, worth in self._worth.items() if key in start)


def table(path: Path) -> Table:
    """A study for each judge: what it claims of reliability, r and grades, and what is so."""
    with path.open(encoding="utf-8", newline="") as file:
        essays = [Essay(row["text"], round(2.0 * float(row["overall"])) - 2) for row in csv.DictReader(file)]
    order = np.random.default_rng(_SEED).permutation(len(essays))
    chosen = [essays[place] for place in order]
    anchors: list[Essay] = []
    for grade in _ANCHORS:
        anchors.append(next(essay for essay in chosen if essay.grade == grade and essay not in anchors))
    students = [essay for essay in chosen if essay not in anchors][:_STUDENTS]
    rows = [_row(planted, anchors, students) for planted in _JUDGES]
    columns = (
        "reliability",
        "r with teachers estimated, 90% interval",
        "r with the students' ratings",
        "±1 claimed",
        "±1 held",
        "mean of projected minus true, steps",
        "shift by 10 known grades",
    )
    title = f"Studies of real essays: {_STUDENTS} students, {len(anchors)} anchors, {_EACH} comparisons an essay"
    return Table(title=title, columns=columns, rows=tuple(rows))


def _row(planted: Planted, anchors: Sequence[Essay], students: Sequence[Essay]) -> Row:
    with tempfile.TemporaryDirectory() as folder:
        artefact = asyncio.run(_judged(Path(folder), planted, anchors=anchors, students=students))
    true = {f"s{place:02}": essay.grade for place, essay in enumerate(students)}
    files = {entry["essay_id"]: entry["file_name"][:3] for entry in artefact["inputs"]["students"]}
    graded = artefact["grade_projections"]
    known = np.array([true[files[row["essay_id"]]] for row in graded]) + len(_OUTCOMES) - len(_GRADES)
    found = np.array([_OUTCOMES.index(row["grade"]) for row in graded])
    theta = {row["essay_id"]: row["theta"] for row in artefact["bt_summary"]}
    r = float(np.corrcoef([theta[row["essay_id"]] for row in graded], known)[0, 1])
    claimed = float(np.mean([row["within_one_step"] for row in graded]))
    held = float(np.mean(np.abs(found - known) <= 1))
    agreement, check = artefact["grade_model"]["agreement_with_teachers"], artefact["grade_check"]
    low, high = agreement["interval_90"]
    figures = (
        f"{artefact['bt_model']['reliability']['empirical_bayes']:.2f}",
        f"{agreement['correlation']:.2f} ({low:.2f} to {high:.2f})",
        *(f"{value:.2f}" for value in (r, claimed, held)),
        f"{np.mean(found - known):+.2f}",
        f"{check['shift']:+.1f} ({check['interval_90'][0]:+.1f} to {check['interval_90'][1]:+.1f})",
    )
    if planted.students:
        return Row(planted.case, figures, (("the known grades show the shift", bool(check["is_shifted"])),))
    claims = (
        (f"±1 claims at most {_OVERCLAIMED} too much", claimed - held <= _OVERCLAIMED),
        ("no shift is reported", not check["is_shifted"]),
    )
    return Row(planted.case, figures, claims)


async def _judged(
    folder: Path, planted: Planted, *, anchors: Sequence[Essay], students: Sequence[Essay]
) -> Mapping[str, Any]:
    study = folder / "study"
    counted: dict[int, int] = {}
    for part in ("anchor_essays", "student_essays"):
        (study / part).mkdir(parents=True)
    for essay in anchors:
        counted[essay.grade] = counted.get(essay.grade, 0) + 1
        name = f"{_GRADES[essay.grade]}{counted[essay.grade]}.txt"
        (study / "anchor_essays" / name).write_text(essay.text, encoding="utf-8")
    for place, essay in enumerate(students):
        (study / "student_essays" / f"s{place:02}.txt").write_text(essay.text, encoding="utf-8")
    (study / "instructions.md").write_text("Write an essay about the question.", encoding="utf-8")
    (study / "prompt.md").write_text("Which essay is the better English?", encoding="utf-8")
    rows = [f"s{place:02},{_GRADES[essay.grade]}" for place, essay in enumerate(students[:_CHECKED])]
    (folder / "known.csv").write_text("\n".join(["student,grade", *rows, ""]), encoding="utf-8")
    async with serving(Judge(planted, anchors=anchors, students=students)) as server:
        options = (
            *("--mode", "execute", "--assets", study, "--check-grades", "known.csv", "--yes", "--no-cache"),
            *("--comparisons-per-essay", _EACH, "--llm-provider", "openai", "--llm-model", "local-7b"),
            *("--soft-judgements", "off", "--no-judge-check", "--seed", _SEED),
        )
        environment = environ_for(folder, server.url, attempts="3", timeout="60")
        ran = await asyncio.to_thread(run, *options, cwd=folder, env=environment)
    if ran.code:
        raise RuntimeError(f"{planted.case}: the run ended with {ran.code}: {ran.err[-2000:]}")
    artefact: Mapping[str, Any] = json.loads((newest(folder) / "assessment_run.execute.json").read_bytes())
    return artefact
