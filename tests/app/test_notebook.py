"""The example notebook runs from top to bottom in a real kernel, whose event loop is running."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.runner import clean_environment

EXAMPLES = Path(__file__).parents[2] / "examples"
RUN = """
import sys, nbformat, nbclient
notebook = nbformat.read(sys.argv[1], as_version=4)
nbclient.NotebookClient(notebook, timeout=300, kernel_name="python3").execute()
nbformat.write(notebook, sys.argv[1])
"""


def test_the_notebook_is_committed_without_outputs() -> None:
    cells = json.loads((EXAMPLES / "demo.ipynb").read_text())["cells"]
    assert all(cell["outputs"] == [] and cell["execution_count"] is None for cell in cells if "outputs" in cell)


@pytest.mark.slow
def test_the_notebook_runs(tmp_path: Path) -> None:
    shutil.copytree(EXAMPLES / "eng5_demo", tmp_path / "eng5_demo")
    shutil.copy(EXAMPLES / "demo.ipynb", tmp_path)
    home = {name: str(tmp_path / name) for name in ("IPYTHONDIR", "JUPYTER_CONFIG_DIR", "JUPYTER_RUNTIME_DIR")}
    ran = subprocess.run(
        [sys.executable, "-c", RUN, "demo.ipynb"],
        cwd=tmp_path,
        env=clean_environment(tmp_path, home),
        capture_output=True,
        text=True,
        timeout=400,
        check=False,
    )
    assert ran.returncode == 0, ran.stderr[-3000:]
    cells = json.loads((tmp_path / "demo.ipynb").read_text())["cells"]
    texts = ["".join(output.get("data", {}).get("text/plain", output.get("text", ""))) for cell in cells
             for output in cell.get("outputs", [])]  # fmt: skip
    assert any("notebook), execute, complete" in text and "220 comparisons, 0 failed" in text for text in texts)
    assert any(text.startswith("Verified(") for text in texts)
    assert any(text.startswith("FitResult: 44 items, 220 comparisons") for text in texts)
    assert os.path.lexists(tmp_path / "runs" / "latest")
