package candlewick.fit

import java.nio.file.{Files, FileSystems, Path, Paths}

/** Classes of ours that every fit goes through, read and verified before one needs them: where each is read from the jar and
  * verified when its turn comes, that is an eighth of a first fit.
  */
private[fit] object OwnClasses {

  /** Where they are. */
  private val Packages = Seq("fit", "columns", "cluster", "internal", "jni", "checkpoint")

  /** Loads and links them; none is initialised, so nothing of them runs.
    *
    * @return
    *   how many they are
    */
  def link(): Int = {
    val home = Paths.get(getClass.getProtectionDomain.getCodeSource.getLocation.toURI)
    if (Files.isDirectory(home)) linkAll(home)
    else {
      val jar = FileSystems.newFileSystem(home, getClass.getClassLoader)
      try linkAll(jar.getPath("/"))
      finally jar.close()
    }
  }

  private def linkAll(root: Path): Int =
    Packages
      .map(name => root.resolve("candlewick").resolve(name))
      .filter(Files.isDirectory(_))
      .map(linkIn(root, _))
      .sum

  private def linkIn(root: Path, folder: Path): Int = {
    val files = Files.list(folder)
    var linked = 0
    try files.forEach(file => if (file.toString.endsWith(".class") && isLinked(name(root, file))) linked += 1)
    finally files.close()
    linked
  }

  private def name(root: Path, file: Path): String =
    root.relativize(file).toString.stripSuffix(".class").replaceAll("[/\\\\]", ".")

  /** Asking a class for its methods links it. One that needs what is not there is none that a fit here needs. */
  private def isLinked(name: String): Boolean =
    try {
      Class.forName(name, false, getClass.getClassLoader).getDeclaredMethods
      true
    } catch { case _: LinkageError => false }
}
