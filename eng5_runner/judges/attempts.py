"""How often a comparison that fails is asked in all; a module of its own, since a plan reads it without the service."""

ATTEMPTS = 3
