package candlewick.internal

/** Names of files that programs read. */
private[candlewick] object FileNames {

  /** Whether a name that was read somewhere is one of a file in the folder that it is looked for in. */
  def isPlain(name: String): Boolean = name.nonEmpty && !name.startsWith(".") && !name.exists(Outside)

  /** What leads out of a folder, or names a file system. */
  private val Outside = Set('/', '\\', ':')
}
