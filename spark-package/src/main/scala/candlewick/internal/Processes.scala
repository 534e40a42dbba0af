package candlewick.internal

import java.io.IOException
import java.nio.charset.StandardCharsets
import java.nio.file.{Files => JavaFiles, Paths}

/** Processes of this host, as Linux tells of them: Java 8, on which Spark 3.5 runs too, knows of none. */
private[candlewick] object Processes {

  /** The id of this JVM. */
  lazy val own: Long = Paths.get("/proc/self").toRealPath().getFileName.toString.toLong

  /** When a process started, in ticks since its host did; None where it has ended, even if its parent has not looked: in a
    * container there may be none that does.
    */
  def startOf(id: Long): Option[Long] =
    try {
      val stat = text(s"/proc/$id/stat")
      // The name of the program stands in brackets, and may hold blanks and brackets.
      val fields = stat.substring(stat.lastIndexOf(')') + 2).split(' ')
      if (fields(0) == "Z") None else Some(fields(19).toLong)
    } catch { case _: IOException => None }

  /** A file of Linux, whose size is not known before it is read. */
  def text(path: String): String =
    new String(JavaFiles.readAllBytes(Paths.get(path)), StandardCharsets.UTF_8)
}
