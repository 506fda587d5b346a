"""Runs comparative-judgement experiments on English 5 essays, end to end and provably."""

__version__ = "0.1.0"
