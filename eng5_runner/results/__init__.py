"""What the judgements of a run say: estimates, grades, quality, usage, tables."""
