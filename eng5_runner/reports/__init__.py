"""A run for people to read: HTML, Markdown and terminal views of its results."""
