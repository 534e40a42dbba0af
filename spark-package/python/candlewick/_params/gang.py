# Written by candlewick-codegen (`make generate`); do not edit.
"""The processes that train."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pyspark.ml.param import Param, Params

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
        'Where trainers compute. "cuda": on the NVIDIA GPUs that Spark gave the executors (spark.executor.resource.gpu.amount), each trainer on one; it needs the artifact candlewick-cuda, and a fit without either is refused before a trainer starts. "cpu": on processors. "auto": on GPUs where both are there, else on processors; the fit says which and why, and summary.device has it. ("auto" or "cpu" or "cuda")',
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

    transportSecurity: Param[str] = Param(
        Params._dummy(),
        "transportSecurity",
        'Whether connections between executors, trainers and driver are encrypted, beside the proof that both ends belong to the fit. "tls": by TLS 1.3. "none": rows and gradients cross the network in the clear. "auto": as Spark does with its own (spark.network.crypto.enabled, spark.authenticate.enableSaslEncryption, spark.ssl.enabled, spark.ssl.rpc.enabled, spark.io.encryption.enabled), where anything leaves the machine. ("auto" or "none" or "tls")',
        typeConverter=Legal(
            "transportSecurity",
            to_text,
            '"auto" or "none" or "tls"',
            one_of("auto", "none", "tls"),
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
            maxRecoveries=3,
            dataReplicas=1,
            failureTimeout="15s",
            progressTimeout="600s",
            launchTimeout="300s",
            transportSecurity="auto",
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

    def getTransportSecurity(self) -> str:
        """Value of transportSecurity, or its default."""
        return self.getOrDefault(self.transportSecurity)

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
        (spark.executor.resource.gpu.amount), each trainer on one; it needs the artifact candlewick-cuda,
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

    def setTransportSecurity(self, value: str) -> Self:
        """Whether connections between executors, trainers and driver are encrypted, beside the proof that
        both ends belong to the fit. "tls": by TLS 1.3. "none": rows and gradients cross the network in the
        clear. "auto": as Spark does with its own (spark.network.crypto.enabled,
        spark.authenticate.enableSaslEncryption, spark.ssl.enabled, spark.ssl.rpc.enabled,
        spark.io.encryption.enabled), where anything leaves the machine. ("auto" or "none" or "tls")
        """
        return self._set(transportSecurity=value)

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
