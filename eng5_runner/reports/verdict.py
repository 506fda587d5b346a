"""What a run is good for, in words that need no statistics: the first thing on the page.

    verdict = verdict_of(artefact)
    print(verdict.level, verdict.headline)    # fair Usable with care: read the answers below first.

Each answer has a level: `good`, `fair` (usable with care), `bad`, or `none` where nothing can be said yet.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal, TypeAlias

from eng5_runner.measure.quality.standing import FEWEST_OF_A_JUDGE
from eng5_runner.phrases import counted, listed
from eng5_runner.reports.figures import number, percent, sentence, span, tally
from eng5_runner.reports.targets import MET, MISSED, target_rows
from eng5_runner.reports.words import target_missed, warnings_of_the_judge
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.measurement import GradesAvailable, TeacherAgreement
from eng5_runner.results.doubts import doubts_about

Level: TypeAlias = Literal["good", "fair", "bad", "none"]
# Below the first, students are not ranked by the order; from the second on, neighbours are mostly in order too.
_RANKABLE, _RELIABLE = 0.7, 0.8
# Of r with the teachers, and of the lower end of its interval.
_AGREES, _SURELY, _PARTLY = 0.7, 0.5, 0.4
_MOSTLY = 0.5
_MOST_NAMED = 4
_READY = "Is the judge ready for students' essays?"
# Of the baseline's scores with people's ratings of 1,256 essays (docs/validation.md, real data).
_BASELINES: Mapping[str, str] = MappingProxyType({
    "offline-baseline-1": ".50", "offline-baseline-2": ".57", "offline-baseline-2-spelling": ".62",
})  # fmt: skip
_Reply: TypeAlias = tuple[Level, str, str]
_EARLIER: _Reply = ("none", "not known", "An earlier version wrote this run.")
_WORST: tuple[Level, ...] = ("bad", "fair", "none", "good")


@dataclass(frozen=True, slots=True, kw_only=True)
class PlainAnswer:
    """A question that a head of department asks.

    Attributes:
        question: in full.
        level: of the answer.
        word: the answer in one or two words.
        reason: one or two sentences.
    """

    question: str
    level: Level
    word: str
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RunVerdict:
    """The answer to all questions together."""

    level: Level
    headline: str
    answers: tuple[PlainAnswer, ...]


def verdict_of(artefact: Artefact) -> RunVerdict:
    """The verdict of a run, whatever its mode and outcome."""
    missing = _missing(artefact)
    if artefact.bt_model is None:
        return RunVerdict(level="none", headline="Nothing was judged, so nothing is claimed.", answers=(missing,))
    order = _answered("Is the order reliable?", _order(artefact))
    teachers = _answered("Does it agree with teachers?", _teachers(artefact))
    several = artefact.judge_quality is not None and len(artefact.judge_quality.judges) > 1
    together = (_answered("Do the judges agree with each other?", _together(artefact)),) if several else ()
    use = (
        _answered(_READY, _targets(artefact))
        if artefact.metadata.runner_mode.anchors_only
        else _answered(
            "What can the grades be used for?", _grades(artefact, failed=_any_bad(order, teachers, *together))
        )
    )
    answers = (order, *together, teachers, use, missing)
    for judge in artefact.metadata.judges:
        if judge.is_baseline:
            return RunVerdict(level="bad", headline=_of_baseline(judge.model), answers=answers)
    for headline, _ in warnings_of_the_judge(artefact):
        return RunVerdict(level="bad", headline=headline, answers=answers)
    level = min((answer.level for answer in answers), key=_WORST.index)
    return RunVerdict(level=level, headline=_headline(order, teachers, use=use, level=level), answers=answers)


def _of_baseline(model: str) -> str:
    headline = (
        "Positions and grades mean nothing here. The judge is an offline baseline that counts properties of the "
        "texts. It is no language model."
    )
    agreement = _BASELINES.get(model)
    if agreement is None:
        return headline
    return f"{headline} Its scores of learners' essays agree with teachers about as r = {agreement} (rank correlation)."


def _answered(question: str, reply: _Reply) -> PlainAnswer:
    level, word, reason = reply
    return PlainAnswer(question=question, level=level, word=word, reason=reason)


def _any_bad(*answers: PlainAnswer) -> bool:
    return any(answer.level == "bad" for answer in answers)


def _headline(order: PlainAnswer, teachers: PlainAnswer, *, use: PlainAnswer, level: Level) -> str:
    if order.level == "bad":
        return "Do not rank or grade by this order."
    if teachers.level == "bad":
        return "Repeatable, but not shown to agree with teachers: do not grade by it."
    if use.level == "bad":
        if use.question == _READY:
            return "The order is usable with care, but this judge is not ready for students' essays."
        return "The order is usable with care, but not for grading."
    if level == "good":
        return "Reliable, and in line with the teachers' grades."
    return "Usable with care: read the answers below first."


def _order(artefact: Artefact) -> _Reply:
    """Whether the same judge would find the same order again."""
    noise, model, stopping = doubts_about(artefact).noise, artefact.bt_model, artefact.stopping
    assert model is not None
    if stopping is not None and stopping.design == "boundary":
        return "none", "not asked", "Named pairs are close by choice: they are no test of the whole order."
    value, interval = model.reliability.empirical_bayes, model.reliability.interval_90
    if noise is not None:
        return "bad", "no", f"{sentence(noise)}, so the order may hold nothing but chance."
    if value is None:
        return "none", "not known", f"{sentence(str(model.reliability.undefined))}."
    figures = f"(reliability {number(value)}, 90% interval {span(interval)})"
    if value < _RANKABLE:
        return "bad", "not enough", f"Too much of the order is chance to rank students by it {figures}."
    if value < _RELIABLE or (interval is not None and interval[0] < _RANKABLE):
        return "fair", "mostly", f"It separates groups of essays, not neighbours in the list {figures}."
    same = "judge" if len(artefact.metadata.judges) <= 1 else "judges"
    return "good", "yes", f"The same {same} would put the essays in nearly the same order again {figures}."


def _together(artefact: Artefact) -> _Reply:
    """Whether several judges have one order in mind."""
    doubts = doubts_about(artefact)
    judges = () if artefact.judge_quality is None else artefact.judge_quality.judges
    if doubts.divided is not None:
        return "bad", "no", f"No one order stands for all of them: {doubts.divided}."
    if doubts.outvoted is not None:
        return "fair", "not all", f"The order is mostly that of the others: {doubts.outvoted}."
    few = [judge for judge in judges if judge.agreed is None or judge.judgements < FEWEST_OF_A_JUDGE]
    if few:
        names = listed([f"{judge.provider} {judge.model}" for judge in few], at_most=_MOST_NAMED)
        return "none", "not known", f"Too few judgements tell, or an earlier version wrote this run: {names}."
    shares = [
        f"{judge.provider} {judge.model} in {percent(judge.agreed)} ({percent(judge.expected)} expected)"
        for judge in judges
    ]
    named = listed(shares, at_most=_MOST_NAMED)
    return "good", "yes", f"Each agrees with the rest about as often as expected: {named}."


def _teachers(artefact: Artefact) -> _Reply:
    """Whether teachers would order the essays in the same way."""
    disagreement, grades = doubts_about(artefact).disagreement, artefact.grade_model
    if disagreement is not None:
        reason = "so the anchors do not show that experts would order the essays in this way"
        return "bad", "not shown", f"{sentence(disagreement)}, {reason}."
    if isinstance(grades, GradesAvailable):
        agreement = grades.agreement_with_teachers
        return _EARLIER if agreement is None else _agrees(agreement)
    return "fair", "not known", f"{sentence(grades.reason)}."


def _agrees(agreement: TeacherAgreement) -> _Reply:
    r, low = agreement.correlation, agreement.interval_90[0]
    figures = f"(r {number(r)}, 90% interval {span(agreement.interval_90)}, among the {agreement.among})"
    if r < _PARTLY:
        return "bad", "little", f"The anchors' order has little to do with the teachers' grades {figures}."
    if r < _AGREES:
        return "fair", "in part", f"The order follows the teachers' grades in part only {figures}."
    if low < _SURELY:
        return "fair", "probably", f"It looks so, but the anchors leave it open {figures}. More anchors would tell."
    return "good", "yes", f"The order follows the grades that teachers gave the anchors {figures}."


def _grades(artefact: Artefact, *, failed: bool) -> _Reply:
    """What a school may do with the grades."""
    model = artefact.grade_model
    if not isinstance(model, GradesAvailable):
        return "fair", "no grades", f"None are projected: {model.reason}."
    labels = Counter(projection.confidence for projection in artefact.grade_projections)
    if not labels:
        return "none", "no students", "The run has anchors only."
    counts = f"{labels['HIGH']} of {labels.total()} are labelled HIGH, {labels['MID']} MID, {labels['LOW']} LOW."
    if any(judge.is_baseline for judge in artefact.metadata.judges):
        return (
            "bad",
            "nothing",
            f"The judge counts properties and reads nothing, so they only show what a run gives. {counts}",
        )
    if failed:
        return "bad", "nothing", f"Where order or agreement fails, the grades are guesses. {counts}"
    check = artefact.grade_check
    if check is not None and check.is_shifted:
        off = f"{abs(check.shift):.1f} steps too {'high' if check.shift > 0.0 else 'low'}"
        return "bad", "not for grading", f"By {len(check.students)} students' known grades they are {off}."
    if labels["LOW"] > labels.total() * _MOSTLY:
        guesses = "All are guesses." if labels["LOW"] == labels.total() else "Most are guesses."
        return "bad", "not for grading", f"{guesses} {counts} Use the order, with care."
    if labels["HIGH"] > labels.total() * _MOSTLY:
        return "good", "second opinion", f"Beside a teacher's grade, not instead of it. {counts}"
    return "fair", "a hint", f"To choose the essays that a second teacher reads; LOW is a guess. {counts}"


def _targets(artefact: Artefact) -> _Reply:
    """Whether a judge is ready for students' essays."""
    rows = tuple(target_rows(artefact))
    if not rows:
        return _EARLIER
    missed = [row.name for row in rows if row.verdict == MISSED]
    if missed:
        level: Level = "fair" if len(missed) == 1 else "bad"
        return level, "not yet", f"Missed of the field's targets: {', '.join(missed)}."
    unclear = [row.name for row in rows if row.verdict != MET]
    if unclear:
        says = f"Judges who agree with the experts by r = .9 would often get the same: {', '.join(unclear)}."
        return "fair", "cannot be told", f"{says} More comparisons or more anchors would tell."
    return "good", "yes", "It does better than nearly all judges who agree with the experts by r = .9."


