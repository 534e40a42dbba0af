"""What the classes in the jar call: nothing that another supported Spark or Scala does not have. Run by `make test`."""

from __future__ import annotations

import struct
import zipfile
from collections.abc import Iterator
from typing import NamedTuple

import pytest

from tools import dist

#: What Scala 2.12, which the builds for Spark 3.5 need, does not have; and what Java 8 does not.
ABSENT = {
    ("scala/Option$", "when"),
    ("scala/Option$", "unless"),
    ("scala/collection/mutable/Stack$", "from"),
    ("java/io/InputStream", "readAllBytes"),
    ("java/io/InputStream", "readNBytes"),
    ("java/io/InputStream", "transferTo"),
}
#: Methods of Scala's collections and texts that 2.12 does not have, whatever class they are called on.
ABSENT_NAMES = {"groupMapReduce", "groupMap", "maxOption", "minOption", "toIntOption$extension"}
ABSENT_NAMES |= {"toLongOption$extension", "toDoubleOption$extension", "toBooleanOption$extension"}
#: Packages that are another in another line; the shim may use Spark's.
OTHER_LINES = ("org/apache/spark/sql/classic/", "scala/jdk/", "org/json4s/", "javax/servlet/", "jakarta/servlet/")
SHIM = "org/apache/spark/sql/CandlewickShim"


class Call(NamedTuple):
    """A method or field that a class refers to."""

    owner: str
    name: str


def references(code: bytes) -> Iterator[Call]:
    """The methods and fields that a class file refers to, and its classes with an empty name (JVM specification, 4.4)."""
    count = struct.unpack_from(">H", code, 8)[0]
    at, entries = 10, {}
    index = 1
    sizes = {7: 2, 8: 2, 16: 2, 19: 2, 20: 2, 15: 3, 3: 4, 4: 4, 9: 4, 10: 4, 11: 4, 12: 4, 17: 4, 18: 4, 5: 8, 6: 8}
    while index < count:
        tag = code[at]
        if tag == 1:
            size = struct.unpack_from(">H", code, at + 1)[0]
            entries[index] = (tag, code[at + 3 : at + 3 + size])
            at += 3 + size
        else:
            entries[index] = (tag, code[at + 1 : at + 1 + sizes[tag]])
            at += 1 + sizes[tag]
        index += 2 if tag in (5, 6) else 1

    def text(index: int) -> str:
        return entries[index][1].decode("utf-8", "replace")

    def pair(content: bytes) -> tuple[int, int]:
        first, second = struct.unpack(">HH", content)
        return first, second

    for tag, content in entries.values():
        if tag == 7:
            yield Call(text(struct.unpack(">H", content)[0]), "")
        elif tag in (9, 10, 11):
            owner, described = pair(content)
            name, _ = pair(entries[described][1])
            yield Call(text(struct.unpack(">H", entries[owner][1])[0]), text(name))


@pytest.fixture(scope="module")
def calls() -> dict[str, set[Call]]:
    """What every class in the jar refers to."""
    jar = zipfile.ZipFile(dist.ROOT / "dist" / dist.jar_name())
    return {name: set(references(jar.read(name))) for name in jar.namelist() if name.endswith(".class")}


def test_the_reader_of_class_files_sees_calls(calls: dict[str, set[Call]]) -> None:
    assert Call("org/apache/spark/sql/classic/Dataset$", "ofRows") in calls[f"{SHIM}$.class"]
    assert Call("candlewick/jni/Model", "load") in set().union(*calls.values())


def test_no_default_arguments_of_spark(calls: dict[str, set[Call]]) -> None:
    """Builds of Spark differ in the methods that stand for default arguments."""
    found = [
        f"{name}: {call.owner}.{call.name}"
        for name, called in calls.items()
        for call in called
        if call.owner.startswith("org/apache/spark/") and "$default$" in call.name and "Candlewick" not in call.owner
    ]
    assert sorted(found) == []


def test_no_node_of_sparks_plans_is_made(calls: dict[str, set[Call]]) -> None:
    """Their constructors are the first that change."""
    nodes = ("org/apache/spark/sql/catalyst/plans/logical/", "org/apache/spark/sql/execution/")
    own = {"UnaryNode", "LogicalPlan", "SparkPlan", "UnaryExecNode", "SparkStrategy"}
    found = [
        f"{name}: {call.owner}.{call.name}"
        for name, called in calls.items()
        for call in called
        if call.owner.startswith(nodes)
        and (call.name == "<init>" or (call.name == "apply" and call.owner.endswith("$")))
        and call.owner.rsplit("/", 1)[1] not in own
    ]
    assert sorted(found) == []


def test_nothing_that_only_one_line_has(calls: dict[str, set[Call]]) -> None:
    found = [
        f"{name}: {call.owner}.{call.name}"
        for name, called in calls.items()
        for call in called
        if call in ABSENT
        or (call.name in ABSENT_NAMES and call.owner.startswith("scala/"))
        or (call.owner.lstrip("[L").startswith(OTHER_LINES) and not name.startswith(SHIM))
    ]
    assert sorted(found) == []
