"""A process of another program: what it allows its own linear algebra is as before when we have computed."""

import os
import subprocess
import sys
from pathlib import Path

RUN = Path(__file__).parents[1] / "guard" / "runs" / "0.1.0-execute"
# A library tells how many threads it may use whenever a file is opened that only the computation opens.
TOLD = """
import sys
import numpy, scipy.linalg
from threadpoolctl import threadpool_info
import eng5_runner as eng5

def threads():
    return sorted({each["num_threads"] for each in threadpool_info() if each["user_api"] == "blas"})

def told(event, details):
    if event == "open" and str(details[0]).endswith((".csv", "ledger.jsonl")):
        seen.append(threads())

seen = []
run, table = sys.argv[1:]
before = threads()
sys.addaudithook(told)
eng5.fit(table)
in_fit, seen = seen, []
try:
    eng5.verify(run)
except eng5.VerificationFailed:
    pass  # older reports have other words
print(before, in_fit and all(one == [1] for one in in_fit), seen[0], threads())
"""


def test_a_program_that_uses_us_keeps_its_threads(tmp_path: Path) -> None:
    table = tmp_path / "table.csv"
    table.write_text("item_a,item_b,winner\nx,y,a\ny,z,a\n")
    command = [sys.executable, "-c", TOLD, str(RUN), str(table)]
    environment = os.environ | {"OPENBLAS_NUM_THREADS": "2"}
    ended = subprocess.run(command, env=environment, capture_output=True, text=True, check=True)
    assert ended.stdout.split("\n")[0] == "[2] True [1] [2]", ended.stderr
