"""A real Spark standalone cluster of two hosts: what Spark does to executors and tasks there does not change a bit of a model."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
from pyspark import TaskContext
from pyspark.sql import DataFrame, SparkSession
from pyspark.sql import functions as F
from pyspark.sql.types import DoubleType

from candlewick import NeuralClassificationModel, nn

from . import conftest, support
from .standalone import (
    HOSTS,
    Standalone,
    attempts,
    await_hosts,
    executor_of,
    executors,
    host_of,
    standalone,
    start,
)
from .support import Background, Gate, Lines, Trainer, blobs, captured_lines, classifier, trainers, wait_for

ROWS, WIDTH, PARTITIONS = 2000, 20, 4

#: Longer than any wait of a test: what stands in a task gives up after the test has failed.
PATIENCE = 5 * support.DEADLINE

#: Epochs of a fit that a test stops in the middle.
LONG = 100


def data(spark: SparkSession) -> DataFrame:
    """Without a shuffle: its files would keep executors from being idle, and tests from seeing what else does."""
    return blobs(spark, ROWS, WIDTH)


def gang(**params: Any) -> Any:
    """Wide enough that computing, not the machine's load, says how long a step takes. `fit` need not look at a row first."""
    net = nn.Sequential(nn.Linear(2048), nn.ReLU(), nn.Dropout(0.2), nn.Linear(3))
    return classifier(network=net, inputShape=[WIDTH], **params)


@pytest.fixture(scope="module")
def expected() -> dict[int, NeuralClassificationModel]:
    """The models of one JVM, by the epochs they were trained for."""
    spark = conftest.start("local[2]")
    rows = data(spark)
    models = {epochs: gang(epochs=epochs).fit(rows) for epochs in (3, LONG)}
    spark.stop()
    return models


@pytest.fixture(scope="module")
def running(
    tmp_path_factory: pytest.TempPathFactory, expected: dict[int, NeuralClassificationModel]
) -> Iterator[Standalone]:
    with standalone(tmp_path_factory.mktemp("standalone")) as cluster:
        yield cluster


@pytest.fixture
def cluster(running: Standalone) -> Iterator[Standalone]:
    """Both hosts have a worker, and the session of the test before is over."""
    running.add_workers(*HOSTS)
    yield running
    active = SparkSession.getActiveSession()
    if active is not None:
        active.stop()


def same(model: Any, expected: NeuralClassificationModel) -> None:
    """The bits are those of one JVM, and every row counted once."""
    assert model.weightsHash == expected.weightsHash
    ledger = model.summary.ledger
    assert ledger["rowsRead"] == ledger["rowsSent"] == ledger["rowsSpooled"] == sum(ledger["shardRows"]) == ROWS
    assert model.summary.numTrainers == 2


@contextmanager
def training(rows: DataFrame, **params: Any) -> Iterator[tuple[Background, Lines, list[Trainer], Gate]]:
    """A fit that stands at the end of its first epoch, until the gate is opened; with its trainers, sorted by host."""
    gate = Gate()
    with captured_lines() as lines:
        long = gang(epochs=LONG, verbose=True, callbacks=[gate], **params)
        fit = Background(lambda: long.fit(rows))
        try:
            wait_for("the first epoch", gate.reached.is_set, during=fit)
            yield fit, lines, sorted(trainers(), key=host_of), gate
        finally:
            gate.goes_on.set()
            fit.join()


def standing(rows: DataFrame, folder: Path, partition: int) -> DataFrame:
    """The same rows; tasks of the partition stand at their first row until the file `go` is there, and say so by `there`."""
    there, go = folder / "there", folder / "go"
    patience = PATIENCE

    def stand(label: float, at: int) -> float:
        if at == partition and not go.exists():
            there.touch()
            end = time.monotonic() + patience
            while not go.exists() and time.monotonic() < end:
                time.sleep(0.01)
        return label

    return rows.withColumn("label", F.udf(stand, DoubleType(), useArrow=False)("label", F.spark_partition_id()))


