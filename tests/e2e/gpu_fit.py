"""A fit on GPUs that a discovery script makes up, in a process of its own: its JVM starts with the jar of candlewick-cuda.

python -m tests.e2e.gpu_fit MASTER DISCOVERY_SCRIPT
"""

from __future__ import annotations

import json
import sys
from typing import Any

import candlewick
from tests.e2e.conftest import COMMON
from tests.e2e.support import blobs, classifier

#: What the fits ask for.
ASKED: list[dict[str, Any]] = [{}, {"device": "cpu"}, {"precision": "bf16"}, {"precision": "fp16"}, {"allowTF32": True}]
#: Whose GPUs they are, by the mode.
OWNERS = {"local-cluster[1,2,1024]": ("worker", "executor"), "local[2]": ("driver",)}


def main(master: str, script: str) -> None:
    """Fits on the two GPUs, on processors, and in other precisions; prints what the summaries say."""
    settings = {**COMMON, "spark.master": master}
    for owner in OWNERS[master]:
        settings[f"spark.{owner}.resource.gpu.amount"] = "2"
        settings[f"spark.{owner}.resource.gpu.discoveryScript"] = script
    if "driver" not in OWNERS[master]:
        settings["spark.task.resource.gpu.amount"] = "1"
    spark = candlewick.session(settings)
    try:
        df = blobs(spark)
        summaries = [classifier(numTrainers=0, **more).fit(df).summary for more in ASKED]
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
        print(json.dumps(told))
    finally:
        spark.stop()


if __name__ == "__main__":
    main(*sys.argv[1:])
