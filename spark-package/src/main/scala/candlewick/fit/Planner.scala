package candlewick.fit

import candlewick.cluster.{Capacity, Executor, Executors, FoundMemory, Machine, MemoryLimit, Request, Share}
import candlewick.internal.{Clock, Json, RowBatch, RowLayout}
import candlewick.jni.{Feeder, InvalidParameterException, Native}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import org.apache.spark.{SparkContext, SparkEnv}
import org.apache.spark.sql.{CandlewickShim, DataFrame, Dataset}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.functions.{coalesce, col, count, lit, sum, when}
import org.apache.spark.sql.types.DataType
import scala.util.control.NonFatal

/** What a fit would need and take. It starts nothing but a job that reads a little, and one that counts where it has to. */
private[candlewick] final class Planner(dataset: Dataset[_], spec: FitSpec, control: FitControl) {
  import Planner._

  /** The plan, as the document of [[candlewick.TrainingPlan]].
    *
    * @param told
    *   number of rows, where the caller knows it
    */
  def plan(told: Option[Long]): ObjectNode = {
    val sc = dataset.sparkSession.sparkContext
    // Whoever cancels the plan ends its jobs that run, and the caller's own group stays.
    sc.addJobTag(control.tag)
    control.onCancel(_ => sc.cancelJobsWithTag(control.tag))
    try made(told)
    catch { case NonFatal(error) => throw control.cancellation.getOrElse(error) }
    finally sc.removeJobTag(control.tag)
  }

  private def made(told: Option[Long]): ObjectNode = {
    val found = Preparation.look(dataset, spec, control)
    control.check()
    val sc = found.session.sparkContext
    val executors = new Executors(sc)
    val active = executors.active()
    val request = Search.request(found)
    val capacity = new SparkCluster(sc, control).capacity(active)
    val gang = Gang.of(found.launch, request, active, executors, Gang.coming(sc, capacity))
    // A fit begins with so many at least.
    val most = math.max(gang.trainers, found.launch.minTrainers)
    val (prepared, unfit) =
      try found.settled(most) -> None
      catch { case error: InvalidParameterException => found -> Some(error) }
    val refusal = Search
      .refusal(request, capacity, active.map(request.hosts(_, executors.slots)).sum)
      .orElse(unfit)
    val marks = Json.field(prepared.columns, "validation").isObject
    val (rows, marked) = counted(prepared.source, marks, told)
    control.check()
    val sampled = sample(sc, prepared)
    val room = if (Hosts.loopback(sc)) MemoryCheck.here(sc) else sampled.room
    val limit = MemoryCheck.limit(sc, prepared.launch, gang.share, room)
    // Where everything is on this machine the trainers share it.
    val machines = gang.machines(Hosts.loopback(sc))
    val near = (gang.trainers + machines - 1) / machines
    val feeders = Feeders(gang.executors, math.min(gang.tasks, math.max(1, sampled.partitions)))
    val question = MemoryCheck.request(prepared, gang.trainers, near, feeders)
    question.put("threads", gang.threads).put("rows", rows).put("tasks", gang.tasks / machines): Unit
    def ask(probeMs: Int) = Json.parse(Native.trainingPlan(question.put("probeMs", probeMs).toString))
    val asked = ask(0)
    val needs = Needs.of(asked)
    control.check()
    // What a trainer has no room for, the driver may have none for either.
    val untried =
      if (limit.exists(needs.besideRows >= _.bytes)) Some(Nil)
      else Untried.why(prepared.device, needs, near, DriverRoom.of(sc)).map(Seq(_))
    val tried = if (untried.isEmpty) ask(ProbeMs) else asked
    val amount = Amount.of(prepared, rows, marked, Json.field(asked, "sentRowBytes").asLong)
    val memory = new PlannedMemory(needs, limit, rows, prepared)
    val unmarked =
      if (marks && marked.isEmpty)
        Seq(
          "rows that validationIndicatorCol marks are not counted where rows are told: the steps are those of all"
        )
      else Nil
    val time = new PlannedTime(tried, amount, gang, Hosts.loopback(sc), sampled, needs.share)
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
      "exchange" -> time.way,
      "oneTrainerIsAsFast" -> time.oneIsAsFast,
      "bound" -> (if (memory.spills) "memory" else time.bound),
      "advice" -> (refusal
        .map(error => s"it will be refused: ${error.getMessage}")
        .toSeq ++ amount.refusal ++ memory.advice ++ untried.fold(time.advice)(identity) ++ unmarked)
    )
  }

  /** Rows, and those of them that the column of marks puts aside. With a number that was told nothing is read for it. */
  private def counted(source: DataFrame, marks: Boolean, told: Option[Long]): (Long, Option[Long]) =
    if (!marks || told.isDefined)
      (told.orElse(KnownRows.of(source)).getOrElse(source.count()), None)
    else {
      val all = source.columns.indices.map(at => s"c$at")
      val mark = sum(when(col(all.last), 1L).otherwise(0L))
      val row = source.toDF(all: _*).agg(count(lit(1)), coalesce(mark, lit(0L))).head()
      (row.getLong(0), Some(row.getLong(1)))
    }

  /** What a task takes for a row until it is ready to be sent, by the feeder itself; none where the first partition has no rows. */
  private def sample(sc: SparkContext, prepared: Prepared): Sampled = CandlewickShim.lookAt(prepared.source) {
    rows =>
      val partitions = rows.getNumPartitions
      if (partitions == 0) Sampled(None, 0.0, 0, FoundMemory(None, None))
      else {
        val types = prepared.source.schema.map(_.dataType).toArray
        val feed = FeedSpec.document(prepared)
        // A round in which nobody takes any shard: rows are decoded and hashed, and passed over.
        val round =
          Json.obj("round" -> 1, "owners" -> Seq.empty[Any], "streamBytes" -> prepared.launch.feedMemoryBytes)
        feed.put("dataShuffle", "hash").setAll[ObjectNode](round): Unit
        val task = new FeedSample(feed.toString, new JobSecret(control.id).feeder, types)
        val clock = new Clock
        val tried = FedRows.of(sc.runJob(rows, task.run _, Seq(0)).head)
        val ofJob = math.max(0.0, clock.seconds - tried.taskNanos / 1e9)
        val ofRow = if (tried.rows == 0) None else Some(tried.nanos / 1e9 / tried.rows)
        Sampled(ofRow, ofJob, partitions, tried.room)
      }
  }
}

