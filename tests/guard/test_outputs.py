"""`hydrate` writes the committed bytes: a change of an artefact, a table, a report or a manifest is seen here.

README.md in this folder says how a deliberate change is accepted.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

import pytest

from tests.guard.runs import MANIFEST, NAMES, SUMS, Files, expected_files, hydrated, sums

REPORTS = ("report.html", "anchor_alignment.md")
_CONTEXT = 60


@dataclass(frozen=True)
class Outputs:
    """The files of one run: the committed ones, and those that were written now."""

    expected: Files = field(repr=False)
    written: Files = field(repr=False)

    def assert_same(self, belongs: Callable[[str], bool]) -> None:
        """Name each file that differs, is missing or is new, among those that belong."""
        paths = sorted(path for path in self.expected.keys() | self.written.keys() if belongs(path))
        assert paths, "there is nothing to compare"
        differences = [line for path in paths for line in self._difference(path)]
        assert not differences, "\n".join(differences)

    def _difference(self, path: str) -> list[str]:
        expected, written = self.expected.get(path), self.written.get(path)
        if expected == written:
            return []
        if expected is None or written is None:
            return [f"{path} is {'new' if expected is None else 'missing'}"]
        at = next((n for n, pair in enumerate(zip(expected, written, strict=False)) if pair[0] != pair[1]), -1)
        at = min(len(expected), len(written)) if at < 0 else at
        where = slice(max(0, at - _CONTEXT), at + _CONTEXT)
        line = expected[:at].count(b"\n") + 1
        return [f"{path} differs in line {line}:\n  committed {expected[where]!r}\n  written   {written[where]!r}"]


@pytest.fixture(scope="module", params=[pytest.param(name, marks=pytest.mark.xdist_group(name)) for name in NAMES])
def outputs(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Outputs:
    return Outputs(expected_files(request.param), hydrated(request.param, tmp_path_factory.mktemp("guard")))


def test_the_artefact_is_the_committed_one(outputs: Outputs) -> None:
    outputs.assert_same(lambda path: path.startswith("assessment_run."))


def test_the_tables_are_the_committed_ones(outputs: Outputs) -> None:
    outputs.assert_same(lambda path: path.startswith("tables/"))


def test_the_request_is_the_committed_one(outputs: Outputs) -> None:
    outputs.assert_same(lambda path: path.startswith("requests/"))


def test_the_reports_are_the_committed_ones(outputs: Outputs) -> None:
    outputs.assert_same(lambda path: path in REPORTS)


def test_the_manifest_is_the_committed_one_line_for_line(outputs: Outputs) -> None:
    """Each line that differs is named by its file, before the bytes of the manifest itself are compared."""
    expected, written = (sums(files) for files in (outputs.expected, outputs.written))
    changed = sorted({path for path, _ in expected.items() ^ written.items()} - {MANIFEST})
    assert not changed, f"the manifest has other lines for {', '.join(changed)}"
    outputs.assert_same(lambda path: path in {MANIFEST, SUMS})


def test_there_is_no_other_file(outputs: Outputs) -> None:
    assert sorted(outputs.written) == sorted(outputs.expected)
