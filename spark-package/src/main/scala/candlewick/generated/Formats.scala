// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

/** Names of document formats. */
private[candlewick] object Formats {

  /** Format of a network's document. */
  val Network = "candlewick.network/1"

  /** Format of data/model.json in the folder of a saved model. */
  val Model = "candlewick.model/1"

  /** Format of a saved stage, in its metadata. */
  val Stage = "candlewick.stage/1"
}
