package candlewick

import candlewick.fit.FitPoint
import java.nio.file.{Files, Path, Paths}
import java.nio.file.attribute.PosixFilePermissions
import java.util.concurrent.TimeUnit
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.scalatest.concurrent.Eventually
import org.scalatest.time.{Millis, Seconds, Span}
import org.scalatest.BeforeAndAfterEach
import scala.jdk.CollectionConverters._

/** A suite whose sessions have executors in processes of their own, which it may kill. Each test starts the cluster that
  * it needs. The trainer program is a script that runs the real one once the file `gate` is there, so that a test can
  * make the start of a trainer last.
  */
trait ClusterSuite extends SparkSuite with BeforeAndAfterEach with Eventually {
  implicit override val patienceConfig: PatienceConfig =
    PatienceConfig(timeout = Span(120, Seconds), interval = Span(20, Millis))

  private var session = Option.empty[SparkSession]
  private val folder = TestFolders.fresh("cluster")
  private var frozen = Seq.empty[ProcessHandle]

  /** Trainers start as long as this file exists; see [[closeGate]]. */
  private val gate = folder.resolve("gate")

  /** Variables of the trainers that start while this file exists; then they are those that failpoints can hold. */
  private val armed = folder.resolve("armed")

  override protected lazy val spark: SparkSession = current

  /** Starts a session. */
  protected def start(master: String, settings: (String, String)*): SparkSession = {
    SparkSession.getDefaultSession.foreach(_.stop())
    Files.createDirectories(Paths.get(sys.env("SPARK_HOME"), "jars"))
    val builder = SparkSession
      .builder()
      .master(master)
      .appName("candlewick-cluster")
      .config("spark.ui.enabled", "false")
      .config("spark.driver.host", "127.0.0.1")
      .config("spark.driver.bindAddress", "127.0.0.1")
      .config("spark.sql.shuffle.partitions", "2")
      .config("spark.executor.memory", "512m")
      .config("spark.executor.extraClassPath", ClassArchive.classPath)
      .config(
        "spark.executor.extraJavaOptions",
        s"-Dcandlewick.native.dir=${natives()} -XX:+UseSerialGC -XX:TieredStopAtLevel=1 ${ClassArchive.options}"
      )
    settings.foreach { case (key, value) => builder.config(key, value) }
    val made = builder.getOrCreate()
    session = Some(made)
    made
  }

  protected def current: SparkSession = session.get

  /** Waits until so many executors are up. What takes those that are up takes fewer on a machine that is busy. */
  protected def untilExecutors(count: Int): Unit = {
    val driver = 1
    eventually(assert(current.sparkContext.statusTracker.getExecutorInfos.length == driver + count)): Unit
  }

  override protected def beforeEach(): Unit = {
    super.beforeEach()
    openGate()
  }

  override protected def afterEach(): Unit = {
    FitPoint.hook = _ => ()
    openGate()
    Files.deleteIfExists(armed)
    session.foreach(_.stop())
    session = None
    // One whose executor was killed hears nothing of that: nobody else would end it.
    frozen.foreach(kill)
    frozen = Nil
    super.afterEach()
  }

  protected def openGate(): Unit = Files.write(gate, Array.emptyByteArray): Unit
  protected def closeGate(): Unit = Files.delete(gate)

  /** Runs `body` while trainers that start are held at the points, `"train.step=12"`; more of them by commas. */
  protected def held[T](points: String)(body: Failpoints => T): T = {
    val gates = new Failpoints
    try {
      Files.write(armed, gates.environment(points).getBytes)
      body(gates)
    } finally {
      Files.deleteIfExists(armed)
      gates.close()
    }
  }

  /** What the executors find as the trainer for GPUs and the library that scores on them, by their names there. */
  protected def gpuFiles: Map[String, Path] = Map.empty

  /** A folder with the real library and the gated trainer. */
  private def natives(): Path = {
    val built = Paths.get(sys.props("candlewick.native.dir"))
    val made = Files.createDirectories(folder.resolve("natives"))
    val library = made.resolve("libcandlewick_native.so")
    if (!Files.exists(library)) Files.createSymbolicLink(library, built.resolve("libcandlewick_native.so"))
    val script = made.resolve("candlewick-trainer")
    val real = built.resolve("candlewick-trainer")
    Files.write(
      script,
      (s"#!/bin/sh\nwhile [ ! -e $gate ]; do sleep 0.02; done\n" +
        s"if [ -e $armed ]; then . $armed; exec $real-failpoints \"$$@\"; fi\nexec $real \"$$@\"\n").getBytes
    )
    Files.setPosixFilePermissions(script, PosixFilePermissions.fromString("rwx------"))
    Seq("candlewick-trainer-gpu", "libcandlewick_score_gpu.so").foreach { name =>
      Files.deleteIfExists(made.resolve(name))
      gpuFiles.get(name).foreach(Files.createSymbolicLink(made.resolve(name), _))
    }
    made
  }

  /** Trainers of this JVM's executors, those too that wait at the gate. */
  protected def trainers(): Seq[ProcessHandle] =
    ProcessHandle
      .current()
      .descendants()
      .iterator()
      .asScala
      .filter { process =>
        val info = process.info()
        info.arguments().map[Boolean](_.contains("gang")).orElse(false)
      }
      .toSeq

  /** The executors of the session: the JVMs that this one started. (Their arguments are too long for Java to see.) */
  protected def executors(): Seq[ProcessHandle] =
    ProcessHandle
      .current()
      .children()
      .iterator()
      .asScala
      .filter(_.info().command().map[Boolean](_.endsWith("/java")).orElse(false))
      .toSeq

  /** Waits for so many trainers. */
  protected def untilTrainers(count: Int): Seq[ProcessHandle] = eventually {
    val found = trainers()
    assert(found.length == count)
    found
  }

  /** SIGKILL, and the end of the process. */
  protected def kill(process: ProcessHandle): Unit = {
    process.destroyForcibly()
    ended(process)
  }

  protected def ended(process: ProcessHandle): Unit =
    process.onExit().get(60, TimeUnit.SECONDS): Unit

  /** SIGSTOP: the process lives on and does nothing, until it is killed, at the latest after the test. */
  protected def freeze(process: ProcessHandle): Unit = {
    frozen :+= process
    assert(new ProcessBuilder("sh", "-c", s"kill -STOP ${process.pid}").start().waitFor() == 0)
  }

  protected def points(rows: Int = 200, partitions: Int = 4): DataFrame =
    ClusterSuite.points(current, rows, partitions)
}

object ClusterSuite {

  /** Points of three groups, with their labels. */
  def points(session: SparkSession, rows: Int = 200, partitions: Int = 4): DataFrame = {
    import session.implicits._
    val data = (0 until rows).map(row => (SparkSuite.point(row, 3), (row % 3).toDouble))
    session.createDataset(data).toDF("features", "label").repartition(partitions)
  }
}
