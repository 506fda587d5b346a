"""The embedded Content Service."""
