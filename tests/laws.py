"""The laws of the house that ruff and import-linter do not measure: `python -m tests.laws`, one line per breach.

A law on form may be broken with a reason on the line, `# law: <name> - <reason>`; sizes and directions know no
exception. `# noqa`, `# type: ignore` and a broad `except` need a reason too.
"""

from __future__ import annotations

import ast
import gc
import io
import re
import sys
import tokenize
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path

from tests.module_state import Finding, Function, changeable_state, dotted, makers_of_frozen_values

ROOT = Path(__file__).parents[1]
PACKAGE = "eng5_runner"

LONGEST_FUNCTION = 60
LONGEST_MODULE = 500
MOST_MODULES = 25  # side by side in one package
MOST_POSITIONAL = 2
MOST_PARAMETERS = 7

PURE = frozenset({"contracts", "measure", "judges", "core", "results", "planning"})
IMPURE = frozenset({
    "asyncio", "os", "aiohttp", "aiokafka", "typer", "structlog", "time", "random", "logging", "subprocess", "socket",
    "sqlite3", "rich",
})  # fmt: skip
# Calls that give another answer another time, or that reach outside.
UNREPEATABLE = frozenset({"now", "utcnow", "today", "uuid1", "uuid4", "token_hex", "urandom", "open", "print", "input"})
# The manifest reads its file and the day; credentials are read from the environment.
REPEATABLE = PURE - {"judges"}
ALLOWED = frozenset({("judges", "os")})
NO_ANY = frozenset({"core", "results", "contracts"})
# Typer's signatures are the option table, and the public functions take its options.
MANY_PARAMETERS = frozenset({"cli", "app"})
# Words that a reader without this project's history stumbles over.
BANNED = re.compile(
    r"\b(anew|heeds?|heeded|mend(s|ed)?|shall|who(m|)ever|wherefrom|hitherto|purse|wish(es)?|worked off|told apart"
    r"|is told of|for \w+'s sake)\b",
    re.IGNORECASE,
)

PYTHON_S_OWN = re.compile(r"__(?!init__|new__|call__)\w+__")


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """One module.

    Attributes:
        path: where it lies in the package.
        nodes: of its syntax tree, the module itself first.
        comments: by line.
        frozen: the names in the package that make values that cannot be changed.
    """

    path: str
    text: str
    nodes: Sequence[ast.AST]
    comments: Mapping[int, str]
    frozen: frozenset[str]

    @property
    def package(self) -> str:
        return self.path.split("/")[0].removesuffix(".py")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Breach:
    """A law and the line that breaks it."""

    path: str
    line: int
    law: str
    what: str

    def __str__(self) -> str:
        return f"{self.path}:{self.line} [{self.law}] {self.what}"


def _functions(source: Source) -> Iterator[Function]:
    return (node for node in source.nodes if isinstance(node, Function))


def _imports(source: Source) -> Iterator[tuple[int, str]]:
    """Each imported module or name, dotted from the top."""
    here = [PACKAGE, *source.path.split("/")[:-1]]
    for node in source.nodes:
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = here[: len(here) - node.level + 1] if node.level else []
            module = ".".join([*base, *([node.module] if node.module else [])])
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)


def function_length(source: Source) -> Iterator[Finding]:
    for node in _functions(source):
        size = (node.end_lineno or node.lineno) - node.lineno + 1 - len((ast.get_docstring(node) or "").splitlines())
        if size > LONGEST_FUNCTION and not _is_one_literal(node):
            yield node.lineno, f"{node.name} has {size} lines without its docstring"


def _is_one_literal(node: Function) -> bool:
    """Whether it only returns one value: a long table or a page is read from top to bottom."""
    return len(node.body) <= (2 if ast.get_docstring(node) else 1) and isinstance(node.body[-1], ast.Return)


def module_length(source: Source) -> Iterator[Finding]:
    if (lines := source.text.count("\n")) > LONGEST_MODULE:
        yield lines, f"{lines} lines"


def _counts(node: Function) -> tuple[int, int]:
    """How many parameters can be given by position, and how many there are at all."""
    plain = [*node.args.posonlyargs, *node.args.args]
    plain = plain[1:] if plain and plain[0].arg in {"self", "cls", "mcs"} else plain
    positional = len(plain) + (node.args.vararg is not None)
    return positional, positional + len(node.args.kwonlyargs) + (node.args.kwarg is not None)


def positional(source: Source) -> Iterator[Finding]:
    for node in _functions(source):
        count = _counts(node)[0]
        if count > MOST_POSITIONAL and source.package not in MANY_PARAMETERS and not PYTHON_S_OWN.fullmatch(node.name):
            yield node.lineno, f"{node.name} takes {count} parameters by position"


