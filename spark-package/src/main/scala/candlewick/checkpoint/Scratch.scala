package candlewick.checkpoint

import java.lang.ref.{PhantomReference, ReferenceQueue}
import java.nio.file.{Files, Path => LocalPath, Paths}
import java.util.Comparator
import java.util.concurrent.ConcurrentHashMap
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
  // What Java 9 has as Cleaner. References must not be garbage before what they refer to.
  private val garbage = new ReferenceQueue[Scratch]
  private val waiting = ConcurrentHashMap.newKeySet[Deletion]()
  private lazy val cleaner = {
    val thread = new Thread(() => clean(), "candlewick-scratch")
    thread.setDaemon(true)
    thread.start()
    thread
  }

  /** The driver's own folder in `spark.local.dir`: Spark deletes it when the JVM ends. Its folder of files stands in it. */
  def parent: LocalPath = Paths.get(SparkFiles.getRootDirectory()).toAbsolutePath.normalize.getParent

  /** Makes one. */
  def make(): Scratch = {
    val folder = Files.createTempDirectory(Files.createDirectories(parent), "candlewick-optimizer-")
    val scratch = new Scratch(folder)
    waiting.add(new Deletion(scratch, folder))
    cleaner: Unit
    scratch
  }

  private def clean(): Unit = while (true) garbage.remove() match {
    case deletion: Deletion =>
      deletion.run()
      waiting.remove(deletion): Unit
    case _ => ()
  }

  // No field: it must not hold the object whose end it waits for.
  private final class Deletion(scratch: Scratch, folder: LocalPath)
      extends PhantomReference[Scratch](scratch, garbage) {
    def run(): Unit =
      try {
        val all = Files.walk(folder)
        try all.sorted(Comparator.reverseOrder[LocalPath]()).forEach(path => Files.deleteIfExists(path): Unit)
        finally all.close()
      } catch { case NonFatal(_) => () } // Spark's own end of the JVM may have been first
  }
}
