"""The form in which a language model is asked to answer. `verdicts` reads what comes."""

from __future__ import annotations

from typing import Any

SCHEMA_NAME = "comparison"


def answer_schema() -> dict[str, Any]:
    """The JSON Schema of an answer, with the keywords that all providers support."""
    return {
        "type": "object",
        "properties": {
            "winner": {"type": "string", "enum": ["Essay A", "Essay B"]},
            "justification": {"type": "string"},
            "confidence": {"type": "integer", "enum": [1, 2, 3, 4, 5]},
        },
        "required": ["winner", "justification", "confidence"],
        "additionalProperties": False,
    }
