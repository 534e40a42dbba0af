package candlewick.internal

import java.io.{ByteArrayOutputStream, OutputStream}
import org.apache.hadoop.conf.Configuration
import org.apache.hadoop.fs.{FileStatus, FileSystem, Path}
import org.apache.hadoop.io.IOUtils

/** Whole files on any Hadoop file system. */
private[candlewick] object Files {
  private val BufferBytes = 64 << 10

  /** Creates a file, in place of another, and the folders above it. */
  def create(conf: Configuration, path: Path): OutputStream = path.getFileSystem(conf).create(path, true)

  /** Reads a file into memory.
    *
    * @param check
    *   looks at what is there before it is opened, and may throw
    */
  def readWhole(conf: Configuration, path: Path)(check: FileStatus => Unit = _ => ()): Array[Byte] = {
    val files = path.getFileSystem(conf)
    val status = files.getFileStatus(path)
    check(status)
    readWhole(files, path, status)
  }

  /** The same, where it is known what is there. */
  def readWhole(files: FileSystem, path: Path, status: FileStatus): Array[Byte] = {
    if (status.getLen > WeightsFile.MaxArray)
      throw Failures.parameter(
        s"the file $path has ${status.getLen} bytes, which is more than such a file ever has: another one is in its place"
      )
    val content = new Array[Byte](status.getLen.toInt)
    val in = files.open(path)
    try in.readFully(0L, content)
    finally in.close()
    content
  }

  /** Reads a small file whose size may change while it is read. */
  def read(files: FileSystem, path: Path): Array[Byte] = {
    val content = new ByteArrayOutputStream
    val in = files.open(path)
    try IOUtils.copyBytes(in, content, BufferBytes, false)
    finally in.close()
    content.toByteArray
  }

  /** Reads a file of weights, of any size; `check` as above. */
  def readWeights(conf: Configuration, path: Path)(check: FileStatus => Unit = _ => ()): WeightsFile = {
    val files = path.getFileSystem(conf)
    val status = files.getFileStatus(path)
    check(status)
    val in = files.open(path)
    try WeightsFile.of(in, status.getLen)
    finally in.close()
  }
}
