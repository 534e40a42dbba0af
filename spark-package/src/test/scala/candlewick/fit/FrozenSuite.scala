package candlewick.fit

import candlewick.ClusterSuite
import candlewick.jni.CancelledException
import java.nio.file.{Files, Path}
import org.apache.spark.sql.functions.{col, udf}

/** A trainer that is frozen hears nothing: its executor's JVM has to end it when its fit is over. */
class FrozenSuite extends ClusterSuite {

  test("a trainer frozen in training ends with its cancelled fit, not with its executor") {
    start("local-cluster[2,1,1024]")
    val handle = endless.setNumTrainers(2).startFit(points())
    eventually {
      assert(!handle.awaitTermination(0), handle)
      assert(handle.progressLines().exists(_.startsWith("epoch")))
    }
    check(trainers(), handle)
  }

  test("a trainer frozen while it is fed ends with its cancelled fit, not with its executor") {
    start("local-cluster[2,1,1024]")
    val folder = Files.createTempDirectory("candlewick")
    val handle =
      classifier().setInputShape(Array(4)).setNumTrainers(2).startFit(FrozenSuite.gated(points(), folder))
    eventually(assert(Files.exists(folder.resolve("there")), handle))
    check(trainers(), handle)
  }

  private def check(all: Seq[ProcessHandle], handle: candlewick.FitHandle[_]): Unit = {
    assert(all.length == 2)
    freeze(all.head)
    handle.cancel("enough")
    intercept[CancelledException](handle.result())
    all.foreach(ended)
    assert(all.forall(!_.isAlive))
    assert(classifier().setNumTrainers(2).setEpochs(1).fit(points()).summary.numTrainers == 2)
  }
}

object FrozenSuite {

  /** The same rows, of which each waits until the file `go` exists, and says so by the file `there`. */
  private[fit] def gated(data: org.apache.spark.sql.DataFrame, folder: Path) = {
    val there = folder.resolve("there").toString
    val go = folder.resolve("go").toString
    val gate = udf { (label: Double) =>
      Files.write(java.nio.file.Paths.get(there), Array.emptyByteArray)
      while (!Files.exists(java.nio.file.Paths.get(go))) Thread.sleep(10)
      label
    }
    data.withColumn("label", gate(col("label")))
  }
}
