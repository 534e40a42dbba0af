"""The peer: TorchDistributor with gloo DDP, two workers of one thread in local[2], DataFrame handed over as parquet."""

from __future__ import annotations

import tempfile
from typing import Any

from common import BATCH, CLASSES, HIDDEN, LEARNING_RATE, WIDTH, argument, digits_like, report, timed
from pyspark.ml.torch.distributor import TorchDistributor
from pyspark.sql import SparkSession

WORKERS = 2


def train(path: str, epochs: int) -> dict[str, Any]:
    """Runs in every worker: load the shard, five epochs of DDP, 128 rows a worker and step."""
    import os
    import time

    import pyarrow.parquet as pq
    import torch
    import torch.distributed as dist

    start = time.perf_counter()
    torch.set_num_threads(1)
    dist.init_process_group("gloo")
    rank = int(os.environ["RANK"])
    table = pq.read_table(path)
    features = torch.from_numpy(table["features"].combine_chunks().flatten().to_numpy().reshape(-1, 784).copy())[
        rank::2
    ]
    labels = torch.from_numpy(table["label"].to_numpy().copy()).long()[rank::2]
    torch.manual_seed(1)
    sizes = [784, 512, 256]
    layers: list[Any] = []
    for before, after in zip(sizes, sizes[1:], strict=False):
        layers += [torch.nn.Linear(before, after), torch.nn.ReLU()]
    model = torch.nn.parallel.DistributedDataParallel(torch.nn.Sequential(*layers, torch.nn.Linear(sizes[-1], 10)))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, fused=True)
    loss_function = torch.nn.CrossEntropyLoss()
    loaded = time.perf_counter() - start
    seconds, loss = [], None
    for _ in range(epochs):
        begin = time.perf_counter()
        order = torch.randperm(len(labels))
        for at in range(0, len(labels), 128):
            rows = order[at : at + 128]
            loss = loss_function(model(features[rows]), labels[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        seconds.append(time.perf_counter() - begin)
    dist.destroy_process_group()
    return {"load_s": loaded, "epoch_s": seconds, "final_loss": float(loss) if loss is not None else None}


def main() -> None:
    assert (WIDTH, CLASSES, HIDDEN, BATCH, LEARNING_RATE) == (784, 10, (512, 256), 256, 1e-3)
    spark = (
        SparkSession.builder.master("local[2]")
        .config("spark.driver.memory", "6g")
        .config("spark.ui.enabled", "false")
        .config("spark.log.level", "ERROR")
        .getOrCreate()
    )
    rows, epochs = argument("rows", 60_000), argument("epochs", 5)
    df = digits_like(spark, rows)
    with tempfile.TemporaryDirectory() as folder:
        path = f"{folder}/data"
        write, _ = timed(lambda: df.write.parquet(path))
        distributor = TorchDistributor(num_processes=WORKERS, local_mode=True, use_gpu=False)
        run, result = timed(lambda: distributor.run(train, path, epochs))
    report(
        {
            "engine": "TorchDistributor",
            "rows": rows,
            "epochs": epochs,
            "fit_s": round(write + run, 3),
            "write_s": round(write, 3),
            "run_s": round(run, 3),
            "load_s": round(result["load_s"], 3),
            "epoch_s": [round(value, 3) for value in result["epoch_s"]],
            "final_loss": result["final_loss"],
        }
    )
    spark.stop()


if __name__ == "__main__":
    main()
