package candlewick.checkpoint

import java.io.IOException

/** What is there is not what was written, whoever reads it and whenever.
  *
  * @param message
  *   what is wrong
  */
private[checkpoint] final class DamagedException(message: String) extends IOException(message)
