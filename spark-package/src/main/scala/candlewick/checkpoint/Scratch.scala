package candlewick.checkpoint

import candlewick.internal.Garbage
import java.nio.file.{Files, Path => LocalPath, Paths}
import java.util.Comparator
import org.apache.hadoop.fs.Path
import org.apache.spark.SparkFiles
import scala.util.control.NonFatal

/** A folder of the driver that is deleted once this object is garbage; where the JVM ends before, with the folder that it
  * stands in.
  */
private[candlewick] final class Scratch private (folder: LocalPath) {

  /** The folder. */
  val path = new Path(folder.toUri)
}

private[candlewick] object Scratch {

  /** The driver's own folder in `spark.local.dir`: Spark deletes it when the JVM ends. Its folder of files stands in it. */
  def parent: LocalPath = Paths.get(SparkFiles.getRootDirectory()).toAbsolutePath.normalize.getParent

  /** Makes one. */
  def make(): Scratch = {
    val folder = Files.createTempDirectory(Files.createDirectories(parent), "candlewick-optimizer-")
    val scratch = new Scratch(folder)
    Garbage.after(scratch)(() => delete(folder))
    scratch
  }

  private def delete(folder: LocalPath): Unit =
    try {
      val all = Files.walk(folder)
      try all.sorted(Comparator.reverseOrder[LocalPath]()).forEach(path => Files.deleteIfExists(path): Unit)
      finally all.close()
    } catch { case NonFatal(_) => () } // Spark's own end of the JVM may have been first
}
