"""The files that every open project has: licence, metadata, citation, changelog and the index of decisions."""

from __future__ import annotations

import hashlib
import re
import tomllib
from importlib.metadata import Distribution, PathDistribution
from pathlib import Path
from typing import Any
from zipfile import Path as ZipPath

import pytest
from hatchling.builders.wheel import WheelBuilder
from ruamel.yaml import YAML

from eng5_runner import __version__

ROOT = Path(__file__).parents[2]
DECISIONS = ROOT / "docs" / "adr"
# Of the text that the Apache Software Foundation publishes, to the byte.
APACHE_2 = "cfc7749b96f63bd31c3c42b5c471bf756814053e847c10f3eb003417bc523d30"


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Distribution:
    """The metadata of a wheel that is built here."""
    (built,) = WheelBuilder(str(ROOT)).build(directory=str(tmp_path_factory.mktemp("wheel")), versions=["standard"])
    (info,) = (path for path in ZipPath(built).iterdir() if path.name.endswith(".dist-info"))
    return PathDistribution(info)


def project() -> dict[str, Any]:
    return tomllib.loads((ROOT / "pyproject.toml").read_text())


def test_the_wheel_carries_the_licence_to_the_byte(wheel: Distribution) -> None:
    assert wheel.metadata["License-Expression"] == "Apache-2.0"
    (licence,) = wheel.metadata.get_all("License-File") or []
    text = wheel.read_text(f"licenses/{licence}")
    assert text is not None and hashlib.sha256(text.encode()).hexdigest() == APACHE_2


def test_the_wheel_has_the_version_that_the_tool_shows(wheel: Distribution) -> None:
    assert wheel.version == __version__


def test_a_typed_package_says_so_in_both_places(wheel: Distribution) -> None:
    assert "Typing :: Typed" in (wheel.metadata.get_all("Classifier") or [])
    assert (ROOT / "eng5_runner" / "py.typed").is_file()


def test_the_oldest_python_is_the_same_everywhere() -> None:
    """What installers ask for, the classifiers, the type checker and the linter."""
    configured = project()
    named = re.findall(r"Python :: (3\.\d+)", "\n".join(configured["project"]["classifiers"]))
    oldest = min(named, key=lambda version: int(version.partition(".")[2]))
    assert configured["project"]["requires-python"] == f">={oldest}"
    assert configured["tool"]["mypy"]["python_version"] == oldest
    assert configured["tool"]["ruff"]["target-version"] == f"py{oldest.replace('.', '')}"


def releases() -> list[tuple[str, str]]:
    """Version and date of each release in the changelog, newest first."""
    return re.findall(r"^## (\d+\.\d+\.\d+) - (\d{4}-\d{2}-\d{2})$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)


def test_the_citation_is_of_the_newest_release() -> None:
    citation = YAML(typ="safe").load(ROOT / "CITATION.cff")
    version, date = releases()[0]
    assert (citation["version"], str(citation["date-released"])) == (version, date) and version == __version__
    assert citation["license"] == project()["project"]["license"]
    assert citation["authors"] == project()["project"]["authors"]


def test_the_changelog_has_a_place_for_what_comes_next() -> None:
    headings = re.findall(r"^## (.*)$", (ROOT / "CHANGELOG.md").read_text(), re.MULTILINE)
    assert headings == ["Unreleased", *(f"{version} - {date}" for version, date in releases())]


def test_the_index_lists_each_decision_with_its_title_and_status() -> None:
    listed = re.findall(
        r"^\| \[(\d{4})\]\((\S+)\) \| (.+?) \| (\w+)", (DECISIONS / "README.md").read_text(), re.MULTILINE
    )
    decided = []
    for path in sorted(DECISIONS.glob("[0-9]*.md")):
        heading = re.match(r"# (\d{4}) (.+)\n\nStatus: (\w+)", path.read_text())
        assert heading, f"{path.name} needs a title with its number, and a status"
        number, title, status = heading.groups()
        decided.append((number, path.name, title, status))
    assert listed == decided
    assert {status for *_, status in listed} <= {"accepted", "superseded"}


@pytest.mark.parametrize("path", sorted(DECISIONS.glob("[0-9]*.md")), ids=lambda path: path.stem)
def test_a_decision_has_its_four_parts(path: Path) -> None:
    headings = re.findall(r"^## (.+)$", path.read_text(), re.MULTILINE)
    assert headings == ["Context", "Options", "Choice", "Consequences"]


def test_each_dependency_has_its_reason() -> None:
    """`docs/dependencies.md` has a row for each package of pyproject.toml, and for no other."""
    configured = project()
    groups = [
        configured["project"]["dependencies"],
        *configured["project"]["optional-dependencies"].values(),
        *configured["dependency-groups"].values(),
    ]
    wanted = {re.split(r"[^\w.-]", line)[0] for group in groups for line in group}
    first_cells = re.findall(r"^\| (.+?) \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    listed = {name.strip() for cell in first_cells for name in cell.split(",")}
    assert listed - {"package"} == wanted
