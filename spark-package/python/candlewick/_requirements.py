"""Whether PySpark is there, in a version that this build knows.

It is not a dependency of the package: on a cluster it comes with Spark, and a second one over it breaks both.
"""

from __future__ import annotations

import importlib.util
import sys
from itertools import pairwise

#: The first PySpark that it works with, and the first that it does not.
OLDEST, BEYOND = (3, 5), (5, 0)
SUPPORTED = "Spark 3.5 (Scala 2.12 or 2.13) or Spark 4 (Scala 2.13)"
_INSTALL = "pip install 'candlewick[spark]' (on a cluster that brings its own PySpark: use its Python)"


def minor(version: str) -> tuple[int, int]:
    """The first two numbers of a version."""
    first, second = version.split(".")[:2]
    return int(first), int(second)


def check() -> str:
    """PySpark's version.

    Raises:
        ImportError: There is none, or not one of this line or for this Python; with what to install.
    """
    try:
        import pyspark
    except ImportError as error:
        raise ImportError(f"candlewick needs PySpark 3.5 or 4, and there is none: {_INSTALL}") from error
    version = str(pyspark.__version__)
    if not OLDEST <= minor(version) < BEYOND:
        raise ImportError(f"this candlewick is for PySpark 3.5 and 4, not {version}: {_INSTALL}")
    # PySpark 3.5 imports distutils, which Python has no more; setuptools brings one, where it is installed.
    if minor(version) < (4, 0) and sys.version_info >= (3, 12) and importlib.util.find_spec("distutils") is None:
        python = "{}.{}".format(*sys.version_info[:2])
        raise ImportError(f"PySpark 3.5 is for Python up to 3.11, this is {python}: take PySpark 4, or Python 3.11")
    return version


def _of_the_package() -> str:
    """The same, but ``python -m candlewick doctor``, which is to say what is missing, ends with that line and no traceback."""
    try:
        return check()
    except ImportError as error:
        if ("-m", "candlewick") in pairwise(sys.orig_argv):
            raise SystemExit(str(error)) from None
        raise


#: PySpark's version.
PYSPARK = _of_the_package()
