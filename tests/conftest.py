"""What all tests of whole programs share."""

from __future__ import annotations

import os

from tools import class_archive

# A Spark or Python of the user's would run in place of this environment's; make takes the same away.
for name in ("SPARK_HOME", "SPARK_CONF_DIR", "SPARK_REMOTE", "MASTER", "PYSPARK_PYTHON", "PYSPARK_DRIVER_PYTHON"):
    os.environ.pop(name, None)
# Clients of Flight, S3 and Spark Connect would ask a proxy for what is on loopback.
for name in ("no_proxy", "NO_PROXY"):
    direct = ["localhost", *(f"127.0.0.{last}" for last in range(1, 5))]
    os.environ[name] = ",".join(filter(None, [os.environ.get(name), *direct]))
# Every JVM that tests start reads it, those that others of them start too.
os.environ["JDK_JAVA_OPTIONS"] = " ".join(filter(None, [os.environ.get("JDK_JAVA_OPTIONS"), class_archive.options()]))
