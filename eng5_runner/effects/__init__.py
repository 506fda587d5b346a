"""One module for each outside thing; no decisions."""
