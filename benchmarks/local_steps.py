"""What `localSteps` does to training: loss and accuracy on handwritten digits, next to the bytes that are sent.

    python benchmarks/local_steps.py --trainer path/to/candlewick-trainer

As `compression.py`, whose rows and network it has: one trainer alone computes what several would (docs/asynchrony.md). The bytes
are those of one of two trainers that own a shard each, a meeting's divided by the steps from one to the next.
"""

from __future__ import annotations

import argparse
import json
import sys
from typing import Any

import numpy as np
from compression import fit, values

from candlewick import optim

#: Steps from one meeting to the next, learning rate and momentum of the outer step.
KINDS = ((1, 0.7, 0.9), (4, 0.7, 0.9), (16, 0.7, 0.9), (4, 1.0, 0.0), (16, 1.0, 0.0))
#: Optimisers, and vectors of their state.
OPTIMIZERS = {
    "SGD": (optim.SGD(lr=0.1, momentum=0.9).to_dict(), 1),
    "AdamW": (optim.AdamW(lr=1e-3).to_dict(), 2),
}


def sent(steps: int, vectors: int) -> float:
    """Bytes a step that one of two trainers sends: half of what is exchanged, and its half of the sum."""
    exchanged = values() * 4.0
    return exchanged if steps == 1 else exchanged * (1 + vectors) / steps


def measure(program: str, epochs: int, seeds: int) -> dict[str, dict[str, Any]]:
    """By kind and optimiser: means over the seeds."""
    results: dict[str, dict[str, Any]] = {}
    for steps, rate, momentum in KINDS:
        more = {"localSteps": steps, "outerLearningRate": rate, "outerMomentum": momentum}
        row: dict[str, Any] = {}
        for name, (document, vectors) in OPTIMIZERS.items():
            runs = [fit(program, "none", document, epochs, seed, more) for seed in range(seeds)]
            losses, accuracies = zip(*runs, strict=True)
            row[name] = {
                "bytes": round(sent(steps, vectors)),
                "loss": float(np.mean(losses)),
                "accuracy": float(np.mean(accuracies)),
            }
        results[f"{steps}, {rate}, {momentum}"] = row
    return results


def main() -> int:
    """Prints a line for each kind, and all of it as JSON."""
    parser = argparse.ArgumentParser(description="Loss and accuracy of shards that make steps by themselves.")
    parser.add_argument("--trainer", default="candlewick-trainer", help="path of the program")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    results = measure(given.trainer, given.epochs, given.seeds)
    for kind, row in results.items():
        cells = [
            f"{name} {cell['bytes']:>6} bytes a step, loss {cell['loss']:.5f} accuracy {cell['accuracy']:.4f}"
            for name, cell in row.items()
        ]
        print(f"{kind:<14} " + "  ".join(cells))
    print("RESULT " + json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
