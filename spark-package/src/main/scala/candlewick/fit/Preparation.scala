package candlewick.fit

import candlewick.checkpoint.{Checkpoints, CheckpointSpec, Continued}
import candlewick.columns.{ColumnRules, TrainingColumns, Widths}
import candlewick.internal.{Failures, Json, Sessions}
import candlewick.jni.Native
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.hadoop.conf.Configuration
import org.apache.spark.sql.{CandlewickShim, DataFrame, Dataset, SparkSession}
import org.apache.spark.sql.catalyst.expressions.{Expression, Nondeterministic, ScalaUDF}
import org.apache.spark.sql.catalyst.plans.logical.{Aggregate, Join, RepartitionOperation, Sort, Window}

/** A fit whose input is checked and whose job is complete; nothing was started.
  *
  * @param source
  *   the columns that are read, and no other
  * @param columns
  *   the `Columns` document of the feed
  * @param contract
  *   what the model shall remember of the columns
  * @param job
  *   the `JobSpec` document
  * @param launch
  *   how the driver runs it
  * @param initial
  *   weights to start from, if any
  * @param continued
  *   the training that it goes on with, if any
  * @param device
  *   where its trainers compute
  * @param settle
  *   where the number of trainers decides on something: the same for so many of them, or the error of a user's choice
  */
private[candlewick] final case class Prepared(
    session: SparkSession,
    source: DataFrame,
    columns: ObjectNode,
    contract: ObjectNode,
    job: ObjectNode,
    launch: LaunchSpec,
    initial: Option[InitialWeights],
    continued: Option[Continued],
    device: Device = Device.Processors,
    settle: Option[Int => Prepared] = None
) {

  /** The same, now that it is known how many trainers there are. */
  def settled(trainers: Int): Prepared = settle.fold(this)(_(trainers))

  /** V. */
  def logicalShards: Int = Json.field(Json.field(job, "train"), "logicalShards").asInt

  /** Which shards rows go to: "hash" or "none". */
  def dataShuffle: String = Json.field(job, "data").path("dataShuffle").asText("hash")

  /** Passes over the data. */
  def epochs: Int = Json.field(Json.field(job, "train"), "epochs").asInt

  /** Rows of a step. */
  def batchSize: Int = Json.field(Json.field(job, "train"), "batchSize").asInt

  /** Trainers that keep each row. */
  def replicas: Int = Json.field(job, "dataReplicas").asInt

  /** Silence after which a trainer counts as lost. */
  def failureTimeoutMs: Long = Json.field(job, "failureTimeoutMs").asLong
}

