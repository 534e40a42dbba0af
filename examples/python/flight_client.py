"""Trains a network on one trainer over plain Arrow Flight: no Spark, only pyarrow.

    python flight_client.py --trainer path/to/candlewick-trainer

The actions are described in docs/flight.md.
"""

from __future__ import annotations

import argparse
import json
import secrets
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np
import pyarrow as pa
from pyarrow import flight
from sklearn.datasets import load_digits

from candlewick import nn, optim

#: Rows of one record batch.
CHUNK = 256


@contextmanager
def trainer(program: str, token: str) -> Iterator[str]:
    """A trainer process on a free port of loopback; its address. The token goes over stdin, never over argv."""
    command = [program, "serve", "--host", "127.0.0.1", "--port", "0", "--token-stdin", "--threads", "2"]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(token + "\n")
        process.stdin.flush()
        try:
            # "candlewick-trainer listening on grpc://127.0.0.1:PORT"
            yield process.stdout.readline().split()[-1].replace("grpc://", "grpc+tcp://")
        finally:
            process.terminate()
            process.wait(timeout=10)


class Trainer:
    """The few calls that training needs."""

    def __init__(self, address: str, token: str) -> None:
        self._client = flight.connect(address)
        self._options = flight.FlightCallOptions(headers=[(b"authorization", f"Bearer {token}".encode())])

    def act(self, action: str, **body: Any) -> Iterator[dict[str, Any]]:
        """The JSON answers of an action, as they come."""
        request = flight.Action(action, json.dumps(body).encode() if body else b"")
        for result in self._client.do_action(request, self._options):
            text = result.body.to_pybytes()
            yield json.loads(text) if text else {}

    def feed(self, features: np.ndarray[Any, Any], labels: np.ndarray[Any, Any]) -> int:
        """Sends rows; how many the trainer holds now."""
        columns = {
            "features": pa.FixedSizeListArray.from_arrays(pa.array(features.ravel()), features.shape[1]),
            "label": pa.array(labels),
        }
        table = pa.table(columns)
        writer, reader = self._client.do_put(flight.FlightDescriptor.for_path("rows"), table.schema, self._options)
        with writer:
            writer.write_table(table, max_chunksize=CHUNK)
            writer.done_writing()
            return int(json.loads(reader.read().to_pybytes())["total"])

    def weights(self) -> dict[str, np.ndarray[Any, Any]]:
        """The trained weights by PyTorch's names."""
        table = self._client.do_get(flight.Ticket(b"weights"), self._options).read_all()
        return {row["name"]: np.array(row["data"], dtype=np.float32).reshape(row["shape"]) for row in table.to_pylist()}


def predict(weights: dict[str, np.ndarray[Any, Any]], features: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Linear, ReLU, Linear by hand: the weights are in PyTorch's layout."""
    hidden = np.maximum(features @ weights["0.weight"].T + weights["0.bias"], 0)
    return np.argmax(hidden @ weights["2.weight"].T + weights["2.bias"], axis=1)


def main() -> int:
    """Feeds, trains, fetches the weights, scores with NumPy."""
    parser = argparse.ArgumentParser(description="Trains on one trainer over plain Arrow Flight.")
    parser.add_argument("--trainer", default="candlewick-trainer", help="path of the program")
    given = parser.parse_args()

    digits = load_digits()
    features = (digits.data / 16.0).astype(np.float32)
    labels = digits.target.astype(np.int64)
    held_out = np.arange(len(labels)) % 5 == 0

    token = secrets.token_hex(16)
    with trainer(given.trainer, token) as address:
        client = Trainer(address, token)
        configuration = {
            "task": "classifier",
            "featureWidth": features.shape[1],
            "network": nn.Sequential(nn.Linear(128), nn.ReLU(), nn.Linear(10)).to_dict(),
            "optimizer": optim.AdamW(lr=3e-3).to_dict(),
            "epochs": 20,
            "batchSize": 64,
            "seed": 7,
        }
        list(client.act("configure", **configuration))
        print(f"the trainer holds {client.feed(features[~held_out], labels[~held_out])} rows")
        for record in client.act("train"):
            print(f"epoch {record['epoch']} loss {record['loss']:.4f}")
        weights = client.weights()

    for name, values in weights.items():
        print(f"{name:<10} {list(values.shape)}")
    accuracy = float(np.mean(predict(weights, features[held_out]) == labels[held_out]))
    print(f"accuracy {accuracy:.4f}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
