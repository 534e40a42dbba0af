"""Reads class files as far as linking needs them (Java Virtual Machine Specification, chapter 4)."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from typing import NamedTuple

PRIVATE, STATIC, FINAL, INTERFACE, ABSTRACT = 0x0002, 0x0008, 0x0010, 0x0200, 0x0400

#: Bytes of the entries of a constant pool after their tag; that of a text has its length in front.
_SIZES = {3: 4, 4: 4, 5: 8, 6: 8, 7: 2, 8: 2, 9: 4, 10: 4, 11: 4, 12: 4, 15: 3, 16: 2, 17: 4, 18: 4, 19: 2, 20: 2}
_TEXT, _CLASS, _FIELD, _METHOD, _OF_INTERFACE = 1, 7, 9, 10, 11
_KINDS = {_FIELD: "field", _METHOD: "method", _OF_INTERFACE: "method of an interface"}


class Member(NamedTuple):
    """A field or method by its name and the types that it takes and gives."""

    name: str
    descriptor: str


class Reference(NamedTuple):
    """What a class refers to: another class, or a member of it."""

    kind: str
    owner: str
    member: Member | None = None


@dataclass(frozen=True)
class ClassFile:
    """One class, with the names of others as class files have them: a/b/C."""

    name: str
    major: int
    flags: int
    parent: str | None
    interfaces: tuple[str, ...]
    #: Flags by member.
    fields: dict[Member, int]
    methods: dict[Member, int]
    references: frozenset[Reference]

    @property
    def is_interface(self) -> bool:
        """Whether it is one, or a trait."""
        return bool(self.flags & INTERFACE)


class _Pool:
    def __init__(self, code: bytes) -> None:
        self._code = code
        self._entries: dict[int, tuple[int, bytes]] = {}
        at, index, count = 10, 1, struct.unpack_from(">H", code, 8)[0]
        while index < count:
            tag = code[at]
            size = 2 + struct.unpack_from(">H", code, at + 1)[0] if tag == _TEXT else _SIZES[tag]
            self._entries[index] = tag, code[at + 1 : at + 1 + size]
            at += 1 + size
            # Numbers of 64 bits take two places.
            index += 2 if tag in (5, 6) else 1
        self.end = at

    def text(self, index: int) -> str:
        return self._entries[index][1][2:].decode("utf-8", "replace")

    def of_class(self, index: int) -> str:
        return self.text(struct.unpack(">H", self._entries[index][1])[0])

    def references(self) -> frozenset[Reference]:
        found = set()
        for tag, content in self._entries.values():
            if tag == _CLASS:
                found.add(Reference("class", self.text(struct.unpack(">H", content)[0])))
            elif tag in _KINDS:
                owner, described = struct.unpack(">HH", content)
                name, descriptor = struct.unpack(">HH", self._entries[described][1])
                member = Member(self.text(name), self.text(descriptor))
                found.add(Reference(_KINDS[tag], self.of_class(owner), member))
        return frozenset(found)


def parse(code: bytes) -> ClassFile:
    """A class file's names, members and references."""
    pool = _Pool(code)
    flags, this, parent, count = struct.unpack_from(">HHHH", code, pool.end)
    at = pool.end + 8
    interfaces = tuple(pool.of_class(index) for index in struct.unpack_from(f">{count}H", code, at))
    at += 2 * count
    fields, at = _members(code, at, pool)
    methods, _ = _members(code, at, pool)
    return ClassFile(
        name=pool.of_class(this),
        major=struct.unpack_from(">H", code, 6)[0],
        flags=flags,
        parent=pool.of_class(parent) if parent else None,
        interfaces=interfaces,
        fields=fields,
        methods=methods,
        references=pool.references(),
    )


def _members(code: bytes, at: int, pool: _Pool) -> tuple[dict[Member, int], int]:
    found: dict[Member, int] = {}
    count = struct.unpack_from(">H", code, at)[0]
    at += 2
    for _ in range(count):
        flags, name, descriptor, attributes = struct.unpack_from(">HHHH", code, at)
        found[Member(pool.text(name), pool.text(descriptor))] = flags
        at += 8
        for _ in range(attributes):
            at += 6 + struct.unpack_from(">I", code, at + 2)[0]
    return found, at
