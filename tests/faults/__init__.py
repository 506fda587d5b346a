"""Machines that fail: full and broken disks, limits, and clocks that leap."""
