"""One thread for linear algebra, as the runner has it: on small matrices several threads only wait for each other."""

from __future__ import annotations

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
