"""The file of the structured log: secrets are hidden in it, and a disk that refuses it ends no run.

    write_line(directory / LOG_NAME, {"event": "runner_validation_state", "batch_id": "may", "students": 22})

`app.logs` writes the log of a session here. A plan has one line, and the library of that log takes a fifth of a plan to
load.
"""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Callable, Mapping, MutableMapping
from contextlib import suppress
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, TextIO

from eng5_runner.systems import open_private

LOG_NAME = "run.log.jsonl"
# Keys whose values are never written; tokens in values are masked wherever they stand.
_SECRET_KEY = re.compile(r"token|secret|password|authorization|api_key", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|Bearer\s+\S+|sk-[\w-]{8,}")


def redact(event: MutableMapping[str, Any]) -> None:
    """Hide what may be a secret."""
    for key, value in event.items():
        if _SECRET_KEY.search(key) and not isinstance(value, int | float):
            event[key] = "[hidden]"
        elif isinstance(value, str):
            event[key] = _SECRET_VALUE.sub("[hidden]", value)


class UnfailingStream:
    """A stream that ends no run: what the disk refuses of the log is dropped, and said once.

    What a task writes that outlives the log of its run is dropped too.
    """

    def __init__(self, sink: Path | TextIO) -> None:
        """Open the file, or take the stream."""
        self._name = str(sink) if isinstance(sink, Path) else "standard error"
        self._stream = _appending(sink) if isinstance(sink, Path) else sink
        self._said = False

    def write(self, text: str) -> int:
        """Write, if the disk takes it."""
        self._do(lambda: self._stream.write(text))
        return len(text)

    def flush(self) -> None:
        """Flush, if the disk takes it."""
        self._do(self._stream.flush)

    def close(self) -> None:
        """Close the stream."""
        self._do(self._stream.close)

    def _do(self, work: Callable[[], object]) -> None:
        if self._stream.closed:
            return
        try:
            work()
        except OSError as error:
            if not self._said:
                self._said = True
                with suppress(OSError):
                    sys.stderr.write(f"{self._name} cannot be written: {error.strerror}. The log has a gap.\n")


def write_line(path: Path, facts: Mapping[str, Any], *, level: str) -> None:
    """Append one line, as the log of a session has them."""
    line = {**facts, "level": level, "timestamp": f"{datetime.now(UTC).replace(tzinfo=None).isoformat()}Z"}
    redact(line)
    stream = UnfailingStream(path)
    stream.write(f"{json.dumps(line, default=repr)}\n")
    stream.close()


def _appending(path: Path) -> TextIO:
    return os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8")
