"""How others hand a DataFrame to the processes that train: 60,000 x 784 floats, cached, in `local[2]`, to two of them.

    python benchmarks/feed_peers.py --peer parquet|mds [--rounds 5] [--rows 60000]

Seconds from the DataFrame to every row in the memory of two processes, half of them in each, as one tensor. The processes are
there already, with all that they import, as our trainers are; the first round does not count. `feed.py --peers`
runs it for each peer beside our feed.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import tempfile
import uuid
from collections.abc import Callable
from pathlib import Path
from typing import Any

from common import WIDTH, digits_like, report, timed

WORKERS = 2


def free_port() -> int:
    """A port that nobody listens on."""
    import socket

    with socket.create_server(("127.0.0.1", 0)) as listener:
        return int(listener.getsockname()[1])


class Workers:
    """Two processes that each read their half of what is handed over."""

    def __init__(self, peer: str) -> None:
        port = str(free_port())
        self._all = []
        for rank in range(WORKERS):
            place = {"RANK": rank, "LOCAL_RANK": rank, "WORLD_SIZE": WORKERS, "LOCAL_WORLD_SIZE": WORKERS}
            env = os.environ | {name: str(value) for name, value in place.items()}
            env |= {"MASTER_ADDR": "127.0.0.1", "MASTER_PORT": port, "OMP_NUM_THREADS": "1"}
            command = [sys.executable, str(Path(__file__)), "--peer", peer, "--worker"]
            worker = subprocess.Popen(command, env=env, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
            self._all.append(worker)
        for worker in self._all:
            self._answer(worker)

    @staticmethod
    def _answer(worker: subprocess.Popen[str]) -> Any:
        assert worker.stdout is not None
        for line in worker.stdout:
            if line.startswith("DONE "):
                return json.loads(line.removeprefix("DONE "))
        raise SystemExit(f"a worker ended with status {worker.wait()}; stderr says why")

    def read(self, what: str, rows: int) -> None:
        """All read what lies at `what`, at the same time."""
        for worker in self._all:
            assert worker.stdin is not None
            worker.stdin.write(what + "\n")
            worker.stdin.flush()
        found = [self._answer(worker) for worker in self._all]
        assert sum(found) == rows, f"{found} rows came, expected {rows} in all"

    def close(self) -> None:
        """Ends them."""
        for worker in self._all:
            worker.communicate()


def parquet_reader(folder: str, rank: int) -> Any:
    """What a function of TorchDistributor reads: its files of those that Spark wrote."""
    import pyarrow as pa
    import pyarrow.parquet as pq
    import torch

    files = sorted(str(file) for file in Path(folder).glob("*.parquet"))[rank::WORKERS]
    table = pa.concat_tables([pq.read_table(file) for file in files])
    values = table["features"].combine_chunks().flatten().to_numpy()
    return torch.from_numpy(values.reshape(-1, WIDTH).copy()), torch.from_numpy(table["label"].to_numpy().copy())


def mds_reader(folder: str, _: int) -> Any:
    """StreamingDataset of MosaicML streaming; the environment says which half."""
    import numpy as np
    import torch
    from streaming import StreamingDataset

    samples = list(StreamingDataset(local=folder, shuffle=False, batch_size=256))
    features = torch.from_numpy(np.stack([sample["features"] for sample in samples]))
    return features, torch.tensor([int(sample["label"]) for sample in samples])


def write_parquet(df: Any, folder: Path) -> str:
    """By Spark, as the examples of TorchDistributor do."""
    df.write.parquet(str(folder / "data"))
    return str(folder / "data")


def write_mds(df: Any, folder: Path) -> str:
    """By the converter for Spark of MosaicML streaming."""
    from streaming.base.converters import dataframe_to_mds

    # It knows arrays that may hold nulls, no others.
    df = df.select(df["features"].cast("array<float>").alias("features"), "label")
    columns = {"features": f"ndarray:float32:{WIDTH}", "label": "int32"}
    out = str(folder / "data")
    dataframe_to_mds(df, merge_index=True, mds_kwargs={"out": out, "columns": columns, "compression": None})
    return str(folder / "data")


PEERS: dict[str, tuple[Callable[[Any, Path], str], Callable[[str, int], Any]]] = {
    "parquet": (write_parquet, parquet_reader),
    "mds": (write_mds, mds_reader),
}
#: What a worker imports before it says that it is there.
IMPORTS = {"parquet": ["pyarrow.parquet"], "mds": ["streaming"]}


def work(peer: str) -> None:
    """A worker: reads what it is told until nothing comes any more."""
    import torch

    for name in IMPORTS[peer]:
        __import__(name)
    torch.set_num_threads(1)
    print("DONE 0", flush=True)
    held = None
    for line in sys.stdin:
        held = None
        held = PEERS[peer][1](line.strip(), int(os.environ["RANK"]))
        assert held[0].shape[1] == WIDTH and held[0].dtype == torch.float32, held[0]
        print(f"DONE {len(held[0])}", flush=True)


def main() -> None:
    """Prints what `feed.py` reads."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--peer", required=True, choices=sorted(PEERS))
    parser.add_argument("--worker", action="store_true")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--rows", type=int, default=60_000)
    options = parser.parse_args()
    if options.worker:
        work(options.peer)
        return
    from pyspark.sql import SparkSession

    # What converts rows in tasks is this interpreter's.
    os.environ["PYSPARK_PYTHON"] = sys.executable
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    df = digits_like(spark, options.rows)
    workers = Workers(options.peer)
    write, _ = PEERS[options.peer]
    written, whole = [], []
    for _ in range(options.rounds + 1):
        with tempfile.TemporaryDirectory(prefix=f"feed-{uuid.uuid4()}-") as folder:
            seconds, what = timed(lambda folder=folder: write(df, Path(folder)))
            more, _ = timed(lambda what=what: workers.read(what, options.rows))
        written.append(seconds)
        whole.append(seconds + more)
    workers.close()
    spark.stop()
    report({"peer": options.peer, "bytes": options.rows * WIDTH * 4, "written": written, "seconds": whole})


if __name__ == "__main__":
    main()
