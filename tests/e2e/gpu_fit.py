"""A fit on GPUs that a discovery script makes up, in a process of its own: its JVM starts with the jar of candlewick-cuda.

python -m tests.e2e.gpu_fit MASTER DISCOVERY_SCRIPT
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
from typing import Any

from pyspark.sql import DataFrame

import candlewick
from candlewick import NeuralClassificationModel
from tests.e2e.conftest import COMMON
from tests.e2e.support import blobs, classifier

#: What the fits ask for.
ASKED: list[dict[str, Any]] = [
    {"scoreDevice": "cuda"},
    {"device": "cpu"},
    {"precision": "bf16"},
    {"precision": "fp16"},
    {"allowTF32": True},
]
#: Whose GPUs they are, by the mode.
OWNERS = {"local-cluster[1,2,1024]": ("worker", "executor"), "local[2]": ("driver",)}


def apart(model: NeuralClassificationModel, df: DataFrame) -> dict[str, Any]:
    """How far the probabilities of a model that scores on GPUs are from those on processors, and how many tasks scored where."""
    saved = tempfile.mkdtemp()
    model.write().overwrite().save(saved)
    loaded = NeuralClassificationModel.load(saved)
    on_gpus, tasks = probabilities(loaded, df)
    on_processors, none = probabilities(loaded.copy().setScoreDevice("cpu"), df)
    pairs = [pair for rows in zip(on_gpus, on_processors, strict=True) for pair in zip(*rows, strict=True)]
    shutil.rmtree(saved)
    far = max(abs(a - b) for a, b in pairs)
    return {"device": loaded.getScoreDevice(), "far": far, "rows": len(on_gpus), "tasks": [tasks, none]}


def probabilities(model: NeuralClassificationModel, df: DataFrame) -> tuple[list[list[float]], int]:
    """Those of every row, in the order of the rows, and the tasks that scored on GPUs."""
    frame = model.transform(df).select("features", "probability")
    ordered = sorted(frame.collect(), key=lambda row: tuple(row["features"].toArray()))
    return [row["probability"].toArray().tolist() for row in ordered], tasks_on_gpus(frame)


def tasks_on_gpus(frame: DataFrame) -> int:
    """What the operator counted in a frame that was collected."""
    nodes = [frame._jdf.queryExecution().executedPlan()]
    while nodes:
        node = nodes.pop()
        if node.nodeName() == "CandlewickScore":
            return int(node.metrics().apply("numDeviceTasks").value())
        if node.nodeName() == "AdaptiveSparkPlan":
            nodes.append(node.executedPlan())
        children = node.children()
        nodes += [children.apply(at) for at in range(children.size())]
    raise AssertionError("nothing scores in this plan")


def main(master: str, script: str) -> None:
    """Fits on the two GPUs, on processors, and in other precisions; prints what the summaries say, and how far scores are apart."""
    settings = {**COMMON, "spark.master": master}
    for owner in OWNERS[master]:
        settings[f"spark.{owner}.resource.gpu.amount"] = "2"
        settings[f"spark.{owner}.resource.gpu.discoveryScript"] = script
    if "driver" not in OWNERS[master]:
        settings["spark.task.resource.gpu.amount"] = "1"
    spark = candlewick.session(settings)
    try:
        df = blobs(spark)
        models = [classifier(numTrainers=0, **more).fit(df) for more in ASKED]
        summaries = [model.summary for model in models]
        told = [
            {
                "device": one.device,
                "reason": one.deviceReason,
                "trainers": one.numTrainers,
                "shards": one.logicalShards,
                "hash": one.weightsHash,
                "scale": one.history[-1].get("lossScale"),
            }
            for one in summaries
        ]
        print(json.dumps([*told, apart(models[0], df)]))
    finally:
        spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
