"""The compose files as they are read, with the few questions that the tests ask of them."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

ROOT = Path(__file__).parents[2]
OWN_STACK = ROOT / "docker-compose.eng5-runner.yml"
HULEEDU = ROOT / "docker-compose.huleedu.yml"
RUNNER = "eng5_np_runner"

_VARIABLE = re.compile(r"\$\{(?P<name>\w+)(?::-(?P<default>[^}]*)|:\?[^}]*)?\}")


def read(path: Path) -> dict[str, Any]:
    """A compose file with its anchors and merges resolved."""
    loaded = YAML(typ="safe", pure=True).load(path)
    assert isinstance(loaded, dict)
    return loaded


def services(path: Path) -> Mapping[str, Mapping[str, Any]]:
    found: dict[str, dict[str, Any]] = read(path)["services"]
    return found


def ours() -> Mapping[str, Mapping[str, Any]]:
    """The services that run our own image."""
    return {name: service for name, service in services(OWN_STACK).items() if "build" in service}


def by_default(text: str) -> str:
    """The text as it is where no variable is set."""
    return _VARIABLE.sub(lambda found: found["default"] or "", text)


def mounts(service: Mapping[str, Any]) -> Iterator[tuple[str, str, bool]]:
    """Source, target and whether it is read only, of each volume and bind mount."""
    for volume in service.get("volumes", ()):
        if isinstance(volume, str):
            source, target, *options = by_default(volume).split(":")
            yield source, target, "ro" in options
        else:
            yield by_default(volume["source"]), volume["target"], volume.get("read_only", False)


def seconds(duration: str) -> int:
    assert duration.endswith("s"), duration
    return int(duration.removesuffix("s"))
