"""How far the order and the grades of a run can be trusted, in lines that all views share."""

from __future__ import annotations

from collections.abc import Iterator

from eng5_runner.measure.model.dependence import FEWEST_PAIRS
from eng5_runner.phrases import counted
from eng5_runner.reports.figures import ABSENT, number, percent, span
from eng5_runner.reports.grade_check import grade_check_lines
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import JudgeConsistency
from eng5_runner.results.artefact.measurement import GradesAvailable, JudgementDependence


def own_order(artefact: Artefact) -> str:
    """The reliability of the judge's own order with its interval, or why there is none."""
    if artefact.bt_model is None:
        return ABSENT
    reliability = artefact.bt_model.reliability
    if reliability.empirical_bayes is None:
        return f"not defined; {reliability.undefined}"
    text = f"{number(reliability.empirical_bayes)} (90% interval {span(reliability.interval_90)})"
    match reliability.spread_at_limit:
        case "upper":
            return f"{text}; the spread of the essays is at its limit, because no comparison contradicts the order"
        case "lower":
            return f"{text}; the spread of the essays is at its limit, because the comparisons show no difference"
        case None:
            return text


def dependence_of(artefact: Artefact) -> str:
    """How far judgements of the same pair repeat each other, or why that is not known."""
    if artefact.bt_model is None:
        return ABSENT
    quality = artefact.judge_quality
    asked_twice = () if quality is None else (quality.swap, quality.repeats)
    stated = artefact.bt_model.dependence
    if stated is None and any(isinstance(one, JudgeConsistency) and one.pairs >= FEWEST_PAIRS for one in asked_twice):
        return "whether judgements repeat each other is not known: an earlier version wrote this run"
    return dependence_line(stated)


def dependence_line(stated: JudgementDependence | None) -> str:
    """The same of any fit."""
    if stated is None:
        return (
            f"whether judgements repeat each other cannot be measured: fewer than {FEWEST_PAIRS} pairs were judged "
            "twice by the same judge"
        )
    parts = [
        f"{number(one.correlation)} ({span(one.interval_90)}; {counted(one.pairs, 'pair')}) {name}"
        for name, one in (("in the same order", stated.repeats), ("in the two orders", stated.swaps))
        if one is not None
    ]
    return (
        f"two judgements of a pair correlate {' and '.join(parts)}: {stated.judgements} judgements count as "
        f"{number(stated.count_as, 0)} independent ones"
    )


def with_teachers(artefact: Artefact) -> str:
    """The agreement with the teachers' grades, as the anchors show it, and the share of the ranking it reproduces."""
    model = artefact.grade_model
    if not isinstance(model, GradesAvailable):
        return f"not known; {model.reason}"
    agreement = model.agreement_with_teachers
    if agreement is None:
        return "not known; an earlier version wrote this run"
    text = f"r = {number(agreement.correlation)} ({span(agreement.interval_90)}) among the {agreement.among}"
    if agreement.share_reproduced is None:
        return text
    return f"{text}; reliability × r² = {number(agreement.share_reproduced)} of the teachers' ranking is reproduced"


def grade_warnings(artefact: Artefact) -> Iterator[str]:
    """What a reader must know before using the grades."""
    model = artefact.grade_model
    if not isinstance(model, GradesAvailable):
        return
    for anchor in model.doubtful_anchors or ():
        yield (
            f"anchor {anchor.anchor_id} is {anchor.grade} by its label, {anchor.by_the_others} by the others "
            f"({percent(anchor.probability)} probably misgraded): check it"
        )
    check = artefact.grade_check
    if check is not None and check.is_shifted:
        high, few = "too high" if check.shift > 0.0 else "too low", len(check.students)
        yield (
            f"the projected grades are probably {high}, by {abs(check.shift):.1f} steps: so say the teachers' grades "
            f"of {counted(few, 'student')} in {check.file_name}"
        )
    never = sum(not entry.comparison_count and not entry.is_anchor for entry in artefact.bt_summary)
    if never:
        were = counted(never, "student essay was", plural="student essays were")
        yield f"{were} never compared: the grade there is what any essay would get"
    yield from _unlike_the_anchors(artefact)
    support, teachers = model.anchor_support, model.agreement_with_teachers
    if support is not None and teachers and support.highest_label != "HIGH" and artefact.grade_projections:
        left_out = () if artefact.anchor_alignment is None else artefact.anchor_alignment.left_out
        refused = sum(anchor.refused is not None for anchor in left_out)
        missed = f", and {refused} could not be graded so" if refused else ""
        yield (
            f"{support.within_one} of {counted(support.anchors, 'anchor')} came within one step when the others "
            "graded them"
            f"{missed} (90% interval {span(support.interval_90)}), and r with the teachers is "
            f"{span(teachers.interval_90)}: no grade is labelled above {support.highest_label}"
        )


def known_grades(artefact: Artefact) -> Iterator[str]:
    """What the teachers' grades that were given for checking say, if there are some."""
    check = artefact.grade_check
    if check is None:
        return
    yield from grade_check_lines(
        students=len(check.students),
        within_one=check.within_one,
        shift=check.shift,
        interval=check.interval_90,
        is_shifted=check.is_shifted,
    )
    if check.given > len(check.students):
        yield f"{check.given - len(check.students)} more could not be compared: nothing links them with an anchor"


def _unlike_the_anchors(artefact: Artefact) -> Iterator[str]:
    """The anchors can only vouch for students who write as they do; length is what the record knows of that."""
    words = [anchor.word_count for anchor in artefact.inputs.anchors if anchor.word_count]
    if not words:
        return
    least, most = min(words), max(words)
    for name, number_of in (
        ("shorter", sum(student.word_count < least for student in artefact.inputs.students)),
        ("longer", sum(student.word_count > most for student in artefact.inputs.students)),
    ):
        if number_of:
            are = "is" if number_of == 1 else "are"
            yield (
                f"{number_of} of {len(artefact.inputs.students)} students' essays {are} {name} than every anchor "
                f"({least} to {most} words): grades hold only for students who write as the anchors do"
            )