def _missing(artefact: Artefact) -> PlainAnswer:
    """What a reader must not overlook."""
    status, points = artefact.runner_status, list(_open_points(artefact))
    failed = status.outcome == "failed"
    complete = status.outcome == "complete" and not status.partial_data
    level: Level = "bad" if failed else "good" if complete and not points else "fair"
    if not points:
        points = [f"{tally(status.comparisons, of='comparison')}, outcome {status.outcome}"]
    word = "nothing" if level == "good" else "see here"
    return PlainAnswer(question="What is missing?", level=level, word=word, reason=f"{sentence('; '.join(points))}.")


def _open_points(artefact: Artefact) -> Iterator[str]:
    yield from artefact.runner_status.reasons
    missed = target_missed(artefact)
    if missed is not None:
        yield missed
    yield from (
        f"the judge changed: {judge.changed}" for judge in artefact.metadata.judges if judge.changed is not None
    )
    model = artefact.grade_model
    if isinstance(model, GradesAvailable):
        for anchor in model.doubtful_anchors or ():
            chance = percent(anchor.probability)
            yield f"check anchor {anchor.anchor_id}: {chance} probably misgraded, {anchor.by_the_others} by the others"
    counts = artefact.runner_status.comparisons
    if counts.failed:
        yield f"{counted(counts.failed, 'comparison')} failed"
