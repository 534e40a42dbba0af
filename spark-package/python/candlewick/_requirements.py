"""Whether PySpark is there, in a version that this build knows.

It is not a dependency of the package: on a cluster it comes with Spark, and a second one over it breaks both.
"""

from __future__ import annotations

SPARK_LINE = 4
_INSTALL = "pip install 'candlewick[spark]' (on a cluster that brings its own PySpark: use its Python)"


def check() -> str:
    """PySpark's version.

    Raises:
        ImportError: There is none, or not one of this line; with what to install.
    """
    try:
        import pyspark
    except ImportError as error:
        raise ImportError(f"candlewick needs PySpark {SPARK_LINE}, and there is none: {_INSTALL}") from error
    version = str(pyspark.__version__)
    if version.split(".")[0] != str(SPARK_LINE):
        raise ImportError(f"this candlewick is for PySpark {SPARK_LINE}, not {version}: {_INSTALL}")
    return version


#: PySpark's version.
PYSPARK = check()
