"""Reads providers' answers: servers write the same thing in many ways, and not all that they write is credible."""

from __future__ import annotations

import re
from collections.abc import Mapping

from eng5_runner.canonical import Json
from eng5_runner.stack.llm.providers.protocol import End, ListedModel

# The names of the two ends at which a text is not a whole answer, in small letters. Any other end, a missing one
# included, says nothing against the text.
_CUT = frozenset({"length", "max_tokens", "max_output_tokens", "model_length", "model_context_window_exceeded"})
_REFUSED = frozenset({"content_filter", "refusal", "safety", "recitation", "blocklist", "prohibited_content"})
_NAME = re.compile(r"[\x21-\x7e]{1,200}")
# No answer takes more tokens.
_MOST_TOKENS = 10**8


class IncredibleUsage(Exception):
    """A count of tokens that is missing or makes no sense."""


def field(value: Json, name: str) -> Json:
    """The field of an object; None for anything else."""
    return value.get(name) if isinstance(value, Mapping) else None


def text_of(content: Json) -> str | None:
    """The text of a message: a string, or a list of parts of which those with text count; None for anything else.

    >>> text_of([{"type": "thinking", "thinking": "well"}, {"type": "text", "text": "A"}, "!"])
    'A!'
    """
    if content is None:
        return ""
    if isinstance(content, str):
        return content
    if not isinstance(content, list):
        return None
    return "".join(map(_part, content))


def _part(part: Json) -> str:
    if isinstance(part, str):
        return part
    text = field(part, "text")
    return text if isinstance(text, str) and field(part, "type") in (None, "text", "output_text") else ""


def end_of(reason: Json, *, refused: bool, readable: bool) -> End:
    """How an answer ended.

    Args:
        reason: the provider's name for the end; any value.
        refused: whether the answer says by itself that the model refused.
        readable: whether it is of the API's form.
    """
    name = reason.casefold().strip() if isinstance(reason, str) else ""
    if refused or name in _REFUSED:
        return End.REFUSED
    if not readable:
        return End.UNREADABLE
    return End.CUT if name in _CUT else End.DONE


def listed_models(body: Json) -> tuple[ListedModel, ...]:
    """The models of a list, as OpenAI, Anthropic, vLLM, llama.cpp and OpenRouter write it.

    >>> listed_models({"data": [{"id": "m", "max_model_len": 4096}, {"id": 7}]})
    (ListedModel(id='m', context=4096),)
    """
    rows = field(body, "data")
    listed = []
    for row in rows if isinstance(rows, list) else ():
        name = field(row, "id")
        lengths = (field(row, "max_model_len"), field(row, "context_length"), field(field(row, "meta"), "n_ctx"))
        context = next((length for length in lengths if type(length) is int and length > 0), None)
        if isinstance(name, str) and _NAME.fullmatch(name):
            listed.append(ListedModel(name, context if type(context) is int else None))
    return tuple(listed)


def count(usage: Json, name: str, *, absent: int | None = None) -> int:
    """A number of tokens.

    Args:
        usage: the object that holds it.
        name: of the field.
        absent: what a missing number stands for; None if it must be there.

    Raises:
        IncredibleUsage: it is missing, no whole number, negative, or more than any answer takes.
    """
    value = field(usage, name)
    if value is None and absent is not None:
        return absent
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value <= _MOST_TOKENS:
        raise IncredibleUsage(name)
    return value