def test_a_fit_on_two_hosts(
    cluster: Standalone, expected: dict[int, NeuralClassificationModel], tmp_path: Path
) -> None:
    spark = start(cluster)
    await_hosts(spark, *HOSTS)
    rows = standing(data(spark), tmp_path, partition=1)
    fit = Background(lambda: gang().fit(rows))
    wait_for("the feed", (tmp_path / "there").exists, during=fit)
    hosts = sorted(host_of(trainer) for trainer in trainers())
    (tmp_path / "go").touch()
    assert fit.join().error is None, fit.error
    assert hosts == sorted(HOSTS)
    same(fit.result, expected[3])


def active(spark: SparkSession) -> set[str]:
    return {executor.id for executor in executors(spark) if executor.active}


class StandingJob:
    """A Spark job in a thread whose tasks stand until each is released."""

    def __init__(self, spark: SparkSession, folder: Path, tasks: int) -> None:
        self._spark, self._folder = spark, folder
        patience = PATIENCE

        def stand(_: int) -> int:
            context = TaskContext.get()
            assert context is not None
            name, end = str(context.taskAttemptId()), time.monotonic() + patience
            (folder / f"there-{name}").touch()
            while not (folder / f"go-{name}").exists() and time.monotonic() < end:
                time.sleep(0.01)
            return 1

        self.run = Background(lambda: spark.sparkContext.parallelize(range(tasks), tasks).map(stand).sum())
        wait_for(f"{tasks} standing tasks", lambda: len(self._ids()) == tasks, during=self.run)

    def _ids(self) -> set[int]:
        return {int(path.name.rsplit("-", 1)[1]) for path in self._folder.glob("there-*")}

    def tasks(self) -> list[dict[str, Any]]:
        """What Spark tells of its tasks."""
        return attempts(self._spark, self._ids())

    def release(self, executors: set[str]) -> None:
        """Lets the tasks on these executors end, and waits until Spark says that they have."""
        for task in self.tasks():
            if task["executorId"] in executors:
                (self._folder / f"go-{task['taskId']}").touch()
        wait_for(
            f"the end of tasks on {executors}",
            lambda: all(task["status"] == "SUCCESS" for task in self.tasks() if task["executorId"] in executors),
        )


@contextmanager
def third_host(cluster: Standalone) -> Iterator[None]:
    host = "127.0.0.4"
    cluster.add_workers(host)
    try:
        yield
    finally:
        cluster.kill_worker(host)


def test_dynamic_allocation_leaves_the_trainers_their_executors(
    cluster: Standalone, expected: dict[int, NeuralClassificationModel], tmp_path: Path
) -> None:
    settings = {
        "enabled": "true",
        "shuffleTracking.enabled": "true",
        "minExecutors": "0",
        "maxExecutors": "3",
        "executorIdleTimeout": "2s",
    }
    # Otherwise an executor that Spark has ended counts as active for 5 s more.
    more = {"spark.standalone.executorRemoveDelayOnDisconnection": "100ms"}
    spark = start(cluster, **{f"spark.dynamicAllocation.{key}": value for key, value in settings.items()}, **more)
    assert executors(spark) == [], "before the fit nobody needs one"
    with third_host(cluster):
        with training(data(spark)) as (fit, _, gang, _):
            theirs = {executor_of(trainer) for trainer in gang}
            # A job that takes the other slot of theirs and needs one executor more, which is without a task later than
            # theirs: once Spark has taken that one away, it would have taken theirs.
            job = StandingJob(spark, tmp_path, tasks=4)
            other = {task["executorId"] for task in job.tasks()} - theirs
            assert len(theirs) == 2 and len(other) == 1
            job.release(theirs)
            job.release(other)
            assert job.run.join().result == 4, job.run.error
            wait_for("the end of the idle executor", lambda: not other & active(spark))
            assert active(spark) == theirs
            assert set(trainers()) == set(gang) and not fit.ended
        assert fit.error is None, fit.error
        same(fit.result, expected[LONG])
        assert fit.result.summary.recoveryLog == []
        wait_for("the end of their executors", lambda: not active(spark))


