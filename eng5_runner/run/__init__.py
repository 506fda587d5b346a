"""The stages of a run as streams of events, and the one loop that drives them."""
