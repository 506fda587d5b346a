"""The question before money is spent. It goes to the terminal, also where the output goes to a pipe or a file.

if not agrees("Send this request: 210 comparisons for 0.01–0.04 USD?", is_limited=False):
    return 0
"""

from __future__ import annotations

from eng5_runner.effects.terminal import answer_of
from eng5_runner.errors import UsageError


def agrees(question: str, *, is_limited: bool) -> bool:
    """Whether the person at the terminal agrees. Where nobody can be asked, a cost limit is the agreement.

    Args:
        question: with the price, and a question mark at its end.
        is_limited: whether a cost limit says how much may be spent.

    Raises:
        UsageError: nobody can be asked, and nothing says that the money may be spent.
        KeyboardInterrupt: the person pressed Ctrl-C.
    """
    answer = answer_of(question)
    if answer is not None:
        return answer
    if is_limited:
        return True
    raise UsageError(
        f"{question} Nobody can be asked, as there is no terminal. Nothing was sent or spent.",
        remedy="Give --yes to agree, or --max-cost to say how much may be spent.",
    )
