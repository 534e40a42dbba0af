"""Runs the engines side by side, alternating, in one session on one machine, and writes the numbers with their spread.

    python benchmarks/run.py --python PY_WITH_TORCH [--repeats 3] [--rows 60000]

PY_WITH_TORCH is an interpreter that has pyspark and torch (`make bench` makes one); Candlewick runs in this one.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent


def run(interpreter: str, script: str, rows: int) -> dict[str, Any]:
    """One engine in a process of its own."""
    command = [interpreter, str(HERE / script), "--rows", str(rows)]
    output = subprocess.run(command, capture_output=True, text=True, check=False)
    for line in output.stdout.splitlines():
        if line.startswith("RESULT "):
            return dict(json.loads(line.removeprefix("RESULT ")))
    raise SystemExit(f"{script} gave no result:\n{output.stdout[-2000:]}\n{output.stderr[-4000:]}")


def spread(values: list[float]) -> str:
    """Median and range."""
    return f"{statistics.median(values):.2f} ({min(values):.2f}-{max(values):.2f})"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--python", required=True, help="interpreter with pyspark and torch")
    parser.add_argument("--repeats", type=int, default=3)
    parser.add_argument("--rows", type=int, default=60_000)
    parser.add_argument("--version", default="0.1.0")
    options = parser.parse_args()
    ours, peers = [], []
    for _ in range(options.repeats):
        ours.append(run(sys.executable, "candlewick_fit.py", options.rows))
        peers.append(run(options.python, "torch_distributor_fit.py", options.rows))
    fit, peer = [r["fit_s"] for r in ours], [r["fit_s"] for r in peers]
    epochs = [statistics.median(r["epoch_s"]) for r in ours]
    peer_epochs = [statistics.median(r["epoch_s"]) for r in peers]
    table = [
        ("whole fit, s", spread(fit), spread(peer), f"{statistics.median(fit) / statistics.median(peer):.2f}"),
        (
            "one epoch, s",
            spread(epochs),
            spread(peer_epochs),
            f"{statistics.median(epochs) / statistics.median(peer_epochs):.2f}",
        ),
    ]
    print(f"| {options.rows} x 784, 5 epochs, 2 workers | Candlewick | TorchDistributor | ratio |\n|---|---|---|---|")
    for row in table:
        print("| " + " | ".join(row) + " |")
    for phase in ours[0]["phases"]:
        print(f"phase {phase}: {spread([r['phases'][phase] for r in ours])} s")
    for name in (
        "fit_warm_s",
        "feed_mb_per_s",
        "feed_warm_mb_per_s",
        "feed_rows_per_s",
        "transform_first_rows_per_s",
        "transform_steady_rows_per_s",
    ):
        print(f"{name}: {spread([r[name] for r in ours])}")
    print(
        f"fit_1000_rows_s: first {spread([r['fit_1000_rows_s'][0] for r in ours])}, then "
        f"{spread([value for r in ours for value in r['fit_1000_rows_s'][1:]])}"
    )
    assert len({r["weights_hash"] for r in ours}) == 1, "the same fit gave other bits"
    folder = HERE / "results" / options.version
    folder.mkdir(parents=True, exist_ok=True)
    machine = {"cores": os.cpu_count(), "machine": platform.machine(), "python": platform.python_version()}
    (folder / "fit.json").write_text(
        json.dumps({"machine": machine, "candlewick": ours, "peer": peers}, indent=1) + "\n"
    )


if __name__ == "__main__":
    main()
