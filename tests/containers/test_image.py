"""The image, built for real and run with a read-only root, as a user with no name, no home and no network.

`ENG5_TEST_IMAGE=1 .venv/bin/python -m pytest tests/containers/test_image.py` runs these, in about five minutes, most of
it for the base; of several workers one does it. `ENG5_TEST_BASE_IMAGE` names another base, such as the
Dockerfile's own where a registry can be reached.
"""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.containers.image import USER, Builder, Image, missing
from tests.support.compose import ROOT
from tests.support.needs import cannot_be_had

DEMO = ROOT / "examples" / "eng5_demo"
GIT_SHA = "0123456789abcdef0123456789abcdef01234567"

pytestmark = [
    pytest.mark.container,
    pytest.mark.slow,
    pytest.mark.xdist_group("image"),
    pytest.mark.skipif(os.environ.get("ENG5_TEST_IMAGE") != "1", reason="only with ENG5_TEST_IMAGE=1"),
]


@pytest.fixture(scope="module")
def builder(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Builder]:
    if why := missing():
        cannot_be_had(why)
    folder = tmp_path_factory.mktemp("image")
    made = Builder(folder)
    try:
        if "ENG5_TEST_BASE_IMAGE" not in os.environ:
            made.make_base()
        yield made
    finally:
        made.buildah("umount", "--all")
        shutil.rmtree(folder)


@pytest.fixture(scope="module")
def image(builder: Builder) -> Image:
    return builder.build(git_sha=GIT_SHA)


@pytest.fixture
def runs(tmp_path: Path) -> Path:
    """A volume as the engine makes it: it belongs to the image's user."""
    folder = tmp_path / "runs"
    folder.mkdir(mode=0o755)
    os.chown(folder, USER, USER)
    return folder


def _git_sha(runs: Path) -> str:
    """As the run's first event has it."""
    with (runs / "latest" / "ledger.jsonl").open() as ledger:
        sha = json.loads(ledger.readline())["versions"]["git_sha"]
    assert isinstance(sha, str)
    return sha


def test_without_a_command_it_helps(image: Image, runs: Path) -> None:
    helped = image.run(assets=DEMO, runs=runs)
    assert helped.returncode == 0, helped.stderr
    assert "Usage: eng5-runner" in helped.stdout


def test_nobody_can_write_but_to_runs_and_tmp(image: Image, runs: Path) -> None:
    """The root is read only for the kernel, not just not ours."""
    script = """
        id -u; id -g
        grep -q '^CapBnd:.0*$' /proc/self/status && grep -q '^NoNewPrivs:.1$' /proc/self/status && echo bound
        awk '$5 == "/" {print substr($6, 1, 2)}' /proc/self/mountinfo
        for place in / /eng5 /eng5/assets /opt/eng5-runner "$HOME" /var/tmp /dev /eng5/runs /tmp "$ENG5_CACHE_DIR"; do
          mkdir -p "$place" 2>/dev/null; touch "$place/x" 2>/dev/null && echo "$place"
        done
        exit 0
    """
    told = image.run(["-c", script], entrypoint=["sh"], assets=DEMO, runs=runs)
    assert told.returncode == 0, told.stderr
    assert told.stdout.split() == ["10001", "10001", "bound", "ro", "/eng5/runs", "/tmp", "/tmp/eng5-cache"]


def test_what_was_needed_to_build_it_is_not_in_it(image: Image) -> None:
    installed = {
        path.name.split("-")[0].lower() for path in image.root.glob("opt/eng5-runner/lib/python3*/site-packages/*")
    }
    assert {"eng5_runner", "aiohttp", "pydantic"} <= installed
    assert installed.isdisjoint({"pip", "setuptools", "hatchling", "editables", "pytest", "mypy"})
    assert not (image.root / "build").exists()
    assert not any((image.root / "run").rglob("*.pem"))
    settings = [name for entry in image.config["Env"] if (name := entry.split("=")[0]).startswith(("PIP_", "SSL_"))]
    assert settings == []
    assert "proxy" not in image.history.lower()


