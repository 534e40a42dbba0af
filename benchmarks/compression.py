"""What `gradientCompression` does to training: loss and accuracy on handwritten digits, next to the bytes that are sent.

    python benchmarks/compression.py --trainer path/to/candlewick-trainer

One trainer alone computes what several would (docs/compression.md), so this needs no network and no Spark: rows go to
`candlewick-trainer serve` over Arrow Flight. The bytes are those of a trainer that owns half of the logical shards.
"""

from __future__ import annotations

import argparse
import json
import secrets
import sys
from pathlib import Path
from typing import Any

import numpy as np
from sklearn.datasets import load_digits

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "examples" / "python"))
from flight_client import Trainer, predict, trainer

from candlewick import nn, optim

#: Every kind, and shares that differ by ten.
KINDS = ("none", "bf16", "fp16", "topk:0.1", "topk:0.01", "1bit", "powersgd:2", "powersgd:4")
SHARDS = 2
HIDDEN = 128


def values() -> int:
    """Parameters of the network."""
    return 64 * HIDDEN + HIDDEN + HIDDEN * 10 + 10


def sent(kind: str) -> float:
    """Bytes that one of two trainers sends in a step: its node of half of the values, and its half of the sum."""
    node, total = {
        "none": (4.0, 4.0),
        "bf16": (2.0, 2.0),
        "fp16": (2.0, 2.0),
        "1bit": (1 / 8 + 8 / 128, 2.0),
    }.get(kind, (0.0, 0.0))
    if kind.startswith("powersgd:"):
        rank = int(kind[9:])
        factors = rank * (HIDDEN + 64) + rank * (10 + HIDDEN) + HIDDEN + 10
        return 4.0 * factors
    if kind.startswith("topk:"):
        share = float(kind[5:])
        node, total = min(8 * share, 4.0), min(8 * share * SHARDS, 4.0)
    return (node + total) * values() / 2


def fit(
    program: str,
    kind: str,
    optimizer: dict[str, Any],
    epochs: int,
    seed: int,
    more: dict[str, Any] | None = None,
) -> tuple[float, float]:
    """Loss of the last epoch, accuracy on rows that were held out; `more` are further parameters."""
    digits = load_digits()
    features = (digits.data / 16.0).astype(np.float32)
    labels = digits.target.astype(np.int64)
    held_out = np.arange(len(labels)) % 5 == 0
    token = secrets.token_hex(16)
    with trainer(program, token) as address:
        client = Trainer(address, token)
        configuration = {
            "task": "classifier",
            "featureWidth": features.shape[1],
            "network": nn.Sequential(nn.Linear(HIDDEN), nn.ReLU(), nn.Linear(10)).to_dict(),
            "optimizer": optimizer,
            "epochs": epochs,
            "batchSize": 64,
            "logicalShards": SHARDS,
            "gradientCompression": kind,
            "seed": seed,
            **(more or {}),
        }
        list(client.act("configure", **configuration))
        client.feed(features[~held_out], labels[~held_out])
        losses = [record["loss"] for record in client.act("train")]
        weights = client.weights()
    accuracy = float(np.mean(predict(weights, features[held_out]) == labels[held_out]))
    return losses[-1], accuracy


def measure(program: str, kinds: tuple[str, ...], epochs: int, seeds: int) -> dict[str, dict[str, Any]]:
    """By kind and optimiser: means over the seeds."""
    optimizers = {"SGD": optim.SGD(lr=0.1, momentum=0.9).to_dict(), "AdamW": optim.AdamW(lr=1e-3).to_dict()}
    results: dict[str, dict[str, Any]] = {}
    for kind in kinds:
        row: dict[str, Any] = {"bytes": round(sent(kind))}
        for name, document in optimizers.items():
            runs = [fit(program, kind, document, epochs, seed) for seed in range(seeds)]
            losses, accuracies = zip(*runs, strict=True)
            row[name] = {"loss": float(np.mean(losses)), "accuracy": float(np.mean(accuracies))}
        results[kind] = row
    return results


def main() -> int:
    """Prints a line for each kind, and all of it as JSON."""
    parser = argparse.ArgumentParser(description="Loss and accuracy with compressed gradients.")
    parser.add_argument("--trainer", default="candlewick-trainer", help="path of the program")
    parser.add_argument("--epochs", type=int, default=30)
    parser.add_argument("--seeds", type=int, default=5)
    given = parser.parse_args()
    results = measure(given.trainer, KINDS, given.epochs, given.seeds)
    for kind, row in results.items():
        cells = [
            f"{name} loss {row[name]['loss']:.5f} accuracy {row[name]['accuracy']:.4f}" for name in ("SGD", "AdamW")
        ]
        print(f"{kind:<10} {row['bytes']:>7} bytes a step  " + "  ".join(cells))
    print("RESULT " + json.dumps(results))
    return 0


if __name__ == "__main__":
    sys.exit(main())
