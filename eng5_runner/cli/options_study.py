"""The options that say what is studied: run, study, design, judge."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, Literal, TypeAlias

from eng5_runner.cli.option import option

_RUN, _STUDY, _DESIGN, _JUDGE = "Run", "Study", "Design and budget", "Judge"

Mode: TypeAlias = Annotated[
    Literal["plan", "dry-run", "execute", "anchor-align"] | None,
    option(_RUN, "How far to go. (default: plan)", "--mode", env="ENG5_MODE"),
]
Assets: TypeAlias = Annotated[
    Path | None, option(_RUN, "The assets folder. (default: .)", "--assets", env="ENG5_ASSETS")
]
BatchId: TypeAlias = Annotated[
    str | None, option(_RUN, "Your name for the run. (default: the folder's)", "--batch-id", env="ENG5_BATCH_ID")
]
MaxComparisons: TypeAlias = Annotated[
    int | None,
    option(
        _RUN,
        "Exact total of comparisons. (default: the service's)",
        "--max-comparisons",
        env="ENG5_MAX_COMPARISONS",
    ),
]
Seed: TypeAlias = Annotated[int | None, option(_RUN, "Makes pairing repeatable.", "--seed", env="ENG5_SEED")]
AwaitCompletion: TypeAlias = Annotated[
    bool | None,
    option(
        _RUN,
        "Gather the callbacks. (default: yes)",
        "--await-completion/--no-await-completion",
        env="ENG5_AWAIT_COMPLETION",
    ),
]
CompletionTimeout: TypeAlias = Annotated[
    float | None,
    option(_RUN, "Seconds to gather at most. (default: 1800)", "--completion-timeout", env="ENG5_COMPLETION_TIMEOUT"),
]
IdleTimeout: TypeAlias = Annotated[
    float | None,
    option(
        _RUN, "Seconds of silence that end the gathering. (default: 900)", "--idle-timeout", env="ENG5_IDLE_TIMEOUT"
    ),
]
NoKafka: TypeAlias = Annotated[
    bool | None, option(_RUN, "Stop after the request is written.", "--no-kafka", env="ENG5_NO_KAFKA")
]
Yes: TypeAlias = Annotated[bool | None, option(_RUN, "Do not ask before sending.", "--yes", env="ENG5_YES")]
Config: TypeAlias = Annotated[Path | None, option(_RUN, "A TOML file of settings.", "--config", env="ENG5_CONFIG")]
AssignmentId: TypeAlias = Annotated[
    str | None,
    option(_STUDY, "The assignment's UUID; without it a guest run.", "--assignment-id", env="ENG5_ASSIGNMENT_ID"),
]
CourseId: TypeAlias = Annotated[str | None, option(_STUDY, "The course's UUID.", "--course-id", env="ENG5_COURSE_ID")]
GradeScale: TypeAlias = Annotated[
    str | None,
    option(_STUDY, "The grade scale. (default: eng5_np_legacy_9_step)", "--grade-scale", env="ENG5_GRADE_SCALE"),
]
ExpectedGradeScale: TypeAlias = Annotated[
    str | None,
    option(
        _STUDY,
        "Refuse if the assignment has another scale.",
        "--expected-grade-scale",
        env="ENG5_EXPECTED_GRADE_SCALE",
    ),
]
RegisterAnchors: TypeAlias = Annotated[
    bool | None,
    option(
        _STUDY,
        "First register the anchors that the assignment lacks.",
        "--register-anchors",
        env="ENG5_REGISTER_ANCHORS",
    ),
]
CourseCode: TypeAlias = Annotated[
    str | None,
    option(_STUDY, "ENG5 to ENG7, SV1 to SV3. (default: ENG5)", "--course-code", env="ENG5_COURSE_CODE"),
]
Language: TypeAlias = Annotated[
    str | None, option(_STUDY, "en or sv. (default: en)", "--language", env="ENG5_LANGUAGE")
]
Encoding: TypeAlias = Annotated[
    str | None, option(_STUDY, "Of text files that are not UTF-8.", "--encoding", env="ENG5_ENCODING")
]
UserId: TypeAlias = Annotated[str | None, option(_STUDY, "Who asks.", "--user-id", env="ENG5_USER_ID")]
OrgId: TypeAlias = Annotated[str | None, option(_STUDY, "For which organisation.", "--org-id", env="ENG5_ORG_ID")]
LlmProvider: TypeAlias = Annotated[
    str | None,
    option(_JUDGE, "anthropic, openai, google, openrouter or mock.", "--llm-provider", env="ENG5_LLM_PROVIDER"),
]
LlmModel: TypeAlias = Annotated[str | None, option(_JUDGE, "The model.", "--llm-model", env="ENG5_LLM_MODEL")]
LlmTemperature: TypeAlias = Annotated[
    float | None, option(_JUDGE, "0 to 2.", "--llm-temperature", env="ENG5_LLM_TEMPERATURE")
]
LlmMaxTokens: TypeAlias = Annotated[
    int | None, option(_JUDGE, "Most tokens of an answer.", "--llm-max-tokens", env="ENG5_LLM_MAX_TOKENS")
]
SystemPrompt: TypeAlias = Annotated[
    Path | None,
    option(_JUDGE, "A file with the judge's system prompt.", "--system-prompt", env="ENG5_SYSTEM_PROMPT"),
]
Rubric: TypeAlias = Annotated[
    Path | None, option(_JUDGE, "A file with the judge's rubric.", "--rubric", env="ENG5_RUBRIC")
]
ReasoningEffort: TypeAlias = Annotated[
    str | None, option(_JUDGE, "none, low, medium or high.", "--reasoning-effort", env="ENG5_REASONING_EFFORT")
]
OutputVerbosity: TypeAlias = Annotated[
    str | None, option(_JUDGE, "low, medium or high.", "--output-verbosity", env="ENG5_OUTPUT_VERBOSITY")
]
LlmBatchingMode: TypeAlias = Annotated[
    str | None, option(_JUDGE, "Hint how to batch calls.", "--llm-batching-mode", env="ENG5_LLM_BATCHING_MODE")
]
NoCache: TypeAlias = Annotated[
    bool | None,
    option(_JUDGE, "Ask the judge anew; neither read nor keep earlier judgements.", "--no-cache", env="ENG5_NO_CACHE"),
]

ComparisonsPerEssay: TypeAlias = Annotated[
    float | None,
    option(
        _DESIGN,
        "Judgements an essay, instead of a total. (default: 20)",
        "--comparisons-per-essay",
        env="ENG5_COMPARISONS_PER_ESSAY",
    ),
]
MaxCost: TypeAlias = Annotated[
    float | None,
    option(_DESIGN, "USD that may be spent at most; what is under way counts.", "--max-cost", env="ENG5_MAX_COST"),
]
TargetSe: TypeAlias = Annotated[
    float | None,
    option(_DESIGN, "Stop when 90% of the standard errors are below, in logits.", "--target-se", env="ENG5_TARGET_SE"),
]
TargetReliability: TypeAlias = Annotated[
    float | None,
    option(
        _DESIGN,
        "Stop when the reliability's lower bound is above.",
        "--target-reliability",
        env="ENG5_TARGET_RELIABILITY",
    ),
]
Design: TypeAlias = Annotated[
    Literal["balanced", "adaptive", "boundary"] | None,
    option(_DESIGN, "How pairs are chosen. (default: balanced)", "--design", env="ENG5_DESIGN"),
]
Pairs: TypeAlias = Annotated[
    Path | None,
    option(_DESIGN, "A CSV with essay_a,essay_b: the pairs of a boundary design.", "--pairs", env="ENG5_PAIRS"),
]
Repeats: TypeAlias = Annotated[
    int | None,
    option(_DESIGN, "How often each pair is asked in the same order. (default: 1)", "--repeats", env="ENG5_REPEATS"),
]
Swap: TypeAlias = Annotated[
    Literal["none", "audit", "all"] | None,
    option(_DESIGN, "Which pairs are asked in the other order too. (default: none)", "--swap", env="ENG5_SWAP"),
]
Pilot: TypeAlias = Annotated[
    Path | None,
    option(
        _DESIGN,
        "A run whose spread, tokens, prices and pace the plan takes instead of assumptions.",
        "--pilot",
        env="ENG5_PILOT",
    ),
]
AimWithinOne: TypeAlias = Annotated[
    float | None,
    option(
        _DESIGN,
        "Plan: the share of grades right within one step to tell the comparisons for. (default: 0.8)",
        "--aim-within-one",
        env="ENG5_AIM_WITHIN_ONE",
    ),
]
