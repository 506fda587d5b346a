"""Models behind Anthropic's Messages API."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

from eng5_runner.canonical import Json
from eng5_runner.judges.answer_format import answer_schema
from eng5_runner.judges.credentials import Access
from eng5_runner.judges.manifest import AnswerForm, Usage
from eng5_runner.stack.llm.providers.post import JsonPost, ReadHeaders, ignored
from eng5_runner.stack.llm.providers.protocol import Call, ListedModel, Reply, served_by
from eng5_runner.stack.llm.providers.replies import IncredibleUsage, count, end_of, field, listed_models, text_of

_VERSION = "2026-10-21"


class Messages:
    """A client of the API."""

    def __init__(self, access: Access, *, read: ReadHeaders = ignored) -> None:
        self._post = JsonPost(f"{access.url.rstrip('/')}/v1/messages", headers_of(access), read=read)

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        return message_reply(await self._post.send(message_request(call)))

    async def models(self, url: str) -> tuple[ListedModel, ...]:
        """The models that the API at this address lists.

        Raises:
            AttemptFailed: there is no answer.
        """
        return listed_models(await self._post.look_up(f"{url.rstrip('/')}/v1/models"))

    async def close(self) -> None:
        """Close its connections."""
        await self._post.close()


def headers_of(access: Access) -> dict[str, str]:
    """What each request of this API has; it holds the key and is never shown."""
    return {"Authorization": f"Bearer {access.key or 'none-needed'}", "anthropic-version": _VERSION}


def message_request(call: Call) -> dict[str, Any]:
    """The body of the request for a call."""
    config: dict[str, Any] = {}
    if call.form is AnswerForm.SCHEMA:
        config["format"] = {"type": "json_schema", "schema": answer_schema()}
    if call.effort is not None:
        config["effort"] = call.effort.value
    request: dict[str, Any] = {
        "model": call.model.id,
        "system": call.system,
        "messages": [{"role": "user", "content": _content(call)}],
        "max_tokens": call.max_tokens,
    }
    if config:
        request["output_config"] = config
    if call.temperature is not None:
        request["temperature"] = call.temperature
    return request


def _content(call: Call) -> str | list[dict[str, Any]]:
    """The prompt, with marks up to which the provider keeps what it has read, the system prompt included.

    Without a mark this API caches nothing. Source: its page on prompt caching.
    """
    if not call.shared:
        return call.prompt
    ends = (0, *call.shared)
    parts = [
        {"type": "text", "text": call.prompt[begin:end], "cache_control": {"type": "ephemeral"}}
        for begin, end in pairwise(ends)
    ]
    return [*parts, {"type": "text", "text": call.prompt[ends[-1] :]}]


def message_reply(body: Json) -> Reply:
    """The reply in the body of an answer, whatever its form.

    >>> message_reply({"content": [{"type": "text", "text": "yes"}], "stop_reason": None})
    Reply(text='yes', end=<End.DONE: 'done'>, usage=None, served=None, chance=None)
    """
    content = field(body, "content")
    text = None if content is None else text_of(content)
    end = end_of(field(body, "stop_reason"), refused=False, readable=text is not None)
    served = served_by(field(body, "model"))
    return Reply(text=text or "", end=end, usage=_usage(field(body, "usage")), served=served)


def _usage(usage: Json) -> Usage | None:
    try:
        plain, completion = count(usage, "input_tokens"), count(usage, "output_tokens")
        read = count(usage, "cache_read_input_tokens", absent=0)
        written = count(usage, "cache_creation_input_tokens", absent=0)
    except IncredibleUsage:
        return None
    return Usage(prompt=plain + read + written, completion=completion, cached=read, cache_written=written)
