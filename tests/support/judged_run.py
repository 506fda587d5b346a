"""A whole run of any size as its artefact states it, with figures that were really estimated: for what shows a run."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from eng5_runner.results.artefact import Artefact
from eng5_runner.results.artefact.record import ComparisonCounts, Stopping
from eng5_runner.results.artefact.study import MODEL_KIND, Comparison, Costs, JudgeIdentity, TokenCounts
from tests.support.artefacts import AT, artefact, comparison, metadata, status
from tests.support.results import estimates_of, inputs_of

STOPPING = Stopping(
    design="balanced",
    swap="audit",
    repeats=1,
    named_pairs=0,
    target_reliability=None,
    target_standard_error=None,
    max_cost_usd=None,
    looks=(),
    ended_by="all comparisons asked for",
    cost_stop=None,
)
"""Of a balanced run that made all its comparisons."""
_GRADES = ("F+", "E-", "E+", "D-", "D+", "C-", "C+", "B", "A")
_SPREAD, _STEP = 1.7, 0.75


def judged_run(
    *,
    students: int,
    anchors: int = 18,
    per_essay: int = 20,
    words: str = "",
    noise: float = 0.3,
    soft: bool = False,
    **blocks: object,
) -> Artefact:
    """A run of a language model that judges well.

    Args:
        students: how many; their ids are as long as a class register makes them.
        anchors: how many; they have all grades in turn.
        per_essay: judgements of each essay, every tenth of them in the other order again.
        words: stand in each reason, label and name of a judge, as somebody from outside may write them.
        noise: of the anchors' grades against their true places, in logits.
        soft: whether the judge's confidence may count.
        blocks: of the artefact, in place of those that were made.
    """
    random = np.random.default_rng(1)
    names = [f"np-eng5-class-te17b-{number:03}" for number in range(1, students + 1)]
    grades = {f"anchor-{number:02}": _GRADES[number % len(_GRADES)] for number in range(anchors)}
    places = dict(zip(names, random.normal(0.0, _SPREAD, len(names)), strict=True))
    middle = (len(_GRADES) - 1) / 2
    places |= {
        name: (_GRADES.index(grade) - middle) * _STEP + random.normal(0.0, noise) for name, grade in grades.items()
    }
    judged = _judgements(places, rounds=per_essay, random=random, words=words)
    given = inputs_of(
        students=names, anchors=grades, words={name: int(random.integers(180, 420)) for name in (*names, *grades)}
    )
    estimates = estimates_of(given, judged, soft=soft)
    usd = sum(row.cost_usd for row in judged)
    count = TokenCounts(
        provider="openai",
        model=f"gpt-6-luna{words}",
        comparisons=len(judged),
        prompt_tokens=1400 * len(judged),
        completion_tokens=60 * len(judged),
        usd=usd,
    )
    facts: dict[str, object] = {
        name: getattr(estimates, name)
        for name in ("bt_summary", "bt_model", "grade_projections", "grade_model", "anchor_alignment", "judge_quality")
    }
    facts |= {
        "anchors": grades,
        "students": names,
        "llm_comparisons": tuple(judged),
        "costs": Costs(total_usd=usd, token_counts=(count,)),
        "metadata": metadata(
            batch_label=f"spring 2027{words}",
            seed=2017,
            judges=(JudgeIdentity(provider="openai", model=f"gpt-6-luna{words}", kind=MODEL_KIND),),
        ),
        "runner_status": status(
            comparisons=ComparisonCounts(judged=len(judged), failed=0, asked=len(judged), missing=0)
        ),
        "stopping": STOPPING,
    }
    return artefact(**facts | blocks)


def _judgements(places: dict[str, float], *, rounds: int, random: np.random.Generator, words: str) -> list[Comparison]:
    """Balanced rounds of random pairs; a judge who slightly favours the essay that is shown first."""
    names, made = list(places), list[Comparison]()
    for turn in range(rounds):
        order = random.permutation(len(names))
        for number, (one, other) in enumerate(zip(order[::2], order[1::2], strict=False)):
            pairs = [(names[one], names[other])]
            if turn and number % 10 == 0:
                pairs.append((names[other], names[one]))
            for first, second in pairs:
                gap = places[first] - places[second] + 0.15
                won = random.random() < 1.0 / (1.0 + np.exp(-gap))
                row = comparison(
                    first,
                    second,
                    first if won else second,
                    sequence=len(made) + 1,
                    model=f"gpt-6-luna{words}",
                    confidence=float(np.clip(round(2.5 + abs(gap) + random.normal(0.0, 0.6)), 1, 5)),
                    justification=(
                        f"The better essay develops its idea with examples and varied sentences; the other repeats "
                        f"itself and has more errors in agreement.{words}"
                    ),
                )
                made.append(replace(row, started_at=AT))
    return made
