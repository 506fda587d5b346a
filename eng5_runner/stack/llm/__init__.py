"""The embedded LLM Provider Service."""
