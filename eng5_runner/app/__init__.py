"""The use cases without a command line; the public Python API is built on them."""
