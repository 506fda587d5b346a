"""A local OpenAI-compatible server that often fails, and keeps its own accounts."""

from __future__ import annotations

import json
from collections import Counter
from decimal import Decimal

from tests.support.judges.servers import Asked, Said, chat, openai_error


class Moody:
    """Of every hundred requests 5 are limited, and of the answers 2 are malformed and 1 is a refusal."""

    def __init__(self) -> None:
        self.said: Counter[str] = Counter()
        self.tokens: list[tuple[int, int]] = []

    def __call__(self, asked: Asked) -> Said:
        number = self.said.total() + 1
        if number % 20 == 0:
            self.said["limited"] += 1
            return openai_error(429, "rate_limit_exceeded", retry_after_ms="5")
        usage = (1000 + number, 40 + number % 7)
        self.tokens.append(usage)
        if number % 100 in (33, 66):
            self.said["malformed"] += 1
            return chat('{"winner": "Essay', usage=usage)
        if number % 100 == 99:
            self.said["refused"] += 1
            return chat(refusal="I will not.", usage=usage)
        self.said["judged"] += 1
        prompt = asked.body["messages"][1]["content"]
        first, second = prompt.split("**Essay A:**")[1].split("**Essay B:**")
        winner = "Essay A" if len(first) >= len(second) else "Essay B"
        answer = {"winner": winner, "justification": "The longer one.", "confidence": 3}
        return chat(json.dumps(answer), usage=usage)

    @property
    def cost(self) -> Decimal:
        return (
            sum((prompt * Decimal("0.0025") + out * Decimal("0.01") for prompt, out in self.tokens), Decimal()) / 1000
        )