private[candlewick] object Planner {

  /** How long steps are tried. */
  private val ProbeMs = 500

  /** What a fit takes beside rows and steps, and beside what its jobs take to start (those that launch and hold): the
    * trainers' start and end, forming, the weights back. As docs/performance.md has it for small fits.
    */
  val FixedSeconds = 0.1
  val Jobs = 2
}

/** What reading a little has told.
  *
  * @param secondsPerRow
  *   of one task
  * @param secondsOfJob
  *   what a job of Spark takes beside its task
  * @param partitions
  *   of the rows: as many tasks feed at most
  * @param room
  *   memory that the executor finds
  */
private[fit] final case class Sampled(
    secondsPerRow: Option[Double],
    secondsOfJob: Double,
    partitions: Int,
    room: FoundMemory
)

/** What a task that reads a little has found.
  *
  * @param rows
  *   those that it took the time of
  * @param nanos
  *   that time
  * @param taskNanos
  *   of all rows
  */
private[fit] final case class FedRows(rows: Long, nanos: Long, taskNanos: Long, room: FoundMemory)

private[fit] object FedRows {

  /** How a task gives it back. */
  type Plain = (Long, Long, Long, (Option[Long], Option[Long]))

  /** What a task gave back. */
  def of(plain: Plain): FedRows = {
    val (rows, nanos, taskNanos, (memory, group)) = plain
    FedRows(rows, nanos, taskNanos, FoundMemory(memory, group))
  }
}

/** Reads and decodes a few rows as a feed task does. */
private[fit] final class FeedSample(feed: String, keys: JobKeys, types: Array[DataType])
    extends Serializable {

  /** What [[FedRows]] has, as no class of ours: that may be another one in executors, which load the jar themselves. */
  def run(rows: Iterator[InternalRow]): FedRows.Plain = {
    RowLayout.check()
    val task = Json.obj(
      "feed" -> Json.parse(feed),
      "partition" -> 0,
      "attempt" -> 0L,
      "executor" -> SparkEnv.get.executorId,
      "host" -> ""
    )
    val feeder = Feeder.open(task.toString, keys.json)
    val batch = new RowBatch(FeedSample.BatchBytes, FeedSample.BatchRows)
    try {
      val unsafe = RowLayout.unsafe(types)
      val begin = System.nanoTime()
      var (read, wanted) = (0L, true)
      // Code that runs for the first time is slow, which a feed of many rows is not.
      var (since, before) = (begin, 0L)
      def early = System.nanoTime() - begin < FeedSample.Nanos
      while (wanted && read < FeedSample.Rows && early && rows.hasNext) {
        // Of rows that take long to make a batch is not filled.
        while (!batch.isFull && (batch.rows == 0 || early) && rows.hasNext) {
          batch.append(unsafe(rows.next()))
          read += 1
        }
        // Not after a row that is wrong, which the fit will tell of.
        wanted = feeder.push(batch.buffer, batch.bytes, batch.rows, false)
        batch.clear()
        if (before == 0 && rows.hasNext && System.nanoTime() - begin > FeedSample.WarmNanos) {
          since = System.nanoTime()
          before = read
        }
      }
      val end = System.nanoTime()
      // Those after the first ones, where there are some.
      val (of, from) = if (read > before) (read - before, since) else (read, begin)
      val room = Machine.room()
      (of, end - from, end - begin, (room.memory, room.group))
    } finally {
      batch.close()
      feeder.close()
    }
  }
}

