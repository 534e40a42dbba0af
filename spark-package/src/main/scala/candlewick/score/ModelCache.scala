package candlewick.score

import candlewick.internal.{Failures, SentWeights}
import candlewick.jni.{Model, Scorer}
import java.util.concurrent.{Executors, TimeUnit}
import java.util.concurrent.atomic.AtomicBoolean
import org.apache.spark.{SparkConf, SparkEnv}
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
  private val MostDefault = 2L << 30

  /** What a scorer of single rows has beside weights: batches of a row, and memory for what layers put out. */
  private val RowBytes = 128L << 10

  /** A value, and what it keeps in memory. */
  private final case class Held[V <: AutoCloseable](value: V, bytes: Long) extends AutoCloseable {
    override def close(): Unit = value.close()
  }

  private val warned = new AtomicBoolean
  private val models = cache[Model]
  private val singles = cache[SingleRow]
  private val rows = cache[RowScorer]

  private def cache[V <: AutoCloseable]: ExpiringCache[Held[V]] = new ExpiringCache[Held[V]](
    TimeUnit.MINUTES.toNanos(IdleMinutes),
    () => most,
    _.bytes,
    () => System.nanoTime()
  )

  /** What the setting allows. One that is not legal fails no task: `transform` refuses it on the driver. */
  private def most: Long = Option(SparkEnv.get).fold(Long.MaxValue) { env =>
    def instead(wrong: String) = {
      if (warned.compareAndSet(false, true)) log.warn(s"$wrong; here it is 2g")
      MostDefault
    }
    setting(env.conf).fold(instead, identity)
  }

  /** Throws where the setting is not legal. */
  def check(conf: SparkConf): Unit = setting(conf).left.foreach(wrong => throw Failures.parameter(wrong))

  /** The setting in bytes, or what is wrong with it. */
  private def setting(conf: SparkConf): Either[String, Long] =
    try Right(conf.getSizeAsBytes(MostSetting, MostDefault))
    catch {
      // Of Spark, for what is no number, a fraction, or too large.
      case _: IllegalArgumentException =>
        Left(
          s"$MostSetting = ${conf.get(MostSetting)} is not legal: expected a whole number with a unit, such as 2g or 1536m"
        )
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
    def scorer = open(
      bytes.key,
      bytes.weights.bytes,
      Model.load(bytes.json, bytes.weights.iterable),
      scoreJson
    )
    singles.use(key)(Held(new SingleRow(scorer, classifier), bytes.weights.bytes))(_.value.score(features))
  }

  /** Scores one row of feature columns, by a scorer of those of a model that `key` names; it is made where it is not here. A
    * scorer is for one thread at a time, so there are as many as threads can compute at once, however many threads come.
    */
  def scoreRow[R](key: String, spec: ScoreTaskSpec, scoreJson: String)(make: Scorer => RowScorer)(
      body: RowScorer => R
  ): R = {
    def scorer = open(spec, scoreJson)
    val place = Thread.currentThread.getId % Runtime.getRuntime.availableProcessors
    rows.use(key + place)(Held(make(scorer), spec.weights.bytes + RowBytes))(held => body(held.value))
  }

  /** Scorers of single rows of feature columns that are here. */
  private[score] def rowScorers: Int = rows.size

  /** Opens a scorer of a task's model, as the other does. */
  def open(spec: ScoreTaskSpec, scoreJson: String): Scorer =
    open(spec.key, spec.weights.bytes, load(spec.modelJson, spec.weights.iterable, spec.golden), scoreJson)

  /** Opens a scorer of the model `key`, loading the model if it is not here. Tasks that start together load it once.
    *
    * @param bytes
    *   length of the file of weights
    */
  def open(key: String, bytes: Long, load: => Model, scoreJson: String): Scorer = {
    val _ = sweeper
    models.use(key)(Held(load, bytes))(held => Scorer.open(held.value, scoreJson))
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
