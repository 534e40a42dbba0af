package candlewick.fit

import candlewick.TestFolders
import candlewick.ClusterSuite
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.scheduler.{SparkListener, SparkListenerJobStart, SparkListenerTaskStart, TaskLocality}
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, udf}
import scala.concurrent.Await
import scala.concurrent.duration.DurationInt

/** A trainer that is frozen hears nothing: its executor's JVM has to end it when its fit is over. */
class FrozenSuite extends ClusterSuite {

  test("a trainer frozen in training ends with the task that holds its slot, not with its executor") {
    val sc = start("local-cluster[2,1,1024]").sparkContext
    val held = new Held
    sc.addSparkListener(held)
    val handle = endless.setNumTrainers(2).startFit(points())
    eventually {
      assert(!handle.awaitTermination(0), handle)
      assert(handle.progressLines().exists(_.contains("epoch")))
    }
    eventually(assert(held.places.size == 2, handle))
    // A job that waited for the slots before the fit's end: no other task of the fit gets one, to end the trainers.
    val go = TestFolders.fresh("test").resolve("go")
    val path = go.toString
    val next = sc.parallelize(Seq(1, 2), 2).foreachAsync(_ => FrozenSuite.untilThere(path))
    val all = trainers()
    try cancel(all, handle)
    finally Files.write(go, Array.emptyByteArray): Unit
    Await.result(next, 120.seconds)
    goesOn()
  }

  test("a trainer frozen while it is fed ends with its cancelled fit, not with its executor") {
    start("local-cluster[2,1,1024]")
    val folder = TestFolders.fresh("test")
    val handle =
      classifier().setInputShape(Array(4)).setNumTrainers(2).startFit(FrozenSuite.gated(points(), folder))
    eventually(assert(Files.exists(folder.resolve("there")), handle))
    cancel(trainers(), handle)
    goesOn()
  }

  /** Freezes one of the trainers and cancels their fit: both end. */
  private def cancel(all: Seq[ProcessHandle], handle: candlewick.FitHandle[_]): Unit = {
    assert(all.length == 2)
    freeze(all.head)
    handle.cancel("enough")
    cancelled(handle)
    all.foreach(ended)
    assert(all.forall(!_.isAlive))
  }

  private def goesOn(): Unit =
    assert(classifier().setNumTrainers(2).setEpochs(1).fit(points()).summary.numTrainers == 2)

  /** The executors on which a task holds the slot of a trainer: it keeps to the one for which it was meant. */
  private final class Held extends SparkListener {
    private val stages = ConcurrentHashMap.newKeySet[Int]()
    val places = ConcurrentHashMap.newKeySet[String]()

    override def onJobStart(event: SparkListenerJobStart): Unit =
      if (event.properties.getProperty("spark.job.description", "").contains("hold the trainers"))
        event.stageIds.foreach(stages.add(_): Unit)
    override def onTaskStart(event: SparkListenerTaskStart): Unit =
      if (stages.contains(event.stageId) && event.taskInfo.taskLocality == TaskLocality.PROCESS_LOCAL)
        places.add(event.taskInfo.executorId): Unit
  }
}

object FrozenSuite {

  /** The same rows, of which each waits until the file `go` exists, and says so by the file `there`. */
  def gated(data: DataFrame, folder: Path): DataFrame = {
    val there = folder.resolve("there").toString
    val go = folder.resolve("go").toString
    val gate = udf { (label: Double) =>
      Files.write(Paths.get(there), Array.emptyByteArray)
      untilThere(go)
      label
    }
    data.withColumn("label", gate(col("label")))
  }

  /** Waits for a file, by which the test tells a task in another process to go on. */
  private def untilThere(path: String): Unit = {
    val late = System.nanoTime() + 120.seconds.toNanos
    while (!Files.exists(Paths.get(path))) {
      if (System.nanoTime() > late) throw new IllegalStateException(s"nobody made $path within 120 s")
      Thread.sleep(10)
    }
  }
}
