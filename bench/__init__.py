"""Benchmarks; see `bench.__main__`. As the command line does, each computes in one thread."""

import os

os.environ.setdefault("OPENBLAS_NUM_THREADS", "1")
