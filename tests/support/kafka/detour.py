"""A man in the middle of a client and a Kafka broker, who loses acknowledgements of produced records when told to."""

from __future__ import annotations

import socket
import struct
import threading
from contextlib import suppress
from types import TracebackType
from typing import Self

_PRODUCE = 0


class Detour:
    """Passes everything on between a port and a broker.

    Attributes:
        to_lose: so many of the next acknowledgements do not arrive: their connection is cut instead.
        lost: set when one was lost; the broker has the record then.
    """

    def __init__(self, port: int, *, broker: str) -> None:
        host, number = broker.split(":")
        self._there = (host, int(number))
        self._server = socket.create_server(("127.0.0.1", port))
        self._open: list[socket.socket] = []
        self.bootstrap = f"127.0.0.1:{port}"
        self.to_lose = 0
        self.lost = threading.Event()

    def __enter__(self) -> Self:
        threading.Thread(target=self._accept, daemon=True).start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for one in (self._server, *self._open):
            _close(one)

    def has_lost_one(self) -> bool:
        """Whether the broker has a record whose producer does not know it."""
        return self.lost.is_set()

    def mend(self) -> None:
        """Lose nothing from now on."""
        self.to_lose = 0

    def _accept(self) -> None:
        with suppress(OSError):
            while True:
                client, _ = self._server.accept()
                broker = socket.create_connection(self._there)
                self._open += [client, broker]
                produced: set[int] = set()
                for target, source, sink in ((self._requests, client, broker), (self._answers, broker, client)):
                    threading.Thread(target=target, args=(source, sink, produced), daemon=True).start()

    def _requests(self, client: socket.socket, broker: socket.socket, produced: set[int]) -> None:
        with suppress(OSError):
            while frame := _frame(client):
                kind, _version, number = struct.unpack(">hhi", frame[4:12])
                if kind == _PRODUCE:
                    produced.add(number)
                broker.sendall(frame)
        _close(broker)

    def _answers(self, broker: socket.socket, client: socket.socket, produced: set[int]) -> None:
        with suppress(OSError):
            while frame := _frame(broker):
                (number,) = struct.unpack(">i", frame[4:8])
                if number in produced and self.to_lose:
                    self.to_lose -= 1
                    self.lost.set()
                    break
                client.sendall(frame)
        _close(client)
        _close(broker)


def _close(one: socket.socket) -> None:
    """Also for a thread that waits on it."""
    with suppress(OSError):
        one.shutdown(socket.SHUT_RDWR)
    one.close()


def _frame(source: socket.socket) -> bytes:
    """The next request or answer with its length before it; empty at the end."""
    head = _exactly(source, 4)
    return head and head + _exactly(source, struct.unpack(">i", head)[0])


def _exactly(source: socket.socket, count: int) -> bytes:
    got = b""
    while len(got) < count:
        more = source.recv(count - len(got))
        if not more:
            return b""
        got += more
    return got
