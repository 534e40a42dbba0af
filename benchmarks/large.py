"""A model of more than 2 GiB on every road that weights take: `make large`.

In local[2] with a moderate heap and, where the machine has the memory, on local-cluster[1,1,...]: fit, transform, save; in a fresh
process load, transform with the same predictions, and a fit that starts from the model; in another one a fit that starts from its
file. Each part prints its seconds and the most memory that the driver, the executor and the trainer had in use during it.
"""

from __future__ import annotations

import functools
import json
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

from pyspark.sql import DataFrame, SparkSession

import candlewick
from candlewick import NeuralClassificationModel, NeuralClassifier, nn, optim

ROWS, WORDS, WIDTH = 2_000, 9_000_000, 64
#: The model, bytes.
MODEL = WORDS * WIDTH * 4
#: Master; heaps of driver and executor, what of them Spark may fill with blocks (its default is 0.6), and the memory that the part
#: needs, GB.
CLUSTERS = {
    "local[2]": ("6g", "1g", "0.6", 14),
    "local-cluster[1,1,2048]": ("8g", "2g", "0.2", 18),
}
GB = 1e9


def available() -> float:
    """Memory of this machine that is free or can be had, GB."""
    lines = Path("/proc/meminfo").read_text().splitlines()
    return next(int(line.split()[1]) for line in lines if line.startswith("MemAvailable")) * 1024 / GB


def processes() -> dict[str, int]:
    """Resident memory of the processes below this one, bytes by kind."""
    parents, found = {}, {}
    for folder in Path("/proc").iterdir():
        try:
            words = (folder / "cmdline").read_bytes()
            fields = (folder / "stat").read_text().rsplit(")", 1)[1].split()
        except (OSError, ValueError):
            continue
        if folder.name.isdigit():
            parents[int(folder.name)] = int(fields[1])
            kind = "executor" if b"CoarseGrainedExecutorBackend" in words else "driver"
            found[int(folder.name)] = ("trainer" if b"candlewick-trainer" in words else kind, int(fields[21]))
    page, used = os.sysconf("SC_PAGE_SIZE"), dict.fromkeys(("driver", "executor", "trainer"), 0)
    for pid, (kind, pages) in found.items():
        above = pid
        while above > 1 and above != os.getpid():
            above = parents.get(above, 0)
        if above == os.getpid():
            used[kind] += pages * page
    return used


class Peaks(threading.Thread):
    """Keeps the most memory of each kind of process."""

    def __init__(self) -> None:
        super().__init__(daemon=True)
        self.most: dict[str, int] = {}
        self.start()

    def run(self) -> None:
        """Looks five times a second."""
        while True:
            for kind, used in processes().items():
                self.most[kind] = max(used, self.most.get(kind, 0))
            time.sleep(0.2)


def part(name: str, peaks: Peaks, action: Callable[[], Any]) -> Any:
    """Runs a part and prints what it took."""
    peaks.most = {}
    start = time.perf_counter()
    result = action()
    used = "   ".join(f"{kind} {most / GB:5.1f}" for kind, most in sorted(peaks.most.items()) if most)
    print(f"  {name:44} {time.perf_counter() - start:6.1f} s   peak GB: {used}", flush=True)
    return result


def session(master: str) -> SparkSession:
    """A session with the heaps of its part."""
    driver, executor, blocks, _ = CLUSTERS[master]
    return (
        SparkSession.builder.master(master)
        .config("spark.jars", candlewick.jars())
        .config("spark.driver.memory", driver)
        .config("spark.executor.memory", executor)
        .config("spark.memory.fraction", blocks)
        .config("spark.ui.enabled", "false")
        .config("spark.ui.showConsoleProgress", "false")
        .config("spark.log.level", "ERROR")
        .config("spark.driver.host", "127.0.0.1")
        .config("spark.driver.bindAddress", "127.0.0.1")
        .getOrCreate()
    )


