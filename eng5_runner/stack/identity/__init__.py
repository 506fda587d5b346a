"""The embedded Identity Service."""
