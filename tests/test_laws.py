"""The package obeys the laws, and each law can be broken."""

from __future__ import annotations

import subprocess
import sys

import pytest

from tests import laws

LOOP = {"cli/app.py": "import asyncio\nasyncio.run(main())\n"}


def found(path: str, text: str) -> list[str]:
    """The laws that one made-up module breaks, in a package that is otherwise sound."""
    return [breach.law for breach in laws.breaches({**LOOP, path: text})]


def body(lines: int) -> str:
    return "".join(f"    x{number} = {number}\n" for number in range(lines))


BROKEN = [
    ("function_length", "run/a.py", f"def f():\n{body(60)}"),
    ("function_length", "stack/a.py", f"class A:\n    async def f(self):\n{body(60).replace('    ', '        ')}"),
    ("function_length", "core/a.py", f'def f():\n    """Words."""\n{body(60)}'),
    ("module_length", "run/a.py", "x = 1\n" * 501),
    ("module_length", "cli/a.py", "x = 1\n" * 501),
    ("positional", "run/a.py", "def f(a, b, c): ..."),
    ("positional", "run/a.py", "async def f(a, b, /, c): ..."),
    ("positional", "run/a.py", "def f(a, b, *c): ..."),
    ("positional", "run/a.py", "class A:\n    def __init__(self, a, b, c): ..."),
    ("parameters", "run/a.py", "def f(a, b, *, c, d, e, f, g, h): ..."),
    ("parameters", "run/a.py", "def f(*, a, b, c, d, e, f, g, **h): ..."),
    ("inner_import", "run/a.py", "def f():\n    import json"),
    ("inner_import", "core/a.py", "class A:\n    def f(self):\n        if self:\n            from json import loads"),
    *(("purity", "core/a.py", f"import {name}") for name in sorted(laws.IMPURE)),
    ("purity", "contracts/a.py", "from os.path import join"),
    ("purity", "measure/a.py", "import asyncio.queues as queues"),
    ("purity", "core/deep/a.py", "if x:\n    from time import monotonic"),
    ("purity", "core/a.py", "def f():\n    return datetime.now(UTC)"),
    ("purity", "core/a.py", "def f(path):\n    return open(path)"),
    ("any_type", "core/a.py", "from typing import Any"),
    ("any_type", "contracts/a.py", "import typing\ndef f(x: typing.Any): ..."),
    ("any_type", "contracts/a.py", "from typing_extensions import Any"),
    ("module_state", "run/a.py", "SEEN = []"),
    ("module_state", "run/a.py", "SEEN: dict[str, int] = {}"),
    ("module_state", "run/a.py", "SEEN = {x for x in y}"),
    ("module_state", "run/a.py", "SEEN = set()"),
    ("module_state", "run/a.py", "import asyncio\nLOCK = asyncio.Lock()"),
    ("module_state", "run/a.py", "A = ([],)"),
    ("module_state", "run/a.py", 'A = MappingProxyType({"a": []})'),
    ("module_state", "run/a.py", 'A = MappingProxyType({"a": 1} | {"b": []})'),
    ("module_state", "run/a.py", "A = B or defaultdict(list)"),
    ("module_state", "run/a.py", "a = (1, 2)"),
    ("module_state", "run/a.py", "names = frozenset({1})"),
    ("module_state", "run/a.py", "if x:\n    A = []"),
    ("module_state", "run/a.py", "try:\n    pass\nexcept ImportError:\n    A = []"),
    ("module_state", "run/a.py", "with x:\n    A = {}"),
    ("module_state", "run/a.py", "logging.basicConfig()"),
    ("module_state", "run/a.py", "def f():\n    global x\n    x = 1"),
    ("module_state", "run/a.py", "class A: ...\nONE = A()"),
    ("module_state", "run/a.py", "@dataclass\nclass A: ...\nONE = A()"),
    ("module_state", "run/a.py", "@dataclass(frozen=True)\nclass A: ...\nONE = A([])"),
    ("module_state", "run/a.py", "app = typer.Typer()"),
    ("one_loop", "run/a.py", "def f():\n    asyncio.run(x())"),
    ("one_loop", "stack/a.py", "import asyncio\nwith asyncio.Runner() as runner: ..."),
    ("one_loop", "stack/a.py", "def f():\n    loop.run_until_complete(x())"),
    ("reasons", "run/a.py", "x = 1  # noqa: E501"),
    ("reasons", "run/a.py", "x = 1  # NOQA"),
    ("reasons", "run/a.py", "x = 1  # type: ignore[assignment]"),
    ("reasons", "run/a.py", "x = 1  # type: ignore  because of that"),
    ("reasons", "cli/a.py", "# ruff: noqa"),
    ("reasons", "run/a.py", "def f(a, b): ...  # law: positional"),
    ("broad_except", "run/a.py", "try:\n    x\nexcept:\n    pass"),
    ("broad_except", "run/a.py", "try:\n    x\nexcept Exception:\n    pass"),
    ("broad_except", "cli/commands/a.py", "try:\n    x\nexcept BaseException:\n    raise"),
    ("broad_except", "run/a.py", "try:\n    x\nexcept (OSError, Exception) as error:\n    pass"),
    ("broad_except", "run/a.py", "with contextlib.suppress(Exception):\n    x"),
    ("unfinished", "run/a.py", "x = 1  # TODO: later"),
    ("unfinished", "cli/a.py", '"""FIXME"""'),
    ("words", "cli/a.py", '"""Anew."""'),
    ("words", "run/a.py", "def f():\n    return 'it shall end'"),
    ("words", "run/a.py", 'class A:\n    "For size\'s sake."'),
    ("purity", "results/a.py", "import os"),
    ("purity", "judges/a.py", "import asyncio"),
]

