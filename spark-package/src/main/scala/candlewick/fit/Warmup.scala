package candlewick.fit

import candlewick.internal.RowLayout
import candlewick.jni.NativeLibrary
import java.util.concurrent.atomic.AtomicBoolean
import org.apache.spark.SparkEnv
import org.apache.spark.sql.{CandlewickShim, SparkSession}
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** What the first fit of a JVM would wait for, made ready in the background: the native files, the check of Spark's rows, classes.
  * It begins where a session is given the jar, or an estimator made. Whoever needs them waits for what is under way, and is told
  * where it fails.
  */
private[candlewick] object Warmup {
  private val log = LoggerFactory.getLogger(getClass)
  private val (driver, executor) = (new AtomicBoolean, new AtomicBoolean)

  /** In the driver. */
  def start(): Unit = once(driver)(
    () => NativeLibrary.load(),
    () => NativeLibrary.trainerPath(): Unit,
    // There tasks run here.
    () =>
      if (Option(SparkEnv.get).exists(env => isLocal(env.conf.get("spark.master", "")))) RowLayout.check(),
    () => OwnClasses.link(): Unit,
    () => SparkSession.getDefaultSession.filter(CandlewickShim.isClassic).foreach(Rehearsal.run(_): Unit)
  )

  /** Where tasks will feed. */
  def feeding(): Unit = once(executor)(() => RowLayout.check())

  private def isLocal(master: String) = master == "local" || master.startsWith("local[")

  private def once(begun: AtomicBoolean)(steps: (() => Unit)*): Unit =
    if (begun.compareAndSet(false, true)) {
      val run: Runnable = () => steps.foreach(attempt)
      val thread = new Thread(run, "candlewick-warmup")
      thread.setDaemon(true)
      thread.start()
    }

  private def attempt(step: () => Unit): Unit =
    try step()
    catch {
      case NonFatal(error) => log.debug("not made ready", error)
      case error: LinkageError => log.debug("not made ready", error)
    }
}
