"""Processes of the command line that need not load it anew: forked from one that has.

A start of the tool is mostly the loading of its libraries, and the tests start it a thousand times. Here one process
loads everything once; each start is a fork of it that runs `python -m eng5_runner …` to its natural end, in its own
folder, with its own environment and streams, as a process that can be waited for and killed. A fork that starts the
tool itself, such as its stack, finds a `sys.executable` that asks here too. That the tool starts from nothing is shown
by the tests of the documents' commands, of the containers and of what a start loads.

Under `make coverage` only the first call of each kind is measured: a measured process takes half as long again, and a
call that a test repeats, such as after each kill, reaches little that is new. Of some folders none is, see
`tests/conftest.py`.
"""

from __future__ import annotations

import atexit
import contextlib
import gc
import importlib
import json
import os
import pkgutil
import re
import runpy
import select
import shutil
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Mapping, Sequence
from functools import cache
from pathlib import Path
from typing import Any, NoReturn

import coverage

from tests.support.processes import MEASURES, MEASURING, unmeasured

_ROOT = Path(__file__).parents[2]
_STREAMS = 3
_WORD = re.compile("[a-z-]+")
_LARGEST_ORDER = 200_000  # more than arguments and environment take
_CONSOLE_SCRIPT = "eng5-runner"
_PACKAGES = tuple(f"eng5_runner.{name}" for name in ("cli", "app", "reports", "stack"))
# Put in the place of the interpreter: `-P -m eng5_runner` becomes a fork, anything else is for the interpreter.
_AS_INTERPRETER = """
if sys.argv[1:4] != ["-P", "-m", "eng5_runner"]:
    os.execv("{python}", ["{python}", *sys.argv[1:]])
del sys.argv[1:4]
"""
_SCRIPT = """#!{python} -IS
import os, sys
{first}
import json, signal, socket
order = {{"arguments": sys.argv[1:], "cwd": os.getcwd(), "env": dict(os.environ)}}
line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
line.connect("{path}")
socket.send_fds(line, [json.dumps(order).encode()], [0, 1, 2])
pid = int(line.recv(64))
for number in (signal.SIGTERM, signal.SIGINT):
    signal.signal(number, lambda number, _: os.kill(pid, number))
code = int(line.recv(64) or -9)
if code < 0:
    signal.signal(-code, signal.SIG_DFL) if code != -9 else None
    os.kill(os.getpid(), -code)
os._exit(code)
"""


class Process:
    """A started tool, with what tests use of `subprocess.Popen`.

    Attributes:
        pid: its own.
        returncode: None while it runs; minus the signal's number if one ended it.
    """

    def __init__(
        self, arguments: Sequence[str], *, cwd: Path, env: Mapping[str, str], streams: tuple[int, int, int]
    ) -> None:
        """Start it; with `LD_PRELOAD` in its environment, from a process that was loaded with that library."""
        self.args = ("eng5-runner", *arguments)
        self.returncode: int | None = None
        order = json.dumps({"arguments": list(arguments), "cwd": str(cwd), "env": dict(env)}).encode()
        assert len(order) < _LARGEST_ORDER
        self._line = socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET)
        self._line.connect(_loaded(env.get("LD_PRELOAD", "")))
        socket.send_fds(self._line, [order], streams)
        self.pid = int(self._line.recv(64))

    def __del__(self) -> None:
        """Whom nobody waits for is killed."""
        self._line.close()

    def poll(self) -> int | None:
        """The exit code, None while it runs."""
        with contextlib.suppress(subprocess.TimeoutExpired):
            self.wait(0)
        return self.returncode

    def wait(self, timeout: float | None = None) -> int:
        """The exit code.

        Raises:
            subprocess.TimeoutExpired: it still runs.
        """
        if self.returncode is None:
            self._line.settimeout(timeout)
            try:
                self.returncode = int(self._line.recv(64))
            except (TimeoutError, BlockingIOError):
                raise subprocess.TimeoutExpired(self.args, timeout or 0) from None
            self._line.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        """Unless it has ended."""
        if self.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.kill(self.pid, number)

    def terminate(self) -> None:
        self.send_signal(signal.SIGTERM)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)


def console_script() -> Path:
    """A stand-in for the one that is installed, for whoever starts it by its name."""
    return Path(_loaded("")).with_name(_CONSOLE_SCRIPT)


@cache
def _loaded(library: str) -> str:
    """Where the process listens that has everything loaded; it ends with this one."""
    folder = Path(tempfile.mkdtemp(prefix="prefork-"))
    path = str(folder / "line")
    for name, first in (("python", _AS_INTERPRETER.format(python=sys.executable)), (_CONSOLE_SCRIPT, "")):
        (folder / name).write_text(_SCRIPT.format(python=sys.executable, path=path, first=first))
        (folder / name).chmod(0o700)
    environment = unmeasured(os.environ) | {"LD_PRELOAD": library} if library else {**os.environ, **MEASURING}
    with socket.socket(socket.AF_UNIX, socket.SOCK_SEQPACKET) as listening:
        listening.bind(path)
        listening.listen(64)
        ours, theirs = socket.socketpair()
        inherited = (listening.fileno(), theirs.fileno())
        process = subprocess.Popen(
            [sys.executable, "-m", "tests.support.prefork", str(folder / "python"), *map(str, inherited)],
            cwd=_ROOT,
            env=environment,
            pass_fds=inherited,
            stdin=subprocess.DEVNULL,
            start_new_session=True,  # without the terminal of whoever runs the tests, where the tool would ask
        )
        theirs.close()

    def end() -> None:
        ours.close()
        process.wait()
        shutil.rmtree(folder)

    atexit.register(end)
    return path


