package candlewick.score

import candlewick.internal.{Failures, SentWeights}
import candlewick.jni.{Model, Scorer}
import java.util.concurrent.{Executors, TimeUnit}
import org.apache.spark.ml.linalg.Vector
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** The models that this JVM has loaded, by key. A scorer keeps what it needs of its model, so a model can leave while
  * tasks still score with it.
  */
private[candlewick] object ModelCache {
  private val IdleMinutes = 10L
  private val log = LoggerFactory.getLogger(getClass)

  private val models =
    new ExpiringCache[Model](TimeUnit.MINUTES.toNanos(IdleMinutes), () => System.nanoTime())

  private val singles =
    new ExpiringCache[SingleRow](TimeUnit.MINUTES.toNanos(IdleMinutes), () => System.nanoTime())

  // An executor that has nothing to do must give the memory back too, so this does not wait for the next model.
  private lazy val sweeper = {
    val timer = Executors.newSingleThreadScheduledExecutor { (task: Runnable) =>
      val thread = new Thread(task, "candlewick-model-cache")
      thread.setDaemon(true)
      thread
    }
    timer.scheduleWithFixedDelay(() => sweep(), 1L, 1L, TimeUnit.MINUTES)
  }

  /** A timer ends with the first exception of its task. */
  private def sweep(): Unit =
    try {
      singles.sweep()
      models.sweep()
    } catch {
      case NonFatal(error) => log.warn("a model that was not used for long could not be freed", error)
    }

  /** Scores one row, by the scorer `key` of a model; it is made where it is not here. */
  def score(key: String, bytes: ModelBytes, classifier: Boolean, scoreJson: => String)(
      features: Vector
  ): Scored = {
    val _ = sweeper
    def scorer = open(bytes.key, Model.load(bytes.json, bytes.weights.iterable), scoreJson)
    singles.use(key)(new SingleRow(scorer, classifier))(_.score(features))
  }

  /** Opens a scorer of the model `key`, loading the model if it is not here. Tasks that start together load it once. */
  def open(key: String, load: => Model, scoreJson: String): Scorer = {
    val _ = sweeper
    models.use(key)(load)(Scorer.open(_, scoreJson))
  }

  /** Loads a model that the driver has loaded too. This processor may be another: where there are golden vectors, the model
    * has to give the same here.
    */
  def load(json: String, weights: java.lang.Iterable[Array[Byte]], golden: Option[SentWeights]): Model = {
    val model = Model.load(json, weights)
    try golden.foreach(sent => sent.iterable.forEach(file => model.checkGolden(file)))
    catch {
      case NonFatal(error) =>
        model.close()
        throw Failures
          .parameter(s"the model is not the same on this executor as on the driver: ${error.getMessage}")
          .initCause(error)
    }
    model
  }
}