private[fit] object FeedSample {

  /** How long, and how many rows at most. */
  private val Nanos = 300000000L
  private val WarmNanos = 100000000L
  private val Rows = 20000L
  private val BatchBytes = 1L << 18
  private val BatchRows = 1024
}

/** The trainers that a fit would have.
  *
  * @param share
  *   what those of one executor have of it
  * @param tasks
  *   feed tasks at a time
  * @param executors
  *   that they are on
  */
private[fit] final case class Gang(
    trainers: Int,
    share: Share,
    threads: Int,
    tasks: Int,
    hosts: Int,
    executors: Int
) {

  /** Machines that trainers and tasks are on. */
  def machines(loopback: Boolean): Int = if (loopback) 1 else math.max(1, hosts)
}

private[fit] object Gang {

  /** Executors that the cluster will have, where its settings tell. */
  def coming(sc: SparkContext, capacity: Capacity): Int =
    if (capacity.dynamic) Capacity.mostDynamic(sc.getConf).getOrElse(Int.MaxValue)
    else capacity.executors.getOrElse(0)

  /** As many as are asked for, or one for each executor or GPU that is there.
    *
    * @param coming
    *   executors that there may be: a fit waits for as many as it asks trainers
    */
  def of(
      launch: LaunchSpec,
      request: Request,
      active: Seq[Executor],
      executors: Executors,
      coming: Int
  ): Gang = {
    val places = math.max(1, active.map(request.hosts(_, executors.slots)).sum)
    val wanted = if (launch.numTrainers > 0) launch.numTrainers else places
    val trainers = math.min(wanted, request.most)
    val asked = if (launch.numTrainers > 0) math.min(request.executors(trainers), coming) else 0
    val there = Seq(1, active.length, asked).max
    val each = (trainers + there - 1) / there
    // Where none is up yet, as Spark's settings have them.
    val cores = if (active.isEmpty) executors.coresOfNew else active.map(_.cores).max
    // Each on a machine of its own, as far as is known.
    val more = there - active.length
    val threads = if (launch.threadsPerTrainer > 0) launch.threadsPerTrainer else math.max(1, cores / each)
    Gang(
      trainers,
      Share(each, math.min(cores, each * threads), cores, executors.slotsOf(cores)),
      threads,
      active.map(executors.slots).sum + more * executors.slotsOf(cores),
      active.map(_.host).distinct.length + more,
      there
    )
  }
}

/** How much is trained on.
  *
  * @param heldOut
  *   rows that are judged after each epoch
  */
private[fit] final case class Amount(
    rows: Long,
    stepsPerEpoch: Long,
    epochs: Int,
    rowBytes: Long,
    heldOut: Long,
    batchSize: Long
) {

  /** Why a fit of these rows does not train. */
  def refusal: Option[String] = {
    val why =
      if (rows == heldOut) Some("there are no rows to train on")
      else if (stepsPerEpoch == 0)
        Some(
          s"there are ${rows - heldOut} rows, fewer than batchSize = $batchSize, and dropLast = true leaves out the only step of an " +
            "epoch: lower batchSize or set dropLast = false"
        )
      else None
    why.map(text => s"it will be refused: $text")
  }
}

