"""gloo's side of benchmarks/allreduce.py: ``torch_allreduce.py RANK RANKS FILE BYTES ROUNDS ...`` prints median seconds."""

from __future__ import annotations

import statistics
import sys
import time

import torch
import torch.distributed as dist


def main() -> None:
    """One rank; the first prints the medians of every size."""
    rank, ranks, file = int(sys.argv[1]), int(sys.argv[2]), sys.argv[3]
    torch.set_num_threads(1)
    dist.init_process_group("gloo", init_method=f"file://{file}", rank=rank, world_size=ranks)
    medians = []
    for size, rounds in zip(sys.argv[4::2], sys.argv[5::2], strict=True):
        values = torch.ones(int(size) // 4)
        times = []
        for _ in range(int(rounds)):
            start = time.perf_counter()
            dist.all_reduce(values)
            times.append(time.perf_counter() - start)
            # Else the values grow beyond what f32 holds.
            values.fill_(1.0)
        medians.append(statistics.median(times))
    if rank == 0:
        print(" ".join(map(str, medians)), flush=True)
    dist.barrier()
    dist.destroy_process_group()


main()