/** The first step of a fit: everything a user can get wrong is found here, on the driver. */
private[candlewick] object Preparation {

  /** Time after which the user is told what the preparation waits for. */
  private val PatienceMs = 5000L

  /** Checks dataset and parameters and completes the job.
    *
    * @param remind
    *   called where the first row takes long
    */
  def run(dataset: Dataset[_], spec: FitSpec, control: FitControl)(remind: () => Unit): Prepared =
    prepare(dataset, spec, control, enters = true)(remind)

  /** The same for a fit that is not made: checkpointDir is tried out, and not taken. */
  def look(dataset: Dataset[_], spec: FitSpec, control: FitControl): Prepared =
    prepare(dataset, spec, control, enters = false)(() => ())

  private def prepare(dataset: Dataset[_], spec: FitSpec, control: FitControl, enters: Boolean)(
      remind: () => Unit
  ): Prepared = {
    val session = CandlewickShim.session(dataset).getOrElse {
      throw Failures.parameter(Sessions.needed("fit"))
    }
    if (dataset.isStreaming)
      throw Failures.parameter("fit needs a DataFrame that ends, not a stream; call fit inside foreachBatch")
    val columns = TrainingColumns.of(dataset.schema, spec.columns, Sessions.caseSensitive(session))
    ColumnRules.checkNew(dataset.schema, spec.outputs, Sessions.caseSensitive(session))
    val source = columns.select(dataset.toDF())
    lazy val repeated = dear(source)
    if (columns.asksFirstRow) tellTwice(repeated, spec.columns.inputShape.isDefined, control)
    val widths =
      Reminder.after(PatienceMs)(remind())(columns.widths(source, repeated.nonEmpty)(() => control.check()))
    def complete(device: Option[Device], trainers: Option[Int]) = {
      val resolved = resolve(control.id, spec, columns, widths, device, trainers)
      val job = Json.field(resolved, "job").asInstanceOf[ObjectNode]
      tellRows(job, source)
      (job, LaunchSpec.of(Json.field(resolved, "launch")), Json.field(resolved, "limits"))
    }
    val (asked, first, limits) = complete(None, None)
    warnIfUnstable(source, control)
    val device = Device.of(session.sparkContext, first.device, first.deviceRefusals)
    if (enters) tellDevice(first.device, device, control)
    val place = Some(device).filter(_.gpus.isDefined)
    val (job, launch, _) = if (place.isEmpty) (asked, first, limits) else complete(place, None)
    val conf = CandlewickShim.hadoopConf(session)
    launch.checkpoint.foreach(tryFolder(conf, _, control, enters))
    val data = Json.field(job, "data")
    val (label, shape) = (Json.field(data, "label"), Json.items(Json.field(data, "inputShape")).map(_.asInt))
    val kind = data.path("featureEncoding").path("type").asText("float32")
    val feed = columns.json(widths, shape, label, limits, kind)
    // A state that is gone on from has weights of its own.
    val goesOn = spec.resumed.isDefined && launch.identity.isDefined
    val initial = spec.initialWeights.filterNot(_ => goesOn).map { value =>
      InitialWeights.read(session, value, launch.strictWeights, job)
    }
    val prepared =
      Prepared(session, source, feed, columns.contract(widths), job, launch, initial, None, device)
    def continued(found: Prepared) = found.copy(continued =
      for (state <- spec.resumed; params <- found.launch.identity)
        yield Continued.of(conf, state, params, found.epochs)
    )
    if (launch.shardsFollowTrainers) prepared.copy(settle = Some { trainers =>
      val (job, found, _) = complete(place, Some(trainers))
      // Of how it runs only what depends on the shards is another.
      continued(
        prepared
          .copy(job = job, launch = launch.copy(shardsFollowTrainers = false, identity = found.identity))
      )
    })
    else {
      val whole = continued(prepared)
      // Copies of rows want a second trainer; the rest stays as it is.
      if (whole.replicas < 2 || launch.numTrainers > 0) whole
      else
        whole.copy(settle = Some { trainers =>
          complete(place, Some(trainers)): Unit
          whole
        })
    }
  }

  /** Throws where no checkpoint could be written. */
  private def tryFolder(
      conf: Configuration,
      asked: CheckpointSpec,
      control: FitControl,
      enters: Boolean
  ): Unit = {
    def line = s"checkpointDir: still waiting for the file system of ${asked.dir}"
    Reminder.after(PatienceMs)(control.warn(line)) {
      if (enters) Checkpoints.enter(conf, asked, control.id)(() => control.check())
      else Checkpoints.tryOut(conf, asked)(() => control.check())
    }
  }

  /** On GPUs, and where they are there and not used, the user hears of it; else the log does. */
  private def tellDevice(asked: String, device: Device, control: FitControl): Unit = {
    val line = s"trainers compute on ${device.name}: ${device.reason}"
    if (device.gpus.isDefined) control.report(line)
    else if (asked == Device.Auto && device.unused) control.warn(line)
    else control.note(line)
  }

  /** What judges rows that are put aside takes memory by their number, where Spark knows it. */
  private def tellRows(job: ObjectNode, source: DataFrame): Unit = Json.field(job, "data") match {
    case data: ObjectNode if data.path("validation").isObject =>
      KnownRows.of(source).foreach(rows => data.put("rows", rows): Unit)
    case _ => ()
  }

  /** What the first row is asked of runs once more to feed all rows: where that costs much, the user hears of it. What is
    * cached is a leaf of the plan.
    */
  private def tellTwice(dear: Seq[String], shaped: Boolean, control: FitControl): Unit =
    if (dear.nonEmpty) {
      val said = if (shaped) "VectorAssembler" else "inputShape, or VectorAssembler"
      control.report(
        s"the first row says how wide the columns are, so this runs twice: ${dear.mkString(", ")}; cache the " +
          s"DataFrame, or say it: $said, whose attributes tell it"
      )
    }

  /** What of a DataFrame runs as a whole before it has a row. */
  private def dear(source: DataFrame): Seq[String] =
    CandlewickShim
      .optimized(source)
      .collect { case node @ (_: Join | _: Aggregate | _: Sort | _: Window | _: RepartitionOperation) =>
        node.nodeName
      }
      .distinct

  private def resolve(
      id: String,
      spec: FitSpec,
      columns: TrainingColumns,
      widths: Widths,
      device: Option[Device],
      trainers: Option[Int]
  ): ObjectNode = {
    val request = Json.obj(
      "job" -> id,
      "params" -> Json.parseObject("the parameters", spec.params),
      "defaults" -> Json.parseObject("the defaults", spec.defaults),
      "task" -> spec.columns.task,
      "featureWidth" -> widths.features,
      "featureShape" -> widths.shape,
      "featureTypes" -> columns.featureTypes,
      "nonzeros" -> widths.nonzeros,
      "labelWidth" -> widths.label,
      "labels" -> columns.labelColumns(widths),
      "device" -> device.map(_.name),
      "numTrainers" -> trainers
    )
    Json.parseObject("the resolved job", Native.resolve(request.toString))
  }

  /** `deterministic` has false alarms and misses some cases, so it earns a warning and no more. Functions of Spark ML
    * are left out: VectorAssembler marks its own as non-deterministic only to keep the optimiser away.
    */
  private def warnIfUnstable(source: DataFrame, control: FitControl): Unit = {
    val plan = CandlewickShim.optimized(source)
    val names = if (plan.deterministic) Nil else plan.flatMap(_.expressions.flatMap(unstable)).distinct
    if (names.nonEmpty)
      control.warn(
        s"warning: the DataFrame holds a non-deterministic expression (${names.mkString(", ")}): rows read again may " +
          "differ; checkpoint it or write it out for a reproducible model"
      )
  }

  private def unstable(expression: Expression): Seq[String] = expression.collect {
    case udf: ScalaUDF
        if !udf.udfDeterministic && !udf.function.getClass.getName.startsWith("org.apache.spark.ml.") =>
      udf.name
    case found: Nondeterministic => found.prettyName
    case other
        if !other.deterministic && !other.isInstanceOf[ScalaUDF] && other.children.forall(_.deterministic) =>
      other.prettyName
  }
}
