"""Training steps and forward passes of the engine next to PyTorch's, in f32 and in bf16, alternating, in one session.

    python benchmarks/engine.py --python PY_WITH_TORCH --bench PROGRAM [--repeats 5] [--workloads mlp,cnn] [--bf16 bf16_amx]

`make bench-engine` builds PROGRAM (model/benches/workloads.rs) and an environment with PyTorch, and writes
benchmarks/results/VERSION/engine.json (engine_bf16_amx.json where ours is that precision). Every number is the median of its
repeats' medians; the range is that of the repeats' medians, which shows the machine's noise.
"""

from __future__ import annotations

import argparse
import json
import platform
import statistics
import subprocess
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
#: Timed runs in a process, by workload: about a second each.
RUNS = {"mlp": 60, "cnn": 30, "lstm": 15, "transformer": 8}


def run(command: list[str]) -> list[float]:
    """Milliseconds of every run of one process."""
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in output.stdout.splitlines():
        if line.startswith("RESULT "):
            return list(json.loads(line.removeprefix("RESULT "))["ms"])
    raise SystemExit(f"{' '.join(command)} gave no result:\n{output.stdout[-2000:]}\n{output.stderr[-4000:]}")


def compare(options: argparse.Namespace, name: str, threads: int, mode: str) -> dict[str, Any]:
    """One line of the table."""
    runs = str(RUNS[name])
    extra = ["forward"] if mode == "forward" else []
    torch = [options.python, str(HERE / "torch_engine.py"), name, str(threads), runs, *extra]
    ours = [options.bench, name, str(threads), "8", runs, *extra]
    single = [options.bench, name, str(threads), "1", runs]
    commands = {"torch": torch, "ours": ours, "torch_bf16": [*torch, "bf16"], "ours_bf16": [*ours, options.bf16]}
    if mode == "step":
        commands |= {"one": single, "one_bf16": [*single, options.bf16]}
    times: dict[str, list[float]] = {name: [] for name in commands}
    for _ in range(options.repeats):
        for what, command in commands.items():
            times[what].append(statistics.median(run(command)))
    middle = {what: statistics.median(values) for what, values in times.items()}
    row: dict[str, Any] = {"workload": name, "threads": threads, "mode": mode, **times}
    row["ratio"] = middle["ours"] / middle["torch"]
    row["ratio_bf16"] = middle["ours_bf16"] / middle["torch_bf16"]
    row["bf16_to_f32"] = middle["ours_bf16"] / middle["ours"]
    if mode == "step":
        row["shards8to1"] = middle["ours"] / middle["one"]
        row["shards8to1_bf16"] = middle["ours_bf16"] / middle["one_bf16"]
    return row


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):8.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="interpreter with torch")
    parser.add_argument("--bench", required=True, help="the program made of model/benches/workloads.rs")
    parser.add_argument("--repeats", type=int, default=5)
    parser.add_argument("--workloads", default=",".join(RUNS))
    parser.add_argument("--threads", default="1,2")
    parser.add_argument("--version", default="0.1.0")
    parser.add_argument("--bf16", choices=["bf16", "bf16_amx"], default="bf16", help="ours, next to PyTorch's autocast")
    options = parser.parse_args()
    rows = []
    print(
        f"{'workload':12} {'mode':8} threads {'ours, ms':>26} {'PyTorch, ms':>26}  ratio  V=8/V=1"
        f" {'ours bf16, ms':>26} {'PyTorch bf16, ms':>26}  ratio  to f32  V=8/V=1"
    )
    for name in options.workloads.split(","):
        for threads in map(int, options.threads.split(",")):
            for mode in ("step", "forward"):
                row = compare(options, name, threads, mode)
                rows.append(row)
                shards = [f"{row[key]:.2f}" if key in row else "-" for key in ("shards8to1", "shards8to1_bf16")]
                print(
                    f"{name:12} {mode:8} {threads:7} {spread(row['ours']):>26} {spread(row['torch']):>26}"
                    f"  {row['ratio']:.2f}   {shards[0]:7} {spread(row['ours_bf16']):>26} {spread(row['torch_bf16']):>26}"
                    f"  {row['ratio_bf16']:.2f}   {row['bf16_to_f32']:.2f}    {shards[1]}",
                    flush=True,
                )
    folder = HERE / "results" / options.version
    folder.mkdir(parents=True, exist_ok=True)
    made = {"machine": {"processor": platform.machine(), "system": platform.system()}, "rows": rows}
    name = "engine.json" if options.bf16 == "bf16" else f"engine_{options.bf16}.json"
    (folder / name).write_text(json.dumps(made, indent=1) + "\n")


if __name__ == "__main__":
    main()
