"""What a run would cost and how precise it would be, before anything is sent."""