SOUND = [
    ("run/a.py", f"def f():\n{body(59)}"),
    ("run/a.py", 'def f():\n    """Many\n\n' + "    words\n" * 20 + f'    """\n{body(35)}'),
    ("app/a.py", "def f(a, b, c, d, e, f, g, h): ..."),
    ("run/a.py", "def f():\n    return (\n" + "        1,\n" * 70 + "    )"),
    ("judges/a.py", "import os"),
    ("run/a.py", "shall = 1"),
    ("run/a.py", "x = 1\n" * 500),
    ("run/a.py", "class A:\n    def f(self, a, b, *, c, d, e, f, g): ..."),
    ("run/a.py", "class A:\n    def __exit__(self, kind, error, trace): ..."),
    ("run/a.py", "def f(  # law: positional - the library calls it so\n    a, b, c): ..."),
    ("cli/a.py", "def f(a, b, c, d, e, f, g, h):\n    import json"),
    ("run/a.py", "from typing import TYPE_CHECKING\nif TYPE_CHECKING:\n    import json"),
    ("effects/a.py", "import os\nimport asyncio"),
    ("core/a.py", "import osprey\nfrom timeit import x\nfrom eng5_runner.measure import grades"),
    ("stack/a.py", "from eng5_runner.contracts import topics\nfrom eng5_runner.stack import store"),
    ("run/a.py", "from typing import Any"),
    ("core/a.py", "from typing import Any  # law: any_type - the raw payload"),
    ("run/a.py", '__all__ = ["a"]\nT = TypeVar("T")\nlog = structlog.get_logger()\nX = re.compile("x")'),
    (
        "run/a.py",
        'A = (1, ("a", None))\n_B: Final = frozenset({1})\nC = MappingProxyType({"a": (1,)})\nD = B | C[1]',
    ),
    ("run/a.py", "A = Annotated[str, Field(pattern=[])]\nB = list[int] | dict[str, int]\nC = tuple(x for x in A)"),
    ("run/a.py", "@dataclass(frozen=True)\nclass A: ...\ndef make() -> A: ...\nONE = A()\nTWO = (make(), A(x=(1,)))"),
    ("run/a.py", "class A(NamedTuple): ...\nONE = A()\nMAKE: Callable[[], object] = lambda: []"),
    ("run/a.py", "A = MappingProxyType({x: y for x, y in zip('ab', 'cd', strict=True)})"),
    (
        "run/a.py",
        "A = MappingProxyType({x: 1 for x in B} | {'b': (1,)})\nC = MappingProxyType(str.maketrans({'a': 'b'}))",
    ),
    ("run/a.py", "SEEN = []  # law: module_state - the library looks for this very list"),
    (
        "run/a.py",
        "def f():\n    x = []\n    return {}\nclass A:\n    x: ClassVar = ()\nif __name__ == '__main__':\n    x = []",
    ),
    ("cli/a.py", "app = typer.Typer()\nName = Annotated[str, typer.Option()]\napp.command()(f)"),
    ("__main__.py", "from eng5_runner.cli.app import main\nmain()"),
    ("run/a.py", "x = 1  # noqa: E501 - a link\ny = 1  # type: ignore[x] - no stubs"),
    ("run/a.py", "try:\n    x\nexcept (OSError, ValueError):\n    pass"),
    ("run/a.py", "try:\n    x\nexcept Exception:  # noqa: BLE001 - told to the parent process\n    pass"),
    ("run/a.py", 'x = "# noqa"'),
]


@pytest.mark.parametrize(("law", "path", "text"), BROKEN)
def test_a_breach_is_found_under_its_law(law, path, text):
    assert set(found(path, text)) == {law}


@pytest.mark.parametrize(("path", "text"), SOUND)
def test_sound_code_is_left_alone(path, text):
    assert found(path, text) == []


def test_every_law_is_broken_by_an_example():
    known = {law.__name__ for law in (*laws.WITHOUT_EXCEPTION, *laws.WITH_A_REASON)} | {"one_loop"}
    assert {law for law, _, _ in BROKEN} == known


