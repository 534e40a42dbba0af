package candlewick.fit

import candlewick.cluster.{Executor, Executors, MemoryLimit}
import candlewick.internal.Json
import candlewick.jni.Native
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.SparkContext
import org.apache.spark.sql.{CandlewickShim, DataFrame, Dataset}
import org.apache.spark.sql.catalyst.InternalRow

/** What a fit would need and take. It starts nothing but a job that reads a little, and one that counts where it has to. */
private[candlewick] final class Planner(dataset: Dataset[_], spec: FitSpec, control: FitControl) {
  import Planner._

  /** The plan, as the document of [[candlewick.TrainingPlan]].
    *
    * @param told
    *   number of rows, where the caller knows it
    */
  def plan(told: Option[Long]): ObjectNode = {
    val prepared = Preparation.look(dataset, spec, control)
    val sc = prepared.session.sparkContext
    val executors = new Executors(sc)
    val gang = Gang.of(prepared, executors.active(), executors.slots)
    val rows = told.orElse(MemoryCheck.knownRows(prepared.source)).getOrElse(prepared.source.count())
    val limit = MemoryCheck.limit(sc, prepared.launch, gang.perExecutor)
    def ask(probeMs: Int) =
      Json.parse(Native.trainingPlan(MemoryCheck.request(prepared, gang.trainers, gang.threads, probeMs)))
    val asked = ask(0)
    val needs = Needs.of(asked)
    // What a trainer has no room for, the driver may have none for either.
    val tried = if (limit.forall(needs.besideRows < _.bytes)) ask(ProbeMs) else asked
    val amount = Amount.of(prepared, rows, Json.field(asked, "sentRowBytes").asLong)
    val memory = new PlannedMemory(needs, limit, rows, prepared, gang.trainers)
    val time = new PlannedTime(tried, amount, gang, Hosts.loopback(sc), sample(sc, prepared.source))
    Json.obj(
      "rows" -> rows,
      "epochs" -> prepared.epochs,
      "batchSize" -> prepared.batchSize,
      "stepsPerEpoch" -> amount.stepsPerEpoch,
      "totalSteps" -> amount.stepsPerEpoch * prepared.epochs,
      "numTrainers" -> gang.trainers,
      "threadsPerTrainer" -> gang.threads,
      "logicalShards" -> prepared.logicalShards,
      "feedBytes" -> rows * amount.rowBytes,
      "exchangeBytesPerStep" -> time.exchangeBytes,
      "exchangeBytesPerEpoch" -> time.exchangeBytes * amount.stepsPerEpoch,
      "memory" -> memory.json,
      "seconds" -> time.json,
      "oneTrainerIsAsFast" -> time.oneIsAsFast,
      "bound" -> (if (memory.spills) "memory" else time.bound),
      "advice" -> (memory.advice ++ time.advice)
    )
  }

  /** Rows a second that one task reads; none where the first partition has none. */
  private def sample(sc: SparkContext, source: DataFrame): Option[Double] = {
    val rows = CandlewickShim.rows(source)
    if (rows.getNumPartitions == 0) None
    else {
      val (read, nanos) = sc.runJob(rows, readAWhile _, Seq(0)).head
      if (read == 0) None else Some(read / (math.max(1L, nanos) / 1e9))
    }
  }
}

private[candlewick] object Planner {

  /** How long steps are tried. */
  private val ProbeMs = 300

  /** How long, and how many rows at most, a task reads. */
  private val SampleNanos = 300000000L
  private val SampleRows = 20000L

  /** What a fit takes beside reading and training: starting trainers, forming, the weights back. As docs/performance.md has it
    * for small fits.
    */
  val FixedSeconds = 0.3

  /** Bytes a second that a feed encodes and sends, in one executor, as docs/performance.md has it; and what a network between
    * hosts is taken to move.
    */
  val FeedBytesPerSecond = 0.5e9
  val NetworkBytesPerSecond = 1.25e9

  private def readAWhile(rows: Iterator[InternalRow]): (Long, Long) = {
    val begin = System.nanoTime()
    var read = 0L
    while (read < SampleRows && System.nanoTime() - begin < SampleNanos && rows.hasNext) {
      rows.next()
      read += 1
    }
    (read, System.nanoTime() - begin)
  }
}

/** The trainers that a fit would have.
  *
  * @param tasks
  *   feed tasks at a time
  */
private[fit] final case class Gang(trainers: Int, perExecutor: Int, threads: Int, tasks: Int, hosts: Int)

private[fit] object Gang {

  /** As many as are asked for, or one for each executor that is there. */
  def of(prepared: Prepared, executors: Seq[Executor], slots: Executor => Int): Gang = {
    val (launch, there) = (prepared.launch, math.max(1, executors.length))
    val wanted = if (launch.numTrainers > 0) launch.numTrainers else there
    val trainers = math.min(wanted, prepared.logicalShards)
    val each = (trainers + there - 1) / there
    val cores = (1 +: executors.map(_.cores)).max
    val threads = if (launch.threadsPerTrainer > 0) launch.threadsPerTrainer else math.max(1, cores / each)
    Gang(
      trainers,
      each,
      threads,
      math.max(1, executors.map(slots).sum),
      executors.map(_.host).distinct.length
    )
  }
}

