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
from eng5_runner.measure.grading.grades import Refusal, Scale, project
from tests.support.judges.driver import environ_for
from tests.support.judges.servers import Asked, Said, chat, serving
from tests.support.runner import newest, run
from tests.validation.checks import Row, Table
from tests.validation.simulated import judged

if TYPE_CHECKING:
    from collections.abc import Mapping, Sequence

_SEED = 7
_STUDENTS, _EACH, _CHECKED = 60, 20, 10
_ANCHORS = (0, 1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 7, 8)  # of nine grades, one essay each
_STEP = 0.8  # logits a grade
_GRADES = GRADE_SCALES[DEFAULT_SCALE].grades
_OUTCOMES = GRADE_SCALES[DEFAULT_SCALE].outcomes
_OVERCLAIMED = 0.1
_SCALE = Scale(prior=GRADE_SCALES[DEFAULT_SCALE].prior, has_below_lowest=True)
_DRAWS = 60
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

    def __init__(
        self, planted: Planted, *, anchors: Sequence[Essay], students: Sequence[Essay], number: int = 1
    ) -> None:
        generator = np.random.default_rng([_SEED, number])
        self.case = planted.case
        self._first, self._generator, self._worth = planted.first, generator, dict[str, float]()
        for essay in (*anchors, *students):
            seen = essay.grade + planted.noise * generator.normal() + planted.students * (essay in students)
            self._worth[essay.key] = _STEP * seen + planted.length * math.log(len(essay.text))

    def worths(self, essays: Sequence[Essay]) -> list[float]:
        """What it sees, in logits."""
        return [self._worth[essay.key] for essay in essays]

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
    anchors, students = _chosen(_read(path), np.random.default_rng(_SEED))
    rows = [_row(planted, anchors, students) for planted in _JUDGES]
    columns = (
        "reliability",
        "r with teachers estimated, 90% interval",
        "r of what the judge sees with the students' ratings",
        "±1 claimed",
        "±1 held",
        "mean of projected minus true, steps",
        "shift by 10 known grades",
    )
    title = f"Studies of real essays: {_STUDENTS} students, {len(anchors)} anchors, {_EACH} comparisons an essay"
    return Table(title=title, columns=columns, rows=tuple(rows))


def redrawn(path: Path) -> Table:
    """The same with other essays and answers each time, without the services: how often the interval of r holds it."""
    essays = _read(path)
    columns = (
        *("r of what the judge sees with the ratings", "r estimated", "90% interval holds r", "±1 claimed", "±1 held"),
        *("labelled HIGH or MID", "of these ±1 held", "said to hold at least"),
    )
    rows = [_redrawn(planted, essays) for planted in _JUDGES if not planted.students]
    title = f"Such studies, {_DRAWS} times with other essays and the same kinds of judges"
    return Table(title=title, columns=columns, rows=tuple(rows))


def _read(path: Path) -> list[Essay]:
    with path.open(encoding="utf-8", newline="") as file:
        return [Essay(row["text"], round(2.0 * float(row["overall"])) - 2) for row in csv.DictReader(file)]


def _chosen(essays: Sequence[Essay], generator: np.random.Generator) -> tuple[list[Essay], list[Essay]]:
    """Anchors by their grades, and students as they come."""
    shuffled = [essays[place] for place in generator.permutation(len(essays))]
    anchors: list[Essay] = []
    for grade in _ANCHORS:
        anchors.append(next(essay for essay in shuffled if essay.grade == grade and essay not in anchors))
    return anchors, [essay for essay in shuffled if essay not in anchors][:_STUDENTS]


def _correlation(seen: Sequence[float], essays: Sequence[Essay]) -> float:
    return float(np.corrcoef(seen, [essay.grade for essay in essays])[0, 1])


def _redrawn(planted: Planted, essays: Sequence[Essay]) -> Row:
    true, found, labels = [], [], []
    for number in range(_DRAWS):
        anchors, students = _chosen(essays, np.random.default_rng([_SEED, number]))
        seen = Judge(planted, anchors=anchors, students=students, number=number)
        by_item = {f"a{place}": worth for place, worth in enumerate(seen.worths(anchors))}
        by_item |= {f"s{place}": worth for place, worth in enumerate(seen.worths(students))}
        grades = {f"a{place}": essay.grade for place, essay in enumerate(anchors)}
        projection = project(judged(by_item, k=_EACH, number=number), anchors=grades, scale=_SCALE)
        if isinstance(projection, Refusal):
            continue
        true.append(_correlation(seen.worths(students), students))
        low, high = projection.agreement.interval
        near = [abs(a.median - 1 - b.grade) <= 1 for a, b in zip(projection.students, students, strict=True)]
        claimed = [student.within_one for student in projection.students]
        holds = float(low <= true[-1] <= high)
        found.append((projection.agreement.correlation, holds, float(np.mean(claimed)), float(np.mean(near))))
        labels += [
            (kept, student.surely_within_one)
            for kept, student in zip(near, projection.students, strict=True)
            if student.label != "LOW"
        ]
    estimated, covered, claims, held = np.mean(found, axis=0).tolist()
    of_labels = np.mean(labels, axis=0).tolist() if labels else [math.nan, math.nan]
    share = len(labels) / (len(found) * _STUDENTS)
    figures = (
        *(f"{value:.2f}" for value in (float(np.mean(true)), estimated, covered, claims, held, share)),
        *(f"{value:.2f}" for value in of_labels),
    )
    return Row(
        planted.case,
        figures,
        (
            ("interval of r holds it in 85%", covered >= 0.85),
            ("±1 claimed at most .03 above", claims <= held + 0.03),
        ),
    )


def _row(planted: Planted, anchors: Sequence[Essay], students: Sequence[Essay]) -> Row:
    judge = Judge(planted, anchors=anchors, students=students)
    with tempfile.TemporaryDirectory() as folder:
        artefact = asyncio.run(_judged(Path(folder), judge, anchors=anchors, students=students))
    true = {f"s{place:02}": essay.grade for place, essay in enumerate(students)}
    files = {entry["essay_id"]: entry["file_name"][:3] for entry in artefact["inputs"]["students"]}
    graded = artefact["grade_projections"]
    known = np.array([true[files[row["essay_id"]]] for row in graded]) + len(_OUTCOMES) - len(_GRADES)
    found = np.array([_OUTCOMES.index(row["grade"]) for row in graded])
    r = _correlation(judge.worths(students), students)
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
        ("the interval holds r", low <= r <= high),
        ("no shift is reported", not check["is_shifted"]),
    )
    return Row(planted.case, figures, claims)


async def _judged(
    folder: Path, judge: Judge, *, anchors: Sequence[Essay], students: Sequence[Essay]
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
    async with serving(judge) as server:
        options = (
            *("--mode", "execute", "--assets", study, "--check-grades", "known.csv", "--yes", "--no-cache"),
            *("--comparisons-per-essay", _EACH, "--llm-provider", "openai", "--llm-model", "local-7b"),
            *("--soft-judgements", "off", "--no-judge-check", "--seed", _SEED),
        )
        environment = environ_for(folder, server.url, attempts="3", timeout="60")
        ran = await asyncio.to_thread(run, *options, cwd=folder, env=environment)
    if ran.code:
        raise RuntimeError(f"{judge.case}: the run ended with {ran.code}: {ran.err[-2000:]}")
    artefact: Mapping[str, Any] = json.loads((newest(folder) / "assessment_run.execute.json").read_bytes())
    return artefact
