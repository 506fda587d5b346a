"""From positions to grades, with anchors of known grade."""
