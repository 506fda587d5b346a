"""What a module keeps from its import on and could be changed later: the part of the laws about module-level state."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterable, Iterator

FREEZERS = frozenset({"tuple", "frozenset", "MappingProxyType"})
# What these give back cannot be changed, is a name for types or a logger, or declares what never changes.
IMMUTABLE = FREEZERS | {
    *("TypeVar", "ParamSpec", "TypeVarTuple", "NewType", "TypeAdapter", "getLogger", "get_logger", "object"),
    *("int", "float", "str", "bytes", "bool", "len", "min", "max", "sum", "round", "abs", "range", "join", "fromhex"),
    *(
        "Path",
        "Decimal",
        "Fraction",
        "UUID",
        "timedelta",
        "datetime",
        "Struct",
        "ClientTimeout",
        "AppKey",
        "RequestKey",
    ),
    *("re.compile", "sqrt", "log", "MetaData", "Table"),
}
FROZEN_BASES = frozenset({"NamedTuple", "WireModel", "Enum", "StrEnum", "IntEnum"})
DISPLAYS = (ast.List, ast.Dict, ast.Set, ast.ListComp, ast.DictComp, ast.SetComp, ast.GeneratorExp)

Function = ast.FunctionDef | ast.AsyncFunctionDef
Finding = tuple[int, str]


def dotted(node: ast.AST) -> str:
    """`a.b.c` of a name or an attribute; of anything else nothing, so that `x().y` is `.y`."""
    if isinstance(node, ast.Attribute):
        return f"{dotted(node.value)}.{node.attr}"
    return node.id if isinstance(node, ast.Name) else ""


def makers_of_frozen_values(tree: ast.Module) -> Iterator[str]:
    """A module's classes whose values cannot be changed, and its functions that return one of them."""
    own = {node.name for node in tree.body if isinstance(node, ast.ClassDef) and _is_frozen(node)}
    yield from own
    for node in tree.body:
        if isinstance(node, Function) and node.returns and dotted(node.returns) in own | {"str", "int", "float"}:
            yield node.name


def _is_frozen(node: ast.ClassDef) -> bool:
    bases = {dotted(base).split(".")[-1] for base in node.bases}
    return bool(bases & FROZEN_BASES) or any("frozen=True" in ast.unparse(part) for part in node.decorator_list)


def changeable_state(tree: ast.Module, *, package: str, frozen: frozenset[str]) -> Iterator[Finding]:
    """Each statement that gives a module something to change, with the reason why it looks so.

    Args:
        tree: the module.
        package: the part of the package; `cli` may call Typer when it is imported.
        frozen: names in the package that make values that cannot be changed.
    """
    for node in ast.walk(tree):
        if isinstance(node, ast.Global):
            yield node.lineno, f"global {', '.join(node.names)}"
    known = frozen | {"Typer", "Option", "Argument"} if package == "cli" else frozen
    for statement in _run_at_import(tree):
        if isinstance(statement, ast.Assign | ast.AnnAssign) and statement.value:
            name = dotted(statement.targets[0] if isinstance(statement, ast.Assign) else statement.target)
            whats = [*_changeable(statement.value, known), *_unlike_a_constant(statement.value, name)]
            if name != "__all__" and whats:
                yield statement.lineno, f"{name or 'a target'} {whats[0]}"
        called = statement.value if isinstance(statement, ast.Expr) else None
        if isinstance(called, ast.Call) and package not in {"cli", "__main__"}:  # there an import starts the program
            yield statement.lineno, f"calls {dotted(called.func)} when imported"


def _run_at_import(node: ast.AST) -> Iterator[ast.stmt]:
    """The statements of a module that importing it runs, those in blocks included."""
    for child in ast.iter_child_nodes(node):
        main = isinstance(child, ast.If) and "'__main__'" in ast.unparse(child.test)
        if main or isinstance(child, Function | ast.ClassDef):
            continue
        if isinstance(child, ast.stmt):
            yield child
        if isinstance(child, ast.stmt | ast.ExceptHandler):
            yield from _run_at_import(child)


def _unlike_a_constant(value: ast.expr, name: str) -> Iterator[str]:
    container = isinstance(value, ast.Tuple) or (isinstance(value, ast.Call) and dotted(value.func) in FREEZERS)
    if container and name and not re.fullmatch(r"_*[A-Z][A-Z0-9_]*", name):
        yield "is a constant and not named like one"


def _changeable(node: ast.AST, frozen: frozenset[str]) -> Iterator[str]:
    """The parts of a value that could be changed later, or of which one cannot tell from here."""
    if isinstance(node, DISPLAYS):
        yield f"holds a {type(node).__name__} that can be changed"
    if isinstance(node, ast.Call) and not _names(node) & (FREEZERS | IMMUTABLE | frozen):
        yield f"calls {dotted(node.func).strip('.') or 'something'}, which may give a value that can be changed"
    for child in _inner(node):
        yield from _changeable(child, frozen)


def _names(call: ast.Call) -> set[str]:
    """How a called thing may be listed: with its module or without."""
    name = dotted(call.func)
    return {name, name.split(".")[-1]}


def _inner(node: ast.AST) -> Iterable[ast.AST]:
    """The parts of a value that go on living in it."""
    if isinstance(node, ast.Call) and _names(node) & FREEZERS:
        parts = [part for argument in node.args for part in _frozen_with_it(argument)]
        return [part for part in parts if not isinstance(part, ast.comprehension)]
    if isinstance(node, ast.Lambda) or (isinstance(node, ast.Call) and _names(node) & IMMUTABLE):
        return []
    if isinstance(node, ast.Subscript):  # a type expression, or a part of what is judged at its own line
        return [node.value]
    return ast.iter_child_nodes(node)


def _frozen_with_it(argument: ast.AST) -> Iterable[ast.AST]:
    """The parts of what a freezer is given; the given thing itself is at nobody else's hand."""
    if isinstance(argument, ast.BinOp):
        return [*_frozen_with_it(argument.left), *_frozen_with_it(argument.right)]
    return [] if isinstance(argument, ast.Call) else ast.iter_child_nodes(argument)
