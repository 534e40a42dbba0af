"""What a fit will need and take, before it is made."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from candlewick import _html


@dataclass(frozen=True, repr=False)
class TrainingPlan:
    """What a fit will need and take, as `plan` of an estimator says before it is made.

    Example:
        >>> from candlewick import TrainingPlan
        >>> seconds = {"step": 0.25, "compute": 0.25, "exchange": 0.0, "feed": 0.5, "epoch": 1.0, "total": 2.0}
        >>> memory = {"accounts": {"weights": 4096, "rows": 2048}, "needed": 6144, "limit": 1 << 30,
        ...           "limitSource": "trainerMemory", "fits": True, "spilledBytes": 0}
        >>> plan = TrainingPlan(1000, 2, 256, 4, 8, 1, 2, 8, 32000, 0, 0, memory, seconds, True, "compute", [])
        >>> plan.totalSteps, plan.bound, plan.fits
        (8, 'compute', True)
        >>> print(plan)
        TrainingPlan
        rows         1000
        steps        8, 4 an epoch
        trainers     1 for 8 logical shards, 2 threads each
        feed         31.2 KiB, 0.5 s
        exchange     0 B a step, 0 B an epoch
        memory       6.0 KiB of 1.0 GiB (trainerMemory)
          weights    4.0 KiB
          rows       2.0 KiB
        a step       0.25 s (compute 0.25 s, exchange 0 s)
        an epoch     1 s
        in all       2 s
        bound by     compute
    """

    #: Rows of the DataFrame: as Spark knows them, or counted, or as `plan` was told.
    rows: int
    #: Passes over the rows.
    epochs: int
    #: Rows of a step.
    batchSize: int
    #: Steps of an epoch; about so many, where rows are put aside for validation.
    stepsPerEpoch: int
    #: Steps over all epochs.
    totalSteps: int
    #: Trainer processes: numTrainers, or one for each executor or GPU: those that a fit waits for, where Spark's settings say how
    #: many executors there will be, else those that are up.
    numTrainers: int
    #: Compute threads of each.
    threadsPerTrainer: int
    #: Number of logical shards.
    logicalShards: int
    #: Bytes of rows that are fed to the trainers.
    feedBytes: int
    #: Bytes that all trainers send together in a step, and in an epoch.
    exchangeBytesPerStep: int
    exchangeBytesPerEpoch: int
    #: Memory of the largest trainer in bytes: accounts, needed, limit (None where only its executor knows), limitSource, fits
    #: (whether a fit gets past the check) and spilledBytes (rows that go to disk).
    memory: dict[str, Any]
    #: Seconds, about, of this machine as it is now: step (compute and exchange less hidden, the part of the exchange in which
    #: trainers compute), feed, start, evaluation (of the rows that are held
    #: out, in an epoch), epoch, and total from DataFrame to model.
    #: Where the fit would be refused for its memory no step is tried, nor where it computes on GPUs or the driver has no room for
    #: them: the steps count as 0, and advice says why.
    seconds: dict[str, float]
    #: Whether one trainer would be as fast.
    oneTrainerIsAsFast: bool
    #: What takes most of the time: "compute", "exchange" or "feed"; "memory" where rows go to disk,
    #: "unknown" where no step was tried.
    bound: str
    #: What to set, if anything.
    advice: list[str]
    #: How gradients will be exchanged: algorithm and reason, parts (that go out while earlier layers are computed), compression
    #: ("auto" as it would be decided) and compressionReason. Between machines by what a network is taken to be: the fit measures
    #: it. None with one trainer, and where no step was tried.
    exchange: dict[str, Any] | None = None
    #: Whether connections between executors, trainers and driver will be encrypted: "tls" or "none".
    transportSecurity: str = "none"

    @classmethod
    def from_json(cls, text: str) -> TrainingPlan:
        """Reads what the JVM gives; fields that this version does not know are left out."""
        document = json.loads(text)
        return cls(**{name: value for name, value in document.items() if name in cls.__dataclass_fields__})

    @property
    def fits(self) -> bool:
        """Whether a fit gets past the check of its memory; rows beyond the limit go to disk."""
        return bool(self.memory["fits"])

    def to_dict(self) -> dict[str, Any]:
        """All of it, as JSON can hold it.

        Example:
            >>> classifier.plan(train).to_dict()["seconds"]["total"] > 0  # doctest: +SKIP
            True
        """
        return {name: getattr(self, name) for name in self.__dataclass_fields__}

    def _lines(self) -> list[tuple[str, str]]:
        def seconds(name: str) -> str:
            return _html.duration(self.seconds[name])

        limit = self.memory["limit"]
        of = "known on the executors" if limit is None else f"{_html.size(limit)} ({self.memory['limitSource']})"
        accounts = sorted(self.memory["accounts"].items(), key=lambda one: -one[1])
        exchange = f"{_html.size(self.exchangeBytesPerStep)} a step, {_html.size(self.exchangeBytesPerEpoch)} an epoch"
        trainers = f"{self.numTrainers} for {self.logicalShards} logical shards, {self.threadsPerTrainer} threads each"
        return [
            ("rows", str(self.rows)),
            ("steps", f"{self.totalSteps}, {self.stepsPerEpoch} an epoch"),
            ("trainers", trainers),
            ("feed", f"{_html.size(self.feedBytes)}, {seconds('feed')}"),
            ("exchange", exchange),
            *([("encrypted", "by TLS 1.3")] if self.transportSecurity == "tls" else []),
            ("memory", f"{_html.size(self.memory['needed'])} of {of}"),
            *((f"  {name}", _html.size(count)) for name, count in accounts),
            ("a step", f"{seconds('step')} (compute {seconds('compute')}, exchange {seconds('exchange')})"),
            ("an epoch", seconds("epoch")),
            ("in all", seconds("total")),
            ("bound by", self.bound),
            *(("advice", line) for line in self.advice),
        ]

    def __repr__(self) -> str:
        lines = self._lines()
        width = max(11, *(len(name) for name, _ in lines))
        return "\n".join(["TrainingPlan", *(f"{name:<{width}}  {value}" for name, value in lines)])

    def _repr_html_(self) -> str:
        return _html.titled("TrainingPlan", _html.table(["", "about"], self._lines()))
