package candlewick.internal

import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, Path}

/** Whole files on any Hadoop file system. */
private[candlewick] object Files {

  /** What an array of the JVM can hold. */
  private val MaxBytes = Int.MaxValue - 8

  /** Reads a file into memory.
    *
    * @param check
    *   looks at what is there before it is opened, and may throw
    */
  def readWhole(conf: Configuration, path: Path)(check: FileStatus => Unit = _ => ()): Array[Byte] = {
    val files = path.getFileSystem(conf)
    val status = files.getFileStatus(path)
    check(status)
    if (status.getLen > MaxBytes)
      throw Failures.parameter(
        s"the file $path has ${status.getLen} bytes; more than $MaxBytes cannot be read, so use a smaller network"
      )
    val content = new Array[Byte](status.getLen.toInt)
    val in = files.open(path)
    try in.readFully(0L, content)
    finally in.close()
    content
  }
}
