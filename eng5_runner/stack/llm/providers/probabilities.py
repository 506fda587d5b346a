"""The probability of "Essay A" over both answers, from the log-probabilities of an answer's tokens.

The token that decides is the one with the letter of the winner. Its alternatives are the tokens that the model could
have written there instead: those that end in the same winner are added up, and so are those that end in the other.

    >>> tokens = [("Essay", []), (" B", [(" B", -0.2), (" A", -1.7)])]
    >>> content = [{"token": '{"winner": "', "logprob": 0.0, "top_logprobs": []}]
    >>> content += [
    ...     {"token": t, "logprob": -0.2, "top_logprobs": [{"token": a, "logprob": p} for a, p in others]}
    ...     for t, others in tokens
    ... ]
    >>> chance = chance_in({"logprobs": {"content": content}}, {})
    >>> chance.winner, round(chance.probability_a, 2), chance.is_bound
    ('Essay B', 0.18, False)
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterator, Mapping
from itertools import accumulate

from eng5_runner.canonical import Json
from eng5_runner.contracts.callbacks import Winner
from eng5_runner.stack.llm.judge import AnswerChance
from eng5_runner.stack.llm.providers.replies import field

ALTERNATIVES = 20  # the most that OpenAI, vLLM and Ollama give
_WINNER = re.compile(r'"winner"\s*:\s*"(?P<value>[\s*_`(]*(?:essay[\s_-]*)?(?P<side>[ab])(?![a-z]))', re.IGNORECASE)
_SIDE = re.compile(r"[\s*_`(]*(?:essay[\s_-]*)?(?P<side>[ab])(?![a-z])", re.IGNORECASE)
_SMALLEST = 1e-12
# Longer lists are no answer of a judge.
_MOST_TOKENS = 100_000


def chance_in(choice: Json, body: Json) -> AnswerChance | None:
    """The probability in an answer; None if the answer does not tell it.

    Args:
        choice: the first choice of an answer, as OpenAI, vLLM, Ollama and llama.cpp write it.
        body: the whole answer; older servers of llama.cpp write the probabilities there.
    """
    listed = _listed(choice, body)
    texts = [_text(token) for token in listed]
    found = list(_WINNER.finditer("".join(texts)))
    if not found:
        return None
    winner = found[-1]  # a model that thinks aloud can name one before
    ends = list(accumulate(map(len, texts)))
    number = next(place for place, end in enumerate(ends) if end > winner.start("side"))
    begins = ends[number] - len(texts[number])
    before = "".join(texts)[winner.start("value") : max(begins, winner.start("value"))]
    # What the token has before the value, such as the quotation mark.
    lead = texts[number][: max(winner.start("value") - begins, 0)]
    masses = {"a": 0.0, "b": 0.0}
    chances = dict(_chances(listed[number]))
    for token, chance in chances.items():
        if not token.startswith(lead):
            continue
        side = _SIDE.match(before + token[len(lead) :])
        if side is not None:
            masses[side["side"].lower()] += chance
    return _over_both(masses, chances, won=winner["side"].lower())


def _over_both(masses: Mapping[str, float], chances: Mapping[str, float], *, won: str) -> AnswerChance | None:
    lost = "b" if won == "a" else "a"
    own, other = masses[won], masses[lost]
    if not own > 0.0:
        return None
    is_bound = not other > 0.0
    if is_bound:
        # The other answer is not among the alternatives: it is at most as likely as the last, and as all the rest.
        left = 1.0 - sum(chances.values())
        other = max(min(*chances.values(), left if left > _SMALLEST else 1.0), _SMALLEST)
    share = own / (own + other)
    name: Winner = "Essay A" if won == "a" else "Essay B"
    return AnswerChance(winner=name, probability_a=share if won == "a" else 1.0 - share, is_bound=is_bound)


def _listed(choice: Json, body: Json) -> list[Json]:
    """The tokens of the answer, with what the server says of each."""
    stated = field(choice, "logprobs")
    for tokens in (field(stated, "content"), stated, field(body, "logprobs"), field(body, "completion_probabilities")):
        if isinstance(tokens, list) and len(tokens) <= _MOST_TOKENS:
            return list(tokens)
    return []


def _text(token: Json) -> str:
    for name in ("token", "content", "tok_str"):
        text = field(token, name)
        if isinstance(text, str):
            return text
    return ""


def _chances(token: Json) -> Iterator[tuple[str, float]]:
    """The alternatives of a token, itself included, each with its probability."""
    named = [token]
    for name in ("top_logprobs", "top_probs", "probs"):
        alternatives = field(token, name)
        if isinstance(alternatives, list):
            named += alternatives
    for one in named:
        chance = _chance(one)
        if chance is not None:
            yield _text(one), chance


def _chance(token: Json) -> float | None:
    """Its probability; None if it is not stated in a credible way."""
    log, plain = field(token, "logprob"), field(token, "prob")
    if isinstance(log, int | float) and not isinstance(log, bool) and log <= 0.0:
        return math.exp(log)
    if isinstance(plain, int | float) and not isinstance(plain, bool) and 0.0 <= plain <= 1.0:
        return float(plain)
    return None
