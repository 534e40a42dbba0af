package candlewick.score

import candlewick.internal.{Clock, Failures}
import candlewick.jni.{CandlewickException, RetryableException}
import java.util.concurrent.ConcurrentHashMap

/** Why GPUs of a JVM cannot be scored on, by address. Whoever falls back to processors asks each once: the answer takes a
  * process, and looks through Python's packages.
  */
private[score] final class GpuAnswers {
  private val refused = new ConcurrentHashMap[String, GpuAnswers.Refusal]

  /** What a GPU answers; throws why it cannot be used.
    *
    * @param falls
    *   whether the caller falls back, and takes an answer of before
    * @param told
    *   the words of a refusal, of the GPU's own
    */
  def of[T](gpu: String, falls: Boolean)(told: String => String)(ask: => T): T = {
    Option(refused.get(gpu)).filter(known => falls && known.holds).foreach { known =>
      throw Failures.parameter(known.why)
    }
    try {
      val found = ask
      // Whatever was wrong is mended.
      refused.remove(gpu)
      found
    } catch {
      case error: CandlewickException =>
        val why = told(error.getMessage)
        refused.put(gpu, new GpuAnswers.Refusal(why, error.isInstanceOf[RetryableException]))
        throw Failures.of(error.kind, why)
    }
  }
}

private object GpuAnswers {

  /** For so long a GPU is left alone that may answer otherwise soon: each time in vain may hold tasks up for a minute. */
  private val PauseMs = 600000L

  /** @param passes
    *   whether it may be another answer soon: no process could be started, or it took too long
    */
  private final class Refusal(val why: String, passes: Boolean) {
    private val age = new Clock

    /** Whether it need not be asked again. */
    def holds: Boolean = !passes || age.ms < PauseMs
  }
}
