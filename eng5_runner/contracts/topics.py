"""The topics by their names. To know these takes none of the models of what they carry."""

from __future__ import annotations

from enum import StrEnum


class Topic(StrEnum):
    """Topic names, without the prefix that a cluster may use."""

    REQUEST = "huleedu.els.cj_assessment.requested.v1"
    COMPARISON = "huleedu.llm_provider.comparison_result.v1"
    COMPLETED = "huleedu.cj_assessment.completed.v1"
    FAILED = "huleedu.cj_assessment.failed.v1"
    RESULT = "huleedu.assessment.result.published.v1"


# Of one message, uncompressed: the result of some 40,000 essays. Nobody writes or reads a larger one.
LARGEST_MESSAGE_BYTES = 16 << 20

CALLBACK_TOPICS = (Topic.COMPARISON, Topic.COMPLETED, Topic.FAILED, Topic.RESULT)
