"""What the JVM would find out while a program runs: classes and members that are not there, or are something else."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Iterator
from pathlib import Path

from tools.links.classfile import ABSTRACT, FINAL, PRIVATE, STATIC, ClassFile, Member, Reference, parse

#: What comes with Java: the compiler's `-release` has compared it.
JAVA = ("java/", "javax/", "jdk/", "sun/")
_OBJECT = "java/lang/Object"
_OF_OBJECT = {
    "clone",
    "equals",
    "finalize",
    "getClass",
    "hashCode",
    "notify",
    "notifyAll",
    "toString",
    "wait",
    "<init>",
}


class ClassPath:
    """The classes of jars; they are read when they are asked for."""

    def __init__(self, jars: Iterable[Path]) -> None:
        self._places: dict[str, zipfile.ZipFile] = {}
        self._read: dict[str, ClassFile | None] = {}
        for path in jars:
            jar = zipfile.ZipFile(path)
            for entry in jar.namelist():
                if entry.endswith(".class"):
                    self._places.setdefault(entry.removesuffix(".class"), jar)

    @property
    def names(self) -> Iterable[str]:
        """The classes, as class files name them."""
        return self._places.keys()

    def get(self, name: str) -> ClassFile | None:
        """A class; None where it is not there."""
        if name not in self._read:
            jar = self._places.get(name)
            self._read[name] = parse(jar.read(f"{name}.class")) if jar else None
        return self._read[name]


class _Above:
    """The classes and interfaces that a class stands on, nearest first."""

    def __init__(self, start: ClassFile, world: World) -> None:
        self.chain: list[ClassFile] = []
        self.interfaces: list[ClassFile] = []
        #: Whether it stands on classes of Java, whose members are not looked at.
        self.of_java = False
        now: ClassFile | None = start
        while now is not None:
            self.chain.append(now)
            self._interfaces(now, world)
            if now.parent and now.parent != _OBJECT and now.parent.startswith(JAVA):
                self.of_java = True
            now = world.get(now.parent) if now.parent else None

    def _interfaces(self, of: ClassFile, world: World) -> None:
        for name in of.interfaces:
            found = world.get(name)
            if found is None:
                self.of_java = self.of_java or name.startswith(JAVA)
            elif found not in self.interfaces:
                self.interfaces.append(found)
                self._interfaces(found, world)

    def member(self, kind: str, member: Member) -> int | None:
        """The flags of the nearest member; None where there is none."""
        for place in [*self.chain, *self.interfaces]:
            flags = (place.fields if kind == "field" else place.methods).get(member)
            if flags is not None:
                return flags
        return None


class World:
    """Classes of ours among those of a class path."""

    def __init__(self, ours: ClassPath, others: ClassPath) -> None:
        self._ours, self._others = ours, others
        self._above: dict[str, _Above] = {}

    def get(self, name: str) -> ClassFile | None:
        """A class of either."""
        return self._ours.get(name) or self._others.get(name)

    def problems(self) -> list[str]:
        """Everything that is wrong, with the class of ours where it is."""
        found = set()
        for name in self._ours.names:
            of = self._ours.get(name)
            assert of is not None
            for problem in [*self._references(of), *self._inheritance(of)]:
                found.add(f"{name}: {problem}")
        return sorted(found)

    def _references(self, of: ClassFile) -> Iterator[str]:
        for reference in of.references:
            owner = reference.owner
            if owner.startswith("["):
                element = owner.lstrip("[")
                if not element.startswith("L"):
                    continue
                # Arrays have members of java.lang.Object only.
                reference, owner = Reference("class", element[1:-1]), element[1:-1]
            if not owner.startswith(JAVA):
                problem = self._reference(reference, owner)
                if problem:
                    yield problem

    def _reference(self, reference: Reference, owner: str) -> str | None:
        target = self.get(owner)
        if target is None:
            return f"no class {owner}"
        member = reference.member
        if member is None:
            return None
        if reference.kind != "field" and target.is_interface != (reference.kind == "method of an interface"):
            return f"{owner} is {'an interface' if target.is_interface else 'a class'} now"
        above = self._of(target)
        flags = above.member(reference.kind, member)
        if flags is None:
            known = above.of_java or (member.name in _OF_OBJECT and member.name != "<init>")
            return None if known else f"no {reference.kind} {owner}.{member.name} {member.descriptor}"
        if flags & PRIVATE and self._ours.get(owner) is None:
            return f"{owner}.{member.name} {member.descriptor} is private"
        return None

    def _inheritance(self, of: ClassFile) -> Iterator[str]:
        """Methods that are left abstract, final ones that are overridden, parents of another kind."""
        above = self._of(of)
        parent = self.get(of.parent) if of.parent else None
        if parent is not None and (parent.flags & FINAL or parent.is_interface):
            yield f"{parent.name} cannot be extended"
        for member, flags in of.methods.items():
            if flags & (STATIC | PRIVATE) or member.name == "<init>":
                continue
            for place in above.chain[1:]:
                theirs = place.methods.get(member, 0)
                if theirs & FINAL and not theirs & (PRIVATE | STATIC):
                    yield f"{place.name}.{member.name} {member.descriptor} is final"
        if of.flags & ABSTRACT or above.of_java:
            return
        places = [*above.chain, *above.interfaces]
        made = {member for place in places for member, flags in place.methods.items() if not flags & ABSTRACT}
        for place in places:
            for member, flags in place.methods.items():
                if flags & ABSTRACT and member not in made and member.name not in _OF_OBJECT:
                    yield f"{place.name}.{member.name} {member.descriptor} is not implemented"

    def _of(self, of: ClassFile) -> _Above:
        if of.name not in self._above:
            self._above[of.name] = _Above(of, self)
        return self._above[of.name]


def problems(jar: Path, folder: Path) -> list[str]:
    """What in a jar does not fit to the jars in a folder."""
    return World(ClassPath([jar]), ClassPath(sorted(folder.glob("*.jar")))).problems()
