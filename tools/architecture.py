"""Keeps the house in order: no circles, no arrow against the floors, no room that grows too large.

`python -m tools.architecture` reads the sources and compares them with `tools/architecture.toml`, where the floors and the
allowed exceptions stand. It ends with status 1 and says what is wrong and what to do. Part of `make check` and `make test`.
"""

from __future__ import annotations

import argparse
import ast
import fnmatch
import os
import re
import subprocess
import sys
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import tomllib

from tools.arrows import jvm, python, rust
from tools.arrows.graph import Arrow, circles, first_of_each

ROOT = Path(__file__).resolve().parent.parent
TABLE = "tools/architecture.toml"
#: Folders of what is built, which an archive of the sources does not have listed.
BUILT = {"target", "dist", ".venv", ".cache", ".git", "__pycache__"}
Ends = tuple[str, str]


@dataclass(frozen=True)
class Exempt:
    """An allowed exception: an arrow, or a file or function that is too long."""

    reason: str
    arrow: Ends | None = None
    long: str = ""


def files(root: Path) -> list[str]:
    """The files that belong to the project; where git does not know (there is none, or no checkout) all but what is built."""
    command = ["git", "-C", str(root), "ls-files", "--cached", "--others", "--exclude-standard"]
    try:
        listed = subprocess.run(command, capture_output=True, text=True, check=False)
    except FileNotFoundError:
        listed = None
    if listed is not None and listed.returncode == 0:
        return listed.stdout.splitlines()
    found = []
    for folder, inner, names in os.walk(root):
        inner[:] = [name for name in inner if name not in BUILT]
        found += [(Path(folder) / name).relative_to(root).as_posix() for name in names]
    return found


@dataclass
class House:
    """The sources under one root and the table they are judged by."""

    root: Path
    table: dict[str, Any]
    exempt: list[Exempt] = field(default_factory=list)

    @staticmethod
    def of(root: Path) -> House:
        """Reads the table of a checkout."""
        with (root / TABLE).open("rb") as file:
            table = tomllib.load(file)
        house = House(root, table)
        for entry in table.get("exception", []):
            reason, targets = entry["reason"], entry.get("to", [])
            for target in [targets] if isinstance(targets, str) else targets:
                house.exempt.append(Exempt(reason, (entry["from"], target)))
            if "long" in entry:
                house.exempt.append(Exempt(reason, long=entry["long"]))
        return house

    def tracked(self, *suffixes: str) -> list[str]:
        """Files that belong to the project, generated ones left out."""
        generated = self.table.get("generated", [])
        return sorted(
            name
            for name in files(self.root)
            if name.endswith(suffixes)
            and (self.root / name).is_file()
            and not any(fnmatch.fnmatch(name, pattern) for pattern in generated)
        )


def trees(house: House) -> Iterator[tuple[str, dict[Ends, Arrow]]]:
    """The arrows of every crate, JVM source tree and Python package."""
    for crate in house.table.get("crates", {}):
        yield crate, first_of_each(rust.Crate(house.root, house.root / crate).arrows())
    for folder in house.table.get("jvm", []):
        yield folder, first_of_each(jvm.arrows(house.root, house.root / folder))
    for folder in house.table.get("python", []):
        yield folder, first_of_each(python.arrows(house.root, house.root / folder))


def room_of(name: str) -> str | None:
    """The folder whose head a file is: `a/b` of `a/b/mod.rs`, `a/b.rs` and `a/b/__init__.py`."""
    path = Path(name)
    if path.name in ("mod.rs", "lib.rs", "__init__.py"):
        return path.parent.as_posix()
    return path.with_suffix("").as_posix() if path.suffix == ".rs" else None


def downward(ends: Ends) -> bool:
    """True for an arrow from the head of a room into the room, which a head that gathers its parts has."""
    room = room_of(ends[0])
    return room is not None and ends[1].startswith(room + "/")


def knots(ends: Iterable[Ends]) -> list[list[str]]:
    """Circles between files. The head of a room (mod.rs) and its parts may use each other: they count as one then.

    Circles between such rooms are found by looking at each as one, those inside of a room by leaving out the arrows from
    its head to its parts.
    """
    given = set(ends)
    names = {name for pair in given for name in pair}
    one: dict[str, str] = {}

    def root(name: str) -> str:
        while name in one:
            name = one[name]
        return name

    for head in sorted(name for name in names if room_of(name) is not None):
        room = f"{room_of(head)}/"
        within = circles(pair for pair in given if all(name == head or name.startswith(room) for name in pair))
        for part in next((circle for circle in within if head in circle), []):
            if root(part) != root(head):
                one[root(part)] = root(head)
    between = circles((root(a), root(b)) for a, b in given if root(a) != root(b))
    inside = circles(pair for pair in given if not downward(pair))
    whole = [sorted(name for name in names if root(name) in circle) for circle in between]
    return whole + [circle for circle in inside if not any(set(circle) <= set(other) for other in whole)]


def check_circles(house: House) -> Iterator[str]:
    """Circles that no exception opens, and exceptions that open none."""
    allowed = {entry.arrow for entry in house.exempt if entry.arrow}
    needed: set[Ends | None] = set()
    for tree, arrows in trees(house):
        kept = {ends for ends in arrows if ends not in allowed}
        for circle in knots(kept):
            members = set(circle)
            lines = [
                f"  {arrow}"
                for ends, arrow in sorted(arrows.items())
                if ends in kept and members.issuperset(ends) and not downward(ends) and not downward(ends[::-1])
            ]
            yield "\n".join(
                [
                    f"{tree}: {len(circle)} files use each other in a circle. Move what both sides need into a file below:",
                    *lines,
                ]
            )
        free = len(knots(kept))
        for ends in sorted(allowed & set(arrows)):
            before, after = knots(kept), knots(kept | {ends})
            if len(after) > free or before != after:
                needed.add(ends)
    for entry in house.exempt:
        if entry.arrow and entry.arrow not in needed:
            yield f"{TABLE}: the exception {entry.arrow[0]} -> {entry.arrow[1]} opens no circle any more: remove it"


