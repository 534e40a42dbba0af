package candlewick.persist

import candlewick.internal.{Failures, Json}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode

/** In which format something was saved, and by which version. */
private[candlewick] object Saved {
  private val Format = "format"
  private val Version = "candlewickVersion"

  /** What a document of the format `format` begins with. */
  def mark(format: String): ObjectNode = Json.obj(Format -> format, Version -> Native.version())

  /** Throws unless the document in the file `file` is of the format that this version reads.
    *
    * @param wanted
    *   a name, a slash and a number that grows, such as `candlewick.model/1`
    */
  private[persist] def check(folder: Folder, file: String, document: JsonNode, wanted: String): Unit = {
    val found = document.path(Format).asText("")
    if (found != wanted) {
      val by = document.path(Version).asText("")
      val (saver, here) =
        (if (by.isEmpty) "an unknown version" else s"Candlewick $by", s"Candlewick ${Native.version()}")
      val what =
        if (found.isEmpty) s"the file $file in ${folder.root} does not say which format it has"
        else s"the file $file in ${folder.root} has the format $found and was saved by $saver"
      val remedy =
        if (found.isEmpty) "it is damaged, or was saved before 0.1.0: fit and save the stage again"
        else if (newer(found, wanted)) s"load it with $saver or a later one"
        else s"load it with $saver, or fit and save the stage again with $here"
      throw Failures.parameter(s"$what, but $here reads $wanted; $remedy")
    }
  }

  private def newer(found: String, wanted: String): Boolean = {
    def parts(format: String) = (format.takeWhile(_ != '/'), number(format))
    val ((name, has), (known, reads)) = (parts(found), parts(wanted))
    name == known && has > reads
  }

  private def number(format: String): Long = {
    val digits = format.drop(format.indexOf('/') + 1)
    if (digits.nonEmpty && digits.length < 10 && digits.forall(Character.isDigit)) digits.toLong else 0L
  }
}
