"""What the classes in the jars refer to: it is there in each Spark that they serve. Run by `make test`."""

from __future__ import annotations

import zipfile
from pathlib import Path

import pytest

from tools import dist, matrix
from tools.dist import LINES, Line
from tools.links.check import problems
from tools.links.classfile import ClassFile, Member, Reference, parse

#: The jars that `make test` builds.
BUILT = dist.IN_WHEEL
#: The Sparks that `make test` has; `make matrix` compares with all.
SPARKS = [matrix.BY_NAME["4.3"], matrix.BY_NAME["3.5"]]
#: Packages that are another in a build of Spark's vendors; the shim may use Spark's.
OTHERS = ("org/apache/spark/sql/classic/", "org/json4s/", "javax/servlet/", "jakarta/servlet/")
SHIM = "org/apache/spark/sql/CandlewickShim"
#: The Java that the classes of a line need; jvm-bridge serves all.
JAVA = {"4.0": 61, "3.5": 52}


def jar_of(line: Line) -> Path:
    return dist.ROOT / "dist" / dist.jar_name(line)


@pytest.fixture(scope="module", params=BUILT, ids=lambda line: line.name)
def classes(request: pytest.FixtureRequest) -> dict[str, ClassFile]:
    """Every class of a jar of ours."""
    jar = zipfile.ZipFile(jar_of(request.param))
    return {name: parse(jar.read(name)) for name in jar.namelist() if name.endswith(".class")}


def references(classes: dict[str, ClassFile]) -> list[tuple[str, Reference]]:
    return [(name, reference) for name, code in classes.items() for reference in code.references]


@pytest.mark.parametrize("spark", SPARKS, ids=lambda spark: spark.version)
def test_everything_that_a_jar_refers_to_is_there(spark: matrix.Spark) -> None:
    assert problems(jar_of(spark.line), spark.home / "jars") == []


def test_a_jar_for_another_spark_does_not_fit() -> None:
    found = problems(jar_of(LINES[0]), matrix.BY_NAME["3.5"].home / "jars")
    assert any(problem.startswith(f"{SHIM}$: no class org/apache/spark/sql/classic/Dataset") for problem in found)
    assert any(": no class scala/collection/IterableOnce" in problem for problem in found), "of Scala 2.13 only"


def test_the_reader_of_class_files_sees_calls(classes: dict[str, ClassFile]) -> None:
    called = {reference.member for _, reference in references(classes)}
    assert any(member and member.name == "ofRows" and "LogicalPlan;)" in member.descriptor for member in called)
    assert Member("load", "()V") in called


@pytest.mark.parametrize("line", BUILT, ids=lambda line: line.name)
def test_classes_are_for_the_oldest_java_of_a_line(line: Line) -> None:
    jar = zipfile.ZipFile(jar_of(line))
    majors = {parse(jar.read(name)).major for name in jar.namelist() if name.endswith(".class")}
    assert max(majors) == JAVA[line.spark]


def test_no_default_arguments_of_spark(classes: dict[str, ClassFile]) -> None:
    """Builds of Spark differ in the methods that stand for default arguments."""
    found = [
        f"{name}: {reference.owner}.{reference.member.name}"
        for name, reference in references(classes)
        if reference.owner.startswith("org/apache/spark/") and "Candlewick" not in reference.owner
        if reference.member and "$default$" in reference.member.name
    ]
    assert sorted(found) == []


def test_no_node_of_sparks_plans_is_made(classes: dict[str, ClassFile]) -> None:
    """Their constructors are the first that change."""
    nodes = ("org/apache/spark/sql/catalyst/plans/logical/", "org/apache/spark/sql/execution/")
    own = {"UnaryNode", "LogicalPlan", "SparkPlan", "UnaryExecNode", "SparkStrategy"}
    found = [
        f"{name}: {owner}.{member.name}"
        for name, (_, owner, member) in references(classes)
        if member and owner.startswith(nodes) and owner.rsplit("/", 1)[1] not in own
        if member.name == "<init>" or (member.name == "apply" and owner.endswith("$"))
    ]
    assert sorted(found) == []


def test_nothing_that_vendors_change(classes: dict[str, ClassFile]) -> None:
    found = [
        f"{name}: {reference.owner}"
        for name, reference in references(classes)
        if reference.owner.lstrip("[L").startswith(OTHERS) and not name.startswith(SHIM)
    ]
    assert sorted(found) == []
