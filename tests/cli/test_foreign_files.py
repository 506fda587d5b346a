"""Files that lie where the program is called are no part of it, whatever they are called."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

from tests.support.runner import clean_environment, ledger_types, newest

SCRIPT = Path(sys.executable).with_name("eng5-runner")
NAMES = ("random", "secrets", "types", "uuid", "aiohttp", "sqlalchemy", "eng5_runner")


def test_modules_in_the_present_folder_are_not_loaded(study: Path, tmp_path: Path) -> None:
    """A study may come from somebody else, and many a folder has a `random.py`; the judge's key is in reach of both."""
    for name in NAMES:
        (tmp_path / f"{name}.py").write_text(f"open('loaded-{name}', 'w').close()\nraise ImportError('foreign')\n")
    command = (str(SCRIPT), "--mode", "execute", "--assets", str(study), "--max-comparisons", "16")
    ended = subprocess.run(
        command, cwd=tmp_path, env=clean_environment(tmp_path), capture_output=True, text=True, check=False
    )
    assert [path.name for path in tmp_path.glob("loaded-*")] == []
    assert ended.returncode == 0, ended.stderr
    assert ledger_types(newest(tmp_path)).count("CallbackAccepted") > len(NAMES)
