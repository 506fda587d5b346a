"""What models exist, what they take and cost, and what they are shown."""
