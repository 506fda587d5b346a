"""Checks before anything is sent: each would otherwise make a service fall silent later."""
