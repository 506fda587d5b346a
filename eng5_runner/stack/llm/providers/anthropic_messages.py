"""Models behind Anthropic's Messages API.

The module imports the client library, and is imported only when such a model is called.
"""

from __future__ import annotations

from typing import Any

import anthropic
from anthropic.types import Message

from eng5_runner.judges.answer_format import answer_schema
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

_CUT = frozenset({"max_tokens", "model_context_window_exceeded"})


class Messages:
    """A client of the API."""

    def __init__(self, access: Access) -> None:
        self._client = anthropic.AsyncAnthropic(
            api_key=access.key or "none-needed", base_url=access.url, max_retries=0, timeout=access.timeout_seconds
        )

    async def ask(self, call: Call) -> Reply:
        """One attempt.

        Raises:
            AttemptFailed: there is no answer.
        """
        try:
            message = await self._client.messages.create(**_request(call))
        except anthropic.APITimeoutError:
            raise too_slow() from None
        except anthropic.APIConnectionError:
            raise unreachable() from None
        except anthropic.APIStatusError as error:
            raise by_status(error.status_code, error.response.headers, reason=_reason(error.body)) from None
        except (anthropic.AnthropicError, ValueError):  # not JSON, or not of the API's form
            raise malformed() from None
        return _reply(message)

    async def close(self) -> None:
        """Close its connections."""
        await self._client.close()


def _request(call: Call) -> dict[str, Any]:
    config: dict[str, Any] = {}
    if call.model.answers == "schema":
        config["format"] = {"type": "json_schema", "schema": answer_schema()}
    if call.effort is not None:
        config["effort"] = call.effort.value
    request: dict[str, Any] = {
        "model": call.model.id,
        "system": call.system,
        "messages": [{"role": "user", "content": call.prompt}],
        "max_tokens": call.max_tokens,
    }
    if config:
        request["output_config"] = config
    if call.temperature is not None:
        request["extra_body"] = {"temperature": call.temperature}
    return request


def _reason(body: object) -> str | None:
    error = body.get("error") if isinstance(body, dict) else None
    kind = error.get("type") if isinstance(error, dict) else None
    return kind if isinstance(kind, str) else None


def _reply(message: Message) -> Reply:
    """Check the form of the answer, as the client library does not: a gateway's HTML page arrives as text."""
    content = getattr(message, "content", None)
    if not isinstance(content, list) or message.stop_reason is None:
        raise malformed()
    text = "".join(block.text for block in content if getattr(block, "type", None) == "text")
    end = End.DONE
    if message.stop_reason == "refusal":
        end = End.REFUSED
    elif message.stop_reason in _CUT:
        end = End.CUT
    return Reply(text=text, end=end, usage=_usage(message), served=served_by(message.model))


def _usage(message: Message) -> Usage | None:
    told = getattr(message, "usage", None)
    if told is None or not isinstance(told.input_tokens, int) or not isinstance(told.output_tokens, int):
        return None
    read, written = told.cache_read_input_tokens or 0, told.cache_creation_input_tokens or 0
    return Usage(
        prompt=told.input_tokens + read + written, completion=told.output_tokens, cached=read, cache_written=written
    )
