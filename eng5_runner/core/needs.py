"""What spec and inputs alone say of a run: its texts, and how its judge is asked. A plan needs no ledger for it."""

from __future__ import annotations

from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.spec import RunSpec


def texts_to_store(inputs: Inputs, *, with_anchors: bool) -> tuple[str, ...]:
    """The sha256 of each text that the services must be able to fetch, without repeats, in a fixed order."""
    texts = {inputs.prompt.text_sha256, *(student.text_sha256 for student in inputs.students)}
    if with_anchors:
        texts |= {anchor.text_sha256 for anchor in inputs.anchors}
    return tuple(sorted(texts))


def judge_overrides(spec: RunSpec, inputs: Inputs) -> LLMConfigOverrides | None:
    """The judge's settings that differ from its defaults, or None.

    A guest run has no instructions on record, so it sends the inputs' instructions, if there are any, as the rubric.
    """
    judge = spec.judge or LLMConfigOverrides()
    if spec.study.assignment_id is None and inputs.instructions is not None and judge.judge_rubric_override is None:
        judge = judge.model_copy(update={"judge_rubric_override": inputs.instructions.text})
    return None if judge == LLMConfigOverrides() else judge
