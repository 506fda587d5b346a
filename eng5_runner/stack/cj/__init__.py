"""The embedded CJ Assessment Service."""
