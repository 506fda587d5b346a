"""The judges of a study: each beside the others, and people beside models."""
