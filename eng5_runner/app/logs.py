"""The structured log: JSON lines in the run's directory, with the run's identity on each."""

from __future__ import annotations

import logging
import os
import re
import sys
from collections.abc import Callable, Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from eng5_runner.app.environment import trace_of
from eng5_runner.core.events import CallbackAccepted, EssayUploaded
from eng5_runner.core.spec import RunSpec
from eng5_runner.run.ports import Notice, Update, update_facts
from eng5_runner.systems import open_private

LOG_NAME = "run.log.jsonl"
# Keys whose values are never written; tokens in values are masked wherever they stand.
_SECRET_KEY = re.compile(r"token|secret|password|authorization|api_key", re.IGNORECASE)
_SECRET_VALUE = re.compile(r"eyJ[\w-]{8,}\.[\w-]+\.[\w-]*|Bearer\s+\S+|sk-[\w-]{8,}")


def _redacted(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    for key, value in event.items():
        if _SECRET_KEY.search(key) and not isinstance(value, int | float):
            event[key] = "[hidden]"
        elif isinstance(value, str):
            event[key] = _SECRET_VALUE.sub("[hidden]", value)
    return event


class _RateLimited(logging.Filter):
    """Each record at most once in ten seconds: aiokafka repeats one forty times a second while a broker is away."""

    def __init__(self) -> None:
        super().__init__()
        self._written_at: dict[str, float] = {}

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether this record is written."""
        key = f"{record.name}:{record.msg}"
        if record.created - self._written_at.get(key, 0.0) < 10.0:  # noqa: PLR2004 - seconds, as the docstring says
            return False
        self._written_at[key] = record.created
        return True


class _Unfailing:
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


# Where the log of a task or thread goes: runs that are worked on at the same time have one each.
_STREAM: ContextVar[_Unfailing] = ContextVar("eng5_runner.log")  # law: module_state - a value for each context


class _ToStructlog(logging.Handler):
    """Writes the standard log records of libraries as lines of our log."""

    def __init__(self, stream: _Unfailing) -> None:
        super().__init__(level=logging.INFO)
        # Only what is of this log's run counts for the rate.
        self.addFilter(lambda _: _STREAM.get(stream) is stream)
        self.addFilter(_RateLimited())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        structlog.get_logger().log(record.levelno, record.getMessage()[:500], library=record.name)


def _appending(path: Path) -> TextIO:
    return os.fdopen(open_private(path, os.O_WRONLY | os.O_APPEND), "a", encoding="utf-8")


@contextmanager
def logging_to(sink: Path | TextIO, *, identity: Mapping[str, str], verbose: bool) -> Iterator[None]:
    """Write the log there while the context lasts; afterwards the logging of the process is as it was.

    Tasks of one process can each have a log of their own at the same time, within one that lasts longer than theirs.

    Args:
        sink: a file to append to, or an open stream.
        identity: batch id, mode and correlation id, on each line.
        verbose: debug lines as well.
    """
    stream = _Unfailing(sink)
    before = structlog.get_config() if structlog.is_configured() else None
    structlog.configure(
        processors=[
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.processors.format_exc_info,
            _redacted,
            structlog.processors.JSONRenderer(),
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.DEBUG if verbose else logging.INFO),
        logger_factory=lambda *_: structlog.WriteLogger(cast(TextIO, _STREAM.get(stream))),
        cache_logger_on_first_use=False,
    )
    structlog.contextvars.bind_contextvars(**identity)
    ours = _STREAM.set(stream)
    handler = _ToStructlog(stream)
    root = logging.getLogger()
    level = root.level
    root.addHandler(handler)
    root.setLevel(logging.DEBUG if verbose else logging.WARNING)
    try:
        yield
    finally:
        root.removeHandler(handler)
        root.setLevel(level)
        structlog.contextvars.unbind_contextvars(*identity)
        _STREAM.reset(ours)
        # structlog's own default writes to standard output, which is for data. A program can replace its standard
        # error later and close the old one.
        structlog.configure(**(before or {"logger_factory": lambda *_: structlog.WriteLogger(sys.stderr)}))
        if isinstance(sink, Path):
            stream.close()


def log_update(update: Update) -> None:
    """Write an event or a notice into the log."""
    log, facts = structlog.get_logger(), update_facts(update)
    if isinstance(update, Notice) and facts:
        is_bad = update.kind in ("trouble", "overspent")
        log.log(logging.WARNING if is_bad else logging.INFO, update.kind, text=update.text)
    elif facts:
        name = "".join(f"_{char.lower()}" if char.isupper() else char for char in facts.pop("event")).lstrip("_")
        comes_by_the_hundred = isinstance(update, EssayUploaded | CallbackAccepted)
        facts.pop("v", None)
        log.log(logging.DEBUG if comes_by_the_hundred else logging.INFO, name, **facts)


@contextmanager
def unlogged() -> Iterator[None]:
    """No log, for commands that belong to no run."""
    with logging_to(Path(os.devnull), identity={}, verbose=False):
        yield


@contextmanager
def run_log(directory: Path, *, spec: RunSpec, verbose: bool) -> Iterator[ExitStack]:
    """The run's log; closing the stack early ends it."""
    identity = {"batch_id": spec.label, "mode": spec.mode.value, "correlation_id": str(spec.correlation_id)}
    trace = trace_of(os.environ)
    if trace.trace_id is not None:
        identity["trace_id"] = trace.trace_id
    with ExitStack() as stack:
        stack.enter_context(logging_to(directory / LOG_NAME, identity=identity, verbose=verbose))
        for name in trace.ignored:
            structlog.get_logger().warning("trace_context_ignored", variable=name, cause="malformed")
        yield stack
