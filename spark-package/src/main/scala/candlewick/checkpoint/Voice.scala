package candlewick.checkpoint

/** What the checkpoints of a fit say to whom they belong to.
  *
  * @param warn
  *   a line for the user
  * @param stop
  *   the fit must end
  * @param check
  *   throws where the fit is cancelled
  */
private[candlewick] final case class Voice(warn: String => Unit, stop: Throwable => Unit, check: () => Unit)

private[candlewick] object Voice {

  /** How often who waits looks whether the fit is cancelled. */
  val LookMs = 100L

  /** The first line of what an error says. */
  def reason(error: Throwable): String =
    Option(error.getMessage).flatMap(_.linesIterator.toSeq.headOption).getOrElse(error.toString)
}
