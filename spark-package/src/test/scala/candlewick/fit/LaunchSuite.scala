package candlewick.fit

import candlewick.ClusterSuite
import candlewick.jni.{CancelledException, RetryableException}
import java.nio.file.Files
import java.util.concurrent.{ConcurrentLinkedQueue, CountDownLatch}
import org.apache.spark.deploy.TestCluster
import org.apache.spark.scheduler._
import scala.jdk.CollectionConverters._

/** What happens to executors and trainers before there is a gang. */
class LaunchSuite extends ClusterSuite {
  private val launchJobs = new ConcurrentLinkedQueue[Int]()

  private def fit() = classifier().setNumTrainers(2)

  private def executorOf(trainer: ProcessHandle): ProcessHandle = trainer.parent().get()

  test("an executor that is killed while its trainer starts is replaced") {
    start("local-cluster[2,1,1024]")
    closeGate()
    val handle = fit().startFit(points())
    kill(executorOf(untilTrainers(2).head))
    openGate()
    val model = handle.result()
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

  test("a trainer that ends by itself during launch is an error that says so, and soon") {
    start("local-cluster[2,1,1024]")
    var victim = Option.empty[ProcessHandle]
    FitPoint.hook = point =>
      if (point == FitPoint.Registered) {
        val trainer = trainers().head
        victim = Some(trainer)
        trainer.destroy() // SIGTERM
        ended(trainer)
      }
    val error = intercept[RetryableException](fit().fit(points()))
    assert(error.getMessage.contains("ended during launch"), error.getMessage)
    assert(error.getMessage.contains(s"pid ${victim.get.pid}"), error.getMessage)
  }

  test("a cancel of the caller's job group reaches a fit that waits for a lost executor to be replaced") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 1, Files.createTempDirectory("candlewick"))
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
      val error = intercept[CancelledException](handle.result())
      assert(error.getMessage.contains("job group mine"), error.getMessage)
      assert(error.getCause != null)
    } finally stop(cluster)
  }

  private def loseWorker(cluster: TestCluster, host: String): Unit = untilRemoved(1)(cluster.stopWorker(host))

  /** Waits until Spark has told of so many lost executors. The fit's own listener came first, so it knows of them too. */
  private def untilRemoved(count: Int)(action: => Unit): Unit = {
    val removed = new CountDownLatch(count)
    current.sparkContext.addSparkListener(new SparkListener {
      override def onExecutorRemoved(event: SparkListenerExecutorRemoved): Unit = removed.countDown()
    })
    action
    removed.await()
  }

  private def stop(cluster: TestCluster): Unit = {
    current.stop()
    cluster.stop()
  }

  test(
    "executors that dynamic allocation takes away as a fit starts are asked for again, one for each trainer"
  ) {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 2, Files.createTempDirectory("candlewick"))
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

  test("a speculative copy of a launch that runs elsewhere does not end the launch in the right place") {
    val cluster = new TestCluster(Seq("127.0.0.2", "127.0.0.3"), 2, Files.createTempDirectory("candlewick"))
    try {
      val session = start(
        cluster.url,
        "spark.speculation" -> "true",
        "spark.speculation.interval" -> "50ms",
        "spark.speculation.quantile" -> "0.1",
        "spark.speculation.multiplier" -> "1.0",
        "spark.speculation.minTaskRuntime" -> "50ms",
        "spark.speculation.task.duration.threshold" -> "300ms"
      )
      val copied = new CountDownLatch(1)
      launchJobs.clear()
      session.sparkContext.addSparkListener(new SparkListener {
        override def onJobStart(event: SparkListenerJobStart): Unit =
          if (event.properties.getProperty("spark.job.description", "").contains("launch trainers"))
            launchJobs.add(event.jobId): Unit
        override def onTaskStart(event: SparkListenerTaskStart): Unit =
          if (event.taskInfo.speculative) copied.countDown()
      })
      eventually(assert(new candlewick.cluster.Executors(session.sparkContext).active().length == 2))
      closeGate()
      val handle = fit().startFit(points())
      untilTrainers(2)
      copied.await()
      openGate()
      assert(handle.result().summary.numTrainers == 2)
      assert(launchJobs.asScala.toSeq.length == 1, "the first attempts were not ended by their copies")
    } finally stop(cluster)
  }
}
