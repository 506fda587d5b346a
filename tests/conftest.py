"""What all tests share."""

from __future__ import annotations

import os

# Before numpy is loaded: two test processes on two cores with two threads each would mostly wait for each other.
os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
