"""Apache Kafka's server, from Maven Central: fetched once into a cache outside the tree, then only looked at."""

from __future__ import annotations

import fcntl
import hashlib
import os
import shutil
import subprocess
from pathlib import Path

import platformdirs

from tests.support.needs import cannot_be_had

POM = Path(__file__).with_name("pom.xml")
_FETCH_SECONDS = 300


def server_jars() -> Path:
    """The folder with the server's jars; skips the test where Java, Maven or Maven Central cannot be had."""
    for tool in ("java", "mvn"):
        if shutil.which(tool) is None:
            cannot_be_had(f"a real Kafka needs {tool}, which is not installed")
    cache = Path(os.environ.get("ENG5_TEST_CACHE") or platformdirs.user_cache_path("eng5-runner-tests"))
    # Another list of jars is another folder.
    folder = cache / f"kafka-{hashlib.sha256(POM.read_bytes()).hexdigest()[:12]}"
    cache.mkdir(parents=True, exist_ok=True)
    with (cache / "kafka.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # one worker fetches, the others wait for it
        if not folder.is_dir():
            _fetch(folder)
    return folder


def _fetch(folder: Path) -> None:
    unfinished = folder.with_suffix(".unfinished")
    shutil.rmtree(unfinished, ignore_errors=True)
    command = ["mvn", "-q", "-B", "-f", str(POM), "dependency:copy-dependencies", f"-DoutputDirectory={unfinished}"]
    try:
        fetched = subprocess.run(command, capture_output=True, text=True, timeout=_FETCH_SECONDS, check=False)
    except subprocess.TimeoutExpired:
        cannot_be_had(f"Maven Central did not give Kafka's jars within {_FETCH_SECONDS} s")
    if fetched.returncode:
        cannot_be_had(f"Kafka's jars cannot be had from Maven Central: {(fetched.stdout + fetched.stderr)[-300:]}")
    unfinished.rename(folder)
