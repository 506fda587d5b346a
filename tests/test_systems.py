"""Every module can be imported where the parts of POSIX are missing that Windows lacks.

This is no run on Windows. It shows that no module needs such a part to be loaded.
"""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parents[1]

# Loaded once, so that other packages are there with all they take from this system; then ours again without it.
PROGRAM = """
import importlib, os, pkgutil, signal, sys
import eng5_runner

def load():
    package = importlib.import_module("eng5_runner")
    names = [each.name for each in pkgutil.walk_packages(package.__path__, "eng5_runner.")]
    return [importlib.import_module(name) for name in names if not name.endswith("__main__")]

load()
for name in [name for name in sys.modules if name.split(".")[0] == "eng5_runner"]:
    del sys.modules[name]
for name in ("fcntl", "resource", "termios", "tty", "pty", "pwd", "grp", "syslog"):
    sys.modules[name] = None
for name in ("O_CLOEXEC", "O_NOFOLLOW", "O_NONBLOCK", "O_DIRECTORY", "O_NOCTTY", "fdatasync", "getuid", "getpgrp",
             "tcgetpgrp", "uname", "fork", "killpg", "setsid", "pread", "pwrite", "fchmod"):
    delattr(os, name)
for name in ("SIGHUP", "SIGKILL", "SIGXCPU", "SIGUSR1", "SIGPIPE"):
    delattr(signal, name)
print(len(load()))
"""


def test_every_module_can_be_imported_without_what_windows_lacks() -> None:
    done = subprocess.run([sys.executable, "-c", PROGRAM], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert int(done.stdout) > 200
