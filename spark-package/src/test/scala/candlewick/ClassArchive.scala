package candlewick

import java.io.File
import java.lang.management.ManagementFactory
import java.nio.file.{Files, Path, Paths, StandardCopyOption}
import java.util.concurrent.TimeUnit
import org.apache.spark.ml.linalg.Vectors
import org.apache.spark.sql.SparkSession
import scala.jdk.CollectionConverters._
import scala.util.control.NonFatal

/** The classes of jars that executors load, as the JVM maps them (class data sharing): a test that starts two executors
  * would find, read and verify ten thousand classes in each. Made once for a class path, in `target`. A JVM that cannot
  * use it goes without.
  */
object ClassArchive {

  private val DeadlineSeconds = 300L

  /** The class path of the suites. Jars come first: an archive holds for a class path that begins with its own, and has no
    * folders.
    */
  val classPath: String = {
    val (jars, folders) =
      sys.props("java.class.path").split(File.pathSeparatorChar).partition(_.endsWith(".jar"))
    (jars ++ folders).mkString(File.pathSeparator)
  }

  private val jars =
    classPath.split(File.pathSeparatorChar).filter(_.endsWith(".jar")).mkString(File.pathSeparator)

  /** What an executor is started with to have it. */
  lazy val options: String =
    try s"-XX:SharedArchiveFile=${made()} -Xlog:cds=off"
    catch {
      case NonFatal(error) =>
        System.err.println(s"executors start without an archive of classes: $error")
        ""
    }

  private def made(): Path = {
    val version = sys.props("java.vm.version")
    val folder = Paths.get(sys.env("SPARK_HOME")).resolveSibling("class-archive")
    val archive = folder.resolve(f"executor-${(version, jars).hashCode}%08x.jsa")
    if (!Files.exists(archive)) {
      Files.createDirectories(folder)
      val list = TestFolders.fresh("classes").resolve("list")
      java(s"-XX:DumpLoadedClassList=$list", classPath, Some("candlewick.ExecutorClasses"))
      val fresh = folder.resolve(s"${ProcessHandle.current.pid}.jsa")
      java(
        s"-XX:SharedArchiveFile=$fresh",
        jars,
        None,
        "-Xshare:dump",
        s"-XX:SharedClassListFile=$list",
        "-Xlog:disable"
      )
      Files.move(fresh, archive, StandardCopyOption.ATOMIC_MOVE)
    }
    archive
  }

  /** Runs a JVM like this one to its end. */
  private def java(option: String, path: String, main: Option[String], more: String*): Unit = {
    val own = ManagementFactory.getRuntimeMXBean.getInputArguments.asScala
    val program = Paths.get(sys.props("java.home"), "bin", "java").toString
    val command = Seq(program) ++ own ++ more ++ Seq(option, "-cp", path) ++ main
    val log = TestFolders.fresh("classes").resolve("log").toFile
    val process = new ProcessBuilder(command: _*).redirectErrorStream(true).redirectOutput(log).start()
    val ended = process.waitFor(DeadlineSeconds, TimeUnit.SECONDS)
    if (!ended) process.destroyForcibly()
    val said = new String(Files.readAllBytes(log.toPath))
    if (!ended)
      throw new IllegalStateException(s"${command.mkString(" ")} runs for $DeadlineSeconds s: $said")
    if (process.exitValue != 0)
      throw new IllegalStateException(s"${command.mkString(" ")} ended with ${process.exitValue}: $said")
  }
}

/** A program that loads what executors do. */
object ExecutorClasses extends App {
  private val spark = SparkSession
    .builder()
    .master("local[2]")
    .config("spark.ui.enabled", "false")
    .config("spark.driver.host", "127.0.0.1")
    .config("spark.driver.bindAddress", "127.0.0.1")
    .getOrCreate()
  private val rows = (0 until 100).map(row => (Vectors.dense(row / 100.0, 1.0), (row % 2).toDouble))
  private val df = spark.createDataFrame(rows).toDF("features", "label").repartition(2)
  private val model = new NeuralClassifier()
    .setNetwork(nn.Sequential(nn.Linear(4), nn.ReLU(), nn.Linear(2)))
    .setEpochs(1)
    .setNumTrainers(2)
    .fit(df)
  model.transform(df).collect()
  Class.forName("org.apache.spark.executor.CoarseGrainedExecutorBackend$")
  spark.stop()
}
