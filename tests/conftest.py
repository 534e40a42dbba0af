"""What all tests of whole programs share."""

from __future__ import annotations

import os

from tools import class_archive

# A Spark or Python of the user's would run in place of this environment's; make takes the same away.
for name in ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_REMOTE", "MASTER", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
    os.environ.pop(name, None)
# Every JVM that tests start reads it, those that others of them start too.
os.environ["JDK_JAVA_OPTIONS"] = " ".join(filter(None, [os.environ.get("JDK_JAVA_OPTIONS"), class_archive.options()]))
