"""What all tests of whole programs share."""

from __future__ import annotations

import os

from tools import class_archive

# Every JVM that tests start reads it, those that others of them start too.
os.environ["JDK_JAVA_OPTIONS"] = " ".join(filter(None, [os.environ.get("JDK_JAVA_OPTIONS"), class_archive.options()]))
