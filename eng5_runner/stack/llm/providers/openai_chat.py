"""Models behind OpenAI's Chat Completions API: OpenAI, OpenRouter, Google, vLLM, Ollama, llama.cpp."""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from eng5_runner.canonical import Json
from eng5_runner.contracts.request import Provider
from eng5_runner.judges.answer_format import SCHEMA_NAME, answer_schema
from eng5_runner.judges.credentials import Access
from eng5_runner.judges.manifest import AnswerForm, Usage
from eng5_runner.stack.llm.providers.post import JsonPost, ReadHeaders, ignored
from eng5_runner.stack.llm.providers.probabilities import ALTERNATIVES, chance_in
from eng5_runner.stack.llm.providers.protocol import Call, ListedModel, Reply, served_by
from eng5_runner.stack.llm.providers.replies import IncredibleUsage, count, end_of, field, listed_models, text_of


class Chat:
    """A client of one such server."""

    def __init__(self, access: Access, *, read: ReadHeaders = ignored) -> None:
        headers = {"Authorization": f"Bearer {access.key or 'none-needed'}"}
        self._post = JsonPost(f"{access.url.rstrip('/')}/chat/completions", headers, read=read)
        self._own_server = access.own_server

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        request = chat_request(call, own_server=self._own_server)
        return chat_reply(await self._post.send(request), provider=call.model.provider)

    async def models(self, url: str) -> tuple[ListedModel, ...]:
        """The models that the API at this address lists.

        Raises:
            AttemptFailed: there is no answer.
        """
        return listed_models(await self._post.look_up(f"{url.rstrip('/')}/models"))

    async def close(self) -> None:
        """Close its connections."""
        await self._post.close()


def chat_request(call: Call, *, own_server: bool) -> dict[str, Any]:
    """The body of the request for a call."""
    openai_itself = call.model.provider is Provider.OPENAI and not own_server
    request: dict[str, Any] = {
        "model": call.model.id,
        "messages": [{"role": "system", "content": call.system}, {"role": "user", "content": call.prompt}],
        "max_completion_tokens" if openai_itself else "max_tokens": call.max_tokens,
    }
    if call.form is AnswerForm.SCHEMA:
        schema = {"name": SCHEMA_NAME, "strict": True, "schema": answer_schema()}
        request["response_format"] = {"type": "json_schema", "json_schema": schema}
    elif call.form is AnswerForm.JSON:
        request["response_format"] = {"type": "json_object"}
    if call.temperature is not None:
        request["temperature"] = call.temperature
    if call.effort is not None:
        request["reasoning_effort"] = call.effort.value
    if call.verbosity is not None:
        request["verbosity"] = call.verbosity.value
    if call.log_probabilities:
        request |= {"logprobs": True, "top_logprobs": ALTERNATIVES}
    if call.model.provider is Provider.OPENROUTER:  # else it silently drops what a model does not take
        request |= {"provider": {"require_parameters": True}, "usage": {"include": True}}
    return request


def chat_reply(body: Json, *, provider: Provider) -> Reply:
    """The reply in the body of an answer, whatever its form.

    >>> chat_reply({"choices": [{"message": {"content": "yes"}, "finish_reason": "eos"}]}, provider=Provider.OPENAI)
    Reply(text='yes', end=<End.DONE: 'done'>, usage=None, served=None, chance=None)
    """
    choices = field(body, "choices")
    choice = choices[0] if isinstance(choices, list) and choices else None
    message = field(choice, "message")
    text = text_of(field(message, "content"))
    refused = bool(field(message, "refusal"))
    is_message = isinstance(message, Mapping) and text is not None
    end = end_of(field(choice, "finish_reason"), refused=refused, readable=is_message)
    return Reply(
        text=text or "",
        end=end,
        usage=_usage(field(body, "usage"), provider=provider),
        served=served_by(field(body, "model"), field(body, "system_fingerprint")),
        chance=chance_in(choice, body),
    )


def _usage(usage: Json, *, provider: Provider) -> Usage | None:
    """The tokens; Google's total holds the thinking, its completion does not; OpenRouter says what it charged."""
    try:
        prompt, completion = count(usage, "prompt_tokens"), count(usage, "completion_tokens")
        total = count(usage, "total_tokens", absent=prompt + completion)
        details = field(usage, "prompt_tokens_details")
        cached, written = count(details, "cached_tokens", absent=0), count(details, "cache_write_tokens", absent=0)
        billed = field(usage, "cost") if provider is Provider.OPENROUTER else None
        if cached + written > prompt or not _is_price(billed):
            return None
    except IncredibleUsage:
        return None
    return Usage(
        prompt=prompt,
        completion=max(completion, total - prompt),
        cached=cached,
        cache_written=written,
        billed=None if billed is None else Decimal(str(billed)),
    )


def _is_price(value: Json) -> bool:
    return value is None or (isinstance(value, int | float) and not isinstance(value, bool) and value >= 0)
