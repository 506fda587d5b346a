"""From an assets folder to the inputs of a run: files read, texts extracted, findings collected."""
