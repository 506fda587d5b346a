"""The outside world's shapes: what a message on the wire or a grade scale looks like."""
