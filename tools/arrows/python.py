"""Arrows between the files of one Python package, read from its import statements wherever they stand."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

from tools.arrows.graph import Arrow


def arrows(root: Path, package: Path) -> Iterator[Arrow]:
    """Every import within the package; those for type checkers only (`if TYPE_CHECKING:`) are left out."""
    files = {path.relative_to(package.parent).with_suffix("").parts: path for path in sorted(package.rglob("*.py"))}
    modules = {parts[:-1] if parts[-1] == "__init__" else parts: path for parts, path in files.items()}
    for module, path in modules.items():
        base = module if path.name == "__init__.py" else module[:-1]
        for node in _imports(ast.parse(path.read_text())):
            for names in _named(node, base):
                target = _file(modules, names)
                if target is not None and target != path:
                    source = path.relative_to(root).as_posix()
                    yield Arrow(source, target.relative_to(root).as_posix(), node.lineno, ".".join(names))


def _imports(tree: ast.AST) -> Iterator[ast.Import | ast.ImportFrom]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.dump(node.test):
            continue
        if isinstance(node, ast.Import | ast.ImportFrom):
            yield node
        else:
            yield from _imports(node)


def _named(node: ast.Import | ast.ImportFrom, base: tuple[str, ...]) -> Iterator[tuple[str, ...]]:
    if isinstance(node, ast.Import):
        yield from (tuple(alias.name.split(".")) for alias in node.names)
        return
    start = base[: len(base) - node.level + 1] if node.level else ()
    start += tuple(node.module.split(".")) if node.module else ()
    yield from ((*start, alias.name) for alias in node.names)


def _file(modules: dict[tuple[str, ...], Path], names: tuple[str, ...]) -> Path | None:
    """The file of a module, or of the module that holds a name."""
    return modules.get(names) or modules.get(names[:-1])
