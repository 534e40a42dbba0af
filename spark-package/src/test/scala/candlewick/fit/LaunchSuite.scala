package candlewick.fit

import candlewick.TestFolders
import candlewick.ClusterSuite
import candlewick.jni.RetryableException
import java.nio.file.{Files, Path, Paths}
import candlewick.internal.Clock
import java.util.concurrent.{ConcurrentHashMap, ConcurrentLinkedQueue, CountDownLatch, TimeUnit}
import java.util.concurrent.atomic.AtomicInteger
import org.apache.spark.{SparkContext, SparkEnv, Success, TaskContext, TaskEndReason, TaskKilled}
import org.apache.spark.deploy.TestCluster
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.scheduler._
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, udf}
import scala.concurrent.Await
import scala.concurrent.duration.DurationInt

/** What happens to executors and trainers before there is a gang. */
class LaunchSuite extends ClusterSuite {
  private def fit() = classifier().setNumTrainers(2)

  private def executorOf(trainer: ProcessHandle): ProcessHandle = trainer.parent().get()

  test("an executor that is killed while its trainer starts is replaced") {
    start("local-cluster[2,1,1024]")
    closeGate()
    val handle = fit().startFit(points())
    kill(executorOf(untilTrainers(2).head))
    openGate()
    val model = over(handle).result()
    assert(model.summary.numTrainers == 2)
    assert(handle.progressLines().exists(_.contains("was lost while trainers started")))
  }

  test("an executor that is killed after its trainer registered is replaced") {
    start("local-cluster[2,1,1024]")
    var first = true
    FitPoint.hook = point =>
      if (point == FitPoint.Registered && first) {
        first = false
        untilRemoved(1)(kill(executorOf(trainers().head)))
      }
    assert(fit().fit(points()).summary.numTrainers == 2)
    assert(!first)
  }

  test("trainers in the place of lost ones have launchTimeout anew") {
    start("local-cluster[2,1,1024]")
    var first = true
    FitPoint.hook = point =>
      if (point == FitPoint.Placed && first) {
        first = false
        untilRemoved(1)(kill(executors().head))
        // The launch has begun, and its time is over by far.
        Clock.nanos = () => System.nanoTime() + TimeUnit.HOURS.toNanos(1)
      }
    try assert(fit().fit(points()).summary.numTrainers == 2)
    finally Clock.nanos = () => System.nanoTime()
    assert(!first)
  }

  test("a trainer that is killed during launch is replaced where its executor lives") {
    start("local-cluster[2,1,1024]")
    var first = true
    val lost = new CountDownLatch(1)
    FitPoint.hook = point =>
      if (point == FitPoint.Registered && first) {
        first = false
        loseTrainer(lost)
      } else if (point.startsWith(FitPoint.lost(""))) lost.countDown()
    val handle = fit().startFit(points())
    assert(over(handle).result().summary.numTrainers == 2)
    val told = handle.progressLines().filter(_.contains("another one starts in its place"))
    assert(told.length == 1 && told.head.contains("killed by signal 9"), told)
  }

  test("a trainer that is killed during launch ends a fit that recovers from no loss, with its end") {
    start("local-cluster[2,1,1024]")
    var victim = 0L
    val lost = new CountDownLatch(1)
    FitPoint.hook = point =>
      if (point == FitPoint.Registered) victim = loseTrainer(lost)
      else if (point.startsWith(FitPoint.lost(""))) lost.countDown()
    val error = intercept[RetryableException](fit().setMaxRecoveries(0).fit(points()))
    assert(
      error.getMessage.contains(s"pid $victim) ended during launch: killed by signal 9"),
      error.getMessage
    )
    assert(error.getMessage.contains("maxRecoveries = 0"), error.getMessage)
  }

  /** Kills a trainer and waits until it is told as lost: else the feed could begin before. */
  private def loseTrainer(lost: CountDownLatch): Long = {
    val trainer = trainers().head
    trainer.destroyForcibly()
    ended(trainer)
    assert(lost.await(60, TimeUnit.SECONDS))
    trainer.pid
  }

