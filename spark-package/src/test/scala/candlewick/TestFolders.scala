package candlewick

import java.nio.file.{Files, Path}
import java.util.Comparator
import scala.util.Try

/** Folders of tests, which go when the JVM ends. */
object TestFolders {

  private lazy val all: Path = {
    val made = Files.createTempDirectory("candlewick-suites")
    sys.addShutdownHook(remove(made))
    made
  }

  /** A new one; its path is short enough for a socket. */
  def fresh(name: String): Path = Files.createTempDirectory(all, name)

  /** Removes a folder and what is in it; what others write into it meanwhile may stay. */
  def remove(folder: Path): Unit = Try {
    val paths = Files.walk(folder)
    try paths.sorted(Comparator.reverseOrder[Path]()).forEach(path => Files.deleteIfExists(path): Unit)
    finally paths.close()
  }: Unit
}
