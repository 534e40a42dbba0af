"""Arrows between the Scala and Java files of one source tree.

Classes of one package see each other without an import, so names are looked for in the code: a file uses another one where
it names a class, trait or object that the other defines and that it can see (its own package, one around it, an import, or
by the full name).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tools.arrows.graph import Arrow

_QUIET = re.compile(r"//[^\n]*|/\*.*?\*/|\"\"\".*?\"\"\"|\"(?:\\.|[^\"\\\n])*\"|'(?:\\.|[^\\'\n])'", re.DOTALL)
_PACKAGE = re.compile(r"^\s*package\s+(?!object\b)([\w.]+)\s*;?\s*$", re.MULTILINE)
_IMPORT = re.compile(r"^\s*import\s+(?:static\s+)?([\w.]+)(?:\.(\{[^}]*\}|\*|_))?", re.MULTILINE)
_TOP = re.compile(
    r"^(?:@\w+(?:\([^)]*\))?\s+)*"
    r"(?:(?:private|protected|public|final|sealed|abstract|case|implicit|static)(?:\[\w+\])?\s+)*"
    r"(?:class|object|trait|interface|enum|record)\s+(\w+)",
    re.MULTILINE,
)
_MEMBER = re.compile(r"\b(?:val|var|def|type)\s+(\w+)")
_WORD = re.compile(r"(?<![\w.])[A-Za-z_]\w*(?:\s*\.\s*[A-Za-z_]\w*)*")


@dataclass
class Source:
    """One file: its package, what it defines at the top, what it imports."""

    path: str
    package: str
    code: str
    defines: set[str]
    imports: set[str]
    wild: set[str]


def read(path: Path, name: str) -> Source:
    """Reads one file."""
    code = _QUIET.sub(lambda found: re.sub(r"[^\n]", " ", found[0]), path.read_text())
    package = ".".join(_PACKAGE.findall(code))
    imports, wild = set(), set()
    for base, group in _IMPORT.findall(code):
        if group in ("*", "_"):
            wild.add(base)
        elif group:
            for part in group.strip("{}").split(","):
                picked = re.split(r"=>|\bas\b", part)[0].strip()
                if picked in ("_", "*"):
                    wild.add(base)
                elif picked:
                    imports.add(f"{base}.{picked}")
        else:
            imports.add(base)
    return Source(name, package, code, set(_TOP.findall(code)), imports, wild)


def arrows(root: Path, folder: Path) -> Iterator[Arrow]:
    """Every use of a class of another file of the tree."""
    paths = sorted(path for path in folder.rglob("*") if path.suffix in (".scala", ".java"))
    sources = [read(path, path.relative_to(root).as_posix()) for path in paths]
    homes: dict[str, Source] = {}
    for source in sources:
        for name in source.defines:
            homes.setdefault(f"{source.package}.{name}", source)
    for source in sources:
        # A member that has the name of a class elsewhere hides it.
        hidden = set(_MEMBER.findall(source.code)) | source.defines
        seen = {name: home for name, home in _visible(source, homes).items() if name not in hidden}
        packages = {home.package for home in homes.values()}
        for found in _WORD.finditer(source.code):
            names = re.sub(r"\s", "", found[0]).split(".")
            target = seen.get(names[0]) or _full(names, source.package, homes, packages)
            if target is not None and target is not source:
                line = source.code.count("\n", 0, found.start()) + 1
                yield Arrow(source.path, target.path, line, found[0].split("\n")[0])


def _visible(source: Source, homes: dict[str, Source]) -> dict[str, Source]:
    """Simple names that mean a class of the tree in this file."""
    seen: dict[str, Source] = {}
    parts = source.package.split(".")
    around = [".".join(parts[:length]) for length in range(1, len(parts) + 1)]
    if source.path.endswith(".java"):
        around = around[-1:]
    around += list(source.wild) + [f"{source.package}.{wild}" for wild in source.wild]
    for full, home in homes.items():
        package, _, name = full.rpartition(".")
        if package in around:
            seen[name] = home
    for full in source.imports:
        for known in (full, *(f"{base}.{full}" for base in around)):
            if known in homes:
                seen[known.rpartition(".")[2]] = homes[known]
    return seen


def _full(names: list[str], package: str, homes: dict[str, Source], packages: set[str]) -> Source | None:
    """The class of a name with its package: `candlewick.jni.Feeder`, or `internal.Json` from inside `candlewick`."""
    for length in range(1, len(names)):
        head = ".".join(names[:length])
        for candidate in (head, f"{package.split('.')[0]}.{head}"):
            if candidate in packages and f"{candidate}.{names[length]}" in homes:
                return homes[f"{candidate}.{names[length]}"]
    return None
