"""What a training run says about itself."""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True)
class TrainingSummary:
    """Record of one fit."""

    #: One record an epoch: epoch, loss, lr, rows, seconds; every metric over the training steps, and val_loss and
    #: val_<metric> over the validation rows (None where a value is not defined).
    history: list[dict[str, Any]]
    #: Loss of every epoch.
    objectiveHistory: list[float]
    #: Steps over all epochs.
    totalSteps: int
    #: Where every row went: read, skipped, sent, per partition and shard.
    ledger: dict[str, Any]
    #: Hash of the weights: equal for equal data, parameters and seed.
    weightsHash: str
    #: Number of logical shards.
    logicalShards: int
    #: Trainer processes.
    numTrainers: int
    #: Seconds of prepare (checks, the first row), queue (until slots are free), launch, feed, resume (where checkpointDir is
    #: set), train; and in total.
    phases: dict[str, float]
    #: The recoveries on the way: generation, cause, lost (trainers), resumeStep, stepsRedone, rowsRefed, and seconds of detect,
    #: halt, feed, donate and resume. Empty where nothing happened. `lost` is empty where a connection between two trainers broke
    #: that both lived on.
    recoveryLog: list[dict[str, Any]] = field(default_factory=list)
    #: How the gang changed by plan: generation, cause, joined and left (trainers), trainers (how many from then on), resumeStep,
    #: rowsMoved (from trainer to trainer) and seconds. Empty where nobody came or left.
    rescaleLog: list[dict[str, Any]] = field(default_factory=list)
    #: How long each trainer worked and how long it waited for the others, by epoch: epoch, skew (time of the slowest over the
    #: mean) and trainers, the slowest first (trainer, host, executor, shards, busySeconds, waitedSeconds). An epoch in which a
    #: trainer was lost has the time since then. The last 1,000 epochs; empty with one trainer.
    stragglerLog: list[dict[str, Any]] = field(default_factory=list)
    #: What was taken of initialWeights: loaded (a number), missing, unexpected and mismatched; None where not set.
    initialWeights: dict[str, Any] | None = None
    #: Rows trained in a second.
    rowsPerSecond: float | None = None
    #: Where rows went: "hash", to the logical shard of their content, or "none", to the trainer beside their executor.
    dataShuffle: str = "hash"
    #: True where early stopping or a callback ended the training before its last epoch.
    stoppedEarly: bool = False
    #: Which of them, and why; None where training went to its last epoch.
    stopReason: str | None = None
    #: Epoch of the best value, from 0; None without early stopping.
    bestEpoch: int | None = None
    #: The best value of the metric that early stopping looks at.
    bestValue: float | None = None
    #: What rows of each class weighed in the loss, by class, where classWeight said so; None where it was not set.
    classWeights: list[float] | None = None
    #: Steps of the checkpoint or of the model that the training went on from; None where it began at the beginning. The
    #: history is that of the whole training.
    resumedFromStep: int | None = None

    @classmethod
    def from_json(cls, text: str) -> TrainingSummary:
        """Reads what the JVM gives; fields that this version does not know are left out."""
        document = json.loads(text)
        return cls(**{name: value for name, value in document.items() if name in cls.__dataclass_fields__})

    def plot(self, path: str) -> str:
        """Saves the loss curve as a picture (PNG, SVG or PDF by the name); needs matplotlib. Returns the path."""
        try:
            from matplotlib.figure import Figure
        except ImportError as error:
            raise ImportError("plot needs matplotlib: pip install matplotlib") from error
        figure = Figure(figsize=(6, 4), layout="constrained")
        axes = figure.add_subplot()
        axes.plot(range(1, len(self.objectiveHistory) + 1), self.objectiveHistory, marker="o")
        axes.set_xlabel("epoch")
        axes.set_ylabel("loss")
        axes.grid(visible=True, alpha=0.3)
        figure.savefig(path, dpi=120)
        return path
