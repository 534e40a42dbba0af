package candlewick.internal

/** Bytes for people. */
private[candlewick] object Bytes {
  private val Units = Seq("KiB", "MiB", "GiB", "TiB")

  /** With the unit that keeps them below 1,024. */
  def text(bytes: Long): String =
    if (bytes < 1024) s"$bytes B"
    else {
      val at = math.min(Units.length - 1, (63 - java.lang.Long.numberOfLeadingZeros(bytes)) / 10 - 1)
      val size = bytes.toDouble / (1L << (10 * (at + 1)))
      String.format(java.util.Locale.ROOT, "%.1f %s", Double.box(size), Units(at))
    }
}
