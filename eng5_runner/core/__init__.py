"""What the facts mean for a run: pure functions and values, the same bytes for the same input."""
