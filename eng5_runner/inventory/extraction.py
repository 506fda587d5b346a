"""Worker processes that parse documents: a bad file can kill its worker, and nothing else.

The workers are separate programs, not forks: they inherit no lock, no socket and no secret from the environment, and
Ctrl-C does not reach them.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
import threading
from queue import SimpleQueue
from typing import TYPE_CHECKING, Self

import orjson

from eng5_runner.core.inputs import FileFormat
from eng5_runner.core.table import Sheet
from eng5_runner.inventory.document_text import DocumentText, Remark
from eng5_runner.inventory.findings import Unreadable
from eng5_runner.systems import signals

if TYPE_CHECKING:
    from types import TracebackType

SECONDS_PER_FILE = 30.0
"""CPU seconds that one file may take; the system counts whole seconds."""
PATIENCE_SECONDS = 900.0
"""Wall-clock seconds after which a worker counts as blocked, although it does not compute."""
MAX_WORKERS = 4

_ANSWER_BYTES = 64 * 1024 * 1024
# -P: a module in the current folder, which may be the essays' folder, must not run.
_COMMAND = (sys.executable, "-P", "-m", "eng5_runner.inventory.extraction_worker")


class Extraction:
    """A few workers, started when first needed; a context manager. Its methods can be called from any thread.

    Attributes:
        workers: how many files can be parsed at the same time.
    """

    def __init__(self, *, seconds: float = SECONDS_PER_FILE, patience: float = PATIENCE_SECONDS) -> None:
        self.workers = min(MAX_WORKERS, os.cpu_count() or 1)
        self._seconds = seconds
        self._all = tuple(_Worker(patience) for _ in range(self.workers))
        self._idle: SimpleQueue[_Worker] = SimpleQueue()
        for worker in self._all:
            self._idle.put(worker)

    def text(self, data: bytes, file_format: FileFormat) -> DocumentText:
        """The normalised text of a docx or pdf, and the remarks about it.

        Raises:
            Unreadable: the document is refused, took too long, or made the worker crash.
        """
        answer = self._ask(data, file_format)
        remarks = answer["remarks"]
        assert isinstance(remarks, list)
        return DocumentText(str(answer["text"]), tuple(Remark(**remark) for remark in remarks))

    def sheets(self, data: bytes) -> list[Sheet]:
        """The sheets of an xlsx.

        Raises:
            Unreadable: the spreadsheet is refused, took too long, or made the worker crash.
        """
        sheets = self._ask(data, "xlsx")["sheets"]
        assert isinstance(sheets, list)
        return [Sheet(*sheet) for sheet in sheets]

    def stop(self) -> None:
        """End all workers at once and for good; files being parsed end as unreadable."""
        for worker in self._all:
            worker.stop()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        error_type: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        self.stop()

    def _ask(self, data: bytes, file_format: FileFormat) -> dict[str, object]:
        worker = self._idle.get()
        try:
            line = worker.ask(data, file_format, seconds=self._seconds)
        finally:
            self._idle.put(worker)
        answer: dict[str, object] = orjson.loads(line)
        if isinstance(refused := answer.get("refused"), dict):
            raise Unreadable(**refused)
        return answer


class _Worker:
    """One worker process; if it is gone, the next file starts another."""

    def __init__(self, patience: float) -> None:
        self._patience = patience
        self._process: subprocess.Popen[bytes] | None = None
        self._stopped = False
        self._changing = threading.Lock()

    def ask(self, data: bytes, file_format: FileFormat, *, seconds: float) -> bytes:
        header = orjson.dumps({"format": file_format, "size": len(data), "seconds": seconds})
        request = header + b"\n" + data
        has_served = self._process is not None
        answer = self._try(request, seconds)
        if not answer and has_served:
            # It may have died between files, or of the memory that earlier files took: try this file once more.
            answer = self._try(request, seconds)
        if not answer:
            raise _stopped("is damaged in a way that its reader cannot survive, or needs too much memory")
        return answer

    def stop(self) -> None:
        with self._changing:
            self._stopped = True
        self._end()

    def _try(self, request: bytes, seconds: float) -> bytes:
        """The answer, or nothing if the worker died for another reason than its limit of time."""
        process = self._running()
        too_late = threading.Event()

        def end() -> None:
            too_late.set()
            process.kill()

        alarm = threading.Timer(self._patience, end)
        alarm.start()
        try:
            answer = _exchange(process, request)
        finally:
            alarm.cancel()
            alarm.join()  # so that it cannot end the worker during the next file
        if answer.endswith(b"\n") and not too_late.is_set():
            return answer
        ended_by = self._end()
        if too_late.is_set():
            raise _stopped(f"was not read within {self._patience:g} s")
        if ended_by in [-number for number in signals("SIGXCPU")]:
            raise _stopped(f"takes more than {seconds:g} s of computing time")
        return b""

    def _running(self) -> subprocess.Popen[bytes]:
        if self._process is not None and self._process.poll() is not None:
            self._end()
        with self._changing:
            if self._stopped:
                raise _stopped("was not read, because reading was stopped")
            if self._process is None:
                self._process = subprocess.Popen(  # noqa: S603 - our own module by our own interpreter
                    _COMMAND,
                    stdin=subprocess.PIPE,
                    stdout=subprocess.PIPE,
                    stderr=subprocess.DEVNULL,
                    env={"PYTHONPATH": os.pathsep.join(filter(None, sys.path)), "OPENBLAS_NUM_THREADS": "1"},
                    process_group=0,
                )
            return self._process

    def _end(self) -> int | None:
        """End the process, if there is one; its return code is negative for the signal that ended it."""
        with self._changing:
            process, self._process = self._process, None
        if process is None:
            return None
        # Closing flushes input that the worker no longer reads.
        with contextlib.suppress(OSError), process:
            process.kill()
        return process.returncode


def _exchange(process: subprocess.Popen[bytes], request: bytes) -> bytes:
    assert process.stdin is not None
    assert process.stdout is not None
    try:
        process.stdin.write(request)
        process.stdin.flush()
        return process.stdout.readline(_ANSWER_BYTES)
    except (OSError, ValueError):  # the worker is gone, or was stopped and its pipes closed
        return b""


def _stopped(how: str) -> Unreadable:
    return Unreadable("extraction_stopped", how=how)