def rows(spark: SparkSession) -> DataFrame:
    """One word each, from all of the table."""
    step = WORDS // ROWS
    return spark.range(0, ROWS, 1, 4).selectExpr(
        f"array(cast(id * {step} as float)) as features", "cast(id % 2 as double) as label"
    )


def estimator(**params: Any) -> NeuralClassifier:
    """A large table and little else; SGD, which needs no state of its size."""
    network = nn.Sequential(nn.Embedding(WORDS, WIDTH), nn.Flatten(), nn.Linear(2))
    settings = dict(network=network, epochs=1, batchSize=500, numTrainers=1, optimizer=optim.SGD(lr=0.1))
    return NeuralClassifier(**{**settings, **params})


def predictions(model: NeuralClassificationModel, df: DataFrame) -> list[str]:
    """All outputs of all rows."""
    return sorted(str(row) for row in model.transform(df).select("features", "rawPrediction", "prediction").collect())


def first(master: str, folder: Path) -> None:
    """Fit, transform, save."""
    with session(master) as spark:
        peaks, df = Peaks(), rows(spark)
        model = part("fit", peaks, lambda: estimator().fit(df))
        told = part("transform", peaks, lambda: predictions(model, df))
        part("save", peaks, lambda: model.write().overwrite().save(str(folder / "model")))
        size = sum(file.stat().st_size for file in (folder / "model/data").glob("weights-*.safetensors"))
        assert size > 2**31, f"the model has {size} bytes only"
        (folder / "told.json").write_text(json.dumps([model.weightsHash, told]))


def second(master: str, folder: Path) -> None:
    """Load, transform, and a fit that begins with the model and leaves it as it is."""
    weights_hash, told = json.loads((folder / "told.json").read_text())
    with session(master) as spark:
        peaks, df = Peaks(), rows(spark)
        model = part("load", peaks, lambda: NeuralClassificationModel.load(str(folder / "model")))
        assert model.weightsHash == weights_hash, "loaded other weights"
        again = part("transform", peaks, functools.partial(predictions, model, df))
        assert again == told, "other predictions than before"
        name, settings = "fit of no epoch from initialModel", dict(epochs=0, seed=99, initialModel=model)
        same = part(name, peaks, lambda: estimator(**settings).fit(df))
        assert same.weightsHash == weights_hash, "began with other weights than the model's"


def third(master: str, folder: Path) -> None:
    """A fit that goes on from the saved file."""
    weights_hash, _ = json.loads((folder / "told.json").read_text())
    with session(master) as spark:
        peaks, df = Peaks(), rows(spark)
        path = str(folder / "model/data/weights.safetensors.index.json")
        more = part("fit of one epoch from the path", peaks, lambda: estimator(initialWeights=path).fit(df))
        assert more.weightsHash != weights_hash and more.summary.initialWeights["loaded"] == 3


def main() -> None:
    """Both clusters, each in fresh processes; or one of those."""
    if len(sys.argv) == 4:
        {"first": first, "second": second, "third": third}[sys.argv[1]](sys.argv[2], Path(sys.argv[3]))
        return
    ran = 0
    for master, (driver, executor, blocks, needed) in CLUSTERS.items():
        if available() < needed:
            print(f"{master}: left out, it needs {needed} GB of memory and {available():.1f} are available")
            continue
        heaps = f"heap of the driver {driver}" + (f", of the executor {executor}" if "cluster" in master else "")
        heaps += f", spark.memory.fraction {blocks}"
        print(f"{master}, a model of {MODEL / GB:.1f} GB, {ROWS} rows, {heaps}", flush=True)
        with tempfile.TemporaryDirectory() as folder:
            for run in ("first", "second", "third"):
                subprocess.run([sys.executable, __file__, run, master, folder], check=True)
        ran += 1
    if not ran:
        sys.exit(f"`make large` needs {min(needed for *_, needed in CLUSTERS.values())} GB of memory")


if __name__ == "__main__":
    main()
