package candlewick

import candlewick.jni.{CancelledException, TrainerHost}
import java.util.concurrent.{CountDownLatch, TimeUnit}
import org.apache.spark.ml.linalg.{Vector, Vectors}
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.scalactic.source.Position
import org.scalatest.BeforeAndAfterAll
import org.scalatest.funsuite.AnyFunSuite

/** A suite with a Spark session local[2], the native library and small data. After each suite nothing may be left. */
trait SparkSuite extends AnyFunSuite with BeforeAndAfterAll {

  protected lazy val spark: SparkSession = SparkSession
    .builder()
    .master("local[2]")
    .appName("candlewick")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .config("spark.sql.shuffle.partitions", "2")
    .config("spark.sql.warehouse.dir", SparkSuite.warehouse.toString)
    .getOrCreate()

  override protected def afterAll(): Unit = {
    assert(TrainerHost.jobIds().isEmpty, "trainers were left behind")
    super.afterAll()
  }

  /** A path that does not exist yet, in a folder that is removed when the JVM ends. */
  protected def freshPath(): String =
    TestFolders.fresh("path").resolve("stage").toString

  /** Points of `classes` groups around corners of a square: dense Vectors of 4 numbers, label as double. */
  protected def blobs(rows: Int, classes: Int = 3, partitions: Int = 3): DataFrame = {
    val session = spark
    import session.implicits._
    val points =
      (0 until rows).map(row => (SparkSuite.point(row, classes), (row % classes).toDouble, row.toLong))
    spark.createDataset(points).repartition(partitions).toDF("features", "label", "id")
  }

  protected def classifier(classes: Int = 3): NeuralClassifier = new NeuralClassifier()
    .setNetwork(nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Linear(classes)))
    .setOptimizer(optim.AdamW(lr = 0.05))
    .setBatchSize(32)
    .setEpochs(5)
    .setSeed(7)

  /** Trains until it is cancelled. The network and the batch of one row make a step no less than a million operations and
    * an epoch of `blobs(200)` 200 steps, of which there are a million: the deadlines of tests come long before.
    */
  protected def endless: NeuralClassifier = classifier()
    .setNetwork(nn.Sequential(nn.Linear(512), nn.ReLU(), nn.Linear(512), nn.ReLU(), nn.Linear(3)))
    .setBatchSize(1)
    .setEpochs(1000000)
    .setVerbose(true)

  /** The handle of a fit that is over. One that does not end fails the test, and does not hold it up. */
  protected def over[M](handle: FitHandle[M])(implicit at: Position): FitHandle[M] = {
    assert(
      handle.awaitTermination(SparkSuite.EndMs),
      s"$handle did not end within ${SparkSuite.EndMs / 1000} s"
    )
    handle
  }

  /** The failure of a fit that was cancelled. */
  protected def cancelled(handle: FitHandle[_])(implicit at: Position): CancelledException = {
    over(handle)
    intercept[CancelledException](handle.result())
  }

  /** Waits for another thread; `late` is what a wait in vain says. */
  protected def await(latch: CountDownLatch, late: String)(implicit at: Position): Unit =
    assert(latch.await(SparkSuite.EndMs, TimeUnit.MILLISECONDS), s"$late within ${SparkSuite.EndMs / 1000} s")

  /** Metrics of the same rows: sums of partitions meet in any order. */
  protected def sameMetrics(found: Map[String, Double], wanted: Map[String, Double])(implicit
      at: Position
  ): Unit = {
    assert(found.keySet == wanted.keySet)
    for ((name, value) <- found) assert(math.abs(value - wanted(name)) < 1e-9, name)
  }

  protected def regressor(outputs: Int = 1): NeuralRegressor = new NeuralRegressor()
    .setNetwork(nn.Sequential(nn.Linear(8), nn.Tanh(), nn.Linear(outputs)))
    .setOptimizer(optim.AdamW(lr = 0.05))
    .setBatchSize(32)
    .setEpochs(5)
}

object SparkSuite {

  /** Longest wait for what a test expects. */
  private val EndMs = 120000L

  private lazy val warehouse = TestFolders.fresh("warehouse")

  /** A point of class `row % classes`; the spread comes from the row's number, so no random numbers are needed. */
  def point(row: Int, classes: Int): Vector = {
    val group = row % classes
    def spread(step: Int) = ((row * step) % 17 - 8) / 20.0
    Vectors.dense(
      (if (group % 2 == 0) 1.0 else -1.0) + spread(5),
      (if (group / 2 == 0) 1.0 else -1.0) + spread(7),
      spread(3),
      group * 0.5 + spread(11)
    )
  }
}
