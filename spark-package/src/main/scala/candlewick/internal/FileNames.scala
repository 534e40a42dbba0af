package candlewick.internal

import java.util.Locale

/** Names of files that programs read: the same in every locale, and of no other folder. */
private[candlewick] object FileNames {

  /** A number with zeros before it. Some locales have digits of their own, by which no file would be found again. */
  def padded(number: Long, digits: Int): String = s"%0${digits}d".formatLocal(Locale.ROOT, number)

  /** Whether a name that was read somewhere is one of a file in the folder that it is looked for in. */
  def isPlain(name: String): Boolean = name.nonEmpty && !name.startsWith(".") && !name.exists(Outside)

  /** What leads out of a folder, or names a file system. */
  private val Outside = Set('/', '\\', ':')
}