def parameters(source: Source) -> Iterator[Finding]:
    for node in _functions(source):
        count = _counts(node)[1]
        if count > MOST_PARAMETERS and source.package not in MANY_PARAMETERS:
            yield node.lineno, f"{node.name} has {count} parameters"


def inner_import(source: Source) -> Iterator[Finding]:
    if source.package == "cli":
        return
    inside = {child for node in _functions(source) for child in ast.walk(node)}
    for node in inside:
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node.lineno, "an import inside a function"


def purity(source: Source) -> Iterator[Finding]:
    for line, name in _imports(source):
        root = name.split(".")[0]
        if source.package in PURE and root in IMPURE and (source.package, root) not in ALLOWED:
            yield line, f"{source.package} imports {root}"
    for node in source.nodes:
        if (
            source.package in REPEATABLE
            and isinstance(node, ast.Call)
            and dotted(node.func).split(".")[-1] in UNREPEATABLE
        ):
            yield node.lineno, f"{source.package} calls {dotted(node.func)}"


def any_type(source: Source) -> Iterator[Finding]:
    if source.package not in NO_ANY:
        return
    for line, name in _imports(source):
        if name in {"typing.Any", "typing_extensions.Any"}:
            yield line, "imports Any"
    for node in source.nodes:
        if isinstance(node, ast.Attribute) and node.attr == "Any":
            yield node.lineno, "uses Any"


def module_state(source: Source) -> Iterator[Finding]:
    return changeable_state(source.nodes[0], package=source.package, frozen=source.frozen)


def reasons(source: Source) -> Iterator[Finding]:
    for line, comment in source.comments.items():
        marks = re.findall(r"#\s*(?:ruff:\s*)?noqa|type:\s*ignore|pragma:|#\s*law:", comment, re.IGNORECASE)
        if marks and not re.search(r" - \S", comment):
            yield line, f"{marks[0]} without a reason after ' - '"


def broad_except(source: Source) -> Iterator[Finding]:
    if source.path == "cli/app.py":
        return
    for node in source.nodes:
        kinds: list[ast.AST] = []
        if isinstance(node, ast.ExceptHandler):
            kinds = [*node.type.elts] if isinstance(node.type, ast.Tuple) else [node.type or ast.Name("BaseException")]
        elif isinstance(node, ast.Call) and dotted(node.func).endswith("suppress"):
            kinds = [*node.args]
        broad = [name for name in map(dotted, kinds) if name.split(".")[-1] in {"Exception", "BaseException"}]
        line = getattr(node, "lineno", 0)
        if broad and not re.search(r"\w+ \w+", re.sub(r"noqa\S*( [A-Z]+\d+,?)*", "", source.comments.get(line, ""))):
            yield line, f"catches {broad[0]} without a reason on the line"


def words(source: Source) -> Iterator[Finding]:
    """Banned words in docstrings and in strings that people read: those with a space."""
    documented = {
        id(node.body[0].value)
        for node in source.nodes
        if isinstance(node, ast.Module | ast.ClassDef | Function) and node.body and isinstance(node.body[0], ast.Expr)
    }
    for node in source.nodes:
        if isinstance(node, ast.Constant) and isinstance(node.value, str):
            is_prose = id(node) in documented or " " in node.value
            if is_prose and (banned := BANNED.search(node.value)):
                yield node.lineno, f"{banned[0]!r} is not plain English"


def unfinished(source: Source) -> Iterator[Finding]:
    for number, line in enumerate(source.text.splitlines(), start=1):
        if found := re.search(r"\b(TODO|FIXME|XXX|HACK)\b", line):
            yield number, found[0]


Law = Callable[[Source], Iterator[Finding]]
WITHOUT_EXCEPTION: tuple[Law, ...] = (
    function_length, module_length, parameters, purity, reasons, broad_except, unfinished, words,
)  # fmt: skip
WITH_A_REASON: tuple[Law, ...] = (positional, inner_import, any_type, module_state)


def breaches(package: Mapping[str, str]) -> list[Breach]:
    """Every breach in the package, given as module path → text."""
    nodes = {path: _nodes(text) for path, text in package.items()}
    frozen = frozenset(name for (tree, *_) in nodes.values() for name in makers_of_frozen_values(tree))
    found = [*_loops(nodes), *_names(nodes), *_crowds(package)]
    for path, text in package.items():
        source = Source(path=path, text=text, nodes=nodes[path], comments=_comments(text), frozen=frozen)
        for law in (*WITHOUT_EXCEPTION, *WITH_A_REASON):
            excused = f"law: {law.__name__} - "
            found += [
                Breach(path=path, line=line, law=law.__name__, what=what)
                for line, what in law(source)
                if law in WITHOUT_EXCEPTION or excused not in source.comments.get(line, "")
            ]
    return sorted(found)


