# Written by candlewick-codegen (`make generate`); do not edit.
"""The processes that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.ml.param import Param, Params, TypeConverters

from candlewick._convert import to_duration, to_int, to_text
from candlewick._legal import Legal, Range, matches, one_of

if TYPE_CHECKING:
    from typing_extensions import Self


class GangParams(Params):
    """Parameters of estimators, which their models know. The processes that train."""

    numTrainers: Param[int] = Param(
        Params._dummy(),
        "numTrainers",
        "Trainer processes. 0: one per executor; on GPUs (device) one for each GPU of the executors. (whole number from 0 to 4096)",
        typeConverter=Legal(
            "numTrainers",
            to_int,
            "a whole number from 0 to 4096",
            Range(0, 4096),
        ),
    )

    minTrainers: Param[int] = Param(
        Params._dummy(),
        "minTrainers",
        "Fewest trainers. Training begins with fewer than numTrainers where the cluster has no room for more now, and goes on with fewer after a loss, but not with fewer than these: others are waited for, up to executorTimeout. Not set: it begins with numTrainers and goes on with those that are left. (whole number from 1 to 4096)",
        typeConverter=Legal(
            "minTrainers",
            to_int,
            "a whole number from 1 to 4096",
            Range(1, 4096),
        ),
    )

    maxTrainers: Param[int] = Param(
        Params._dummy(),
        "maxTrainers",
        "Most trainers: where executors come later, training takes more trainers in at the end of an epoch, up to so many. Not set: as many as it began with, so that others take the place of those that are lost. (whole number from 1 to 4096)",
        typeConverter=Legal(
            "maxTrainers",
            to_int,
            "a whole number from 1 to 4096",
            Range(1, 4096),
        ),
    )

    executorTimeout: Param[str] = Param(
        Params._dummy(),
        "executorTimeout",
        'Longest wait for other trainers where fewer than minTrainers are left. (duration such as "15s", "500ms" or "2min"; a bare number is seconds)',
        typeConverter=Legal(
            "executorTimeout",
            to_duration,
            'a duration such as "15s", "500ms" or "2min"; a bare number is seconds',
            matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"),
        ),
    )

    threadsPerTrainer: Param[int] = Param(
        Params._dummy(),
        "threadsPerTrainer",
        "Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number from 0 to 1024)",
        typeConverter=Legal(
            "threadsPerTrainer",
            to_int,
            "a whole number from 0 to 1024",
            Range(0, 1024),
        ),
    )

    device: Param[str] = Param(
        Params._dummy(),
        "device",
        'Where trainers compute. "cuda": on the NVIDIA GPUs that Spark gave the executors (spark.executor.resource.gpu.amount), each trainer on one; it wants the artifact candlewick-cuda, and a fit without either is refused before a trainer starts. "cpu": on processors. "auto": on GPUs where both are there, else on processors; the fit says which and why, and summary.device has it. ("auto" or "cpu" or "cuda")',
        typeConverter=Legal(
            "device",
            to_text,
            '"auto" or "cpu" or "cuda"',
            one_of("auto", "cpu", "cuda"),
        ),
    )

    logicalShards: Param[int] = Param(
        Params._dummy(),
        "logicalShards",
        "Logical shards the rows are dealt to; the unit of computation, so part of what decides the weights' bits. At least numTrainers. Not set: 8, or more for more trainers; on GPUs as many as trainers. (whole number from 1 to 65536)",
        typeConverter=Legal(
            "logicalShards",
            to_int,
            "a whole number from 1 to 65536",
            Range(1, 65536),
        ),
    )

    dataShuffle: Param[str] = Param(
        Params._dummy(),
        "dataShuffle",
        'Where rows go. "hash": their content says to which logical shard, so the model does not depend on the partitioning. "none": they go to the trainer beside the executor that reads them, and cross the network only where there is none; the model then depends on the partitioning and on where partitions were read, and equal rows are not spread. ("hash" or "none")',
        typeConverter=Legal(
            "dataShuffle",
            to_text,
            '"hash" or "none"',
            one_of("hash", "none"),
        ),
    )

    gradientCompression: Param[str] = Param(
        Params._dummy(),
        "gradientCompression",
        'What gradients become before trainers exchange them; part of what decides the bits of the weights, on one trainer too. "none": they stay f32. "auto": before the first step the trainers try steps, and by what these and the measured links take they decide for the whole fit, losses, growth and checkpoints included, between none and bf16 (summary.compression says what and why); another number of trainers or another network may decide otherwise, so that the same bits on any number of trainers are given up. "bf16", "fp16": 16 bits a value, half of the bytes. "topk:0.01": the largest hundredth of the values of each parameter (any share); "1bit": signs and two means for 128 values; "powersgd:4": two factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds what it did not send to its next gradient. Gradients that go by rows (Embedding, sparse features) are not compressed. ("none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the values that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999, such as "powersgd:4")',
        typeConverter=Legal(
            "gradientCompression",
            to_text,
            '"none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the values that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999, such as "powersgd:4"',
            matches("(?-i:none|auto|bf16|fp16|1bit|topk:(0?\\.[0-9]{0,8}[1-9]|1(\\.0)?)|powersgd:[1-9][0-9]{0,3})"),
        ),
    )

    localSteps: Param[int] = Param(
        Params._dummy(),
        "localSteps",
        "Steps that every logical shard makes by itself, with weights and a state of the optimiser of its own on its part of each batch, before all meet and exchange; they also meet at the end of an epoch and before an evaluation. Part of what decides the bits of the weights, on one trainer too. 1: every step is one of all together. (whole number from 1 to 4096)",
        typeConverter=Legal(
            "localSteps",
            to_int,
            "a whole number from 1 to 4096",
            Range(1, 4096),
        ),
    )

    outerLearningRate: Param[float] = Param(
        Params._dummy(),
        "outerLearningRate",
        "With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv 2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local SGD). (number above 0)",
        typeConverter=Legal(
            "outerLearningRate",
            TypeConverters.toFloat,
            "a finite number above 0",
            Range(above=0.0),
        ),
    )

    outerMomentum: Param[float] = Param(
        Params._dummy(),
        "outerMomentum",
        "With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv 2311.08105). (number of at least 0 and below 1)",
        typeConverter=Legal(
            "outerMomentum",
            TypeConverters.toFloat,
            "a finite number of at least 0 and below 1",
            Range(0.0, below=1.0),
        ),
    )

    asynchrony: Param[str] = Param(
        Params._dummy(),
        "asynchrony",
        'Whether trainers compute while they exchange, or wait for each other at all; part of what decides the bits of the weights. "none": a step begins when the gradient of the one before is applied. "delayed": it is computed while that gradient is exchanged, with the weights from before it, so that each gradient is applied one step late, on one trainer too; at every 64th step of an epoch and at its end what is under way is waited for. "stale": every trainer applies its own updates at once and those of others as they come, and waits only where its weights would lack more than the last `staleness` steps of another; at every 64th step of an epoch, before an evaluation and at the end of an epoch all agree. The same bits, on other runs too, are given up for it; one trainer alone computes what it does with "none". ("none" or "delayed" or "stale")',
        typeConverter=Legal(
            "asynchrony",
            to_text,
            '"none" or "delayed" or "stale"',
            one_of("none", "delayed", "stale"),
        ),
    )

    staleness: Param[int] = Param(
        Params._dummy(),
        "staleness",
        'With asynchrony="stale": of how many last steps a trainer may lack the updates of others when it begins a step, so that none is further ahead. More of it waits less, and trains with older weights. (whole number from 1 to 64)',
        typeConverter=Legal(
            "staleness",
            to_int,
            "a whole number from 1 to 64",
            Range(1, 64),
        ),
    )

    deterministicReduction: Param[bool] = Param(
        Params._dummy(),
        "deterministicReduction",
        "Whether gradients are added up in one order, so that the weights have the same bits on any number of trainers. false: the order may follow from the trainers, where that is faster (a ring); another number of trainers, a recovery or another network may give other bits then, all trainers of a fit still have the same. (true or false)",
        typeConverter=TypeConverters.toBoolean,
    )

    maxRecoveries: Param[int] = Param(
        Params._dummy(),
        "maxRecoveries",
        "How often a fit may go on after a loss (a trainer, its executor, its host) or after a connection between two trainers that broke; the next one fails it. 0: the first one does. (whole number from 0 to 1000000)",
        typeConverter=Legal(
            "maxRecoveries",
            to_int,
            "a whole number from 0 to 1000000",
            Range(0, 1000000),
        ),
    )

    dataReplicas: Param[int] = Param(
        Params._dummy(),
        "dataReplicas",
        "Trainers that keep each row. 2: a second trainer has a copy of what each one trains on, on another host or executor where it can be, so that nothing is read from the DataFrame again after a loss in training. It takes twice the memory for rows, and at least two trainers. The model has the same bits either way. (whole number from 1 to 2)",
        typeConverter=Legal(
            "dataReplicas",
            to_int,
            "a whole number from 1 to 2",
            Range(1, 2),
        ),
    )

    failureTimeout: Param[str] = Param(
        Params._dummy(),
        "failureTimeout",
        'Silence after which a trainer counts as lost. (duration such as "15s", "500ms" or "2min"; a bare number is seconds)',
        typeConverter=Legal(
            "failureTimeout",
            to_duration,
            'a duration such as "15s", "500ms" or "2min"; a bare number is seconds',
            matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"),
        ),
    )

    progressTimeout: Param[str] = Param(
        Params._dummy(),
        "progressTimeout",
        'Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms" or "2min"; a bare number is seconds)',
        typeConverter=Legal(
            "progressTimeout",
            to_duration,
            'a duration such as "15s", "500ms" or "2min"; a bare number is seconds',
            matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"),
        ),
    )

    launchTimeout: Param[str] = Param(
        Params._dummy(),
        "launchTimeout",
        'Longest wait for all trainers to start. (duration such as "15s", "500ms" or "2min"; a bare number is seconds)',
        typeConverter=Legal(
            "launchTimeout",
            to_duration,
            'a duration such as "15s", "500ms" or "2min"; a bare number is seconds',
            matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"),
        ),
    )

    feedMemory: Param[str] = Param(
        Params._dummy(),
        "feedMemory",
        'Memory of an executor for rows on their way to the trainers. (size such as "64m" or "1g")',
        typeConverter=Legal(
            "feedMemory",
            to_text,
            'a size such as "64m" or "1g"',
            matches("\\s*0*[1-9][0-9]{0,8}\\s*(b|k|kb|m|mb|g|gb)?\\s*"),
        ),
    )

    trainerMemory: Param[str] = Param(
        Params._dummy(),
        "trainerMemory",
        'Memory of a trainer in all: network, optimiser, batches and rows. Rows beyond it are on disk (spoolDir), with the same model; a fit whose network and batch alone need more is refused before it starts. Not set: on YARN and Kubernetes 60 % of spark.executor.memoryOverhead, divided as the cores of the executor are among trainers of all fits; elsewhere 25 % of the memory of the machine divided by the trainers on it. A lower limit of the container goes before it. (size such as "64m" or "1g")',
        typeConverter=Legal(
            "trainerMemory",
            to_text,
            'a size such as "64m" or "1g"',
            matches("\\s*0*[1-9][0-9]{0,8}\\s*(b|k|kb|m|mb|g|gb)?\\s*"),
        ),
    )

    spoolDir: Param[str] = Param(
        Params._dummy(),
        "spoolDir",
        'Folder that exists on each executor, for rows that trainerMemory does not hold; several with commas between, used in turn. Not set: those that Spark has for its own files (spark.local.dir, or what YARN or Kubernetes gives). (absolute paths of folders, without "file:" and with commas between, such as "/data/1,/data/2")',
        typeConverter=Legal(
            "spoolDir",
            to_text,
            'absolute paths of folders, without "file:" and with commas between, such as "/data/1,/data/2"',
            matches("\\s*/[^,]*(,\\s*/[^,]*)*"),
        ),
    )

    def __init__(self) -> None:
        super().__init__()
        self._setDefault(
            numTrainers=0,
            executorTimeout="300s",
            threadsPerTrainer=0,
            device="auto",
            logicalShards=8,
            dataShuffle="hash",
            gradientCompression="none",
            localSteps=1,
            outerLearningRate=0.7,
            outerMomentum=0.9,
            asynchrony="none",
            staleness=4,
            deterministicReduction=True,
            maxRecoveries=3,
            dataReplicas=1,
            failureTimeout="15s",
            progressTimeout="600s",
            launchTimeout="300s",
            feedMemory="64m",
        )

    def getNumTrainers(self) -> int:
        """Value of numTrainers, or its default."""
        return self.getOrDefault(self.numTrainers)

    def getMinTrainers(self) -> int:
        """Value of minTrainers, or its default."""
        return self.getOrDefault(self.minTrainers)

    def getMaxTrainers(self) -> int:
        """Value of maxTrainers, or its default."""
        return self.getOrDefault(self.maxTrainers)

    def getExecutorTimeout(self) -> str:
        """Value of executorTimeout, or its default."""
        return self.getOrDefault(self.executorTimeout)

    def getThreadsPerTrainer(self) -> int:
        """Value of threadsPerTrainer, or its default."""
        return self.getOrDefault(self.threadsPerTrainer)

    def getDevice(self) -> str:
        """Value of device, or its default."""
        return self.getOrDefault(self.device)

    def getLogicalShards(self) -> int:
        """Value of logicalShards, or its default."""
        return self.getOrDefault(self.logicalShards)

    def getDataShuffle(self) -> str:
        """Value of dataShuffle, or its default."""
        return self.getOrDefault(self.dataShuffle)

    def getGradientCompression(self) -> str:
        """Value of gradientCompression, or its default."""
        return self.getOrDefault(self.gradientCompression)

    def getLocalSteps(self) -> int:
        """Value of localSteps, or its default."""
        return self.getOrDefault(self.localSteps)

    def getOuterLearningRate(self) -> float:
        """Value of outerLearningRate, or its default."""
        return self.getOrDefault(self.outerLearningRate)

    def getOuterMomentum(self) -> float:
        """Value of outerMomentum, or its default."""
        return self.getOrDefault(self.outerMomentum)

    def getAsynchrony(self) -> str:
        """Value of asynchrony, or its default."""
        return self.getOrDefault(self.asynchrony)

    def getStaleness(self) -> int:
        """Value of staleness, or its default."""
        return self.getOrDefault(self.staleness)

    def getDeterministicReduction(self) -> bool:
        """Value of deterministicReduction, or its default."""
        return self.getOrDefault(self.deterministicReduction)

    def getMaxRecoveries(self) -> int:
        """Value of maxRecoveries, or its default."""
        return self.getOrDefault(self.maxRecoveries)

    def getDataReplicas(self) -> int:
        """Value of dataReplicas, or its default."""
        return self.getOrDefault(self.dataReplicas)

    def getFailureTimeout(self) -> str:
        """Value of failureTimeout, or its default."""
        return self.getOrDefault(self.failureTimeout)

    def getProgressTimeout(self) -> str:
        """Value of progressTimeout, or its default."""
        return self.getOrDefault(self.progressTimeout)

    def getLaunchTimeout(self) -> str:
        """Value of launchTimeout, or its default."""
        return self.getOrDefault(self.launchTimeout)

    def getFeedMemory(self) -> str:
        """Value of feedMemory, or its default."""
        return self.getOrDefault(self.feedMemory)

    def getTrainerMemory(self) -> str:
        """Value of trainerMemory, or its default."""
        return self.getOrDefault(self.trainerMemory)

    def getSpoolDir(self) -> str:
        """Value of spoolDir, or its default."""
        return self.getOrDefault(self.spoolDir)


class GangSetters(GangParams):
    """What estimators have beyond their models. The processes that train."""

    def setNumTrainers(self, value: int) -> Self:
        """Trainer processes. 0: one per executor; on GPUs (device) one for each GPU of the executors.
        (whole number from 0 to 4096)
        """
        return self._set(numTrainers=value)

    def setMinTrainers(self, value: int) -> Self:
        """Fewest trainers. Training begins with fewer than numTrainers where the cluster has no room for
        more now, and goes on with fewer after a loss, but not with fewer than these: others are waited for,
        up to executorTimeout. Not set: it begins with numTrainers and goes on with those that are left.
        (whole number from 1 to 4096)
        """
        return self._set(minTrainers=value)

    def setMaxTrainers(self, value: int) -> Self:
        """Most trainers: where executors come later, training takes more trainers in at the end of an
        epoch, up to so many. Not set: as many as it began with, so that others take the place of those that
        are lost. (whole number from 1 to 4096)
        """
        return self._set(maxTrainers=value)

    def setExecutorTimeout(self, value: str | float) -> Self:
        """Longest wait for other trainers where fewer than minTrainers are left. (duration such as "15s",
        "500ms" or "2min"; a bare number is seconds)
        """
        return self._set(executorTimeout=value)

    def setThreadsPerTrainer(self, value: int) -> Self:
        """Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number from
        0 to 1024)
        """
        return self._set(threadsPerTrainer=value)

    def setDevice(self, value: str) -> Self:
        """Where trainers compute. "cuda": on the NVIDIA GPUs that Spark gave the executors
        (spark.executor.resource.gpu.amount), each trainer on one; it wants the artifact candlewick-cuda,
        and a fit without either is refused before a trainer starts. "cpu": on processors. "auto": on GPUs
        where both are there, else on processors; the fit says which and why, and summary.device has it.
        ("auto" or "cpu" or "cuda")
        """
        return self._set(device=value)

    def setLogicalShards(self, value: int) -> Self:
        """Logical shards the rows are dealt to; the unit of computation, so part of what decides the
        weights' bits. At least numTrainers. Not set: 8, or more for more trainers; on GPUs as many as
        trainers. (whole number from 1 to 65536)
        """
        return self._set(logicalShards=value)

    def setDataShuffle(self, value: str) -> Self:
        """Where rows go. "hash": their content says to which logical shard, so the model does not depend on
        the partitioning. "none": they go to the trainer beside the executor that reads them, and cross the
        network only where there is none; the model then depends on the partitioning and on where partitions
        were read, and equal rows are not spread. ("hash" or "none")
        """
        return self._set(dataShuffle=value)

    def setGradientCompression(self, value: str) -> Self:
        """What gradients become before trainers exchange them; part of what decides the bits of the
        weights, on one trainer too. "none": they stay f32. "auto": before the first step the trainers try
        steps, and by what these and the measured links take they decide for the whole fit, losses, growth
        and checkpoints included, between none and bf16 (summary.compression says what and why); another
        number of trainers or another network may decide otherwise, so that the same bits on any number of
        trainers are given up. "bf16", "fp16": 16 bits a value, half of the bytes. "topk:0.01": the largest
        hundredth of the values of each parameter (any share); "1bit": signs and two means for 128 values;
        "powersgd:4": two factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds
        what it did not send to its next gradient. Gradients that go by rows (Embedding, sparse features)
        are not compressed. ("none", "auto", "bf16", "fp16", "1bit", "topk:" and the share of the values
        that is sent, above 0 and at most 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999,
        such as "powersgd:4")
        """
        return self._set(gradientCompression=value)

    def setLocalSteps(self, value: int) -> Self:
        """Steps that every logical shard makes by itself, with weights and a state of the optimiser of its
        own on its part of each batch, before all meet and exchange; they also meet at the end of an epoch
        and before an evaluation. Part of what decides the bits of the weights, on one trainer too. 1: every
        step is one of all together. (whole number from 1 to 4096)
        """
        return self._set(localSteps=value)

    def setOuterLearningRate(self, value: float) -> Self:
        """With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the
        shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv
        2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local SGD).
        (number above 0)
        """
        return self._set(outerLearningRate=value)

    def setOuterMomentum(self, value: float) -> Self:
        """With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv
        2311.08105). (number of at least 0 and below 1)
        """
        return self._set(outerMomentum=value)

    def setAsynchrony(self, value: str) -> Self:
        """Whether trainers compute while they exchange, or wait for each other at all; part of what decides
        the bits of the weights. "none": a step begins when the gradient of the one before is applied.
        "delayed": it is computed while that gradient is exchanged, with the weights from before it, so that
        each gradient is applied one step late, on one trainer too; at every 64th step of an epoch and at
        its end what is under way is waited for. "stale": every trainer applies its own updates at once and
        those of others as they come, and waits only where its weights would lack more than the last
        `staleness` steps of another; at every 64th step of an epoch, before an evaluation and at the end of
        an epoch all agree. The same bits, on other runs too, are given up for it; one trainer alone
        computes what it does with "none". ("none" or "delayed" or "stale")
        """
        return self._set(asynchrony=value)

    def setStaleness(self, value: int) -> Self:
        """With asynchrony="stale": of how many last steps a trainer may lack the updates of others when it
        begins a step, so that none is further ahead. More of it waits less, and trains with older weights.
        (whole number from 1 to 64)
        """
        return self._set(staleness=value)

    def setDeterministicReduction(self, value: bool) -> Self:
        """Whether gradients are added up in one order, so that the weights have the same bits on any number
        of trainers. false: the order may follow from the trainers, where that is faster (a ring); another
        number of trainers, a recovery or another network may give other bits then, all trainers of a fit
        still have the same. (true or false)
        """
        return self._set(deterministicReduction=value)

    def setMaxRecoveries(self, value: int) -> Self:
        """How often a fit may go on after a loss (a trainer, its executor, its host) or after a connection
        between two trainers that broke; the next one fails it. 0: the first one does. (whole number from 0
        to 1000000)
        """
        return self._set(maxRecoveries=value)

    def setDataReplicas(self, value: int) -> Self:
        """Trainers that keep each row. 2: a second trainer has a copy of what each one trains on, on
        another host or executor where it can be, so that nothing is read from the DataFrame again after a
        loss in training. It takes twice the memory for rows, and at least two trainers. The model has the
        same bits either way. (whole number from 1 to 2)
        """
        return self._set(dataReplicas=value)

    def setFailureTimeout(self, value: str | float) -> Self:
        """Silence after which a trainer counts as lost. (duration such as "15s", "500ms" or "2min"; a bare
        number is seconds)
        """
        return self._set(failureTimeout=value)

    def setProgressTimeout(self, value: str | float) -> Self:
        """Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms" or
        "2min"; a bare number is seconds)
        """
        return self._set(progressTimeout=value)

    def setLaunchTimeout(self, value: str | float) -> Self:
        """Longest wait for all trainers to start. (duration such as "15s", "500ms" or "2min"; a bare number
        is seconds)
        """
        return self._set(launchTimeout=value)

    def setFeedMemory(self, value: str) -> Self:
        """Memory of an executor for rows on their way to the trainers. (size such as "64m" or "1g")"""
        return self._set(feedMemory=value)

    def setTrainerMemory(self, value: str) -> Self:
        """Memory of a trainer in all: network, optimiser, batches and rows. Rows beyond it are on disk
        (spoolDir), with the same model; a fit whose network and batch alone need more is refused before it
        starts. Not set: on YARN and Kubernetes 60 % of spark.executor.memoryOverhead, divided as the cores
        of the executor are among trainers of all fits; elsewhere 25 % of the memory of the machine divided
        by the trainers on it. A lower limit of the container goes before it. (size such as "64m" or "1g")
        """
        return self._set(trainerMemory=value)

    def setSpoolDir(self, value: str) -> Self:
        """Folder that exists on each executor, for rows that trainerMemory does not hold; several with
        commas between, used in turn. Not set: those that Spark has for its own files (spark.local.dir, or
        what YARN or Kubernetes gives). (absolute paths of folders, without "file:" and with commas between,
        such as "/data/1,/data/2")
        """
        return self._set(spoolDir=value)
