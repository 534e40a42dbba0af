package candlewick.fit

import candlewick.cluster.Admission
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.SparkContext
import org.apache.spark.scheduler.{
  SparkListener,
  SparkListenerApplicationEnd,
  SparkListenerExecutorAdded,
  SparkListenerExecutorRemoved,
  SparkListenerJobStart,
  SparkListenerTaskStart
}

/** What all fits of one SparkContext share: the line in which they wait, and the listener that tells them of their
  * jobs, of executors that came and went, and of the end of the application. The line is that of other class loaders too,
  * of which each has a listener for its own fits.
  */
private[candlewick] final class DriverState private (application: String) {
  private val fits = new ConcurrentHashMap[String, FitControl]()

  /** The line in which fits wait for cores. */
  val admission: Admission = Admission.of(application)

  /** Whether several fits are under way. */
  def several: Boolean = admission.several

  /** A fit begins. */
  def begin(fit: FitControl): Unit = {
    fits.put(fit.id, fit)
    admission.begin(fit.id)(() => fit.signal())
  }

  /** A fit holds its slots and needs no others: who waits may ask for executors. */
  def fed(fit: FitControl): Unit = {
    admission.fed(fit.id)
    admission.signalAll()
  }

  /** A fit is over, however it ended: the next in line may look again. */
  def end(fit: FitControl): Unit = {
    admission.release(fit.id)
    fits.remove(fit.id)
    admission.signalAll()
  }

  private def signalAll(): Unit = fits.forEach((_, fit) => fit.signal())

  private object Listener extends SparkListener {
    override def onJobStart(started: SparkListenerJobStart): Unit = {
      val tags = Option(started.properties).flatMap(all => Option(all.getProperty(DriverState.JobTags)))
      tags.toSeq.flatMap(_.split(',')).foreach { tag =>
        fits.forEach((_, fit) => if (fit.tag == tag) jobStarted(fit, started))
      }
    }

    private def jobStarted(fit: FitControl, started: SparkListenerJobStart): Unit = {
      if (started.properties.getProperty(DriverState.Description) == HoldJob.Description)
        started.stageIds.foreach(fit.holdStarted(started.jobId, _))
      fit.jobStarted(started.jobId)
    }

    override def onTaskStart(started: SparkListenerTaskStart): Unit = {
      val task = started.taskInfo
      fits.forEach((_, fit) => fit.taskStarted(started.stageId, task.index, task.executorId))
    }

    override def onExecutorAdded(added: SparkListenerExecutorAdded): Unit = signalAll()

    override def onExecutorRemoved(removed: SparkListenerExecutorRemoved): Unit =
      fits.forEach((_, fit) => fit.executorLost(removed.executorId, removed.reason))

    override def onApplicationEnd(end: SparkListenerApplicationEnd): Unit = {
      fits.forEach((_, fit) => fit.cancel("the Spark application ended"))
      Admission.forget(application)
    }
  }
}

private[candlewick] object DriverState {

  /** Local property in which Spark keeps the tags of a thread's jobs. */
  private val JobTags = "spark.job.tags"

  /** Local property in which it keeps what a job shows. */
  private val Description = "spark.job.description"

  // Weak keys: a stopped SparkContext is not kept alive. The state never points at its context.
  private val states = new java.util.WeakHashMap[SparkContext, DriverState]()

  /** The state of a SparkContext; the first call installs the listener. */
  def of(sc: SparkContext): DriverState = synchronized {
    Option(states.get(sc)).getOrElse {
      val state = new DriverState(sc.applicationId)
      sc.addSparkListener(state.Listener)
      states.put(sc, state)
      state
    }
  }
}
