"""What a training run says about itself."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from candlewick import _html

if TYPE_CHECKING:
    import pandas
    from matplotlib.figure import Figure

#: What a record of the history has beside losses and metrics.
_BOOKKEEPING = {
    "epoch",
    "step",
    "lr",
    "rows",
    "seconds",
    "exchangeHidden",
    "stalenessMean",
    "stalenessMax",
    "skippedSteps",
    "lossScale",
    "stepsWithoutWeight",
    "batchNormByRunningStatistics",
    "validations",
}
#: Epochs that a table shows: the first and the last of them.
_FIRST, _LAST = 3, 5


@dataclass(frozen=True, repr=False)
class TrainingSummary:
    """Record of one fit.

    Example:
        >>> from candlewick import TrainingSummary
        >>> records = [{"epoch": 0, "loss": 0.7, "val_loss": 0.6}, {"epoch": 1, "loss": 0.4, "val_loss": 0.5}]
        >>> summary = TrainingSummary(records, [0.7, 0.4], 20, {}, "9f3c", 8, 2, {"total": 1.5})
        >>> summary
        TrainingSummary(epochs=2, totalSteps=20, numTrainers=2, seconds=1.5, loss=0.4, val_loss=0.5)
        >>> summary.history_dict["val_loss"]
        [0.6, 0.5]
    """

    #: One record an epoch: epoch (from 0; lines about progress count from 1), loss, lr, rows, seconds; every metric over the
    #: training steps, and val_loss and val_<metric> over the validation rows (None where a value is not defined).
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
    #: Seconds of prepare (checks, the first row), queue (until slots are free), launch, feed, hold (on GPUs: until the trainers'
    #: tasks hold them), resume (where checkpointDir is set), train; and in total.
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
    #: What memory each trainer needed: trainer, host, limit (bytes that it might use, 0: without a limit), accounts (the most that
    #: each held at a time, bytes; not all had their most at once) and spilledBytes (rows that were written to disk).
    memory: list[dict[str, Any]] = field(default_factory=list)
    #: What the trainers sent each other of their gradients, where gradientCompression made them smaller: sentBytes, and plainBytes,
    #: those of the same values as f32; with "auto" also kind, what the trainers decided, and reason. None without compression, and,
    #: where it was not "auto", with one trainer, which sends nothing. A trainer that was lost told nothing of its own.
    compression: dict[str, Any] | None = None
    #: How the trainers added up their gradients: algorithm ("direct", "halving", "two-level", "host-halving", "ring") and reason,
    #: values (of one exchange), exchanges, predictedSeconds, meanSeconds and leastSeconds (of one; who comes first waits for the
    #: others), and links by kind ("host", "network") with latencySeconds and bytesPerSecond as they were measured. None with
    #: one trainer.
    exchange: dict[str, Any] | None = None
    #: What the trainers computed on: "cpu" or "cuda".
    device: str = "cpu"
    #: Why there, where `device` of the estimator was "auto" among others; empty in models of before there was a choice.
    deviceReason: str = ""
    #: Whether connections of the fit were encrypted: "tls" or "none".
    transportSecurity: str = "none"
    #: Steps of the checkpoint or of the model that the training went on from; None where it began at the beginning. The
    #: history is that of the whole training.
    resumedFromStep: int | None = None

    @classmethod
    def from_json(cls, text: str) -> TrainingSummary:
        """Reads what the JVM gives; fields that this version does not know are left out."""
        document = json.loads(text)
        return cls(**{name: value for name, value in document.items() if name in cls.__dataclass_fields__})

    @property
    def totalIterations(self) -> int:
        """`totalSteps`, by the name that Spark has for it."""
        return self.totalSteps

    @property
    def history_dict(self) -> dict[str, list[Any]]:
        """The history by name, as Keras has it: ``{"loss": [...], "val_loss": [...]}``, a value for every epoch.

        None where an epoch has no such value.
        """
        names = dict.fromkeys(name for record in self.history for name in record if name != "epoch")
        return {name: [record.get(name) for record in self.history] for name in names}

    def to_pandas(self) -> pandas.DataFrame:
        """The history as a DataFrame of pandas: a row for every epoch, which is the index."""
        try:
            import pandas
        except ImportError as error:
            raise ImportError("to_pandas needs pandas: pip install pandas (summary.history has the same)") from error
        epochs = pandas.Index([record["epoch"] for record in self.history], name="epoch", dtype="int64")
        return pandas.DataFrame(self.history_dict, index=epochs)

    def plot(self) -> Figure:
        """Draws loss and validation loss, and beside them the metrics that were asked for; marks the best epoch.

        That is the one of early stopping, or else the one with the least validation loss. A notebook shows the figure.

        Returns:
            The figure of matplotlib.
        """
        try:
            from candlewick._plot import curves
        except ImportError as error:
            raise ImportError("plot and save_plot need matplotlib: pip install matplotlib") from error
        history = self.history_dict
        return curves(history, self._metrics(), self._best())

    def save_plot(self, path: str | os.PathLike[str]) -> None:
        """Saves what `plot` draws as a file: PNG, SVG or PDF by its name.

        Example:
            >>> model.summary.save_plot("curves.png")
        """
        self.plot().savefig(path, dpi=120)

    def _metrics(self) -> list[str]:
        """Names of the metrics that are numbers, without "val_"."""
        found = {}
        for name, values in self.history_dict.items():
            plain = all(value is None or isinstance(value, (int, float)) for value in values)
            if name not in _BOOKKEEPING and plain:
                found[name.removeprefix("val_")] = True
        found.pop("loss", None)
        return list(found)

    def _best(self) -> tuple[int, str] | None:
        """The best epoch, and what it is the best of."""
        if self.bestEpoch is not None:
            return self.bestEpoch, "early stopping"
        losses = [(value, at) for at, value in enumerate(self.history_dict.get("val_loss", ())) if value is not None]
        return (min(losses)[1], "least val_loss") if losses else None

    def __repr__(self) -> str:
        said = ", ".join(f"{name}={_html.short(value)}" for name, value in self._facts())
        return f"TrainingSummary({said})"

    def _facts(self) -> list[tuple[str, object]]:
        """What one line says of the fit."""
        last = self.history[-1] if self.history else {}
        said: list[tuple[str, object]] = [
            ("epochs", len(self.history)),
            ("totalSteps", self.totalSteps),
            ("numTrainers", self.numTrainers),
            ("seconds", self.phases.get("total")),
            ("loss", last.get("loss")),
            ("val_loss", last.get("val_loss")),
            ("bestEpoch", self.bestEpoch),
            ("stoppedEarly", self.stoppedEarly or None),
            ("recoveries", len(self.recoveryLog) or None),
            ("memory", self._largest()),
        ]
        return [(name, value) for name, value in said if value is not None]

    def _largest(self) -> str | None:
        """What the trainer needed at most that needed most, and its limit."""
        if not self.memory:
            return None
        needed, limit = max((sum(one["accounts"].values()), one["limit"]) for one in self.memory)
        return _html.size(needed) + (f" of {_html.size(limit)}" if limit else "")

    def _repr_html_(self) -> str:
        shown = [
            "loss",
            "val_loss",
            *(name for name in self.history_dict if name.removeprefix("val_") in self._metrics()),
        ]
        shown = [name for name in dict.fromkeys(shown) if name in self.history_dict]
        columns = ["epoch", *shown, "lr", "seconds"]
        rows: list[list[object]] = [[record.get(name) for name in columns] for record in self.history]
        if len(rows) > _FIRST + _LAST + 1:
            rows = [*rows[:_FIRST], ["…"] * len(columns), *rows[-_LAST:]]
        said = [(name, _html.short(value)) for name, value in self._facts()]
        return _html.titled("TrainingSummary", _html.facts(said), _html.table(columns, rows) if rows else "")
