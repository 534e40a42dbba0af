"""Which jar fits which Spark, without one that runs."""

import re

import pytest

from candlewick import _lines, doctor
from candlewick._lines import LINES, Line, choose, line_here, line_of
from candlewick.errors import SetupError


@pytest.mark.parametrize(
    ("spark", "scala", "jar"),
    [
        ("4.0.0", "2.13.16", "candlewick-spark-4.0_2.13-"),
        ("4.3.0", "2.13.18", "candlewick-spark-4.0_2.13-"),
        ("4.1.0-SNAPSHOT", "2.13.17", "candlewick-spark-4.0_2.13-"),
        ("3.5.9", "2.12.18", "candlewick-spark-3.5_2.12-"),
        ("3.5.2", "2.13.8", "candlewick-spark-3.5_2.13-"),
    ],
)
def test_the_jar_for_a_spark(spark, scala, jar):
    assert line_of(spark, scala).jar.startswith(jar)


@pytest.mark.parametrize(("spark", "scala"), [("3.4.4", "2.12.17"), ("5.0.0", "2.13.18"), ("4.0.0", "3.3.1")])
def test_a_spark_without_a_jar_is_refused_with_those_that_have_one(spark, scala):
    words = (
        f"no jar of Candlewick for Spark {spark} with Scala {scala}: it needs Spark 3.5 (Scala 2.12 or 2.13) or Spark 4"
    )
    with pytest.raises(SetupError, match=re.escape(words)):
        line_of(spark, scala)


def of_pyspark(monkeypatch, tmp_path, version, jar=None):
    """PySpark without a session, in a version of its own and with a jar of Scala's library."""
    monkeypatch.setattr("pyspark.SparkContext._active_spark_context", None)
    monkeypatch.setattr(_lines, "PYSPARK", version)
    monkeypatch.setenv("SPARK_HOME", str(tmp_path))
    if jar:
        (tmp_path / "jars").mkdir()
        (tmp_path / "jars" / jar).touch()


@pytest.mark.parametrize(
    ("version", "jar", "line"),
    [
        ("3.5.9", "scala-library-2.12.18.jar", LINES[1]),
        ("3.5.9", "scala-library-2.13.8.jar", LINES[2]),
        ("3.5.9", None, LINES[1]),
        ("4.2.1", None, LINES[0]),
    ],
)
def test_scala_is_seen_by_sparks_own_jars(monkeypatch, tmp_path, version, jar, line):
    of_pyspark(monkeypatch, tmp_path, version, jar)
    assert line_here() == line


@pytest.mark.parametrize(
    ("version", "core", "other", "install"),
    [
        ("4.3.0", "spark-core_2.12-3.5.9.jar", "3.5.9", "3.5"),
        ("4.3.0", "spark-core_2.12-3.3.2-amzn-0.jar", "3.3.2-amzn-0", ""),
        ("3.5.9", "spark-core_2.13-4.0.5.jar", "4.0.5", "4.0"),
    ],
)
def test_a_spark_home_of_another_line_is_refused(monkeypatch, tmp_path, version, core, other, install):
    of_pyspark(monkeypatch, tmp_path, version, core)
    monkeypatch.setattr(doctor, "PYSPARK", version)
    # One of the tests' classes says nothing.
    (tmp_path / "jars" / "spark-core_2.12-0.1.0-tests.jar").touch()
    advice = "unset SPARK_HOME" + (f", or install pyspark=={install}.*" if install else "")
    words = f"SPARK_HOME={tmp_path} is Spark {other} and PySpark is {version}: {advice}"
    with pytest.raises(SetupError, match=f"^{re.escape(words)}$"):
        line_here()
    assert doctor.check_pyspark() == doctor.Check("PySpark", "broken", version, words)


@pytest.mark.parametrize(
    ("version", "core"),
    [
        ("4.3.0", "spark-core_2.13-4.0.1.jar"),
        ("3.5.9", "spark-core_2.13-3.5.6.jar"),
        ("4.3.0", "spark-sql_2.13-3.5.6.jar"),
    ],
)
def test_one_of_the_same_line_is_taken(monkeypatch, tmp_path, version, core):
    of_pyspark(monkeypatch, tmp_path, version, core)
    assert line_here().spark == ("4.0" if version == "4.3.0" else "3.5")
    assert doctor.check_pyspark().status == "ok"


def test_of_the_jars_in_a_folder_the_one_for_this_spark(monkeypatch, tmp_path):
    for line in LINES[:2]:
        (tmp_path / line.jar).touch()
    of_pyspark(monkeypatch, tmp_path, "3.5.9", "scala-library-2.12.18.jar")
    assert choose(tmp_path).name == LINES[1].jar
    monkeypatch.setattr(_lines, "PYSPARK", "4.3.0")
    (tmp_path / "jars" / "scala-library-2.12.18.jar").rename(tmp_path / "jars" / "scala-library-2.13.18.jar")
    assert choose(tmp_path).name == LINES[0].jar


def test_a_jar_that_is_not_there_is_told_with_those_that_are(monkeypatch, tmp_path):
    (tmp_path / LINES[0].jar).touch()
    of_pyspark(monkeypatch, tmp_path, "3.5.9", "scala-library-2.13.8.jar")
    words = f"this installation holds no jar for Spark 3.5 with Scala 2.13; {tmp_path} has {LINES[0].jar}: get {LINES[2].jar}"
    with pytest.raises(SetupError, match=re.escape(words)):
        choose(tmp_path)


def test_the_variable_may_not_name_a_jar_of_another_line(monkeypatch, tmp_path):
    of_pyspark(monkeypatch, tmp_path, "3.5.9")
    for line in LINES[:2]:
        (tmp_path / line.jar).touch()
    monkeypatch.setenv("CANDLEWICK_JAR", str(tmp_path / LINES[0].jar))
    from candlewick import jars

    words = f"{LINES[0].jar} is for Spark 4 with Scala 2.13, and this is Spark 3.5 with Scala 2.12: use {LINES[1].jar}"
    with pytest.raises(SetupError, match=re.escape(words)):
        jars()
    monkeypatch.setenv("CANDLEWICK_JAR", str(tmp_path / LINES[1].jar))
    assert jars() == str(tmp_path / LINES[1].jar)


def test_lines_are_told_by_their_versions():
    assert [str(line) for line in LINES] == [
        "Spark 4 with Scala 2.13",
        "Spark 3.5 with Scala 2.12",
        "Spark 3.5 with Scala 2.13",
    ]
    assert Line("3.5", "2.12") == LINES[1]
