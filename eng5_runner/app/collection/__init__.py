"""Many runs together: list them, export their tables, compare them, and bring in runs of other programs."""
