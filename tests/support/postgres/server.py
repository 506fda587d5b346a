"""A real PostgreSQL on loopback, in a scratch folder, for one session of tests.

PostgreSQL refuses to run as root: then it runs as the user `postgres`, else as `nobody`.
"""

from __future__ import annotations

import ctypes
import os
import pwd
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tests.support.kafka.cluster import free_ports
from tests.support.needs import cannot_be_had

ADMIN, ADMIN_PASSWORD = "boss", "boss's own"
_UP_SECONDS = 60
_DIE_WITH_PARENT = 1  # PR_SET_PDEATHSIG


@dataclass
class PostgresServer:
    """A server; the same port and data after each start."""

    programs: Path
    folder: Path
    port: int = field(default_factory=lambda: free_ports(1)[0])
    _process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.chmod(0o700)
        if self._runs_as:
            shutil.chown(self.folder, self._runs_as["user"], self._runs_as["group"])
        secret = self.folder / "password"
        secret.write_text(ADMIN_PASSWORD)
        secret.chmod(0o644)
        made = subprocess.run(
            [
                *(self.programs / "initdb", "--pgdata", self._data, "--username", ADMIN, "--pwfile", secret),
                *("--auth", "scram-sha-256", "--encoding", "UTF8", "--locale", "C.UTF-8", "--no-sync"),
            ],
            cwd=self.folder,
            capture_output=True,
            text=True,
            check=False,
            **self._runs_as,
        )
        assert made.returncode == 0, made.stdout + made.stderr

    @property
    def _data(self) -> Path:
        return self.folder / "data"

    @property
    def _runs_as(self) -> dict[str, Any]:
        if os.geteuid() != 0:
            return {}
        known = {entry.pw_name: entry for entry in pwd.getpwall()}
        entry = known.get("postgres") or known["nobody"]
        return {"user": entry.pw_uid, "group": entry.pw_gid, "extra_groups": []}

    def start(self) -> None:
        """Start, and wait until it takes connections."""
        self.spawn()
        self.wait_until_up()

    def spawn(self) -> None:
        """Start it; in the main thread, for it ends with the thread that started it."""
        settings = {
            "listen_addresses": "127.0.0.1",
            "port": str(self.port),
            "unix_socket_directories": "",
            "fsync": "off",  # the tests kill the server, never the machine
            "max_connections": "100",
        }
        with (self.folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                [
                    *(self.programs / "postgres", "-D", self._data),
                    *(part for name, value in settings.items() for part in ("-c", f"{name}={value}")),
                ],
                cwd=self.folder,
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                start_new_session=True,
                preexec_fn=_die_with_parent,  # noqa: PLW1509 - one call into libc, then exec
                **self._runs_as,
            )

    def wait_until_up(self) -> None:
        """Wait until it takes connections."""
        assert self._process is not None
        until = time.monotonic() + _UP_SECONDS
        while not self._answers():
            assert self._process.poll() is None, self._last_words()
            assert time.monotonic() < until, "PostgreSQL did not come up\n" + self._last_words()
            time.sleep(0.05)

    def stop(self) -> None:
        """End at once, as `pg_ctl stop --mode immediate`: whoever is connected is cut off."""
        if self._process is not None:
            self._process.send_signal(signal.SIGQUIT)
            self._process.wait()
            self._process = None

    def _answers(self) -> bool:
        ready = subprocess.run(
            [self.programs / "pg_isready", "--quiet", "--host", "127.0.0.1", "--port", str(self.port)], check=False
        )
        return ready.returncode == 0

    def _last_words(self) -> str:
        return (self.folder / "log").read_text()[-3000:]


def scratch_folder() -> Path:
    """Not below pytest's own, which other users may not enter."""
    return Path(tempfile.mkdtemp(prefix="eng5-postgres-"))


def programs() -> Path:
    """The folder with PostgreSQL's programs; skips the test where there are none."""
    found = shutil.which("initdb")
    folders = [Path(found).resolve().parent] if found else []
    folders += sorted(Path("/usr/lib/postgresql").glob("*/bin"), key=_version, reverse=True)
    for folder in folders:
        if all((folder / name).is_file() for name in ("initdb", "postgres", "pg_isready")):
            return folder
    return cannot_be_had("a real PostgreSQL needs its programs (Debian: postgresql), which are not installed")


def _version(folder: Path) -> float:
    return float(folder.parent.name)


def _die_with_parent() -> None:
    ctypes.CDLL(None).prctl(_DIE_WITH_PARENT, signal.SIGQUIT)


def takes_connections(port: int) -> bool:
    """Whether anybody listens there."""
    try:
        socket.create_connection(("127.0.0.1", port), timeout=1).close()
    except OSError:
        return False
    return True