def check_floors(house: House) -> Iterator[str]:
    """Dependencies of crates, and of rooms within a crate, that the table does not know."""
    crates: dict[str, dict[str, Any]] = house.table.get("crates", {})
    with (house.root / "Cargo.toml").open("rb") as file:
        members = tomllib.load(file)["workspace"]["members"]
    names: dict[str, str] = {}
    for folder in members:
        if folder not in crates:
            yield f"{TABLE}: the crate {folder} is missing: say in [crates] what it may use"
            continue
        with (house.root / folder / "Cargo.toml").open("rb") as file:
            names[tomllib.load(file)["package"]["name"]] = folder
    for folder in crates:
        if folder not in members:
            yield f"{TABLE}: {folder} is no crate of the workspace any more: remove it"
            continue
        yield from _crate_floors(house, folder, names)
    for rule in house.table.get("floor", []):
        yield from _file_floors(house, rule)


def _crate_floors(house: House, folder: str, names: dict[str, str]) -> Iterator[str]:
    rule = house.table["crates"][folder]
    with (house.root / folder / "Cargo.toml").open("rb") as file:
        manifest = tomllib.load(file)
    for section, more in (("dependencies", []), ("dev-dependencies", rule.get("tests", []))):
        for name in manifest.get(section, {}):
            if name in names and names[name] not in [folder, *rule["uses"], *more]:
                yield f"{folder}/Cargo.toml: {folder} must not use {names[name]} ({section}): it stands on {rule['uses']}"
    for name in manifest.get("dependencies", {}):
        for pattern, where in house.table.get("outside", {}).items():
            if fnmatch.fnmatch(name, pattern) and folder not in where:
                yield f"{folder}/Cargo.toml: {name} belongs to {where} only ({TABLE}, [outside])"


def _file_floors(house: House, rule: dict[str, Any]) -> Iterator[str]:
    """A `[[floor]]`: files under `under` say nothing that matches `never`."""
    said = re.compile(rule["never"])
    files = [name for name in house.tracked(".rs", ".scala", ".java", ".py") if name.startswith(rule["under"])]
    if not files:
        yield f"{TABLE}: there is no file under {rule['under']} any more: correct or remove this floor"
    for name in files:
        text = (house.root / name).read_text()
        code = rust.without_tests(rust.quiet(text))[0] if name.endswith(".rs") else text
        for number, line in enumerate(code.splitlines(), 1):
            if said.search(line):
                yield f"{name}:{number}: {rule['reason']}: {line.strip()}"


def code_lines(function: ast.FunctionDef | ast.AsyncFunctionDef, text: list[str]) -> int:
    """Lines of a function that hold code: no comment, no blank line, no docstring."""
    body = function.body
    if (
        isinstance(body[0], ast.Expr)
        and isinstance(body[0].value, ast.Constant)
        and isinstance(body[0].value.value, str)
    ):
        body = body[1:]
    if not body:
        return 0
    lines = text[body[0].lineno - 1 : function.end_lineno]
    return sum(1 for line in lines if line.strip() and not line.strip().startswith("#"))


def too_long(house: House) -> Iterator[tuple[str, str]]:
    """Names and remarks of files and Python functions over the limit. Clippy counts the functions of Rust."""
    limit = house.table["limits"]
    for name in house.tracked(".rs", ".scala", ".java", ".py", ".sh"):
        text = (house.root / name).read_text().splitlines()
        if len(text) > limit["file"]:
            yield name, f"{name}: {len(text)} lines; a file has at most {limit['file']}: part it by what it does"
        if name.endswith(".py"):
            for node in ast.walk(ast.parse("\n".join(text))):
                if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef):
                    lines = code_lines(node, text)
                    if lines > limit["function"]:
                        remark = f"{lines} lines of code; a function has at most {limit['function']}"
                        yield f"{name}::{node.name}", f"{name}:{node.lineno}: {node.name} has {remark}"


def check_lengths(house: House) -> Iterator[str]:
    """What is too long and no exception, and exceptions that are short enough."""
    allowed = {entry.long for entry in house.exempt if entry.long}
    found = dict(too_long(house))
    yield from (remark for name, remark in found.items() if name not in allowed)
    for name in sorted(allowed - set(found)):
        yield f"{TABLE}: the exception {name} is short enough or gone: remove it"


def check(root: Path) -> list[str]:
    """Everything that is wrong under a root."""
    house = House.of(root)
    wrong = [f"{TABLE}: an exception needs a reason" for entry in house.exempt if not entry.reason.strip()]
    return [*wrong, *check_floors(house), *check_circles(house), *check_lengths(house)]


def main() -> int:
    """Prints what is wrong."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--root", type=Path, default=ROOT, help="the checkout; this one unless given")
    wrong = check(parser.parse_args().root)
    for line in wrong:
        print(f"architecture: {line}", file=sys.stderr)
    if wrong:
        print(f"architecture: {len(wrong)} faults", file=sys.stderr)
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
