"""Which pairs to compare, how many, and when to stop."""
