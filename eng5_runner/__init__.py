"""Runs comparative-judgement experiments on English 5 essays, end to end and provably."""

from eng5_runner._version import __version__ as __version__
