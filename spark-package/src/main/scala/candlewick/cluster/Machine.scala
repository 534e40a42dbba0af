package candlewick.cluster

import java.io.File
import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Paths}
import org.apache.spark.SparkConf
import scala.util.Try

/** The machine that this JVM is on. */
private[candlewick] object Machine {
  private val Total = """(?s).*MemTotal:\s+(\d+) kB.*""".r

  /** Bytes of its memory, where the system tells. */
  def memory(): Option[Long] =
    Try(new String(Files.readAllBytes(Paths.get("/proc/meminfo")), StandardCharsets.US_ASCII)).toOption
      .collect { case Total(kilobytes) =>
        kilobytes.toLong * 1024
      }

  /** The folders that Spark has for its files here, by the rules of Spark's documentation: those of YARN's container, of the
    * standalone worker or of the environment, of spark.local.dir, or the one for temporary files. Only those that are there.
    */
  def localDirs(conf: SparkConf, env: String => Option[String] = sys.env.get): Seq[String] = {
    val ofYarn = env("CONTAINER_ID").flatMap(_ => env("LOCAL_DIRS"))
    val ofWorker = env("SPARK_EXECUTOR_DIRS").map(_.replace(File.pathSeparatorChar, ','))
    val configured = env("SPARK_LOCAL_DIRS").orElse(conf.getOption("spark.local.dir"))
    val found = ofYarn.orElse(ofWorker).orElse(configured).toSeq.flatMap(_.split(',')).map(_.trim)
    val there = found.filter(folder => folder.nonEmpty && new File(folder).isDirectory)
    if (there.nonEmpty) there else Seq(sys.props("java.io.tmpdir"))
  }
}
