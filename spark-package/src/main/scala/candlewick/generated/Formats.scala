// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

/** Names of document formats. */
private[candlewick] object Formats {

  /** Format of a network's document. */
  val Network = "candlewick.network/1"
}