private[fit] object Amount {

  /** Of so many rows, of which some are put aside: by their hash, or those that are marked. */
  def of(prepared: Prepared, rows: Long, marked: Option[Long], rowBytes: Long): Amount = {
    val below = Json.field(prepared.job, "data").path("validation").path("below")
    // A share of 2^64.
    val share = if (below.isNumber) below.bigIntegerValue.doubleValue / math.pow(2, 64) else 0.0
    // Of a few rows hashes may put none aside.
    val trained = marked.fold(math.min(rows, math.max(1L, math.round(rows * (1 - share)))))(rows - _)
    val batch = prepared.batchSize.toLong
    val whole = trained / batch
    val dropped = Json.field(Json.field(prepared.job, "train"), "dropLast").asBoolean
    val steps = if (dropped || trained % batch == 0) whole else whole + 1
    Amount(rows, steps, prepared.epochs, rowBytes, rows - trained, batch)
  }
}

/** Memory of the plan. */
private[fit] final class PlannedMemory(
    needs: Needs,
    limit: Option[MemoryLimit],
    rows: Long,
    prepared: Prepared
) {
  private val ofRows = needs.ofRows(rows, prepared.replicas)
  private val held = ofRows.map(_._2).sum
  private val needed = needs.besideRows + held
  private val room = limit.map(_.bytes)

  /** Whether rows go to disk. */
  val spills: Boolean = room.exists(needed > _)

  def json: ObjectNode = Json.obj(
    "accounts" -> Json.obj((needs.accounts ++ ofRows): _*),
    "needed" -> needed,
    "limit" -> room,
    "limitSource" -> limit.map(_.source),
    "fits" -> room.forall(needs.besideRows < _),
    "spilledBytes" -> room.fold(0L)(bytes => math.min(held, math.max(0L, needed - bytes)))
  )

  def advice: Seq[String] = limit.filter(_ => spills).toSeq.map { limit =>
    if (needs.besideRows >= limit.bytes)
      s"it will be refused: ${Needs.raise(needs.besideRows, limit)}, or lower batchSize"
    else s"to keep all rows in memory ${Needs.raise(needed, limit)}"
  }
}

/** Seconds of the plan.
  *
  * @param share
  *   of the rows that are judged, those of the largest trainer
  */
private[fit] final class PlannedTime(
    asked: JsonNode,
    amount: Amount,
    gang: Gang,
    loopback: Boolean,
    sampled: Sampled,
    share: Double
) {
  val exchangeBytes: Long = Json.field(asked, "exchangeBytes").asLong
  private val tried = asked.path("tried")
  private val compute = tried.path("compute").asDouble
  // Of a byte that goes to the memory of trainers; where nothing was tried, of one that goes over a network between hosts.
  private val perByte =
    tried.path("secondsPerByte").asDouble(Json.field(asked, "networkSecondsPerByte").asDouble)
  private val machines = gang.machines(loopback)
  private val exchange = tried.path("exchange").asDouble
  // Of the exchange, what is computed meanwhile.
  private val hidden = tried.path("hidden").asDouble
  private val step = compute + exchange - hidden
  private val alone = tried.path("stepAlone").asDouble(compute)
  private val evaluation = tried.path("judged").asDouble * amount.heldOut * share
  private val epoch =
    step * amount.stepsPerEpoch + evaluation + tried.path("epoch").asDouble
  private val feed =
    sampled.secondsOfJob + sampled.secondsPerRow.fold(0.0) { ofTask =>
      (ofTask / math.max(
        1,
        math.min(gang.tasks, sampled.partitions)
      ) + amount.rowBytes * perByte / machines) * amount.rows
    }
  private val start = {
    val weights = Json.field(Json.field(asked, "memory"), "weights").asLong
    Planner.FixedSeconds + Planner.Jobs * sampled.secondsOfJob + tried.path("begin").asDouble +
      weights * perByte
  }

  /** What takes most of it, where steps were tried. */
  val bound: String =
    if (!tried.isObject) "unknown"
    else {
      val parts = Seq(
        "compute" -> (compute * amount.stepsPerEpoch + evaluation) * amount.epochs,
        "exchange" -> (exchange - hidden) * amount.stepsPerEpoch * amount.epochs,
        "feed" -> feed
      )
      parts.maxBy(_._2)._1
    }

  /** Whether one trainer with as many threads as each has would be as fast. */
  val oneIsAsFast: Boolean = gang.trainers < 2 || tried.isObject && alone <= step

  /** How gradients are exchanged; none where nothing was tried, and of one trainer. */
  val way: Option[JsonNode] = Option(tried.get("way")).filterNot(_.isNull)

  def json: ObjectNode = Json.obj(
    "step" -> step,
    "compute" -> compute,
    "exchange" -> exchange,
    "hidden" -> hidden,
    "feed" -> feed,
    "evaluation" -> evaluation,
    "start" -> start,
    "epoch" -> epoch,
    "total" -> (start + feed + epoch * amount.epochs)
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
