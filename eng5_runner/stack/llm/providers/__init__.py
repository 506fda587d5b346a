"""Judges that are language models, one module for each way to ask one."""
