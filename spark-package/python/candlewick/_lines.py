"""Which of Candlewick's jars fits which Spark: there is one for each line of Spark and Scala."""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any, NamedTuple

from candlewick._requirements import PYSPARK, SUPPORTED, minor
from candlewick._version import __version__
from candlewick.errors import SetupError

#: Jars have it; it says which line their classes are for.
RESOURCE = "candlewick/line.properties"


class Line(NamedTuple):
    """Versions of Spark that one jar serves, by the oldest of them, and the Scala that it is compiled with."""

    spark: str
    scala: str

    @property
    def jar(self) -> str:
        """Name of its jar."""
        return f"candlewick-spark-{self.spark}_{self.scala}-{__version__}.jar"

    def __str__(self) -> str:
        return f"Spark {self.spark.removesuffix('.0')} with Scala {self.scala}"


#: All for which there are jars.
LINES = (Line("4.0", "2.13"), Line("3.5", "2.12"), Line("3.5", "2.13"))


def line_of(spark: str, scala: str) -> Line:
    """The line that Spark's and Scala's version belong to.

    Raises:
        SetupError: There is no jar for them; with the versions that there are jars for.
    """
    found = Line(_oldest(spark), "{}.{}".format(*minor(scala)))
    if found not in LINES:
        raise SetupError(f"there is no jar of Candlewick for Spark {spark} with Scala {scala}: it needs {SUPPORTED}")
    return found


def _oldest(spark: str) -> str:
    """The oldest version of the line that a Spark's version belongs to."""
    first, second = minor(spark)
    return "4.0" if first == 4 else f"{first}.{second}"


def check_home() -> None:
    """Fails where SPARK_HOME is another Spark than PySpark is of: PySpark starts that one's JVM.

    Raises:
        SetupError: It is; with what to do.
    """
    home = os.environ.get("SPARK_HOME")
    for path in sorted((Path(home) / "jars").glob("spark-core_*.jar")) if home else ():
        found = re.fullmatch(r"spark-core_[\d.]+-(\d+\.\d+\..*)(?<!-tests)\.jar", path.name)
        if found and _oldest(found[1]) != _oldest(PYSPARK):
            known = _oldest(found[1]) in {line.spark for line in LINES}
            other = ", or install pyspark=={}.{}.*".format(*minor(found[1])) if known else ""
            raise SetupError(f"SPARK_HOME={home} is Spark {found[1]} and PySpark is {PYSPARK}: unset SPARK_HOME{other}")


def line_here() -> Line:
    """The line of the PySpark that Python finds: of the running session where there is one, else by the files of Spark."""
    from pyspark import SparkContext

    context = SparkContext._active_spark_context
    if context is not None:
        java: Any = context._jvm
        return line_of(str(context.version), str(java.scala.util.Properties.versionNumberString()))
    check_home()
    return line_of(PYSPARK, _scala_in_files())


def _scala_in_files() -> str:
    """Scala's version by the jars of Spark; without jars that of PySpark from PyPI."""
    from pyspark.find_spark_home import _find_spark_home

    try:
        home = Path(_find_spark_home())
    except SystemExit:
        # It ends the process where it finds none.
        home = Path()
    for path in sorted((home / "jars").glob("scala-library-*.jar")):
        found = re.fullmatch(r"scala-library-(\d+\.\d+\.\d+).*\.jar", path.name)
        if found:
            return found[1]
    return next(line.scala for line in LINES if line.spark == line_of(PYSPARK, "2.13").spark)


def choose(folder: Path) -> Path:
    """The jar in a folder for the Spark that is here.

    Raises:
        SetupError: The folder has none for it; with what to do.
    """
    line = line_here()
    path = folder / line.jar
    if path.is_file():
        return path
    there = ", ".join(other.jar for other in LINES if (folder / other.jar).is_file()) or "no jar of this version"
    raise SetupError(
        f"this installation holds no jar for {line}; {folder} has {there}: get {line.jar} (`make dist` builds it), and name "
        "it in the variable CANDLEWICK_JAR"
    )


def check_name(path: Path) -> None:
    """Fails where a jar's name says that it is for another line than the Spark that is here."""
    named = re.match(r"candlewick-spark-(\d+\.\d+)_(\d+\.\d+)-", path.name)
    if named and (line := line_here()) != Line(named[1], named[2]):
        raise SetupError(
            f"{path} is for {Line(named[1], named[2])}, and this is {line}: use {line.jar}, or unset CANDLEWICK_JAR"
        )


def check_session(context: Any) -> bool:
    """Whether a running Spark has a jar of Candlewick; fails where that is for another line: the JVM would miss methods."""
    java = context._jvm
    resource = java.java.lang.Thread.currentThread().getContextClassLoader().getResource(RESOURCE)
    if resource is None:
        return False
    properties = java.java.util.Properties()
    content = resource.openStream()
    try:
        properties.load(content)
    finally:
        content.close()
    found, line = Line(properties.getProperty("spark"), properties.getProperty("scala")), line_here()
    if found != line:
        raise SetupError(
            f"the jar of Candlewick in this session ({str(resource.toString()).partition('!')[0]}) is for {found}, and this is "
            f"{line}: start the session with {line.jar}"
        )
    return True
