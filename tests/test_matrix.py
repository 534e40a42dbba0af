"""The oldest Spark end to end, with the jar that the wheel has for it; `make matrix` takes all. The newest has tests/e2e."""

from __future__ import annotations

from tests.e2e.support import BLOBS_HASH
from tools import matrix


def test_spark_3_5_end_to_end() -> None:
    found = matrix.run(matrix.BY_NAME["3.5"], matrix.wheel())
    assert found["hashes"]["classifier"] == BLOBS_HASH
