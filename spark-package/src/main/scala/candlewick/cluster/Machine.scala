package candlewick.cluster

import java.io.File
import java.nio.charset.StandardCharsets
import java.nio.file.{Files, Paths}
import org.apache.spark.SparkConf
import scala.util.Try

/** The machine that this JVM is on. */
private[candlewick] object Machine {
  private val Total = """(?s).*MemTotal:\s+(\d+) kB.*""".r

  /** Bytes of its memory, where the system tells: what this process may have of it, in a container that has a limit. */
  def memory(): Option[Long] = (installed.toSeq ++ group()).reduceOption(_ min _)

  /** The lowest limit of this process's control groups, which the trainers that it starts are in too. */
  def group(): Option[Long] = groupLimit(text("/proc/self/cgroup"), "/sys/fs/cgroup")

  /** What this JVM finds. */
  def room(): FoundMemory = FoundMemory(memory(), group())

  private def installed: Option[Long] =
    Some(text("/proc/meminfo")).collect { case Total(kilobytes) => kilobytes.toLong * 1024 }

  private def text(path: String): String =
    Try(new String(Files.readAllBytes(Paths.get(path)), StandardCharsets.US_ASCII)).getOrElse("")

  /** The lowest limit of a process's control groups, by the text of `/proc/self/cgroup` and the files under `root`, as trainers
    * find theirs; none where there is none. A container sees its own group as the root.
    */
  private[cluster] def groupLimit(groups: String, root: String): Option[Long] = {
    def above(folder: File): Seq[File] =
      Iterator
        .iterate(folder)(_.getParentFile)
        .takeWhile(one => one != null && one.getPath.startsWith(root))
        .toSeq
    val found = groups.split('\n').toSeq.map(_.split(":", 3)).collect {
      case Array(_, "", path) => above(new File(root, path)).map(new File(_, "memory.max"))
      case Array(_, kinds, path) if kinds.split(',').contains("memory") =>
        above(new File(s"$root/memory", path)).map(new File(_, "memory.limit_in_bytes"))
    }
    // Version 1 says that there is none by a number near 2^63, version 2 by "max".
    found.flatten
      .flatMap(file => Try(text(file.getPath).trim.toLong).toOption)
      .filter(_ < (1L << 60))
      .reduceOption(_ min _)
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

/** Memory where trainers are.
  *
  * @param memory
  *   of the machine, or of the container where that has less
  * @param group
  *   the limit of the control group, where there is one
  */
private[candlewick] final case class FoundMemory(memory: Option[Long], group: Option[Long])
