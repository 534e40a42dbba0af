"""Arrows between the files of one Rust crate, read from `use` lines and from paths in the code.

A path is followed through re-exports to the file that defines its item, as far as text shows it: what a macro writes, and
methods, are not seen. Code under `#[cfg(test)]` is left out: tests may use everything.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

from tools.arrows.graph import Arrow

Module = tuple[str, ...]

_QUIET = re.compile(
    r"//[^\n]*|/\*.*?\*/|b?r(?P<hashes>#*)\".*?\"(?P=hashes)|b?\"(?:\\.|[^\"\\])*\"|b?'(?:\\.[^']*|[^\\'\n])'",
    re.DOTALL,
)
_TEST_ITEM = re.compile(r"#\[cfg\((?:all\()?test\b[^\]]*\]\s*(?:#\[[^\]]*\]\s*)*")
_DEFINES = re.compile(
    r"\b(?:fn|struct|enum|union|trait|type|const|static)\s+(?:mut\s+)?([A-Za-z_]\w*)|\bmacro_rules!\s*(\w+)"
)
_MOD_FILE = re.compile(r"\bmod\s+(\w+)\s*;")
_MOD_HERE = re.compile(r"\bmod\s+(\w+)\s*\{")
_USE = re.compile(r"((?:pub(?:\([^)]*\))?\s+)?)use\s+([^;]+);")
_PATH = re.compile(r"(?<![\w:.])\$?([A-Za-z_]\w*(?:\s*::\s*[A-Za-z_]\w*)+)")
_DEPTH = 12


def quiet(text: str) -> str:
    """The code without comments, strings and characters; every line keeps its number."""

    def blank(found: re.Match[str]) -> str:
        return re.sub(r"[^\n]", " ", found[0])

    return _QUIET.sub(blank, text)


def closing(text: str, opened: int) -> int:
    """Position after the brace that closes the one at `opened`."""
    depth = 0
    for found in re.compile(r"[{}]").finditer(text, opened):
        depth += 1 if found[0] == "{" else -1
        if depth == 0:
            return found.end()
    return len(text)


def without_tests(text: str) -> tuple[str, set[str]]:
    """Quiet code without what is compiled for tests only, and the modules of other files that are."""
    only_tests: set[str] = set()
    while found := _TEST_ITEM.search(text):
        brace, semicolon = text.find("{", found.end()), text.find(";", found.end())
        if semicolon >= 0 and (brace < 0 or semicolon < brace):
            end = semicolon + 1
            if named := _MOD_FILE.search(text, found.end(), end):
                only_tests.add(named[1])
        else:
            end = closing(text, brace) if brace >= 0 else len(text)
        text = text[: found.start()] + re.sub(r"[^\n]", " ", text[found.start() : end]) + text[end:]
    return text, only_tests


def leaves(tree: str) -> Iterator[tuple[list[str], str]]:
    """The paths of a use tree, each with the name that it has here; a glob is named `*`."""
    tree = tree.strip()
    brace = tree.find("{")
    if brace < 0:
        path, _, alias = re.sub(r"\s+", " ", tree).partition(" as ")
        names = [name.strip() for name in path.split("::") if name.strip()]
        if names and names[-1] == "self":
            names.pop()
        if names:
            yield names, alias.strip() or names[-1]
        return
    head = [name.strip() for name in tree[:brace].split("::") if name.strip()]
    depth, start = 0, brace + 1
    inside = tree[: closing(tree, brace) - 1]
    for position in range(brace + 1, len(inside) + 1):
        letter = inside[position] if position < len(inside) else ","
        depth += {"{": 1, "}": -1}.get(letter, 0)
        if letter == "," and depth == 0:
            part = inside[start:position].strip()
            start = position + 1
            if part == "self":
                yield head, head[-1]
            elif part:
                for names, alias in leaves(part):
                    yield head + names, alias


@dataclass
class Import:
    """One path of a `use` line."""

    path: list[str]
    name: str
    public: bool
    line: int


@dataclass
class Source:
    """What one file says."""

    path: str
    module: Module
    code: str
    only_tests: set[str]
    imports: list[Import] = field(default_factory=list)

    @cached_property
    def defines(self) -> set[str]:
        """Names of the items in this file."""
        return {a or b for a, b in _DEFINES.findall(self.code)}

    @cached_property
    def children(self) -> set[str]:
        """Modules that this file declares."""
        return set(_MOD_FILE.findall(self.code)) | set(_MOD_HERE.findall(self.code))


def read(path: Path, name: str, module: Module) -> Source:
    """Reads one file."""
    code, only_tests = without_tests(quiet(path.read_text()))
    source = Source(name, module, code, only_tests)
    for found in _USE.finditer(code):
        line = code.count("\n", 0, found.start()) + 1
        for names, alias in leaves(found[2]):
            source.imports.append(Import(names, alias, bool(found[1]), line))
    return source


class Crate:
    """The files of one crate by their modules."""

    def __init__(self, root: Path, folder: Path) -> None:
        self.sources: dict[Module, Source] = {}
        files = sorted((folder / "src").rglob("*.rs"))
        tests: set[Module] = set()
        for path in files:
            parts = path.relative_to(folder / "src").with_suffix("").parts
            if parts[0] == "bin" or parts in (("main",), ("gpu",)):
                parts = ("", *parts)
            module = parts[:-1] if parts[-1] in ("mod", "lib") else parts
            source = read(path, path.relative_to(root).as_posix(), module)
            self.sources[module] = source
            tests.update((*module, name) for name in source.only_tests)
        self.sources = {
            module: source
            for module, source in self.sources.items()
            if not any(module[:length] in tests for length in range(1, len(module) + 1))
        }

    def arrows(self) -> Iterator[Arrow]:
        """Every use of another file's items."""
        for source in self.sources.values():
            modules: dict[str, list[str]] = {}
            for given in source.imports:
                target = self.resolve(source, given.path)
                if target is None:
                    continue
                if isinstance(target, tuple):
                    modules[given.name] = ["crate", *target]
                elif not (given.public and target.module[: len(source.module)] == source.module):
                    # What a module shows of its own children is a table of contents, no use.
                    yield Arrow(source.path, target.path, given.line, "::".join(given.path))
            yield from self.in_code(source, modules)

    def in_code(self, source: Source, modules: dict[str, list[str]]) -> Iterator[Arrow]:
        """Uses by a path within the code: `super::node(..)`, `kernels::gemm(..)`."""
        code = _USE.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), source.code)
        inner = [(found.start(), closing(code, found.end() - 1)) for found in _MOD_HERE.finditer(code)]
        for found in _PATH.finditer(code):
            names = [name.strip() for name in found[1].split("::")]
            depth = sum(start < found.start() < end for start, end in inner)
            while depth and names[0] == "super":
                names, depth = names[1:] or ["self"], depth - 1
            if names[0] in modules:
                names = modules[names[0]] + names[1:]
            elif names[0] not in ("crate", "self", "super") and names[0] not in source.children:
                continue
            target = self.resolve(source, names)
            if isinstance(target, Source):
                yield Arrow(source.path, target.path, code.count("\n", 0, found.start()) + 1, "::".join(names))

    def resolve(self, source: Source, names: list[str]) -> Source | Module | None:
        """The file that defines the item of a path, or the module that the path names; None outside of the crate."""
        module: Module
        rest = list(names)
        if rest[0] == "crate":
            module, rest = (), rest[1:]
        elif rest[0] in ("self", "super"):
            module = source.module
            while rest and rest[0] in ("self", "super"):
                module = module[:-1] if rest[0] == "super" else module
                rest = rest[1:]
        elif rest[0] in source.children:
            module = source.module
        else:
            return None
        return self.follow(module, rest, _DEPTH)

    def follow(self, module: Module, rest: list[str], depth: int) -> Source | Module | None:
        """Goes down the modules, then through re-exports."""
        while rest and (*module, rest[0]) in self.sources:
            module, rest = (*module, rest[0]), rest[1:]
        here = self.sources.get(module)
        if here is None or depth == 0:
            return None
        if not rest:
            return module
        name = rest[0]
        if name == "*" or name in here.defines or name in here.children:
            return here
        for given in here.imports:
            if given.name == name:
                found = self.resolve(here, given.path) if depth else None
                if isinstance(found, tuple) and len(rest) > 1:
                    return self.follow(found, rest[1:], depth - 1)
                return found if found is not None else here
        for given in here.imports:
            if given.path[-1] == "*":
                base = self.resolve(here, given.path[:-1])
                if isinstance(base, tuple) and base != module:
                    found = self.follow(base, rest, depth - 1)
                    if isinstance(found, Source) and name in found.defines:
                        return found
        return here
