"""Writes the wire's JSON Schemas: `python -m tests.contracts.golden schemas/events`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.contracts.wire_schemas import wire_schemas


def golden_texts() -> dict[str, str]:
    """What the committed schema files must hold, by file name."""
    return {name: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for name, schema in wire_schemas().items()}


def write(folder: Path) -> None:
    """Make the folder's schema files exactly the generated ones."""
    folder.mkdir(parents=True, exist_ok=True)
    texts = golden_texts()
    for old in folder.glob("*.schema.json"):
        if old.name not in texts:
            old.unlink()
    for name, text in texts.items():
        (folder / name).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
