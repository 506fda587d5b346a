"""What a study can choose: closed lists of values, and the bounds of its numbers.

The wire's models, the run's spec and the option table share these types, so each list and each bound is written once.
Nothing heavy is imported here: `eng5-runner --help` needs the lists and must start quickly.
"""

from __future__ import annotations

from enum import StrEnum
from typing import Annotated, Literal, TypeAlias

from eng5_runner.contracts.bounds import Above, AtLeast, AtMost, Below

# No model writes so many. The services' JSON writers refuse numbers of more than 64 bits.
MOST_TOKENS = 2**31 - 1
MOST_JUDGE_CALLS = 2000

PairDesign: TypeAlias = Literal["balanced", "adaptive", "boundary"]
SwapShare: TypeAlias = Literal["none", "audit", "all"]
SoftJudgements: TypeAlias = Literal["auto", "off"]

Repeats: TypeAlias = Annotated[int, AtLeast(1), AtMost(100)]
MaxTokens: TypeAlias = Annotated[int, Above(0), AtMost(MOST_TOKENS)]
Temperature: TypeAlias = Annotated[float, AtLeast(0), AtMost(2)]
CostLimit: TypeAlias = Annotated[float, Above(0)]
JudgeCalls: TypeAlias = Annotated[int, AtLeast(1), AtMost(MOST_JUDGE_CALLS)]
TargetSe: TypeAlias = Annotated[float, Above(0)]
TargetReliability: TypeAlias = Annotated[float, Above(0), Below(1)]


class Provider(StrEnum):
    """The LLM providers of the contract."""

    ANTHROPIC = "anthropic"
    OPENAI = "openai"
    GOOGLE = "google"
    OPENROUTER = "openrouter"
    MOCK = "mock"


class CourseCode(StrEnum):
    """The courses of the contract."""

    ENG5 = "ENG5"
    ENG6 = "ENG6"
    ENG7 = "ENG7"
    SV1 = "SV1"
    SV2 = "SV2"
    SV3 = "SV3"


class Language(StrEnum):
    """The languages of the contract."""

    ENGLISH = "en"
    SWEDISH = "sv"


class ReasoningEffort(StrEnum):
    """How much a model may reason before it answers."""

    NONE = "none"
    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"


class BatchingMode(StrEnum):
    """How the LLM provider service groups its calls to a provider.

    Attributes:
        PER_REQUEST: each comparison is a call of its own, many at the same time.
        SERIAL_BUNDLE: the comparisons that share their first essay follow each other, so that the provider can read the
            text that they share from its cache.
        PROVIDER_BATCH_API: comparisons are sent together to the provider's batch API, for a lower price and an answer
            within hours.
    """

    PER_REQUEST = "per_request"
    SERIAL_BUNDLE = "serial_bundle"
    PROVIDER_BATCH_API = "provider_batch_api"


class OutputVerbosity(StrEnum):
    """How long a model's answer may be."""

    LOW = "low"
    MEDIUM = "medium"
    HIGH = "high"
