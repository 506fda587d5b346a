"""The structured log: JSON lines in the run's directory, with the run's identity on each."""

from __future__ import annotations

import logging
import os
import sys
from collections.abc import Iterator, Mapping, MutableMapping
from contextlib import ExitStack, contextmanager
from contextvars import ContextVar
from pathlib import Path
from typing import Any, TextIO, cast

import structlog

from eng5_runner.app.environment import log_identity
from eng5_runner.core.events import CallbackAccepted, EssayUploaded
from eng5_runner.core.spec import RunSpec
from eng5_runner.effects.log_file import LOG_NAME, UnfailingStream, redact
from eng5_runner.run.ports import Notice, Update, update_facts


def _redacted(_: object, __: str, event: MutableMapping[str, Any]) -> MutableMapping[str, Any]:
    redact(event)
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


# Where the log of a task or thread goes: runs that are worked on at the same time have one each.
_STREAM: ContextVar[UnfailingStream] = ContextVar("eng5_runner.log")  # law: module_state - a value for each context


def _unconfigured() -> dict[str, Any]:
    """For a program that has set nothing.

    structlog's own choice writes to standard output, which is for data, and an error with all local variables: essays
    and keys too. A program can replace its standard error later and close the old one.
    """
    return {
        "processors": [
            structlog.contextvars.merge_contextvars,
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            structlog.dev.ConsoleRenderer(colors=False, exception_formatter=structlog.dev.plain_traceback),
        ],
        "logger_factory": lambda *_: structlog.WriteLogger(sys.stderr),
    }


class _ToStructlog(logging.Handler):
    """Writes the standard log records of libraries as lines of our log."""

    def __init__(self, stream: UnfailingStream) -> None:
        super().__init__(level=logging.INFO)
        # Only what is of this log's run counts for the rate.
        self.addFilter(lambda _: _STREAM.get(stream) is stream)
        self.addFilter(_RateLimited())

    def emit(self, record: logging.LogRecord) -> None:
        """Write one record."""
        structlog.get_logger().log(record.levelno, record.getMessage()[:500], library=record.name)


@contextmanager
def logging_to(sink: Path | TextIO, *, identity: Mapping[str, str], verbose: bool) -> Iterator[None]:
    """Write the log there while the context lasts; afterwards the logging of the process is as it was.

    Tasks of one process can each have a log of their own at the same time, within one that lasts longer than theirs.

    Args:
        sink: a file to append to, or an open stream.
        identity: batch id, mode and correlation id, on each line.
        verbose: debug lines as well.
    """
    stream = UnfailingStream(sink)
    before = {**structlog.get_config(), **({} if structlog.is_configured() else _unconfigured())}
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
        structlog.configure(**before)
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
    identity, ignored = log_identity(spec, os.environ)
    with ExitStack() as stack:
        stack.enter_context(logging_to(directory / LOG_NAME, identity=identity, verbose=verbose))
        for name in ignored:
            structlog.get_logger().warning("trace_context_ignored", variable=name, cause="malformed")
        yield stack
