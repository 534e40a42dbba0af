package candlewick.fit

import candlewick.internal.Json
import candlewick.jni.Native
import com.fasterxml.jackson.databind.JsonNode

/** Keys of a job, derived from its secret, which itself never leaves the driver. Their text stands in no log.
  *
  * @param json
  *   the `KeyRing` document
  */
private[candlewick] final class JobKeys(val json: String) extends Serializable {
  override def toString: String = "JobKeys(..)"

  /** The document as a part of another one. */
  def document: JsonNode = Json.parse(json)
}

/** The secret of a job and the keys that are derived from it. Lives in the driver only: it cannot be serialised.
  *
  * @param tls
  *   connections that are proven by its keys are encrypted
  */
private[fit] final class JobSecret(job: String, tls: Boolean) {
  private val secret = Native.newSecret()

  /** For a task that feeds: it can neither join the collective nor call the coordinator. */
  def feeder: JobKeys = keys("feed")

  /** For a trainer: it checks who feeds it, meets the other trainers, and calls the coordinator. */
  def trainer: JobKeys = keys("feed,peer,control")

  /** For the coordinator. */
  def coordinator: JobKeys = keys("control")

  private def keys(purposes: String): JobKeys = new JobKeys(Native.deriveKeys(secret, job, purposes, tls))

  override def toString: String = "JobSecret(..)"
}
