"""Builds the image for real, and runs it as a container engine would, with Debian's buildah and the kernel's own means.

No engine and no registry: the base is a minimal Debian with Python, made by debootstrap. What a package client needs
here (certificates, a mirror) goes into the build as a secret, from the environment, for the time of one step.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tests.support.compose import ROOT

TOOLS = ("buildah", "debootstrap", "unshare", "mount", "ip")
BASE, IMAGE = "localhost/eng5-base:test", "localhost/eng5-runner:test"
USER = 10001
SECONDS = 600

# The container: its own mounts, processes and network (loopback alone), a root that nobody can write to, /tmp as in the
# compose file, the two folders. $1 root, $2 assets, $3 runs; the rest is the command, as process 1 in there.
_CONTAINER = r"""
root=$1; assets=$2; runs=$3; shift 3
mount --make-rprivate /
mount --bind "$root" "$root"
mount -o remount,bind,ro "$root"
mount -t proc proc "$root/proc"
mount -t tmpfs -o mode=0755 tmpfs "$root/dev"
for device in null zero random urandom; do
  touch "$root/dev/$device"; mount --bind "/dev/$device" "$root/dev/$device"
done
mkdir "$root/dev/shm"; mount -t tmpfs -o size=64m,mode=1777 tmpfs "$root/dev/shm"
mount -o remount,ro "$root/dev"
mount -t tmpfs -o size=64m,mode=1777,noexec,nosuid,nodev tmpfs "$root/tmp"
mount --bind "$assets" "$root/eng5/assets"; mount -o remount,bind,ro "$root/eng5/assets"
mount --bind "$runs" "$root/eng5/runs"
ip link set lo up
exec chroot "$root" "$@"
"""


def missing() -> str | None:
    """What keeps this machine from building and running the image."""
    if absent := [tool for tool in TOOLS if shutil.which(tool) is None]:
        return f"not installed: {', '.join(absent)}"
    if os.geteuid() != 0:
        return "debootstrap and mount want root"
    return None


@dataclass(frozen=True, slots=True, kw_only=True)
class Image:
    """The built image, unpacked.

    Attributes:
        config: as in the image: Env, Entrypoint, Cmd, User, WorkingDir, Labels.
        history: the instructions as the image remembers them.
        root: its file system.
    """

    config: Mapping[str, Any]
    history: str
    root: Path

    def command(
        self,
        arguments: Sequence[str] | None = None,
        *,
        assets: Path,
        runs: Path,
        environment: Mapping[str, str] | None = None,
        entrypoint: Sequence[str] | None = None,
    ) -> list[str]:
        """A process that is the container; without arguments the image's own."""
        settings = dict(entry.split("=", 1) for entry in self.config["Env"]) | dict(environment or {})
        user, group = self.config["User"].split(":")
        return [
            *("unshare", "--mount", "--net", "--pid", "--fork", "--kill-child"),
            *("sh", "-euc", _CONTAINER, "sh", str(self.root), str(assets), str(runs)),
            *("/usr/bin/setpriv", f"--reuid={user}", f"--regid={group}", "--clear-groups"),
            *("--no-new-privs", "--bounding-set=-all", "--inh-caps=-all"),
            *("/usr/bin/env", "-i", f"--chdir={self.config['WorkingDir']}"),
            *(f"{name}={value}" for name, value in settings.items()),
            *(self.config["Entrypoint"] if entrypoint is None else entrypoint),
            *(self.config["Cmd"] if arguments is None else arguments),
        ]

    def run(self, arguments: Sequence[str] | None = None, **options: Any) -> subprocess.CompletedProcess[str]:
        """Run to the end; options as of `command`."""
        return subprocess.run(
            self.command(arguments, **options), capture_output=True, text=True, check=False, timeout=SECONDS
        )


class Builder:
    """buildah with a storage of its own, so that nothing is left on the machine."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._where = ["--root", str(folder / "storage"), "--runroot", str(folder / "run")]

    def buildah(self, *arguments: str | Path) -> str:
        done = subprocess.run(
            ["buildah", *self._where, *arguments],
            capture_output=True,
            text=True,
            check=False,
            timeout=SECONDS,
            env=os.environ | {"BUILDAH_ISOLATION": "chroot"},
        )
        assert done.returncode == 0, f"buildah {' '.join(map(str, arguments))}\n{done.stdout}{done.stderr}"
        return done.stdout.strip()

    def make_base(self) -> None:
        """A minimal Debian with Python, as an image."""
        root, archive = self._folder / "base", self._folder / "base.tar"
        for command in (
            [
                "debootstrap",
                "--variant=minbase",
                "--include=python3,python3-venv,ca-certificates",
                "bookworm",
                str(root),
            ],
            [
                "tar",
                "-C",
                str(root),
                "--exclude=./proc/*",
                "--exclude=./sys/*",
                "--exclude=./dev/*",
                "-cf",
                str(archive),
                ".",
            ],
        ):
            done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=SECONDS)
            assert done.returncode == 0, (done.stdout + done.stderr)[-2000:]
        container = self.buildah("from", "scratch")
        self.buildah("add", "--quiet", container, archive, "/")
        self.buildah("commit", "--quiet", "--rm", container, BASE)
        shutil.rmtree(root)
        archive.unlink()

    def build(self, *, git_sha: str | None) -> Image:
        """The project's Dockerfile, as it is, on that base."""
        told = [] if git_sha is None else ["--build-arg", f"ENG5_GIT_SHA={git_sha}"]
        self.buildah(
            *("build", "--quiet", "--layers", "--format", "docker", "--tag", IMAGE),
            *("--build-arg", f"BASE_IMAGE={os.environ.get('ENG5_TEST_BASE_IMAGE', BASE)}"),
            *(*told, *self._secrets(), str(ROOT)),
        )
        about = json.loads(self.buildah("inspect", "--type", "image", IMAGE))
        container = self.buildah("from", "--pull-never", IMAGE)
        return Image(
            config=about["Docker"]["config"],
            history=json.dumps(about["History"]),
            root=Path(self.buildah("mount", container)),
        )

    def _secrets(self) -> list[str]:
        found = []
        if certificates := os.environ.get("PIP_CERT") or os.environ.get("SSL_CERT_FILE"):
            found += ["--secret", f"id=ca.pem,src={certificates}"]
        settings = self._folder / "pip.conf"
        # Whatever this machine's own pip is told by its environment, the build's pip is told too.
        told = {name.removeprefix("PIP_"): value for name, value in os.environ.items() if name.startswith("PIP_")}
        lines = [
            f"{name.lower().replace('_', '-')} = {value}\n"
            for name, value in told.items()
            if name not in ("CERT", "FIND_LINKS")
        ]
        settings.write_text("[global]\n" + "".join(lines))
        return [*found, "--secret", f"id=pip.conf,src={settings}"]
