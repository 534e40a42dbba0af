"""Open MPI's side of benchmarks/allreduce.py: ``mpiexec ... mpi_allreduce.py BYTES ROUNDS ...`` prints median seconds."""

from __future__ import annotations

import statistics
import sys
import time

import numpy as np
from mpi4py import MPI


def main() -> None:
    """One rank; the first prints the medians of every size."""
    world = MPI.COMM_WORLD
    medians = []
    for size, rounds in zip(sys.argv[1::2], sys.argv[2::2], strict=True):
        values = np.ones(int(size) // 4, dtype=np.float32)
        total = np.empty_like(values)
        times = []
        for _ in range(int(rounds)):
            start = time.perf_counter()
            world.Allreduce(values, total)
            times.append(time.perf_counter() - start)
        medians.append(statistics.median(times))
    if world.rank == 0:
        print(" ".join(map(str, medians)), flush=True)


main()
