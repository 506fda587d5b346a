"""The guard itself: it uses nothing of the package but the command line, and no committed run names a machine."""

from __future__ import annotations

import ast
import re

from tests.guard.runs import EXPECTED, HERE, NAMES, RUNS, files_of

# `/tmp/study` is where the runs were made; README.md says how.
_FOREIGN_PATH = re.compile(rb"/(?:home|root|work|usr|Users)/|/tmp/(?!study/)")


def test_moving_a_module_cannot_break_the_guard() -> None:
    for module in HERE.glob("*.py"):
        for node in ast.walk(ast.parse(module.read_text())):
            if isinstance(node, ast.Import | ast.ImportFrom):
                names = [getattr(node, "module", None), *(alias.name for alias in node.names)]
                assert not any(name and name.startswith("eng5_runner") for name in names), module.name


def test_every_committed_run_is_guarded() -> None:
    assert sorted(path.name for path in RUNS.iterdir()) == sorted(NAMES)


def test_no_committed_file_names_a_machine() -> None:
    for folder in (RUNS, EXPECTED):
        for path, data in files_of(folder).items():
            assert _FOREIGN_PATH.search(data) is None, path
