"""What the judge was shown: prompts, and the request to the judge."""

from __future__ import annotations

import hashlib

import numpy as np

from eng5_runner.canonical import sha256_hex
from eng5_runner.contracts.request import LLMConfigOverrides
from eng5_runner.core.inputs import Inputs
from eng5_runner.core.needs import judge_overrides
from eng5_runner.core.spec import RunSpec
from eng5_runner.results.artefact.study import (
    JudgeRequest,
    PromptHashes,
    PromptTemplate,
    PromptText,
)
from eng5_runner.results.judgements import Evidence

_SETTINGS = frozenset(
    (
        *("provider_override", "model_override", "temperature_override", "max_tokens_override"),
        *("reasoning_effort", "output_verbosity"),
    )
)


def prompt_hashes(evidence: Evidence) -> PromptHashes:
    """The prompts of a run by their hashes, and the texts in them that were not its own."""
    words = np.frombuffer(evidence.sources.prompts(), dtype=">u8").reshape(-1, 4)
    words = words[np.lexsort(words.T[::-1])]
    differs = np.ones(len(words), dtype=bool)
    differs[1:] = (words[1:] != words[:-1]).any(axis=1)
    starts = np.flatnonzero(differs)
    digest = hashlib.sha256()
    for number, distinct in enumerate(words[starts]):
        digest.update((b"\n" if number else b"") + distinct.tobytes().hex().encode())
    sources = evidence.sources
    return PromptHashes(
        distinct=len(starts),
        asked_more_than_once=int((np.diff(starts, append=len(words)) > 1).sum()),
        digest=digest.hexdigest(),
        system_prompts=tuple(sorted(sources.systems)) or None,
        templates=tuple(PromptTemplate(name=name, sha256=sha256) for name, sha256 in sorted(sources.templates)) or None,
    )


def judge_request(spec: RunSpec, inputs: Inputs) -> JudgeRequest:
    """The settings and prompts that went along with the request, whole, each prompt with its hash."""
    overrides = judge_overrides(spec, inputs) or LLMConfigOverrides()
    given = spec.judge is not None and spec.judge.judge_rubric_override is not None
    system_prompt, rubric = overrides.system_prompt_override, overrides.judge_rubric_override
    return JudgeRequest(
        settings=overrides.model_dump(mode="json", include=set(_SETTINGS), exclude_none=True),
        system_prompt=None if system_prompt is None else _text(system_prompt, origin="--system-prompt"),
        rubric=None if rubric is None else _text(rubric, origin="--rubric" if given else "the instructions"),
        task=_text(inputs.prompt.text, origin="the students' task"),
    )


def _text(content: str, *, origin: str) -> PromptText:
    return PromptText(origin=origin, content=content, sha256=sha256_hex(content.encode()))