/** How much is trained on. */
private[fit] final case class Amount(rows: Long, stepsPerEpoch: Long, epochs: Int, rowBytes: Long)

private[fit] object Amount {

  /** Of so many rows, of which some are put aside. */
  def of(prepared: Prepared, rows: Long, rowBytes: Long): Amount = {
    val data = Json.field(prepared.job, "data")
    val below = data.path("validation").path("below")
    // A share of 2^64.
    val aside = if (below.isNumber) below.bigIntegerValue.doubleValue / math.pow(2, 64) else 0.0
    val trained = math.max(1L, math.round(rows * (1 - aside)))
    val batch = prepared.batchSize.toLong
    val whole = trained / batch
    val dropped = Json.field(Json.field(prepared.job, "train"), "dropLast").asBoolean
    val steps = if (dropped || trained % batch == 0) whole else whole + 1
    Amount(rows, steps, prepared.epochs, rowBytes)
  }
}

/** Memory of the plan. */
private[fit] final class PlannedMemory(
    needs: Needs,
    limit: Option[MemoryLimit],
    rows: Long,
    prepared: Prepared,
    trainers: Int
) {
  private val held = needs.rows(rows, trainers, prepared.replicas)
  private val needed = needs.besideRows + held
  private val room = limit.map(_.bytes)

  /** Whether rows go to disk. */
  val spills: Boolean = room.exists(needed > _)

  def json: ObjectNode = Json.obj(
    "accounts" -> Json.obj((needs.accounts :+ ("rows" -> held)): _*),
    "needed" -> needed,
    "limit" -> room,
    "limitSource" -> limit.map(_.source),
    "fits" -> room.forall(needs.besideRows < _),
    "spilledBytes" -> room.fold(0L)(bytes => math.min(held, math.max(0L, needed - bytes)))
  )

  def advice: Seq[String] = limit.filter(_ => spills).toSeq.map { limit =>
    if (needs.besideRows >= limit.bytes)
      s"it will be refused: ${MemoryCheck.raise(needs.besideRows, limit)}, or lower batchSize"
    else s"to keep all rows in memory ${MemoryCheck.raise(needed, limit)}"
  }
}

/** Seconds of the plan. */
private[fit] final class PlannedTime(
    tried: JsonNode,
    amount: Amount,
    gang: Gang,
    loopback: Boolean,
    rowsPerSecond: Option[Double]
) {
  val exchangeBytes: Long = Json.field(tried, "exchangeBytes").asLong
  private val compute = Json.field(tried, "stepSeconds").asDouble
  private val alone = tried.path("stepSecondsAlone").asDouble(compute)
  // All trainers send at the same time; on one machine they share what it moves.
  private val exchange =
    if (gang.trainers < 2) 0.0
    else if (loopback || gang.hosts < 2)
      exchangeBytes / tried.path("loopbackBytesPerSecond").asDouble(Planner.NetworkBytesPerSecond)
    else exchangeBytes.toDouble / gang.hosts / Planner.NetworkBytesPerSecond
  private val epoch = (compute + exchange) * amount.stepsPerEpoch
  private val feed = {
    val read = rowsPerSecond.fold(0.0)(amount.rows / _ / gang.tasks)
    read + amount.rows.toDouble * amount.rowBytes / Planner.FeedBytesPerSecond / math.max(1, gang.hosts)
  }

  /** What takes most of it. */
  val bound: String = {
    val parts = Seq(
      "compute" -> compute * amount.stepsPerEpoch * amount.epochs,
      "exchange" -> exchange * amount.stepsPerEpoch * amount.epochs,
      "feed" -> feed
    )
    parts.maxBy(_._2)._1
  }

  /** Whether one trainer with as many threads as each has would be as fast. */
  val oneIsAsFast: Boolean = gang.trainers < 2 || alone <= compute + exchange

  def json: ObjectNode = Json.obj(
    "step" -> (compute + exchange),
    "compute" -> compute,
    "exchange" -> exchange,
    "feed" -> feed,
    "epoch" -> epoch,
    "total" -> (Planner.FixedSeconds + feed + epoch * amount.epochs)
  )

  def advice: Seq[String] = {
    val one =
      if (gang.trainers > 1 && oneIsAsFast) Seq("one trainer is as fast: set numTrainers to 1") else Nil
    val larger =
      if (bound == "exchange" && !oneIsAsFast)
        Seq("the exchange takes longer than the steps: raise batchSize")
      else Nil
    val cached =
      if (bound == "feed")
        Seq("reading takes longer than training: cache the DataFrame if you fit on it again")
      else Nil
    one ++ larger ++ cached
  }
}
