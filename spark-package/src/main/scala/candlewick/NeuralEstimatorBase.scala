package candlewick

import candlewick.checkpoint.OptimizerState
import candlewick.columns.{ColumnChoice, ColumnRules, GraphColumns, GraphInput, TrainingColumns}
import candlewick.fit.{
  CallbackRunner,
  FitControl,
  FitJob,
  FitResult,
  FitSpec,
  InitialWeights,
  Planner,
  Warmup
}
import candlewick.internal.{Failures, Sessions}
import candlewick.persist.{ParamsWriter, RestorableParams, StageWriter}
import candlewick.score.OutputColumn
import com.fasterxml.jackson.databind.JsonNode
import java.util.UUID
import org.apache.spark.ml.Estimator
import org.apache.spark.ml.param.{Param, ParamMap, Params}
import org.apache.spark.ml.util.MLWritable
import org.apache.spark.sql.Dataset
import org.apache.spark.sql.types.StructType

/** What [[NeuralClassifier]], [[NeuralRegressor]] and [[NeuralEstimator]] share: training in processes beside Spark's executors.
  *
  * @tparam M
  *   class of the model
  */
trait NeuralEstimatorBase[M <: NeuralModel[M]]
    extends Estimator[M]
    with NeuralEstimatorParams
    with RestorableParams
    with MLWritable {

  Warmup.start()

  /** Which estimator it is to the native library: "classifier", "regressor" or "estimator". */
  private[candlewick] def task: String

  /** The columns of the label, and the parameter that names them. */
  private[candlewick] def labels: (Seq[String], String) = Seq($(labelCol)) -> "labelCol"

  /** The model of a finished fit. */
  private[candlewick] def model(state: ModelState): M

  /** The columns that transform will append. */
  private[candlewick] def outputs: Seq[OutputColumn]

  /** Those of outputCols too. */
  private[candlewick] def allOutputs: Seq[OutputColumn] = outputs ++ innerOutputs

  /** The schema with those columns. */
  private[candlewick] def appended(schema: StructType, columns: TrainingColumns): StructType

  /** Trains on a DataFrame and waits for the model. With `verbose` set to true, prints a line per epoch; with "auto" that
    * line is in the log alone. An interrupt of the calling thread cancels the fit.
    *
    * @param dataset
    *   any DataFrame that ends; its own partitions are read once, whatever their number
    * @return
    *   the model, with its [[TrainingSummary]]
    */
  override def fit(dataset: Dataset[_]): M = {
    val handle = startFit(dataset, if ($(verbose) == "true") println(_) else _ => ())
    try {
      while (!handle.awaitTermination(NeuralEstimatorBase.PollMs)) ()
      handle.result()
    } catch {
      case interrupted: InterruptedException =>
        handle.cancel("the calling thread was interrupted")
        handle.awaitTermination(NeuralEstimatorBase.CancelMs): Unit
        throw interrupted
    }
  }

  /** Starts a fit in the background.
    *
    * {{{
    * val handle = classifier.startFit(train)
    * handle.listenProgress(println)
    * val model = handle.result()
    * }}}
    *
    * @return
    *   its handle: to wait, to read progress, to cancel
    */
  def startFit(dataset: Dataset[_]): FitHandle[M] = startFit(dataset, _ => ())

  private def startFit(dataset: Dataset[_], listener: String => Unit): FitHandle[M] = {
    val looked = callbacks.nonEmpty
    start(dataset, new FitControl(NeuralEstimatorBase.fitId(), watched = looked, decides = looked), listener)
  }

  /** The same for Python, which takes the events of the fit from its handle; with `decides` it has to answer each epoch. */
  private[candlewick] def startWatchedFit(dataset: Dataset[_], decides: Boolean): FitHandle[M] =
    start(dataset, new FitControl(NeuralEstimatorBase.fitId(), true, decides, shows = true), _ => ())

  private def start(dataset: Dataset[_], control: FitControl, listener: String => Unit): FitHandle[M] = {
    control.listen(listener)
    val frozen = copy(ParamMap.empty).asInstanceOf[NeuralEstimatorBase[M]]
    val info = FitInfo(control.id, control.number, uid, $(epochs))
    val runner = new CallbackRunner(callbacks, control, info)
    new FitHandle[M](control).start {
      runner.around(finish(frozen, new FitJob(dataset, frozen.spec, control).run()))
    }
  }

  /** What a fit on this DataFrame will need and take, without making it: steps, bytes on the network, memory against its
    * limits, seconds, what bounds it, and what to set. It checks everything that a fit checks before it starts, tries a few
    * steps in the driver over rows that are made up, and reads for a moment from one partition. Where Spark does not know how
    * many rows there are, it counts them, which reads them all: the other `plan` is told.
    *
    * {{{
    * println(classifier.plan(train))
    * }}}
    */
  def plan(dataset: Dataset[_]): TrainingPlan = planOf(dataset, None)

  /** The same, told how many rows there are. */
  def plan(dataset: Dataset[_], rows: Long): TrainingPlan = {
    if (rows < 1)
      throw Failures.parameter(s"rows = $rows is not legal: expected a whole number of at least 1")
    planOf(dataset, Some(rows))
  }

  private def planOf(dataset: Dataset[_], rows: Option[Long]): TrainingPlan = {
    val control = new FitControl(NeuralEstimatorBase.fitId())
    try planned(dataset, rows, control)
    finally control.finish()
  }

  private def planned(dataset: Dataset[_], rows: Option[Long], control: FitControl): TrainingPlan =
    new TrainingPlan(new Planner(dataset, spec, control).plan(rows).toString)

  /** The same in the background, for Python, where Ctrl-C has to end it; `rows` 0 where nobody knows their number. */
  private[candlewick] def startPlan(dataset: Dataset[_], rows: Long): FitHandle[TrainingPlan] = {
    val control = new FitControl(NeuralEstimatorBase.fitId())
    new FitHandle[TrainingPlan](control).start(planned(dataset, Some(rows).filter(_ > 0), control))
  }

  // No Param: nothing of them is saved, or sent anywhere.
  private var callbacks = Seq.empty[Callback]

  /** Sets who looks on while it trains, in place of those before: they run on the driver and may end the training. Copies of
    * this estimator have them too, those that `CrossValidator` makes for example; a saved one has none.
    *
    * {{{
    * classifier.setCallbacks(Callback(_.loss < 0.01))
    * }}}
    */
  def setCallbacks(callbacks: Callback*): this.type = {
    this.callbacks = callbacks
    this
  }

  /** Sets a function that looks at the end of each epoch; true ends the training there. */
  def setCallbacks(stop: EpochRecord => Boolean): this.type = setCallbacks(Callback(stop))

  /** Who looks on while it trains. */
  def getCallbacks: Seq[Callback] = callbacks

  private def finish(frozen: NeuralEstimatorBase[M], result: FitResult): M = {
    val trained = frozen.model(ModelState.of(result))
    frozen.copyValues(trained.setParent(this))
  }

  /** Checks the columns and appends those of the model. */
  override def transformSchema(schema: StructType): StructType = {
    val caseSensitive = Sessions.caseSensitive
    val columns = TrainingColumns.of(schema, choice, caseSensitive)
    ColumnRules.checkNew(schema, outputNames, caseSensitive)
    appended(schema, columns)
  }

  override def copy(extra: ParamMap): Estimator[M] = defaultCopy(extra)

  /** Saves the estimator in Spark ML's layout. */
  override def write: StageWriter = new ParamsWriter(this)

  private[candlewick] def spec: FitSpec = {
    if (!isDefined(network))
      throw Failures.parameter(
        "network is not set; set it with setNetwork, for example nn.Sequential(nn.Linear(64), nn.ReLU(), nn.Linear(10))"
      )
    val start = optional(initialWeights).filter(_.nonEmpty).map { value =>
      InitialWeights.resolved(value, startModel.map(model => model.uid -> model.state.weights))
    }
    FitSpec(choice, paramsJson, defaultsJson, start, outputNames, resumed)
  }

  /** The columns that transform will append, each with the parameter that names it. */
  private def outputNames: Seq[(String, String)] = allOutputs.map(column => column.param -> column.name)

  /** The state of the initial model, where training is to go on from it. */
  private def resumed: Option[OptimizerState] = if ($(resumeOptimizer)) {
    val model = startModel.getOrElse {
      throw Failures.parameter(
        "resumeOptimizer is true, but there is no model to go on from: set it with setInitialModel (a saved estimator does " +
          "not hold it), or set resumeOptimizer to false"
      )
    }
    if (model.state.optimizer.isEmpty)
      throw Failures.parameter(
        "resumeOptimizer is true, but the initial model does not keep the state of its optimiser: fit it with " +
          "saveOptimizer=true, or set resumeOptimizer to false to start from its weights alone"
      )
    model.state.optimizer
  } else None

  private def choice: ColumnChoice = {
    val many = optional(featuresCols).filter(_.nonEmpty)
    if (many.isDefined && isSet(featuresCol))
      throw Failures.parameter("featuresCol and featuresCols are both set; set one of them (clear the other)")
    val inputs = graph.fold(Seq.empty[GraphInput])(GraphColumns.inputs)
    val named = if (inputs.nonEmpty && !isSet(featuresCol)) Some(inputs.map(_.name)) else None
    val (labelNames, labelParam) = labels
    val several = many.map(_.toSeq).orElse(named)
    ColumnChoice(
      several.getOrElse(Seq($(featuresCol))),
      if (several.isDefined) "featuresCols" else "featuresCol",
      inputs,
      labelNames,
      labelParam,
      optional(weightCol).filter(_.nonEmpty),
      optional(validationIndicatorCol).filter(_.nonEmpty),
      optional(inputShape).map(_.toSeq),
      optional(scale),
      $(handleInvalid) == "skip",
      task
    )
  }

  /** The document of the network. */
  private[candlewick] def networkDocument: Option[JsonNode] =
    optional(network).map(Document.parse("parameter network", _): JsonNode)

  /** The document of the network where it is a graph. */
  private[candlewick] def graph: Option[JsonNode] = networkDocument.filter(_.has("nodes"))

  private var initialModel = Option.empty[InitialModel]

  /** Whose weights initialWeights are: whoever sets that parameter in any other way starts from no model. */
  private def startModel: Option[InitialModel] =
    initialModel.filter(model => get(initialWeights).contains(model.text))

  /** Starts training from the weights of a trained model; see initialWeights. With resumeOptimizer it goes on where the
    * training of the model ended. A saved estimator has the weights of the model, unless they are more than 1 GiB: then set
    * the model again after loading.
    */
  def setInitialModel(model: NeuralModel[_]): this.type = setInitialModel(model, InitialWeights.MaxInline)

  /** The same, where the parameter holds weights of at most so many bytes. */
  private[candlewick] def setInitialModel(model: NeuralModel[_], mostInline: Long): this.type = {
    setInitialWeights(InitialWeights.ofModel(model.uid, model.state.weights, mostInline))
    rememberModel(model)
    this
  }

  /** Whose weights initialWeights are, for Python, which sets them itself; null where they are those of no model. */
  private[candlewick] def rememberModel(model: NeuralModel[_]): Unit =
    initialModel =
      for (one <- Option(model); text <- get(initialWeights)) yield InitialModel(text, one.uid, one.state)

  override protected def copyValues[T <: Params](to: T, extra: ParamMap): T = {
    to match {
      case other: NeuralEstimatorBase[_] =>
        other.initialModel = initialModel
        other.callbacks = callbacks
      case _ => ()
    }
    super.copyValues(to, extra)
  }

  /** Starts training from the bytes of a safetensors file; see initialWeights. */
  def setInitialWeights(safetensors: Array[Byte]): this.type =
    setInitialWeights(InitialWeights.inline(safetensors))

  private[candlewick] def optional[T](param: Param[T]): Option[T] = get(param).orElse(getDefault(param))
}

/** What a fit may need of the model that it starts from and the parameter does not hold: the state of its optimiser, and
  * weights beyond the parameter's limit. The model itself is not kept: it knows its estimator, and that the model before it,
  * so a loop of continued fits would keep them all.
  *
  * @param text
  *   the value of initialWeights that stands for the model
  */
private final case class InitialModel(text: String, uid: String, state: ModelState)

private[candlewick] object NeuralEstimatorBase {
  private def fitId(): String = UUID.randomUUID().toString.replace("-", "")
  private val PollMs = 1000L

  /** Wait for a cancelled fit to clean up before the interrupt is passed on. */
  private val CancelMs = 10000L
}