def test_plan_reads_the_assets(image: Image, runs: Path) -> None:
    planned = image.run(["--mode", "plan"], assets=DEMO, runs=runs)
    assert planned.returncode == 0, planned.stderr
    assert "30 students and 14 anchors" in planned.stdout + planned.stderr


def test_execute_runs_the_whole_study_and_it_can_be_verified(image: Image, runs: Path) -> None:
    """With the embedded stack inside the container: broker and services on its own loopback, no network."""
    where = {"assets": DEMO, "runs": runs}
    executed = image.run(["--mode", "execute", "--batch-id", "boxed", "--seed", "2017", "--yes"], **where)
    assert executed.returncode == 0, executed.stdout + executed.stderr
    artefact = json.loads((runs / "latest" / "assessment_run.execute.json").read_bytes())
    assert artefact["metadata"]["git_sha"] == _git_sha(runs) == GIT_SHA
    assert {path.lstat().st_uid for path in runs.rglob("*")} == {USER}
    for again in (
        ["verify", "runs/latest"],
        ["status", "runs/latest"],
        ["hydrate", "runs/latest"],
        ["verify", "runs/latest"],
    ):
        done = image.run(again, **where)
        assert done.returncode == 0, done.stdout + done.stderr


def test_a_folder_that_is_not_ours_is_a_disk_error_with_a_remedy(image: Image, tmp_path: Path) -> None:
    foreign = tmp_path / "foreign"
    foreign.mkdir(mode=0o755)
    refused = image.run(["--mode", "dry-run", "--yes"], assets=DEMO, runs=foreign)
    assert refused.returncode == 74, refused.stdout + refused.stderr
    assert "Traceback" not in refused.stderr


@pytest.mark.parametrize("baked", ["UNKNOWN", "", "v1.2", "g" * 40])
def test_without_a_known_commit_it_says_so_and_works(image: Image, runs: Path, baked: str) -> None:
    done = image.run(["--mode", "dry-run", "--yes"], assets=DEMO, runs=runs, environment={"ENG5_GIT_SHA": baked})
    assert done.returncode == 0, done.stdout + done.stderr
    assert _git_sha(runs) == "UNKNOWN"


@pytest.mark.parametrize(("given", "baked"), [(None, "UNKNOWN"), ("b" * 40, "b" * 40)])
def test_an_image_has_its_own_commit_whatever_was_built_before(
    builder: Builder, image: Image, given: str | None, baked: str
) -> None:
    assert f"ENG5_GIT_SHA={GIT_SHA}" in image.config["Env"]
    built = builder.build(git_sha=given)
    assert f"ENG5_GIT_SHA={baked}" in built.config["Env"]
    assert built.config["Labels"]["org.opencontainers.image.revision"] == baked


def test_stopped_as_an_engine_stops_it_it_ends_in_order(image: Image, runs: Path) -> None:
    """SIGTERM to process 1, which is the runner itself: 143, the resume command, and the resumed run is complete."""
    where: dict[str, Any] = {"assets": DEMO, "runs": runs}
    container = subprocess.Popen(
        image.command(["--mode", "execute", "--batch-id", "stopped", "--seed", "1", "--yes"], **where),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )
    ledger = runs / "latest" / "ledger.jsonl"
    while container.poll() is None and not (ledger.exists() and '"CallbackAccepted"' in ledger.read_text()):
        time.sleep(0.05)
    inside = Path(f"/proc/{container.pid}/task/{container.pid}/children").read_text().split()
    os.kill(int(inside[0]), signal.SIGTERM)
    said, _ = container.communicate(timeout=60)
    assert container.returncode == 143, said
    assert "resume" in said
    resumed = image.run(["resume", "runs/latest"], **where)
    assert resumed.returncode == 0, resumed.stdout + resumed.stderr
    assert image.run(["verify", "runs/latest"], **where).returncode == 0