@cache
def _nodes(text: str) -> tuple[ast.AST, ...]:
    """The module and all that is in it: to walk a tree takes longer than to look for what a law is about."""
    return tuple(ast.walk(ast.parse(text)))


def _comments(text: str) -> dict[int, str]:
    tokens = tokenize.generate_tokens(io.StringIO(text).readline)
    return {token.start[0]: token.string for token in tokens if token.type == tokenize.COMMENT}


def _loops(nodes: Mapping[str, Sequence[ast.AST]]) -> Iterator[Breach]:
    """There is one event loop, so there is one place that starts it."""
    places = sorted(
        (path, node.lineno)
        for path, inside in nodes.items()
        for node in inside
        if isinstance(node, ast.Call) and _starts_a_loop(dotted(node.func))
    )
    if not places:
        yield Breach(path=".", line=0, law="one_loop", what="nothing calls asyncio.run")
    for path, line in places[1:]:
        yield Breach(path=path, line=line, law="one_loop", what=f"a second asyncio.run beside {places[0][0]}")


def _names(nodes: Mapping[str, Sequence[ast.AST]]) -> Iterator[Breach]:
    """One name means one thing: no two public classes share one."""
    places = defaultdict(list)
    for path, inside in nodes.items():
        for node in inside:
            if isinstance(node, ast.ClassDef) and not node.name.startswith("_"):
                places[node.name].append((path, node.lineno))
    for name, found in places.items():
        for path, line in found[1:]:
            yield Breach(path=path, line=line, law="one_name", what=f"class {name} is also in {found[0][0]}")


def _crowds(package: Mapping[str, str]) -> Iterator[Breach]:
    """A package with many modules side by side has subjects that want packages of their own."""
    sizes = Counter(path.rpartition("/")[0] for path in package if not path.endswith("__init__.py"))
    for folder, size in sizes.items():
        if folder and size >= MOST_MODULES:
            yield Breach(path=folder, line=0, law="crowd", what=f"{size} modules side by side")


def _starts_a_loop(name: str) -> bool:
    return name in {"asyncio.run", "asyncio.Runner"} or name.endswith(".run_until_complete")


def patches(tests: Mapping[str, str]) -> list[Breach]:
    """Where tests replace an attribute behind its owner's back instead of swapping a port."""
    found = []
    for path, text in tests.items():
        for node in _nodes(text):
            if isinstance(node, ast.Attribute):
                patches_it, what = node.attr in {"setattr", "setitem", "patch"}, node.attr
            elif isinstance(node, ast.ImportFrom):
                patches_it, what = node.module == "unittest.mock", "unittest.mock"
            else:
                continue
            if patches_it and "law: patches - " not in _comments(text).get(node.lineno, ""):
                found.append(Breach(path=f"tests/{path}", line=node.lineno, law="patches", what=what))
    return found


def borrowed_helpers(tests: Mapping[str, str]) -> list[Breach]:
    """Where a test takes helpers from another test or from another folder; what several share is in `tests/support`."""
    folders = {path.split("/")[0] for path in tests if "/" in path}
    found = []
    for path, text in tests.items():
        allowed = {path.split("/")[0], "support"}
        for node in _nodes(text):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import | ast.ImportFrom) else []
            module = f"{node.module}." if isinstance(node, ast.ImportFrom) else ""
            for _, *parts in (f"{module}{name}".split(".") for name in names if f"{module}{name}".startswith("tests.")):
                is_test = any(part == "conftest" or part.startswith("test_") for part in parts)
                if is_test or parts[0] in folders - allowed:
                    what = f"imports tests.{'.'.join(parts)}"
                    found.append(Breach(path=f"tests/{path}", line=node.lineno, law="borrowed_helpers", what=what))
    return found


def read(folder: Path) -> dict[str, str]:
    """The modules of a package on disk."""
    return {path.relative_to(folder).as_posix(): path.read_text("utf-8") for path in sorted(folder.rglob("*.py"))}


def main() -> int:
    tests = read(ROOT / "tests")
    found = [*breaches(read(ROOT / PACKAGE)), *patches(tests), *borrowed_helpers(tests)]
    sys.stdout.writelines(f"{breach}\n" for breach in found)
    return 1 if found else 0


if __name__ == "__main__":
    gc.disable()  # a million nodes of syntax trees stay to the end; to look through them again and again takes seconds
    sys.exit(main())
