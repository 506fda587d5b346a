"""What a run would do, cost and be worth, before anything is sent."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from eng5_runner.core.budget import SPREADS, comparisons_wanted
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.next_step import texts_to_store
from eng5_runner.core.spec import RunSpec
from eng5_runner.measure.planning import Precision, expected_precision

# English prose has about four tokens to three words; learners' spelling raises it a little.
TOKENS_PER_WORD = 1.4
TEMPLATE_TOKENS = 160
ANSWER_TOKENS = (40, 160)


@dataclass(frozen=True, slots=True, kw_only=True)
class Plan:
    """What a run would do.

    Attributes:
        essays: that are compared, anchors among them.
        comparisons: in all.
        chosen_by: where that number comes from.
        precision: what it buys, for each of `SPREADS`.
        prompt_tokens: in all, about.
        completion_tokens: in all, from a terse to a wordy judge.
        to_upload: texts, with how many bytes.
        cached: texts that a Content Service is known to hold.
    """

    students: int
    anchors: int
    essays: int
    comparisons: int
    chosen_by: str
    precision: tuple[tuple[float, Precision], ...]
    prompt_tokens: int
    completion_tokens: tuple[int, int]
    to_upload: int
    upload_bytes: int
    cached: int


def make_plan(spec: RunSpec, inputs: Inputs, *, texts: Mapping[str, bytes], cached: Mapping[str, str]) -> Plan:
    """Plan a run.

    Args:
        spec: what is asked.
        inputs: what there is.
        texts: sha256 → bytes.
        cached: sha256 → storage id of what was uploaded before.
    """
    essays = len(inputs.students) + len(inputs.anchors)
    comparisons, chosen_by = comparisons_wanted(spec.budget, essays=essays)
    guest = spec.study.assignment_id is None
    wanted = texts_to_store(inputs, with_anchors=guest)
    left = [sha256 for sha256 in wanted if sha256 not in cached]
    words = [one.word_count for one in inputs.students] + [one.word_count for one in inputs.anchors]
    shared = inputs.instructions.word_count + inputs.prompt.word_count
    each = (2 * sum(words) / len(words) + shared) * TOKENS_PER_WORD + TEMPLATE_TOKENS
    return Plan(
        students=len(inputs.students),
        anchors=len(inputs.anchors),
        essays=essays,
        comparisons=comparisons,
        chosen_by=chosen_by,
        precision=tuple(
            (spread, expected_precision(essays=essays, comparisons=comparisons, spread=spread)) for spread in SPREADS
        ),
        prompt_tokens=round(each * comparisons),
        completion_tokens=(ANSWER_TOKENS[0] * comparisons, ANSWER_TOKENS[1] * comparisons),
        to_upload=len(left),
        upload_bytes=sum(len(texts[sha256]) for sha256 in left),
        cached=len(wanted) - len(left),
    )
