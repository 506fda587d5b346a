"""What makes two questions the same one: everything that reaches the provider, and which asking of it it is."""

from __future__ import annotations

import hashlib

import orjson

from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.templates import text_sha256
from eng5_runner.stack.llm.providers.protocol import Call

# Another way to ask, such as a new field of the request, makes other questions of all.
_FORM = 1


def cassette_key(call: Call, *, own_server: bool, repeat_index: int) -> str:
    """The SHA-256 of what is asked, 64 hex digits; the prompt holds the essays in their order.

    Args:
        call: as it goes to the provider.
        own_server: whether the model is the provider's own, or one of the same name elsewhere.
        repeat_index: 0 for the first asking of a pair in this order.
    """
    asked = {
        "form": _FORM,
        "provider": call.model.provider.value,
        "model": call.model.id,
        "own_server": own_server,
        "system_sha256": text_sha256(call.system),
        "prompt_sha256": text_sha256(call.prompt),
        "max_tokens": call.max_tokens,
        "temperature": None if call.temperature is None else float(call.temperature),
        "effort": call.effort,
        "verbosity": call.verbosity,
        "answers": call.model.answers,
        "schema": answer_schema() if call.model.answers == "schema" else None,
        "repeat_index": repeat_index,
    }
    return hashlib.sha256(orjson.dumps(asked, option=orjson.OPT_SORT_KEYS)).hexdigest()
