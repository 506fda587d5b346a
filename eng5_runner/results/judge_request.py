"""What the judge was asked to be and to go by: its settings and prompts, whole, each with its hash."""

from __future__ import annotations

from eng5_runner.canonical import Json, sha256_hex
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.request import judge_overrides
from eng5_runner.core.spec import RunSpec

_SETTINGS = frozenset(
    (
        *("provider_override", "model_override", "temperature_override", "max_tokens_override"),
        *("reasoning_effort", "output_verbosity"),
    )
)


def judge_request(spec: RunSpec, inputs: Inputs) -> dict[str, Json]:
    """The block of the artefact. A prompt that is null is the services' own, which a runner does not see."""
    asked = judge_overrides(spec, inputs) or LLMConfigOverrides()
    given = spec.judge is not None and spec.judge.judge_rubric_override is not None
    return {
        "settings": asked.model_dump(mode="json", include=set(_SETTINGS), exclude_none=True),
        "system_prompt": _text(asked.system_prompt_override, origin="--system-prompt"),
        "rubric": _text(asked.judge_rubric_override, origin="--rubric" if given else "the instructions"),
        "task": _text(inputs.prompt.text, origin="the students' task"),
    }


def _text(content: str | None, *, origin: str) -> Json:
    if content is None:
        return None
    return {"origin": origin, "content": content, "sha256": sha256_hex(content.encode())}
