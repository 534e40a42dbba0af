package candlewick.fit

import candlewick.cluster.Admission
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.SparkContext
import org.apache.spark.scheduler.{SparkListener, SparkListenerApplicationEnd, SparkListenerExecutorRemoved}

/** What all fits of one SparkContext share: the line in which they wait, and the listener that tells them of lost
  * executors and of the end of the application.
  */
private[candlewick] final class DriverState private {
  private val fits = new ConcurrentHashMap[String, FitControl]()

  /** The line in which fits wait for slots. */
  val admission = new Admission

  /** A fit begins. */
  def begin(fit: FitControl): Unit = fits.put(fit.id, fit): Unit

  /** A fit is over, however it ended. */
  def end(fit: FitControl): Unit = {
    admission.release(fit.id)
    fits.remove(fit.id): Unit
  }

  private object Listener extends SparkListener {
    override def onExecutorRemoved(removed: SparkListenerExecutorRemoved): Unit =
      fits.forEach((_, fit) => fit.executorLost(removed.executorId, removed.reason))

    override def onApplicationEnd(end: SparkListenerApplicationEnd): Unit =
      fits.forEach((_, fit) => fit.cancel("the Spark application ended"))
  }
}

private[candlewick] object DriverState {
  // Weak keys: a stopped SparkContext is not kept alive. The state never points at its context.
  private val states = new java.util.WeakHashMap[SparkContext, DriverState]()

  /** The state of a SparkContext; the first call installs the listener. */
  def of(sc: SparkContext): DriverState = synchronized {
    Option(states.get(sc)).getOrElse {
      val state = new DriverState
      sc.addSparkListener(state.Listener)
      states.put(sc, state)
      state
    }
  }
}
