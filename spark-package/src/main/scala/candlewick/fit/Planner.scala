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
    control.onCancel(_ => if (!sc.isStopped) sc.cancelJobsWithTag(control.tag))
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
    val encryption = Encryption.of(prepared)
    question
      .put("threads", gang.threads)
      .put("rows", rows)
      .put("tasks", gang.tasks / machines)
      .put("tls", encryption.tls): Unit
    def ask(probeMs: Int) = Json.parse(Native.trainingPlan(question.put("probeMs", probeMs).toString))
    val asked = ask(0)
    val needs = Needs.of(asked)
    control.check()
    val alone = asked.path("aloneBytes").asLong
    // What a trainer has no room for, the driver may have none for either.
    val untried =
      if (limit.exists(needs.besideRows >= _.bytes)) Some(Nil)
      else Untried.why(prepared.device, needs, alone, near, DriverRoom.of(sc)).map(Seq(_))
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
      "transportSecurity" -> encryption.name,
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
        val task = new FeedSample(feed.toString, new JobSecret(control.id, tls = false).feeder, types)
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
      def add(row: InternalRow) = {
        batch.append(unsafe(row))
        batch.isFull
      }
      // Not after a row that is wrong, which the fit will tell of.
      def push() = {
        val wanted = feeder.push(batch.buffer, batch.bytes, batch.rows, false)
        batch.clear()
        wanted
      }
      val (timed, nanos, taskNanos) = FeedSample.timed(rows, () => System.nanoTime())(add, () => push())
      val room = Machine.room()
      (timed, nanos, taskNanos, (room.memory, room.group))
    } finally {
      batch.close()
      feeder.close()
    }
  }
}

private[fit] object FeedSample {

  /** Reads for a moment.
    *
    * @param add
    *   takes a row into the batch, and says whether that is full
    * @param push
    *   hands the batch on, and says whether more is wanted
    * @return
    *   the rows that it took the time of, that time, and what it took from the beginning, in nanoseconds
    */
  def timed[T](rows: Iterator[T], now: () => Long)(
      add: T => Boolean,
      push: () => Boolean
  ): (Long, Long, Long) = {
    val begin = now()
    var (read, wanted) = (0L, true)
    // What came before the first row (a sort, Python that started) is no row's time; the newest mark comes first.
    var (start, marks) = (begin, List(begin -> 0L))
    def early = now() - start < Nanos
    while (wanted && read < Rows && early && rows.hasNext) {
      var filling = true
      while (filling) {
        val full = add(rows.next())
        read += 1
        if (read == 1) {
          start = now()
          marks = (start -> read) :: marks
        }
        // Of rows that take long to make a batch is not filled.
        filling = !full && early && rows.hasNext
      }
      wanted = push()
      // Code that runs for the first time is slow, which a feed of many rows is not.
      if (marks.length == 2 && now() - start > WarmNanos) marks = (now() -> read) :: marks
    }
    val end = now()
    val (since, before) = marks.find(_._2 < read).getOrElse(begin -> 0L)
    (read - before, end - since, end - begin)
  }

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

  /** As many as are asked for, or one for each executor or GPU.
    *
    * @param coming
    *   executors that there may be: a fit waits for as many as its trainers need
    */
  def of(
      launch: LaunchSpec,
      request: Request,
      active: Seq[Executor],
      executors: Executors,
      coming: Int
  ): Gang = {
    // Where none is up yet, as Spark's settings have them.
    val cores = if (active.isEmpty) executors.coresOfNew else active.map(_.cores).max
    val most = math.min(if (launch.numTrainers > 0) launch.numTrainers else request.most, request.most)
    // Without a number of trainers, and where nothing bounds the executors, a fit takes those that are up.
    val asked =
      if (launch.numTrainers > 0 || coming < Int.MaxValue) math.min(request.executors(most), coming) else 0
    val there = Seq(1, active.length, asked).max
    // Each on a machine of its own, as far as is known.
    val more = there - active.length
    val trainers =
      if (launch.numTrainers > 0) most
      else {
        val ofNew = request.hosts(request.coming(cores), executors.slots)
        math.min(most, math.max(1, active.map(request.hosts(_, executors.slots)).sum + more * ofNew))
      }
    val each = (trainers + there - 1) / there
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
  * @param exact
  *   whether that is their number, not about so many
  */
private[fit] final case class Amount(
    rows: Long,
    stepsPerEpoch: Long,
    epochs: Int,
    rowBytes: Long,
    heldOut: Long,
    exact: Boolean,
    batchSize: Long
) {

  /** Why a fit of these rows does not train. */
  def refusal: Option[String] = {
    val about = if (exact) "" else "about "
    val why =
      if (rows == heldOut) Some("there are no rows to train on")
      else if (stepsPerEpoch == 0)
        Some(
          s"there are $about${rows - heldOut} rows, fewer than batchSize = $batchSize, and dropLast = true leaves out the only step of an " +
            "epoch: lower batchSize or set dropLast = false"
        )
      else None
    // All of them are too few, however many are put aside.
    val certain = exact || rows < batchSize
    why.map(text => s"it ${if (certain) "will" else "may"} be refused: $text")
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
    val marks = Json.field(prepared.columns, "validation").isObject
    val exact = if (marks) marked.isDefined else share == 0
    Amount(rows, steps, prepared.epochs, rowBytes, rows - trained, exact, batch)
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
