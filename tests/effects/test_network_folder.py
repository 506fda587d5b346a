"""Folders of other file systems: network shares that cannot sync a directory, and such that keep no locks."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest

from tests.support.needs import cannot_be_had
from tests.support.runner import DEMO, Ran, run

# What SMB, VirtualBox and WSL shares answer, and NFS without a lock service.
SHARE = r"""
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <stdio.h>
#include <unistd.h>
static int is(const char *what) { const char *set = getenv("SHARE"); return set && !strcmp(set, what); }
int fsync(int file) {
    struct stat status;
    if (!fstat(file, &status) && S_ISDIR(status.st_mode)) {
        if (is("no directory sync")) { errno = EINVAL; return -1; }
        if (is("broken disk")) { errno = EIO; return -1; }
    }
    return ((int (*)(int))dlsym(RTLD_NEXT, "fsync"))(file);
}
int flock(int file, int how) {
    char link[64], path[4096];
    snprintf(link, sizeof link, "/proc/self/fd/%d", file);
    ssize_t length = readlink(link, path, sizeof path - 1);
    path[length < 0 ? 0 : length] = 0;
    if (is("no locks") && !strncmp(path, getenv("FOLDER"), strlen(getenv("FOLDER")))) { errno = ENOLCK; return -1; }
    return ((int (*)(int, int))dlsym(RTLD_NEXT, "flock"))(file, how);
}
"""


@pytest.fixture(scope="module")
def share(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A library that makes the file system answer as a share does."""
    compiler = shutil.which("cc")
    if compiler is None:
        cannot_be_had("a share is imitated by a small C library, and there is no C compiler (Debian: gcc)")
    folder = tmp_path_factory.mktemp("share")
    (folder / "share.c").write_text(SHARE)
    command = [compiler, "-shared", "-fPIC", "-o", folder / "share.so", folder / "share.c", "-ldl"]
    subprocess.run(command, check=True, capture_output=True)
    return folder / "share.so"


def on_share(share: Path, answers: str, folder: Path, *, mode: tuple[str, ...] = ("--mode", "dry-run")) -> Ran:
    words = (*mode, "--assets", DEMO, "--output-dir", folder / "runs")
    return run(
        *words, cwd=folder, env={"LD_PRELOAD": str(share), "SHARE": answers, "FOLDER": str(folder)}, before=("env",)
    )


def test_a_folder_that_offers_no_sync_of_directories_is_used(share: Path, tmp_path: Path) -> None:
    ran = on_share(share, "no directory sync", tmp_path)
    assert ran.code == 0, ran.err
    assert run("verify", "runs/latest", cwd=tmp_path).code == 0


def test_a_sync_of_a_directory_that_fails_is_a_failure_of_the_disk(share: Path, tmp_path: Path) -> None:
    ran = on_share(share, "broken disk", tmp_path)
    assert ran.code == 74
    assert "Input/output error" in ran.err


@pytest.mark.parametrize("mode", [("--mode", "dry-run"), ("preflight", "--json")], ids=["run", "preflight"])
def test_a_folder_without_locks_is_refused_in_words_of_its_own(
    mode: tuple[str, ...], share: Path, tmp_path: Path
) -> None:
    ran = on_share(share, "no locks", tmp_path, mode=mode)
    assert ran.code == 74
    said = " ".join((ran.out + ran.err).split())
    assert "this file system keeps no locks" in said
    assert "a folder on a local disk" in said
