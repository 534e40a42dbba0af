"""What all tests of whole programs share."""

from __future__ import annotations

import os
from pathlib import Path

# Programs that tests start inherit it, spark-submit too.
os.environ["SPARK_CONF_DIR"] = str(Path(__file__).parent / "conf")
