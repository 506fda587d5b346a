"""Studies that come with the tool: the demo, and an empty one to fill in."""
