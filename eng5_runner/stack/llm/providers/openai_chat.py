"""Models behind OpenAI's Chat Completions API: OpenAI, OpenRouter, vLLM, Ollama, llama.cpp.

The module imports the client library, and is imported only when such a model is called.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

import openai
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletion

from eng5_runner.contracts.request import Provider
from eng5_runner.judges.answer_format import SCHEMA_NAME, answer_schema
from eng5_runner.judges.credentials import Access
from eng5_runner.judges.manifest import Usage
from eng5_runner.stack.llm.providers.protocol import (
    Call,
    End,
    Reply,
    by_status,
    malformed,
    served_by,
    too_slow,
    unreachable,
)

_ENDS = frozenset({"stop", "length", "content_filter"})


class Chat:
    """A client of one such server."""

    def __init__(self, access: Access) -> None:
        self._client = openai.AsyncOpenAI(
            api_key=access.key or "none-needed", base_url=access.url, max_retries=0, timeout=access.timeout_seconds
        )
        self._own_server = access.own_server

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        try:
            completion = await self._client.chat.completions.create(**self._request(call))
        except openai.APITimeoutError:
            raise too_slow() from None
        except openai.APIConnectionError:
            raise unreachable() from None
        except openai.APIStatusError as error:
            reason = error.code or error.type
            raise by_status(error.status_code, error.response.headers, reason=reason, param=error.param) from None
        except (openai.OpenAIError, ValueError):  # not JSON, or not of the API's form
            raise malformed() from None
        return _reply(completion, call)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()

    def _request(self, call: Call) -> dict[str, Any]:
        openai_itself = call.model.provider is Provider.OPENAI and not self._own_server
        request: dict[str, Any] = {
            "model": call.model.id,
            "messages": [{"role": "system", "content": call.system}, {"role": "user", "content": call.prompt}],
            "max_completion_tokens" if openai_itself else "max_tokens": call.max_tokens,
        }
        if call.model.answers == "schema":
            schema = {"name": SCHEMA_NAME, "strict": True, "schema": answer_schema()}
            request["response_format"] = {"type": "json_schema", "json_schema": schema}
        elif call.model.answers == "json":
            request["response_format"] = {"type": "json_object"}
        if call.temperature is not None:
            request["temperature"] = call.temperature
        if call.effort is not None:
            request["reasoning_effort"] = call.effort.value
        if call.verbosity is not None:
            request["verbosity"] = call.verbosity.value
        if call.model.provider is Provider.OPENROUTER:  # else it silently drops what a model does not take
            request["extra_body"] = {"provider": {"require_parameters": True}, "usage": {"include": True}}
        return request


def _reply(completion: ChatCompletion, call: Call) -> Reply:
    """Check the form of the answer, as the client library does not: a gateway's HTML page arrives as text."""
    try:
        choice = completion.choices[0]
        text, refusal, end = choice.message.content, choice.message.refusal, choice.finish_reason
    except (AttributeError, IndexError, TypeError):
        raise malformed() from None
    if end not in _ENDS or not isinstance(text, str | None):
        raise malformed()
    if refusal or end == "content_filter":
        how, text = End.REFUSED, ""
    else:
        how = End.CUT if end == "length" else End.DONE
    return Reply(
        text=text or "",
        end=how,
        usage=_usage(completion.usage, provider=call.model.provider),
        served=served_by(completion.model, completion.system_fingerprint),
    )


def _usage(usage: CompletionUsage | None, *, provider: Provider) -> Usage | None:
    """The tokens; Google's total holds the thinking, its completion does not; OpenRouter says what it charged."""
    try:
        counts = usage and (usage.prompt_tokens, usage.completion_tokens, usage.total_tokens)
    except AttributeError:
        return None
    if not usage or not counts or not all(type(count) is int and count >= 0 for count in counts):
        return None
    prompt, completion, total = counts
    details = usage.prompt_tokens_details
    cost = getattr(usage, "cost", None) if provider is Provider.OPENROUTER else None
    return Usage(
        prompt=prompt,
        completion=max(completion, total - prompt),
        cached=(details and details.cached_tokens) or 0,
        cache_written=(details and details.cache_write_tokens) or 0,
        billed=Decimal(str(cost)) if isinstance(cost, int | float) and cost >= 0 else None,
    )
