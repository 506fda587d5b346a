"""Inventory: reading, hashing and extracting 10,000 small files, against a bare read and hash of the same."""

from __future__ import annotations

import hashlib
import os
import random
import tempfile
import time
from pathlib import Path

from bench.goals import Measured
from eng5_runner.inventory.known_files import YOUNG_NANOSECONDS
from eng5_runner.inventory.read import ReadingOptions, read_assets

FILES = 10_000
# It once took 1.34 s of CPU time where the bare read and hash took .17: twice and eight times as fast are the goals.
GOALS = {"new to us": 4.0, "unchanged": 1.0}
WORDS = """
my town has changed a lot since I was a child and not everything become better the of to in is you that it for on
school teacher homework friends summer weather bicycle kitchen village important because people should students
learn about different countries languages music sports before after winter evening family together problem
"""
_USUAL = frozenset(WORDS.lower().split()[::2])
_WORDS_ALONE = bytes(ord(chr(code).lower()) if code < 128 and chr(code).isalnum() else ord(" ") for code in range(256))


def main() -> list[Measured]:
    """Print seconds and ratios."""
    results = []
    with tempfile.TemporaryDirectory() as name:
        folder, cache = Path(name, "assets"), Path(name, "cache")
        _lay_out(folder)
        time.sleep(YOUNG_NANOSECONDS / 1e9)
        bare, words = _seconds(folder, with_words=False), _seconds(folder, with_words=True)
        print(
            f"  {FILES} files: a bare read and hash {bare:.2f} s CPU, with the least that checks one by one need of "
            f"the words {words:.2f} s, {words / bare:.1f} times (load {os.getloadavg()[0]:.1f})"
        )
        for what, goal in GOALS.items():
            began = time.process_time()
            assets = read_assets(
                folder, grade_scale="eng5_np_legacy_9_step", reading=ReadingOptions(cache_folder=cache)
            )
            took = time.process_time() - began
            assert assets.inputs is not None
            result = Measured(f"inventory of {FILES} files, {what}", took / bare, goal, "of a bare read and hash")
            print(f"    {what:10} {took:.2f} s CPU, {took / bare:.1f} times{result.remark}")
            results.append(result)
    return results


def _seconds(folder: Path, *, with_words: bool) -> float:
    """CPU time to read and hash all essays; with the list of their words, its digest, their set and their language."""
    began = time.process_time()
    for path in (folder / "student_essays").iterdir():
        data = path.read_bytes()
        hashlib.sha256(data).hexdigest()
        if with_words:
            words = data.translate(_WORDS_ALONE).decode().split()
            hashlib.sha256(" ".join(words).encode()).hexdigest()
            frozenset(words)
            sum(map(_USUAL.__contains__, words))
    return time.process_time() - began


def _lay_out(folder: Path) -> None:
    for part in ("student_essays", "anchor_essays"):
        (folder / part).mkdir(parents=True)
    for name in ("instructions.md", "prompt.md"):
        (folder / name).write_text("Compare the essays.")
    chance = random.Random(1)
    for n in range(FILES):
        (folder / "student_essays" / f"essay_{n:05}.txt").write_text(_essay(chance))
    for grade in ("E-", "D+", "B"):
        (folder / "anchor_essays" / f"{grade}1.txt").write_text(_essay(chance))


def _essay(chance: random.Random) -> str:
    """3 kB of sentences without meaning, no two essays alike."""
    sentences = (" ".join(chance.choices(WORDS.split(), k=12)).capitalize() for _ in range(42))
    return ". ".join(sentences)