def raced(rows: DataFrame, folder: Path, partition: int, last: int) -> DataFrame:
    """The same rows. Of two attempts at the partition the first goes on when the second is at its last row: either may win.

    Each attempt leaves a file named by its taskAttemptId.
    """
    began, passed, patience = folder / "began", folder / "passed", PATIENCE
    seen = 0

    def race(label: float, at: int) -> float:
        nonlocal seen
        context = TaskContext.get()
        if at == partition and context is not None:
            seen += 1
            first = context.attemptNumber() == 0
            if seen == 1:
                (folder / f"attempt-{context.taskAttemptId()}").touch()
            if seen == (1 if first else last):
                # A copy that was over before the first attempt has a row would leave nothing to race with.
                mine, other = (began, passed) if first else (passed, began)
                mine.touch()
                end = time.monotonic() + patience
                while not other.exists():
                    if time.monotonic() > end:
                        raise TimeoutError("no other attempt at this task")
                    time.sleep(0.01)
        return label

    return rows.withColumn("label", F.udf(race, DoubleType(), useArrow=False)("label", F.spark_partition_id()))


def test_a_speculative_copy_of_a_feed_task_counts_no_row_twice(
    cluster: Standalone, expected: dict[int, NeuralClassificationModel], tmp_path: Path
) -> None:
    settings = {
        "interval": "100ms",
        "multiplier": "1.01",
        "quantile": "0.25",
        "minTaskRuntime": "100ms",
        # For stages as small as an executor: tasks that hold the trainers' slots are copied too.
        "task.duration.threshold": "500ms",
    }
    spark = start(
        cluster,
        **{"spark.speculation": "true", **{f"spark.speculation.{key}": value for key, value in settings.items()}},
    )
    await_hosts(spark, *HOSTS)
    rows = raced(data(spark), tmp_path, partition=1, last=ROWS // PARTITIONS)
    fit = Background(lambda: gang(epochs=LONG).fit(rows)).join()
    assert fit.error is None, fit.error
    same(fit.result, expected[LONG])
    ran = {int(path.name.rsplit("-", 1)[1]) for path in tmp_path.glob("attempt-*")}
    told = attempts(spark, ran)
    assert sorted(task["host"] for task in told) == sorted(HOSTS), told
    assert sorted(task["speculative"] for task in told) == [False, True], told


def test_another_job_on_the_same_executors(
    cluster: Standalone, expected: dict[int, NeuralClassificationModel], tmp_path: Path
) -> None:
    spark = start(cluster)
    context = spark.sparkContext
    await_hosts(spark, *HOSTS)
    other = StandingJob(spark, tmp_path, tasks=2)
    assert {task["host"] for task in other.tasks()} == set(HOSTS)
    rows = data(spark)
    fit = Background(lambda: gang().fit(rows))
    jobs = 0
    # One slot of each executor is left. Short jobs want them too, from before the trainers start until after their end.
    while not fit.ended or not jobs:
        short = Background(lambda: context.parallelize(range(100), 8).sum()).join()
        assert short.result == 4950, short.error
        jobs += 1
    assert not other.run.ended
    other.release(active(spark))
    assert other.run.join().result == 2, other.run.error
    assert fit.join().error is None, fit.error
    same(fit.result, expected[3])


def test_a_worker_that_is_killed_costs_its_trainer(
    cluster: Standalone, expected: dict[int, NeuralClassificationModel]
) -> None:
    spark = start(cluster)
    await_hosts(spark, *HOSTS)
    # A shuffle, so that the host takes its files along.
    with training(data(spark).repartition(PARTITIONS)) as (fit, lines, gang, gate):
        lost, kept = gang
        victim = (host_of(lost), executor_of(lost))
        cluster.kill_worker(victim[0])
        # Without it training does not go on.
        gate.goes_on.set()
        wait_for("the recovery", lambda: lines.has("training goes on at step "), during=fit)
        # Over already, or with the one that is left; another may have come.
        assert kept in (trainers() or [kept])
    assert fit.error is None, fit.error
    same(fit.result, expected[LONG])
    (recovery,) = fit.result.summary.recoveryLog
    (told,) = recovery["lost"]
    assert (told["host"], told["executor"]) == victim, recovery
    assert 0 < recovery["resumeStep"] < fit.result.summary.totalSteps and recovery["rowsRefed"] > 0, recovery
