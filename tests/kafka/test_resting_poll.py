"""A consumer rests once nothing comes, and takes up what came meanwhile."""

from __future__ import annotations

from aiokafka import TopicPartition

from eng5_runner.transport.kafka import RestingPoll, rest_after

HERE, ELSEWHERE = TopicPartition("topic", 0), TopicPartition("topic", 1)


class Consumer:
    """A consumer in memory, which is asked `polls` times, and gives what it holds unless it is paused."""

    def __init__(self) -> None:
        self.held: list[bytes] = []
        self.ours = {HERE, ELSEWHERE}
        self.paused: set[TopicPartition] = set()
        self.log: list[str] = []

    def assignment(self) -> frozenset[TopicPartition]:
        return frozenset(self.ours)

    def pause(self, *partitions: TopicPartition) -> None:
        self.log.append("pause")
        self.paused |= set(partitions)
        self.ours.discard(ELSEWHERE)  # another member gets it meanwhile
        self.held.append(b"came meanwhile")

    def resume(self, *partitions: TopicPartition) -> None:
        assert set(partitions) <= self.ours, "a client refuses to resume what it does not have"
        self.paused -= set(partitions)

    async def getmany(self, *, timeout_ms: int, max_records: int) -> dict[TopicPartition, list[bytes]]:
        assert HERE not in self.paused
        self.log.append("poll")
        held, self.held = self.held[:max_records], []
        return {HERE: held} if held else {}


async def test_a_consumer_rests_only_after_a_silence_and_nothing_is_lost() -> None:
    consumer = Consumer()
    poll = RestingPoll(consumer)
    for _ in range(4):
        assert await poll.records(timeout_ms=1, max_records=10) == {}
    assert consumer.log == ["poll"] * 4
    assert await poll.records(timeout_ms=1, max_records=10) == {HERE: [b"came meanwhile"]}
    assert await poll.records(timeout_ms=1, max_records=10) == {}
    assert consumer.log[4:] == ["pause", "poll", "poll"], "after a record it does not rest"


def test_after_a_long_silence_it_rests_longer_by_a_tenth_of_the_silence_at_most() -> None:
    assert [rest_after(silent) for silent in (0.0, 4.0, 10.0, 20.0, 3600.0)] == [0.4, 0.4, 1.0, 2.0, 2.0]
