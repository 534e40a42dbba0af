"""The trainer of Candlewick for NVIDIA GPUs, in a jar that Spark takes to the executors."""

from pathlib import Path


def jar() -> str:
    """Path of the jar, which holds programs and no classes: one serves every version of Spark.

    Example:
        >>> candlewick_cuda.jar()  # doctest: +SKIP
    """
    return str(next(Path(__file__).parent.glob("candlewick-cuda-*.jar")))
