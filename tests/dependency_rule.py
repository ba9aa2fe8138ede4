"""The dependency rule: reads the two tables in CONTRIBUTING.md and holds a file's source against them."""

from __future__ import annotations

import ast
import re
import sys
from collections.abc import Iterator
from pathlib import Path

import msgspec

PROJECT = Path(__file__).resolve().parents[1]
OURS = frozenset({"asgi", "chat", "storage", "sql", "ops", "migrations", "tests", "benchmarks"})
EVERYTHING = "everything"
STANDARD_LIBRARY = "the standard library alone"
AWAIT = "await"


class Layer(msgspec.Struct, frozen=True):
    """A row of the first table; `allowed` holds names of layers and of modules."""

    name: str
    files: tuple[str, ...]
    allowed: tuple[str, ...]


class Fence(msgspec.Struct, frozen=True):
    """A row of the second table: names that only some files, or all but some files, may use."""

    names: tuple[str, ...]
    only_in: tuple[str, ...]
    nowhere_in: tuple[str, ...]

    def forbids(self, path: str, name: str) -> bool:
        """Tell whether a file may not use `name`."""
        if not any(is_within(name, fenced) for fenced in self.names):
            return False
        return matches(path, self.nowhere_in) or (bool(self.only_in) and not matches(path, self.only_in))


class Rule(msgspec.Struct, frozen=True):
    """Both tables."""

    layers: tuple[Layer, ...]
    fences: tuple[Fence, ...]

    def layer_of(self, path: str) -> Layer | None:
        """Return the first layer that a file matches."""
        return next((layer for layer in self.layers if matches(path, layer.files)), None)

    def offences(self, path: str, source: str) -> Iterator[str]:
        """Say, for one file, each line that breaks the rule."""
        layer = self.layer_of(path)
        if layer is None:
            yield f"{path}: belongs to no layer"
            return
        for line, name in uses(ast.parse(source), path):
            if name.endswith("*"):
                yield f"{path}:{line}: leaves open what it imports: {name}"
            if not self._may_import(layer, name):
                yield f"{path}:{line}: {layer.name} may not import {name}"
            if any(fence.forbids(path, name) for fence in self.fences):
                yield f"{path}:{line}: {name} does not belong here"

    def _may_import(self, layer: Layer, name: str) -> bool:
        top = name.split(".")[0]
        if top not in OURS and STANDARD_LIBRARY not in layer.allowed:
            return True
        if top in sys.stdlib_module_names or name == AWAIT:
            return True
        target = self.layer_of(file_of(name))
        if target is not None and (EVERYTHING in layer.allowed or target.name in layer.allowed):
            return True
        return any(is_within(name, module) for module in layer.allowed)


def read_rule(text: str) -> Rule:
    """Read both tables from CONTRIBUTING.md."""
    layers = [
        Layer(name, words(files), words(allowed)) for name, files, allowed, _ in rows_below(text, "Layer")
    ]
    fences = [Fence(*map(words, cells)) for cells in rows_below(text, "Name")]
    return Rule(tuple(layers), tuple(fences))


def rows_below(text: str, heading: str) -> list[list[str]]:
    """Return the cells of the table whose first column is called `heading`."""
    table = re.search(rf"^\| {heading} \|.*\n\|[ |-]+\n((?:\|.*\n)+)", text, re.MULTILINE)
    assert table is not None, f"CONTRIBUTING.md has no table that begins with {heading}"
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in table[1].splitlines()]


def words(cell: str) -> tuple[str, ...]:
    """Split a cell into the names in it."""
    return tuple(word.strip().strip("`") for word in cell.split(",") if word.strip())


def matches(path: str, patterns: tuple[str, ...]) -> bool:
    """Tell whether a file is among `patterns`: `*` stays inside a folder, `**` is all that is below it."""
    parts = {"**": ".+", "*": "[^/]*"}
    translated = (
        re.sub(r"\*\*|\*|[^*]+", lambda m: parts.get(m[0], re.escape(m[0])), one) for one in patterns
    )
    return any(re.fullmatch(pattern, path) for pattern in translated)


def is_within(name: str, module: str) -> bool:
    """Tell whether a dotted name is `module` or something of it."""
    return f"{name}.".startswith(f"{module}.")


def uses(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """Name all that a module imports, at any depth, and what it takes of that; `await` where it waits."""
    modules: dict[str, str] = {}
    for node in ast.walk(tree):
        match node:
            case ast.Import(names=names):
                for alias in names:
                    bound = alias.asname or alias.name.split(".")[0]
                    modules[bound] = alias.name if alias.asname else bound
                    yield node.lineno, alias.name
            case ast.ImportFrom(names=names):
                for alias in names:
                    name = f"{origin(node, path)}.{alias.name}"
                    modules[alias.asname or alias.name] = name
                    yield node.lineno, name
            case ast.Call(
                func=ast.Name("__import__" | "import_module") | ast.Attribute(attr="import_module")
            ):
                yield node.lineno, named_at_run_time(node)
    yield from attributes(tree, modules)


def attributes(tree: ast.AST, modules: dict[str, str]) -> Iterator[tuple[int, str]]:
    """Name each attribute of `modules`, given by the names that they are bound to, and each wait."""
    for node in ast.walk(tree):
        match node:
            case ast.Attribute(value=ast.Name(id=module), attr=attribute) if module in modules:
                yield node.lineno, f"{modules[module]}.{attribute}"
            case ast.AsyncFunctionDef() | ast.AsyncFor() | ast.AsyncWith() | ast.Await():
                yield node.lineno, AWAIT


def origin(node: ast.ImportFrom, path: str) -> str:
    """Return the absolute name of the module that a `from … import` names."""
    if node.level == 0:
        return node.module or ""
    package = Path(path).parts[: -node.level]
    return ".".join([*package, *filter(None, [node.module])])


def named_at_run_time(call: ast.Call) -> str:
    """Return the module that a call imports, or * where the source does not say."""
    match call.args:
        case [ast.Constant(value=str(name)), *_]:
            return name
    return "*"


def file_of(name: str) -> str:
    """Return the file that a dotted name leads to: the longest part of it that is one, else its package."""
    parts = name.split(".")
    for length in range(len(parts), 0, -1):
        stem = "/".join(parts[:length])
        for candidate in (f"{stem}.py", f"{stem}/__init__.py"):
            if (PROJECT / candidate).is_file():
                return candidate
    return f"{parts[0]}.py"
