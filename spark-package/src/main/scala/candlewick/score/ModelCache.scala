package candlewick.score

import candlewick.jni.{Model, Scorer}
import java.util.concurrent.{Executors, TimeUnit}
import org.apache.spark.SparkEnv
import org.apache.spark.ml.linalg.Vector
import org.slf4j.LoggerFactory
import scala.util.control.NonFatal

/** The models that this JVM has loaded, by key, for ten minutes after their last use and up to a number of bytes. A scorer
  * keeps what it needs of its model, so a model can leave while tasks still score with it.
  */
private[candlewick] object ModelCache {
  private val IdleMinutes = 10L
  private val log = LoggerFactory.getLogger(getClass)

  /** What the models of a JVM may have together. */
  val MostSetting = "spark.candlewick.modelCache.maxSize"
  private val MostDefault = "2g"

  /** A value, and what it keeps in memory. */
  private final case class Held[V <: AutoCloseable](value: V, bytes: Long) extends AutoCloseable {
    override def close(): Unit = value.close()
  }

  private val models = cache[Model]
  private val singles = cache[SingleRow]
  private val rows = cache[RowScorer]

  private def cache[V <: AutoCloseable]: ExpiringCache[Held[V]] = new ExpiringCache[Held[V]](
    TimeUnit.MINUTES.toNanos(IdleMinutes),
    () => most,
    _.bytes,
    () => System.nanoTime()
  )

  private def most: Long = Option(SparkEnv.get).fold(Long.MaxValue) { env =>
    env.conf.getSizeAsBytes(MostSetting, MostDefault)
  }

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
      rows.sweep()
      models.sweep()
    } catch {
      case NonFatal(error) => log.warn("a model that was not used for long could not be freed", error)
    }

  /** Scores one row, by the scorer `key` of a model; it is made where it is not here. */
  def score(key: String, bytes: ModelBytes, classifier: Boolean, scoreJson: => String)(
      features: Vector
  ): Scored = {
    val _ = sweeper
    def scorer = open(bytes.key, bytes.json, bytes.weights.bytes, bytes.weights.iterable, scoreJson)
    singles.use(key)(Held(new SingleRow(scorer, classifier), bytes.weights.bytes))(_.value.score(features))
  }

  /** Scores one row of feature columns, by the scorer `key` of a model; it is made where it is not here. */
  def scoreRow[R](key: String, spec: ScoreTaskSpec, scoreJson: String)(make: Scorer => RowScorer)(
      body: RowScorer => R
  ): R = {
    val bytes = spec.weights.bytes
    def scorer = open(spec.key, spec.modelJson, bytes, spec.weights.iterable, scoreJson)
    rows.use(key)(Held(make(scorer), bytes))(held => body(held.value))
  }

  /** Opens a scorer of the model `key`, loading the model if it is not here. Tasks that start together load it once.
    *
    * @param bytes
    *   length of the file of weights
    */
  def open(
      key: String,
      json: String,
      bytes: Long,
      weights: => java.lang.Iterable[Array[Byte]],
      scoreJson: String
  ): Scorer = {
    val _ = sweeper
    models.use(key)(Held(Model.load(json, weights), bytes))(held => Scorer.open(held.value, scoreJson))
  }
}
