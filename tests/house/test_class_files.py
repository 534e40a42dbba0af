"""tools/links on small libraries of Java in two versions: what the JVM would find out while it runs is found before."""

from __future__ import annotations

import subprocess
import zipfile
from pathlib import Path

import pytest

from tools.links.check import ClassPath, World

#: Ours, compiled against the first version of the library.
OURS = """
package ours;
class Ours extends lib.Base implements lib.Shape {
  @Override public int area() { return lib.Tool.twice(2) + lib.Tool.SIDES + new lib.Tool().here(); }
  @Override public String toString() { return name() + hashCode(); }
  public int size() { return 1; }
  static Object array() { return new lib.Tool[0].clone(); }
}
"""
LIBRARY = {
    "Base": "public class Base { public String name() { return null; } }",
    "Shape": "public interface Shape { int area(); default int edges() { return area(); } }",
    "Tool": "public class Tool { public static int SIDES = 4; public static int twice(int a) { return a; }"
    " public int here() { return 0; } }",
}
#: A change of one class, and what is wrong then.
CHANGES = [
    ("Tool", "", "no class lib/Tool"),
    (
        "Tool",
        LIBRARY["Tool"].replace("twice(int a)", "twice(long a)").replace("return a", "return 1"),
        "no method lib/Tool.twice (I)I",
    ),
    ("Tool", LIBRARY["Tool"].replace("int SIDES", "long SIDES"), "no field lib/Tool.SIDES I"),
    ("Tool", LIBRARY["Tool"].replace("public int here", "private int here"), "lib/Tool.here ()I is private"),
    (
        "Base",
        LIBRARY["Base"].replace("{ public", "{ public final int size() { return 0; } public"),
        "lib/Base.size ()I is final",
    ),
    ("Base", LIBRARY["Base"].replace("public class", "public final class"), "lib/Base cannot be extended"),
    ("Base", "public class Base { }", "no method ours/Ours.name ()Ljava/lang/String;"),
    (
        "Base",
        LIBRARY["Base"]
        .replace("public class", "public abstract class")
        .replace("{ public", "{ protected abstract int more(); public"),
        "lib/Base.more ()I is not implemented",
    ),
    (
        "Shape",
        LIBRARY["Shape"].replace("int area();", "int area(); int corners();"),
        "lib/Shape.corners ()I is not implemented",
    ),
    ("Shape", LIBRARY["Shape"].replace("int area();", "int area(); default int corners() { return 0; }"), None),
]


def jar(folder: Path, name: str, sources: dict[str, str], *class_path: Path) -> Path:
    """Compiles classes of Java into a jar."""
    home = folder / name
    for path, code in sources.items():
        (home / path).parent.mkdir(parents=True, exist_ok=True)
        (home / path).write_text(code)
    command = [
        "javac",
        "-d",
        str(home / "out"),
        "-cp",
        ":".join(map(str, class_path)) or ".",
        *(str(home / path) for path in sources),
    ]
    subprocess.run(command, check=True)
    target = folder / f"{name}.jar"
    with zipfile.ZipFile(target, "w") as archive:
        for built in sorted((home / "out").rglob("*.class")):
            archive.write(built, built.relative_to(home / "out").as_posix())
    return target


def library(folder: Path, name: str, classes: dict[str, str]) -> Path:
    sources = {f"lib/{kind}.java": f"package lib; {code}" for kind, code in classes.items() if code}
    return jar(folder, name, sources)


@pytest.fixture(scope="module")
def ours(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("ours")
    return jar(folder, "ours", {"ours/Ours.java": OURS}, library(folder, "first", LIBRARY))


def test_what_has_not_changed_is_there(ours: Path) -> None:
    assert World(ClassPath([ours]), ClassPath([ours.with_name("first.jar")])).problems() == []


@pytest.mark.parametrize(("kind", "code", "problem"), CHANGES, ids=[str(change[2]) for change in CHANGES])
def test_a_change_is_found(ours: Path, tmp_path: Path, kind: str, code: str, problem: str | None) -> None:
    changed = library(tmp_path, "second", {**LIBRARY, kind: code})
    found = World(ClassPath([ours]), ClassPath([changed])).problems()
    if problem is None:
        assert found == []
    else:
        assert f"ours/Ours: {problem}" in found


def test_a_class_that_became_an_interface_is_found(ours: Path, tmp_path: Path) -> None:
    tool = "public interface Tool { int SIDES = 4; static int twice(int a) { return a; } default int here() { return 0; } }"
    found = World(ClassPath([ours]), ClassPath([library(tmp_path, "second", {**LIBRARY, "Tool": tool})])).problems()
    assert "ours/Ours: lib/Tool is an interface now" in found
