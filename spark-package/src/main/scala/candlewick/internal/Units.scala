package candlewick.internal

import java.util.Locale

/** Durations and sizes as users write them: the same units as the parameters' check in the native library. */
private[candlewick] object Units {

  private val Quantity = """\s*(\d+)\s*([a-z]*)\s*""".r

  /** Milliseconds of "15s", "500ms", "2min", "1h"; without a unit, seconds. */
  def durationMs(name: String, text: String): Long =
    unit(name, text, "a duration such as \"15s\", \"500ms\" or \"2min\"") {
      case "ms" => 1L
      case "s" | "" => 1000L
      case "m" | "min" => 60000L
      case "h" => 3600000L
    }

  /** Bytes of "64m", "1g"; powers of 1,024; without a unit, bytes. */
  def bytes(name: String, text: String): Long =
    unit(name, text, "a size such as \"64m\" or \"1g\"") {
      case "b" | "" => 1L
      case "k" | "kb" => 1L << 10
      case "m" | "mb" => 1L << 20
      case "g" | "gb" => 1L << 30
    }

  private def unit(
      name: String,
      text: String,
      wanted: String
  )(factor: PartialFunction[String, Long]): Long = {
    val value = text.toLowerCase(Locale.ROOT) match {
      case Quantity(number, unit) => number.toLongOption.flatMap(count => factor.lift(unit).map(_ * count))
      case _ => None
    }
    value.filter(_ > 0).getOrElse {
      throw Failures.parameter(s"parameter $name = \"$text\" is not legal: expected $wanted")
    }
  }
}