def _load_everything() -> None:
    for name in _PACKAGES:
        package = importlib.import_module(name)
        for module in pkgutil.walk_packages(package.__path__, f"{name}."):
            importlib.import_module(module.name)


def _serve(listening: socket.socket, parent: socket.socket) -> list[str]:
    """Fork for each order and tell how that ends; returns only in a fork, with the tool's arguments."""
    lines: dict[socket.socket, int] = {}
    measured: set[frozenset[str]] = set()
    woken, wakes = socket.socketpair()
    wakes.setblocking(False)
    signal.signal(signal.SIGCHLD, lambda *_: None)
    signal.set_wakeup_fd(wakes.fileno())
    while True:
        ready, _, _ = select.select([listening, parent, woken, *lines], [], [])
        if parent in ready:
            _end_all(lines)
        if woken in ready:
            woken.recv(64)
            _tell_ends(lines)
        for line in lines.keys() & set(ready):
            # Nothing is sent after the order: whoever asked has gone.
            os.kill(lines[line], signal.SIGKILL)
        if listening in ready and (arguments := _forked(listening, lines, measured)) is not None:
            for one in (listening, parent, woken, wakes):
                one.close()
            return arguments


def _forked(
    listening: socket.socket, lines: dict[socket.socket, int], measured: set[frozenset[str]]
) -> list[str] | None:
    """Take an order; gives the tool's arguments in the fork, None in this process."""
    line, _ = listening.accept()
    message, streams, _, _ = socket.recv_fds(line, _LARGEST_ORDER, _STREAMS)
    order = json.loads(message)
    kind = _kind(order)
    if kind in measured or MEASURES not in os.environ:
        order["env"] = unmeasured(order["env"])
    elif MEASURES in order["env"]:
        measured.add(kind)
    if pid := os.fork():
        lines[line] = pid
        line.send(str(pid).encode())
        for stream in streams:
            os.close(stream)
        return None
    signal.set_wakeup_fd(-1)
    signal.signal(signal.SIGCHLD, signal.SIG_DFL)
    signal.signal(signal.SIGHUP, signal.SIG_DFL)  # as from a terminal, though the tests themselves may run without one
    for one in (line, *lines):
        one.close()
    return _placed(order, streams)


def _kind(order: Mapping[str, Any]) -> frozenset[str]:
    """What calls have in common that differ in names of files and in numbers only."""
    return frozenset((*filter(_WORD.fullmatch, order["arguments"]), *order["env"]))


def _end_all(lines: Mapping[socket.socket, int]) -> NoReturn:
    for pid in lines.values():
        os.kill(pid, signal.SIGKILL)
    sys.exit()


def _tell_ends(lines: dict[socket.socket, int]) -> None:
    by_pid = {pid: line for line, pid in lines.items()}
    with contextlib.suppress(ChildProcessError):
        while True:
            pid, status = os.waitpid(-1, os.WNOHANG)
            if pid == 0:
                return
            line = by_pid[pid]
            del lines[line]
            with line, contextlib.suppress(OSError):  # whoever asked may be gone
                line.send(str(os.waitstatus_to_exitcode(status)).encode())


def _placed(order: Mapping[str, Any], streams: Sequence[int]) -> list[str]:
    for number, stream in enumerate(streams):
        os.dup2(stream, number)
        os.close(stream)
    os.chdir(order["cwd"])
    os.environ.clear()
    os.environ.update(order["env"])
    time.tzset()
    coverage.process_startup(force=True)  # if the environment asks for it
    return list(order["arguments"])


def main() -> None:
    listening, parent = (socket.socket(fileno=int(number)) for number in sys.argv[2:])
    sys.executable = sys.argv[1]
    _load_everything()
    if (loading := coverage.Coverage.current()) is not None:
        loading.stop()
        loading.save()
    gc.freeze()
    sys.argv = [_CONSOLE_SCRIPT, *_serve(listening, parent)]
    sys.path[0] = str(Path.cwd())
    code: object = 0
    try:
        runpy.run_module("eng5_runner", run_name="__main__")
    except SystemExit as left:
        code = left.code
    # What the interpreter does at its end, but for taking thousands of modules apart, which takes longer than a fork.
    threading._shutdown()
    atexit._run_exitfuncs()
    sys.stdout.flush()
    sys.stderr.flush()
    assert isinstance(code, int | None), code
    os._exit(code or 0)


if __name__ == "__main__":
    main()
