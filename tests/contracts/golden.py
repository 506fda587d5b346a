"""Writes the generated JSON Schemas: `python -m tests.contracts.golden schemas`."""

from __future__ import annotations

import json
import sys
from pathlib import Path

from tests.contracts.artefact_schema import NAME, artefact_schema
from tests.support.wire_schemas import wire_schemas


def golden_texts() -> dict[str, str]:
    """What the committed schema files must hold, by their path below `schemas/`."""
    wire = {f"events/{name}": schema for name, schema in wire_schemas().items()}
    schemas = wire | {f"eng5_np/{NAME}": artefact_schema()}
    return {path: json.dumps(schema, indent=2, ensure_ascii=False) + "\n" for path, schema in schemas.items()}


def write(folder: Path) -> None:
    """Make the folder's schema files exactly the generated ones."""
    texts = golden_texts()
    for old in folder.glob("*/*.schema.json"):
        if old.relative_to(folder).as_posix() not in texts:
            old.unlink()
    for path, text in texts.items():
        (folder / path).parent.mkdir(parents=True, exist_ok=True)
        (folder / path).write_text(text, encoding="utf-8")


if __name__ == "__main__":
    write(Path(sys.argv[1]))