  test("a cancel of the caller's job group reaches a fit that waits for a lost executor to be replaced") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 1, TestFolders.fresh("test"))
    try {
      val session = start(cluster.url)
      FitPoint.hook = point => if (point == FitPoint.Placed) loseWorker(cluster, "127.0.0.3")
      session.sparkContext.setJobGroup("mine", "a notebook cell")
      val handle =
        try fit().startFit(points())
        finally session.sparkContext.clearJobGroup()
      eventually(assert(handle.progressLines().exists(_.contains("was lost while trainers started"))))
      // The parked job follows the line; it is what the cancel meets.
      val status = session.sparkContext.statusTracker
      eventually(
        assert(
          status.getJobIdsForGroup("mine").exists(status.getJobInfo(_).exists(_.status.name == "RUNNING"))
        )
      )
      session.sparkContext.cancelJobGroup("mine")
      val error = cancelled(handle)
      assert(error.getMessage.contains("job group mine"), error.getMessage)
      assert(error.getCause != null)
    } finally stop(cluster)
  }

  test("a lost trainer starts beside another of its fit where there is no other executor") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 2, TestFolders.fresh("test"))
    try {
      start(cluster.url)
      eventually(assert(new candlewick.cluster.Executors(current.sparkContext).active().length == 2))
      var hosts = Seq.empty[ProcessHandle]
      FitPoint.hook = point =>
        if (point == FitPoint.Registered) {
          val first = hosts.isEmpty
          hosts = trainers().map(executorOf)
          if (first) loseWorker(cluster, "127.0.0.3")
        }
      assert(fit().setThreadsPerTrainer(1).fit(points()).summary.numTrainers == 2)
      assert(hosts.length == 2 && hosts.distinct.length == 1)
    } finally stop(cluster)
  }

  test("an executor that Spark has excluded after failures gets no trainer, and is none that is lost") {
    start(
      "local-cluster[3,1,1024]",
      "spark.excludeOnFailure.enabled" -> "true",
      "spark.excludeOnFailure.application.maxFailedTasksPerExecutor" -> "1"
    )
    untilExecutors(3)
    val executors = new candlewick.cluster.Executors(current.sparkContext)
    val all = executors.active()
    // Each runs one of three tasks.
    Misfit.run(current.sparkContext, all.head.id, all.length)
    eventually(assert(executors.active() == all.tail))
    assert(executors.listedWithExcluded() == all && !executors.lacks(all.head))
    assert(classifier().fit(points()).summary.numTrainers == 2)
  }

  private def loseWorker(cluster: TestCluster, host: String): Unit = untilRemoved(1)(cluster.stopWorker(host))

  /** Waits until Spark has told of so many lost executors. The fit's own listener came first, so it knows of them too. */
  private def untilRemoved(count: Int)(action: => Unit): Unit = {
    val removed = new CountDownLatch(count)
    current.sparkContext.addSparkListener(new SparkListener {
      override def onExecutorRemoved(event: SparkListenerExecutorRemoved): Unit = removed.countDown()
    })
    action
    eventually(assert(removed.getCount == 0))
  }

  private def stop(cluster: TestCluster): Unit = {
    current.stop()
    cluster.stop()
  }

  test(
    "executors that dynamic allocation takes away as a fit starts are asked for again, one for each trainer"
  ) {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 2, TestFolders.fresh("test"))
    try {
      val session = start(
        cluster.url,
        "spark.executor.cores" -> "2",
        "spark.dynamicAllocation.enabled" -> "true",
        "spark.dynamicAllocation.shuffleTracking.enabled" -> "true",
        "spark.dynamicAllocation.minExecutors" -> "0",
        "spark.dynamicAllocation.initialExecutors" -> "1",
        "spark.dynamicAllocation.maxExecutors" -> "2",
        "spark.dynamicAllocation.executorIdleTimeout" -> "3s"
      )
      val data = points()
      var taken = false
      var hosts = Set.empty[ProcessHandle]
      FitPoint.hook = point =>
        if (point == FitPoint.Placed && !taken) {
          taken = true
          untilRemoved(2) {
            val infos = session.sparkContext.statusTracker.getExecutorInfos
            assert(infos.length == 3, "the driver, and one executor for each trainer")
          }
        } else if (point == FitPoint.Registered) hosts = trainers().map(executorOf).toSet
      // Told by inputShape: no job looks at a row first, whose shuffle files would keep the executors.
      val model = fit().setInputShape(Array(4)).fit(data)
      assert(taken && model.summary.numTrainers == 2)
      assert(hosts.size == 2, "each trainer has an executor of its own")
    } finally stop(cluster)
  }

  test(
    "a fit that waits in line leaves the running one the slots for its feed, and others theirs after a while"
  ) {
    val cluster = new TestCluster(Seq("127.0.0.2"), 2, TestFolders.fresh("test"))
    try {
      val session = start(
        cluster.url,
        "spark.executor.cores" -> "2",
        "spark.dynamicAllocation.enabled" -> "true",
        "spark.dynamicAllocation.shuffleTracking.enabled" -> "true",
        "spark.dynamicAllocation.initialExecutors" -> "1",
        // There is no second one.
        "spark.dynamicAllocation.maxExecutors" -> "2"
      )
      val gathering = new CountDownLatch(1)
      session.sparkContext.addSparkListener(new SparkListener {
        override def onJobStart(event: SparkListenerJobStart): Unit =
          if (event.properties.getProperty("spark.job.description", "").contains("gather executors"))
            gathering.countDown()
      })
      val registered = new CountDownLatch(1)
      val feed = new CountDownLatch(1)
      FitPoint.hook = point =>
        if (point == FitPoint.Registered) {
          registered.countDown()
          await(feed, "the second fit did not wait in line")
        }
      val one = classifier().setInputShape(Array(4)).setThreadsPerTrainer(1)
      val first =
        one.copy(ParamMap.empty).setNumTrainers(1).setEpochs(1000000).setVerbose(true).startFit(points())
      eventually(assert(registered.getCount == 0))
      val second = one.copy(ParamMap.empty).setNumTrainers(2).startFit(points())
      eventually(assert(second.progressLines().exists(_.startsWith("waiting for free cores"))))
      feed.countDown()
      eventually(assert(first.progressLines().exists(_.contains("epoch")), first))
      // Now it asks for executors, and its tasks have the slot that is left.
      eventually(assert(gathering.getCount == 0))
      Await.result(session.sparkContext.parallelize(Seq(1), 1).countAsync(), 120.seconds): Unit
      first.cancel("enough")
      cancelled(first)
      assert(over(second).result().summary.numTrainers == 2)
    } finally stop(cluster)
  }

  /** A session of two executors with three slots each, in which a task that takes long gets a copy on the other host. */
  private def speculative(cluster: TestCluster): Unit = {
    start(
      cluster.url,
      // Spark copies tasks of a stage that fits an executor, so it has to know how many that are.
      "spark.executor.cores" -> "3",
      "spark.speculation" -> "true",
      "spark.speculation.interval" -> "50ms",
      "spark.speculation.minTaskRuntime" -> "50ms",
      "spark.speculation.task.duration.threshold" -> "300ms"
    )
    eventually(assert(new candlewick.cluster.Executors(current.sparkContext).active().length == 2))
  }

  /** The jobs whose description contains a text, the copies of their tasks that started, and how tasks of theirs ended. */
  private final class Watched(text: String) extends SparkListener {
    private val stages = ConcurrentHashMap.newKeySet[Int]()
    private val copied = ConcurrentHashMap.newKeySet[Int]()
    val jobs = new AtomicInteger
    val ends = new ConcurrentLinkedQueue[TaskEndReason]()
    private val over = ConcurrentHashMap.newKeySet[Int]()

    override def onJobStart(event: SparkListenerJobStart): Unit =
      if (event.properties.getProperty("spark.job.description", "").contains(text)) {
        jobs.incrementAndGet()
        event.stageIds.foreach(stages.add(_): Unit)
      }
    override def onTaskStart(event: SparkListenerTaskStart): Unit =
      if (event.taskInfo.speculative && stages.contains(event.stageId)) copied.add(event.taskInfo.index): Unit
    override def onTaskEnd(event: SparkListenerTaskEnd): Unit =
      if (stages.contains(event.stageId)) ends.add(event.reason): Unit

    override def onJobEnd(event: SparkListenerJobEnd): Unit = over.add(event.jobId): Unit

    def untilCopied(tasks: Int): Unit = eventually(assert(copied.size == tasks))

    /** Waits until a first attempt that runs elsewhere than it should, and began later than the copies, has answered, and
      * this listener knows of all that ended before: a copy that answered like one is among `ends` then.
      */
    def untilMisplacedAnswered(): Unit = {
      val order = ParkTask.order("no fit", "no executor") -> Nil
      val probe = Jobs.submit(current.sparkContext, Seq(order), ParkTask.hold)((_, _) => ())
      Await.result(probe, 120.seconds)
      eventually(assert(probe.jobIds.forall(over.contains(_))))
    }
  }

  private def watch(text: String): Watched = {
    val watched = new Watched(text)
    current.sparkContext.addSparkListener(watched)
    watched
  }

  test("a speculative copy of HOLD ends neither the task in the right place nor the training") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 3, TestFolders.fresh("test"))
    try {
      speculative(cluster)
      val held = watch("hold the trainers")
      val handle = fit().setEpochs(1000000).setVerbose(true).startFit(points())
      held.untilCopied(2)
      held.untilMisplacedAnswered()
      // A copy that answered would be a success, and the task in the right place would have been killed for it.
      assert(held.ends.isEmpty && held.jobs.get == 1, held.ends)
      eventually(assert(handle.progressLines().exists(_.contains("epoch")), handle))
      handle.cancel("enough")
      val error = cancelled(handle)
      assert(error.getMessage == "the fit was cancelled: enough")
    } finally stop(cluster)
  }

  test("rows that a speculative copy feeds once more count once") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 3, TestFolders.fresh("test"))
    try {
      speculative(cluster)
      // No more partitions than an executor has slots, else nothing is copied.
      val data = points(partitions = 2).cache()
      val one = fit().setInputShape(Array(4))
      val expected = one.fit(data)
      val feed = watch("Candlewick: feed")
      val model = over(one.startFit(FedTwice(data, TestFolders.fresh("test")))).result()
      assert(model.weightsHash == expected.weightsHash)
      assert(model.summary.ledger == expected.summary.ledger)
      // The trainers took the rows of both: none of the tasks failed.
      eventually(assert(feed.ends.size == 4, feed.ends))
      feed.ends.forEach { end =>
        assert(end == Success || end.isInstanceOf[TaskKilled], end): Unit
      }
    } finally stop(cluster)
  }

  test("a speculative copy of a launch that runs elsewhere does not end the launch in the right place") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 3, TestFolders.fresh("test"))
    try {
      speculative(cluster)
      val launch = watch("launch trainers")
      closeGate()
      val handle = fit().startFit(points())
      untilTrainers(2)
      launch.untilCopied(2)
      launch.untilMisplacedAnswered()
      openGate()
      assert(over(handle).result().summary.numTrainers == 2)
      assert(launch.jobs.get == 1, "the first attempts were not ended by their copies")
    } finally stop(cluster)
  }
}