@pytest.mark.parametrize("law", laws.WITHOUT_EXCEPTION, ids=lambda law: law.__name__)
def test_no_reason_excuses_what_knows_no_exception(law):
    """The reason is put on every line that has no comment; only what the line itself excuses may fall silent."""
    path, text = next((path, text) for name, path, text in BROKEN if name == law.__name__)
    excused = "\n".join(f"{line}  # law: {law.__name__} - because" for line in text.splitlines()) + "\n"
    if law is not laws.broad_except and law is not laws.reasons:
        assert law.__name__ in found(path, excused)


def test_a_package_without_a_loop_is_told_so():
    assert [str(breach) for breach in laws.breaches({"run/a.py": ""})] == [".:0 [one_loop] nothing calls asyncio.run"]


def test_two_public_classes_with_one_name_are_found():
    package = {**LOOP, "core/a.py": "class A: ...\nclass _B: ...", "run/a.py": "class A: ...\nclass _B: ..."}
    assert [str(breach) for breach in laws.breaches(package)] == ["run/a.py:1 [one_name] class A is also in core/a.py"]


@pytest.mark.parametrize(("modules", "count"), [(24, 0), (25, 1)])
def test_a_crowded_package_is_found(modules, count):
    package = {**LOOP, "run/__init__.py": "", **{f"run/a{number}.py": "" for number in range(modules)}}
    assert [breach.law for breach in laws.breaches(package)] == ["crowd"] * count


def test_a_class_is_known_to_be_frozen_in_every_module():
    package = {
        **LOOP,
        "core/a.py": "@dataclass(frozen=True, slots=True)\nclass Scale: ...\n",
        "core/b.py": "ONE = Scale()\n",
    }
    assert laws.breaches(package) == []


def test_the_one_place_for_every_error_may_catch_every_error():
    text = LOOP["cli/app.py"] + "try:\n    x\nexcept Exception:\n    pass\n"
    assert found("cli/app.py", text) == []


@pytest.mark.parametrize(
    "text",
    ["def test(monkeypatch):\n    monkeypatch.setattr(a, 'b', 1)", "from unittest.mock import Mock", "mock.patch('a')"],
)
def test_patches_are_found_in_tests(text):
    assert len(laws.patches({"cli/test_a.py": text})) == 1
    first, *rest = text.splitlines()
    excused = "\n".join(f"{line}  # law: patches - no port leads there" for line in [first, *rest])
    assert laws.patches({"cli/test_a.py": excused}) == []


@pytest.mark.parametrize(
    ("path", "text", "count"),
    [
        ("run/test_a.py", "from tests.run.test_b import helper", 1),
        ("run/test_a.py", "from tests.run.conftest import helper", 1),
        ("run/test_a.py", "from tests.cli.runner import run", 1),
        ("run/test_a.py", "from tests.cli import runner", 1),
        ("run/test_a.py", "import tests.cli.runner", 1),
        ("support/world.py", "from tests.run.helpers import helper", 1),
        ("run/test_a.py", "from tests.run.helpers import helper", 0),
        ("run/test_a.py", "from tests.support.world import World", 0),
        ("test_laws.py", "from tests import laws", 0),
        ("run/test_a.py", "from testsuite.cli import runner", 0),
    ],
)
def test_helpers_that_are_borrowed_from_another_test_or_folder_are_found(path, text, count):
    tests = {"run/helpers.py": "", "cli/runner.py": "", "support/world.py": "", "laws.py": "", path: text}
    assert len(laws.borrowed_helpers(tests)) == count


def test_a_breach_is_told_in_one_line_with_its_place():
    (breach,) = laws.breaches({**LOOP, "run/a.py": "\nx = 1  # TODO\n"})
    assert str(breach) == "run/a.py:2 [unfinished] TODO"


def test_the_package_and_the_tests_obey_every_law():
    result = subprocess.run(
        [sys.executable, "-m", "tests.laws"], cwd=laws.ROOT, capture_output=True, text=True, check=False
    )
    assert (result.stdout, result.stderr, result.returncode) == ("", "", 0)


def test_the_command_tells_each_breach_and_fails(tmp_path, monkeypatch, capsys):
    broken = {f"{laws.PACKAGE}/run/a.py": "SEEN = []\n", "tests/run/test_a.py": "mock.patch('a')\n"}
    for name, text in {f"{laws.PACKAGE}/cli/app.py": LOOP["cli/app.py"], **broken}.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(laws, "ROOT", tmp_path)  # law: patches - the folder is no option of the command
    assert laws.main() == 1
    assert capsys.readouterr().out.splitlines() == [
        "run/a.py:1 [module_state] SEEN holds a List that can be changed",
        "tests/run/test_a.py:1 [patches] patch",
    ]
