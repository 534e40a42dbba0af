"""Allreduce between processes of one host, next to gloo and Open MPI: ``make bench-allreduce``.

Everybody adds up float32 values; ours in the order of the fixed tree, which gives the same bits on any number of trainers. One process
for each rank. The engines take turns, ``--rounds`` times; printed are medians, least and most.
"""

from __future__ import annotations

import argparse
import os
import statistics
import subprocess
import tempfile
from collections.abc import Callable
from pathlib import Path

SIZES = {10_000: 3000, 2_000_000: 300, 100_000_000: 9}
RANKS = (2, 4, 8)
HERE = Path(__file__).parent

Times = list[float]


def sizes(ranks: int) -> list[str]:
    """Bytes and rounds as arguments; peers that share two cores among many ranks get fewer rounds, else they take minutes."""
    share = 1 if ranks == 2 else 10
    return [str(number) for size, rounds in SIZES.items() for number in (size, max(rounds // share, 5))]


def ours(bench: Path, way: str, ranks: int) -> Times:
    """Trainers as processes, through ``way``: "memory" or "tcp"."""
    members = [
        subprocess.Popen(
            [str(bench), "member", str(rank), way, "--bench"], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
        )
        for rank in range(ranks)
    ]
    ports = " ".join(member.stdout.readline().strip() for member in members if member.stdout)
    for member in members:
        assert member.stdin
        member.stdin.write(ports + "\n")
        member.stdin.flush()
    lines = [member.communicate(timeout=600)[0] for member in members]
    # The slowest rank's.
    return [max(values) for values in zip(*([float(value) for value in line.split()] for line in lines), strict=True)]


def gloo(python: Path, ranks: int) -> Times:
    """torch.distributed on gloo."""
    with tempfile.TemporaryDirectory() as folder:
        command = [str(python), str(HERE / "torch_allreduce.py")]
        members = [
            subprocess.Popen(
                [*command, str(rank), str(ranks), f"{folder}/meet", *sizes(ranks)],
                stdout=subprocess.PIPE,
                stderr=subprocess.DEVNULL,
                text=True,
            )
            for rank in range(ranks)
        ]
        lines = [member.communicate(timeout=600)[0] for member in members]
    return [float(value) for value in lines[0].split()]


def mpi(python: Path, way: str, ranks: int) -> Times:
    """Open MPI, through ``way``."""
    transfer = "self,sm" if way == "memory" else "self,tcp"
    command = [
        str(python.parent / "mpiexec"),
        *("--allow-run-as-root", "--oversubscribe", "--mca", "btl", transfer, "--mca", "pml", "ob1", "-n", str(ranks)),
        *(str(python), str(HERE / "mpi_allreduce.py"), *sizes(ranks)),
    ]
    if way == "tcp":
        command[1:1] = ["--mca", "coll", "^sm,han,acoll,xhc", "--mca", "btl_tcp_if_include", "lo"]
    done = subprocess.run(command, capture_output=True, text=True, timeout=600, check=False)
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else "mpiexec failed")
    return [float(value) for value in done.stdout.split()]


def shown(values: list[float], size: int, ranks: int) -> str:
    """Median with its spread, and bus bandwidth for what is more than latency."""
    middle = statistics.median(values)
    text = f"{middle * 1e3:.3f} ({min(values) * 1e3:.3f}-{max(values) * 1e3:.3f})"
    if size > min(SIZES):
        text += f" ms = {2 * (ranks - 1) / ranks * size / middle / 1e9:.2f} GB/s"
    return text


def main() -> None:
    """Measures and prints a table."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--bench", type=Path, required=True)
    parser.add_argument("--python", type=Path, required=True, help="of an environment with torch, mpi4py and openmpi")
    parser.add_argument("--rounds", type=int, default=5)
    options = parser.parse_args()
    engines: dict[str, Callable[[int], Times]] = {
        "Candlewick, memory": lambda ranks: ours(options.bench, "memory", ranks),
        "Candlewick, TCP": lambda ranks: ours(options.bench, "tcp", ranks),
        "gloo": lambda ranks: gloo(options.python, ranks),
        "Open MPI, memory": lambda ranks: mpi(options.python, "memory", ranks),
        "Open MPI, TCP": lambda ranks: mpi(options.python, "tcp", ranks),
    }
    print(f"{os.cpu_count()} cores, load {os.getloadavg()[0]:.1f}; {options.rounds} rounds, engines by turns")
    print("| ranks | engine | 10 KB, ms | 2 MB | 100 MB |\n|---|---|---|---|---|")
    for ranks in RANKS:
        times: dict[str, list[Times]] = {name: [] for name in engines}
        failed: dict[str, str] = {}
        for _ in range(options.rounds):
            for name, run in engines.items():
                try:
                    times[name].append(run(ranks))
                except (RuntimeError, OSError, subprocess.TimeoutExpired, ValueError) as error:
                    failed[name] = str(error)
        for name, rounds in times.items():
            if not rounds:
                print(f"| {ranks} | {name} | {failed.get(name)} | | |")
                continue
            cells = [
                shown([one[at] for one in rounds], size, ranks) for at, size in enumerate(SIZES) if at < len(rounds[0])
            ]
            print(f"| {ranks} | {name} | {' | '.join(cells)} |", flush=True)


main()
