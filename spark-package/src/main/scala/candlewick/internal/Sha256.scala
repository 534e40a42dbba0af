package candlewick.internal

import java.security.MessageDigest

/** SHA-256 of files: of checkpoints, of models, of the weights that training starts from. */
private[candlewick] object Sha256 {

  /** A new digest of nothing. */
  def digest(): MessageDigest = MessageDigest.getInstance("SHA-256")

  /** What a digest has seen, in hexadecimal digits; it begins anew. */
  def hex(digest: MessageDigest): String = digest.digest().map(byte => f"$byte%02x").mkString
}
