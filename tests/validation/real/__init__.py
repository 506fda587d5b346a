"""What the program claims, held against other people's data: `python -m tests.validation.real DIR`."""