/** A job that fails on one executor, and is done by others then. */
private object Misfit {
  def run(sc: SparkContext, on: String, tasks: Int): Unit =
    sc.parallelize(0 until tasks, tasks).foreach { _ =>
      if (SparkEnv.get.executorId == on) throw new IllegalStateException(s"executor $on is not fit")
    }
}

/** Rows that two attempts of each task feed: one that has fed them all ends only when the other has too, so Spark hears
  * of both when the trainers have the rows of both.
  */
private object FedTwice {
  private val watched = ConcurrentHashMap.newKeySet[Long]()
  private val LimitMs = 100000L

  def apply(data: DataFrame, folder: Path): DataFrame = {
    val path = folder.toString
    val watch = udf { (label: Double) =>
      val context = TaskContext.get()
      if (watched.add(context.taskAttemptId()))
        context.addTaskCompletionListener[Unit](context => untilBoth(Paths.get(path), context))
      label
    }
    data.withColumn("label", watch(col("label")))
  }

  private def untilBoth(folder: Path, context: TaskContext): Unit = {
    def done(attempt: Int) = folder.resolve(s"${context.partitionId()}-$attempt")
    Files.write(done(context.attemptNumber()), Array.emptyByteArray)
    val late = System.nanoTime() + TimeUnit.MILLISECONDS.toNanos(LimitMs)
    while (!Files.exists(done(1 - context.attemptNumber()))) {
      if (System.nanoTime() > late)
        throw new IllegalStateException(s"no second attempt fed partition ${context.partitionId()}")
      Thread.sleep(10)
    }
  }
}
