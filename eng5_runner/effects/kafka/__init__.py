"""The broker: reading callback topics and publishing requests."""
