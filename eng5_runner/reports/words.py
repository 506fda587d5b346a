"""Sentences that every view of a run shares: what may be thought of the judge, and how the anchors were tested."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping

from eng5_runner.contracts.stopping import PRECISE_ENOUGH
from eng5_runner.phrases import counted, listed
from eng5_runner.reports.figures import between, number, percent
from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.judge import AnchorAlignment, FlaggedAdvantage
from eng5_runner.results.artefact.measurement import GradeProjection, GradesAvailable
from eng5_runner.results.doubts import doubts_about

REFUSED = "refused"
_MOST_NAMED = 5  # in a sentence


def warnings_of_the_judge(artefact: Artefact) -> Iterator[tuple[str, str]]:
    """What speaks against the judge's order: a headline of few words, and the reason."""
    found, has_grades = doubts_about(artefact), isinstance(artefact.grade_model, GradesAvailable)
    if found.place is not None:
        grades = "the grades are guesses" if has_grades else "no grades"
        yield f"The judge goes by the place and not by the essay; {grades}.", f"{found.place}."
    if found.divided is not None:
        grades = "the grades are guesses" if has_grades else "no grades"
        yield f"The judges disagree; {grades}.", f"no one order stands for all of them: {found.divided}."
    if found.noise is not None:
        grades = "the grades are guesses" if has_grades else "no grades"
        yield f"No better than chance; {grades}.", f"{found.noise}, so the order may hold nothing but chance."
    if found.disagreement is not None:
        reason = f"{found.disagreement}, so the anchors do not show that experts would order the essays in this way."
        yield f"Agreement with the experts is not shown{'' if has_grades else '; no grades'}.", reason


def chance_of(projection: GradeProjection) -> float | None:
    """The probability of the grade, as it is shown: at most that of it or a neighbour, which may be lowered."""
    chance = projection.probabilities.get(projection.grade)
    return None if chance is None else min(chance, projection.within_one_step)


def flagged_essays(artefact: Artefact) -> Iterator[str]:
    """Which essays may have swayed the judge by more than a reader sees, and whether they did; none in most runs."""
    flags = artefact.inputs.flags
    if not flags:
        return
    files = artefact.inputs.file_names
    named = "; ".join(f"{files[essay_id]} ({', '.join(map(_flag, kinds))})" for essay_id, kinds in flags.items())
    calls = artefact.columns.flagged
    yield f"Essays that may sway a judge: {named}. Judgements of them, marked `flagged`: {calls}."
    quality = artefact.judge_quality
    measured = None if quality is None else quality.flagged
    if isinstance(measured, FlaggedAdvantage):
        low, high = measured.interval_90
        sign = "did better" if low > 0.0 else "did worse" if high < 0.0 else "did not clearly do better or worse"
        yield (
            f"Flagged essays {sign} than the same texts without the passage: "
            f"{number(measured.advantage, sign=True)} {between(measured.interval_90)} logits."
        )


def same_texts(artefact: Artefact) -> Iterator[str]:
    """Which essays are the same text and have different ranks all the same; none in most runs."""
    ranks = {entry.essay_id: entry.rank for entry in artefact.bt_summary}
    copies = [[name for name in names if name in ranks] for names in artefact.inputs.by_text.values()]
    apart = [names for names in copies if len({ranks[name] for name in names}) > 1]
    if not apart:
        return
    files = artefact.inputs.file_names
    copies = [
        [f"{files[name]} (rank {ranks[name]})" for name in sorted(names, key=ranks.__getitem__)] for names in apart
    ]
    texts = [listed(names, at_most=_MOST_NAMED) for names in copies]
    yield (
        f"The same text under several names: {listed(texts, at_most=_MOST_NAMED, separated='; ')}. Each copy was "
        "compared by itself, so chance alone lies between their ranks."
    )


def _flag(kind: str) -> str:
    return {"instructs_judge": "words to the judge"}.get(kind, kind.replace("_", " "))


def grades_by_others(alignment: AnchorAlignment | None) -> Mapping[str, str]:
    """Anchor → the grade that the other anchors give it, or `refused`."""
    left_out = () if alignment is None else alignment.left_out
    return {anchor.anchor_id: anchor.projected_grade or REFUSED for anchor in left_out}


def tested_projection(alignment: AnchorAlignment) -> Iterator[str]:
    """How many anchors get their own grade from the others, of those that could be tested; and what cannot be told."""
    if alignment.unlinked is not None:
        linked = counted(alignment.anchors - alignment.unlinked, "anchor")
        why = f"nothing links the other {alignment.unlinked} with these, so their place in the order cannot be told"
        yield f"The order of the anchors is that of {linked} alone: {why}."
    tested = sum(anchor.projected_grade is not None for anchor in alignment.left_out)
    if alignment.left_out_exact is not None and alignment.left_out_within_one is not None and tested:
        all_of_them = "" if tested == alignment.anchors else f" (of {alignment.anchors})"
        yield (
            f"Of the {counted(tested, 'anchor')}{all_of_them} that could be tested, "
            f"{percent(alignment.left_out_exact)} get their own grade from the others, and "
            f"{percent(alignment.left_out_within_one)} it or a neighbour."
        )
    because: defaultdict[str, list[str]] = defaultdict(list)
    for anchor in alignment.left_out:
        if anchor.refused is not None:
            because[anchor.refused.partition(":")[0]].append(anchor.anchor_id)
    for reason, anchors in because.items():
        which = "all anchors" if len(anchors) == alignment.anchors else ", ".join(anchors)
        yield f"“{REFUSED}”: the other anchors alone can give no grade ({reason}). So it is with {which}."


def target_missed(artefact: Artefact) -> str | None:
    """Which target the study did not reach, and by how much; None where it has none, has reached it, or goes on."""
    stopping, model, essays = artefact.stopping, artefact.bt_model, artefact.bt_summary
    if stopping is None or stopping.ended_by is None or stopping.ended_by.endswith(PRECISE_ENOUGH) or model is None:
        return None
    wanted = []
    if stopping.target_reliability is not None:
        interval = model.reliability.interval_90
        found = f", whose 90% interval begins at {number(interval[0])}" if interval else ""
        wanted.append(f"a reliability of {stopping.target_reliability:g}{found}")
    if stopping.target_standard_error is not None:
        within = sum(entry.standard_error <= stopping.target_standard_error for entry in essays)
        wanted.append(
            f"standard errors of at most {stopping.target_standard_error:g} for 90% of the essays, {within} of "
            f"{len(essays)} of which have them"
        )
    if not wanted:
        return None
    return f"the target is not reached: {' and '.join(wanted)}; more comparisons may reach it (--max-comparisons)"


def words_of_origin(artefact: Artefact) -> tuple[str, tuple[str, ...]] | None:
    """What kind of record this is, and what it does not have; None where the run took place in its directory."""
    origin = artefact.metadata.origin
    if origin is None:
        return None
    made = origin.made_at[:10]
    kinds = {
        "import": f"Imported on {made}: {origin.program} ran this study.",
        "public-copy": f"A public copy, made on {made} from the record of {origin.program}.",
    }
    return kinds[origin.kind], origin.missing
