"""A CJ service with the field's habits: it caps, ends early, loses callbacks or batches, doubles, and is late."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass, field
from itertools import combinations, cycle, islice
from uuid import UUID

from tests.support.run import messages
from tests.support.run.messages import Callback


@dataclass
class Habits:
    """Answers requests, each event id once, as the field's service does.

    Attributes:
        cap: the most comparisons that it makes for one request.
        brings: request number → how many comparisons it makes of it, where that is fewer.
        loses: numbers of comparisons, over all requests from 0, whose callbacks never come.
        silent: the numbers of the requests that it never ends.
        fails: the numbers of the requests that it fails, after its comparisons.
        late: how many callbacks of the first request come only with the answer to the second.
        counts: whether its result says how many comparisons it made.
        precise: whether its result says that the target is reached.
        doubles: whether each message comes twice.
        answers_as: the model that judges, whatever the request names; without it the one that it names, if it does.
    """

    cap: int = 120
    brings: Mapping[int, int] = field(default_factory=dict)
    loses: Collection[int] = ()
    silent: Collection[int] = ()
    fails: Collection[int] = ()
    late: int = 0
    counts: bool = False
    precise: bool = False
    doubles: bool = False
    answers_as: str | None = None
    requests: list[dict] = field(default_factory=list)
    made: list[str] = field(default_factory=list)
    _held: list[Callback] = field(default_factory=list)

    def answer(self, sent: dict, *, added: Collection[str] = ()) -> list[Callback]:
        """What comes back for a request; `added` are the anchors that the service adds."""
        if sent["event_id"] in {known["event_id"] for known in self.requests}:
            return []
        self.requests.append(sent)
        number, batch = len(self.requests), UUID(sent["data"]["entity_id"])
        essays = sorted([*(essay["essay_id"] for essay in sent["data"]["essays_for_cj"]), *added])
        told = self._comparisons(batch, essays, most=min(self._most(sent), self.brings.get(number, self.cap)))
        told = [self._by_judge(one, sent["data"]["llm_config_overrides"] or {}) for one in told]
        if number == 1 and self.late:
            told, self._held = told[: -self.late], told[-self.late :]
        elif self._held:
            told, self._held = [*self._held, *told], []
        made = len(told)
        if number in self.fails:
            told.append(messages.failed(batch, "the judge is away"))
        elif number not in self.silent:
            told += [messages.completed(batch), self._result(batch, essays, made=made)]
        return [one for one in told for _ in range(1 + self.doubles)]

    def _by_judge(self, one: Callback, wanted: dict) -> Callback:
        if not wanted.get("model_override"):
            return one
        message = json.loads(one.value)
        provider, model = wanted["provider_override"], self.answers_as or wanted["model_override"]
        message["data"] |= {"provider": provider, "model": model}
        return Callback(one.topic, messages.raw(message), partition=one.partition)

    def _most(self, sent: dict) -> int:
        return min(self.cap, sent["metadata"].get("max_comparisons", self.cap))

    def _comparisons(self, batch: UUID, essays: list[str], *, most: int) -> list[Callback]:
        told = []
        for pair in islice(cycle(combinations(essays, 2)), most):
            number = len(self.made)
            winner = "Essay B" if number % 5 == 4 else "Essay A"
            one = messages.comparison(batch, number, pair, winner=winner)
            lost = number in self.loses
            self.made.append("" if lost else json.loads(one.value)["data"]["request_id"])
            if not lost:
                told.append(Callback(one.topic, one.value, partition=number % 2))
        return told

    def _result(self, batch: UUID, essays: list[str], *, made: int) -> Callback:
        one = messages.result(batch, essays)
        message = json.loads(one.value)
        told: dict[str, object] = {
            "comparison_count": made + len(self.loses) if self.counts else self._of_field(essays)
        }
        if self.precise:
            look = {"round": 1, "comparisons": made, "judgements": made, "fewest": 10, "components": 1}
            figures = {"reliability": 0.9, "standard_error_90": 0.5, "verdict": "precise enough"}
            told["stopping_looks"] = [look | figures]
        message["data"]["assessment_metadata"] = told
        return Callback(one.topic, messages.raw(message))

    @staticmethod
    def _of_field(essays: list[str]) -> int:
        """The field's service counts all pairs, however many it compared."""
        return len(essays) * (len(essays) - 1) // 2
