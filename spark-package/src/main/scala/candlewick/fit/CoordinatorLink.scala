package candlewick.fit

import candlewick.checkpoint.Manifest
import candlewick.internal.{Clock, Failures, Json, WeightsFile}
import candlewick.jni.{CandlewickException, Coordinator, Snapshot}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import org.slf4j.LoggerFactory
import scala.collection.mutable
import scala.util.control.NonFatal

/** The driver's end of the native coordinator: a thread that polls its events and ticks it each second, so that it
  * knows the driver alive. No function of a user runs in it. What happened is kept here; whoever waits, waits with a
  * deadline and sees a failure.
  *
  * @param onFailure
  *   called once, from the polling thread, when the job failed: stops what runs in Spark
  */
private[fit] final class CoordinatorLink(coordinator: Coordinator, control: FitControl, onFailure: () => Unit)
    extends AutoCloseable {
  private val log = LoggerFactory.getLogger(classOf[CoordinatorLink])
  private val lock = new Object
  private val registeredIds = mutable.Set.empty[String]
  private val leftIds = mutable.Map.empty[String, String]
  private val lostIds = mutable.Set.empty[String]
  private var sealedLedger = Option.empty[JsonNode]
  private var doneEvent = Option.empty[JsonNode]
  private var failed = Option.empty[CandlewickException]
  private val records = mutable.ArrayBuffer.empty[JsonNode]
  private val recovered = mutable.ArrayBuffer.empty[JsonNode]
  private val rescaled = mutable.ArrayBuffer.empty[JsonNode]
  private val paced = mutable.ArrayBuffer.empty[JsonNode]
  private var round = Option.empty[JsonNode]
  @volatile private var onEpoch: JsonNode => Unit = (_: JsonNode) => ()
  @volatile private var onProgress: JsonNode => Unit = (_: JsonNode) => ()
  @volatile private var onSnapshot: () => Unit = () => ()
  @volatile private var open = true

  private val thread = new Thread(() => pump(), s"candlewick-events-${control.id}")
  thread.setDaemon(true)
  thread.start()

  /** Executes a command of the coordinator. */
  def command(name: String, fields: (String, Any)*): JsonNode =
    Json.parse(coordinator.command(Json.obj((("cmd" -> name) +: fields): _*).toString))

  /** The failure that ended the job, if one did. */
  def failure: Option[CandlewickException] = lock.synchronized(failed)

  /** The epochs so far. */
  def epochs: Seq[JsonNode] = lock.synchronized(records.toSeq)

  /** The recoveries so far. */
  def recoveries: Seq[JsonNode] = lock.synchronized(recovered.toSeq)

  /** The changes of the gang by plan so far. */
  def rescales: Seq[JsonNode] = lock.synchronized(rescaled.toSeq)

  /** How long each trainer worked and waited, by epoch. */
  def paces: Seq[JsonNode] = lock.synchronized(paced.toSeq)

  /** Takes the feed round that the coordinator has asked for, if it has since the last call. */
  def takeRound(): Option[JsonNode] = lock.synchronized {
    val asked = round
    round = None
    asked
  }

  /** The ledger, once all shards are sealed. */
  def ledger: Option[JsonNode] = lock.synchronized(sealedLedger)

  /** The event "done", once training is over. */
  def done: Option[JsonNode] = lock.synchronized(doneEvent)

  /** Which of the trainers have registered and are still there. */
  def registered: Set[String] = lock.synchronized(registeredIds.toSet)

  /** Trainers that are gone, and why: those that are lost and those that left. */
  def left: Map[String, String] = lock.synchronized(leftIds.toMap)

  /** Trainers that are lost, and how they were. */
  def lost: Map[String, String] = lock.synchronized(leftIds.filter { case (id, _) => lostIds(id) }.toMap)

  /** Calls the functions with every record of an epoch and every sign of progress from now on, from the polling thread:
    * they must not wait.
    */
  def listen(epoch: JsonNode => Unit, progress: JsonNode => Unit): Unit = {
    onEpoch = epoch
    onProgress = progress
  }

  /** Calls the function whenever there is a state of the training to be taken, from the polling thread: it must not wait. */
  def listenForStates(snapshot: () => Unit): Unit = onSnapshot = snapshot

  /** The youngest state that nobody has taken. */
  def takeSnapshot(): Option[Snapshot] = Option(coordinator.takeSnapshot())

  /** Passes a part of the state that training goes on from on. */
  def resumeFrom(offset: Long, part: Array[Byte]): Unit = coordinator.resumeFrom(offset, part)

  /** Begins the training; from a checkpoint, where its state was passed on.
    *
    * @param until
    *   how many epochs may be made, and whether training is over then, where callbacks decide that
    */
  def train(resumed: Option[Manifest], until: Option[(Int, Boolean)]): Unit = {
    resumed.foreach(manifest => lock.synchronized(records ++= manifest.history))
    val limit = until.map { case (epochs, over) => "until" -> Json.obj("epochs" -> epochs, "over" -> over) }
    command("train", (resumed.map(manifest => "resume" -> manifest.counter) ++ limit).toSeq: _*): Unit
  }

  /** The callbacks have decided. */
  def until(epochs: Int, over: Boolean): Unit = command("until", "epochs" -> epochs, "over" -> over): Unit

  /** The flight record: where every trainer stood when the job failed, or stands now, and what was said last. */
  def record(): ObjectNode = Json.parseObject("the flight record", coordinator.record())

  /** The trained weights. */
  def weights(): WeightsFile = {
    val file = coordinator.weights()
    try WeightsFile.of(file)
    finally file.close()
  }

  /** Waits until `found` gives something; a failure of the job or a cancel ends the wait.
    *
    * @param deadlineMs
    *   longest wait; None where the coordinator itself watches over it
    * @param each
    *   called at every signal and each second
    */
  def await[T](deadlineMs: Option[Long], late: => Exception, each: () => Unit = () => ())(
      found: => Option[T]
  ): T = {
    val clock = new Clock
    var result = Option.empty[T]
    while (result.isEmpty) {
      failure.foreach(throw _)
      control.check()
      result = found
      if (result.isEmpty) {
        val left = deadlineMs.fold(CoordinatorLink.EachMs)(_ - clock.ms)
        if (left < 0) throw late
        each()
        control.await(math.min(left + 1, CoordinatorLink.EachMs))
      }
    }
    result.getOrElse(throw late)
  }

  /** Waits up to `ms` for the coordinator's verdict: it learns why a trainer ended a moment after Spark's task does. */
  def awaitFailure(ms: Long): Option[CandlewickException] = {
    val clock = new Clock
    while (failure.isEmpty && clock.ms < ms) control.await(ms - clock.ms)
    failure
  }

  private def pump(): Unit = {
    var nextTick = 0L
    val clock = new Clock
    while (open)
      try {
        if (clock.ms >= nextTick) {
          command("tick")
          nextTick = clock.ms + CoordinatorLink.TickMs
        }
        Option(coordinator.poll(CoordinatorLink.PollMs)).foreach(receive)
      } catch {
        // Whatever ends this thread ends the fit: nobody else would hear of it.
        case error: Throwable =>
          if (open)
            fail(
              Failures
                .find(error)
                .getOrElse(new CandlewickException(s"the coordinator is gone: $error", error))
            )
          open = false
      }
  }

  /** Handles an event. What goes wrong with it is our defect, or that of who listens: the coordinator is there, and what
    * is thrown says which event it was.
    */
  private[fit] def receive(text: String): Unit =
    try handle(Json.parse(text))
    catch {
      case NonFatal(error) =>
        val event = text.take(CoordinatorLink.ShownChars)
        throw new CandlewickException(
          s"an event of the coordinator could not be handled: $error (event: $event)",
          error
        )
    }

  private def handle(event: JsonNode): Unit = Json.field(event, "event").asText match {
    case "registered" => change(registeredIds += Json.field(Json.field(event, "trainer"), "id").asText)
    case "lost" =>
      val id = Json.field(event, "trainer").asText
      change {
        registeredIds -= id
        lostIds += id
        leftIds(id) = Json.field(event, "why").asText
      }
      FitPoint.hook(FitPoint.lost(id))
    case "left" =>
      val id = Json.field(event, "trainer").asText
      change {
        registeredIds -= id
        leftIds(id) = Json.field(event, "why").asText
      }
    case "pace" =>
      change {
        paced += Json.field(event, "record")
        if (paced.length > CoordinatorLink.Paces) paced.remove(0): Unit
      }
    case "rescaled" =>
      val record = Json.field(event, "record")
      change(rescaled += record)
      control.warn(CoordinatorLink.toldRescaled(record))
    case "needFeed" => change { round = Some(event) }
    case "sealed" => change { sealedLedger = Some(Json.field(event, "ledger")) }
    case "done" => change { doneEvent = Some(event) }
    case "epoch" =>
      val record = Json.field(event, "record")
      change(records += record)
      onEpoch(record)
    case "recovered" =>
      val record = Json.field(event, "record")
      change(recovered += record)
      control.warn(CoordinatorLink.told(record))
    case "snapshot" => onSnapshot()
    case "progress" =>
      val progress = Json.field(event, "progress")
      // It ticks as it begins to build its network, and when it has.
      if (progress.path("ticks").asLong >= 2)
        FitPoint.hook(FitPoint.built(Json.field(event, "trainer").asText))
      onProgress(progress)
    case "failed" =>
      val failure = Json.field(event, "failure")
      fail(Failures.of(Json.field(failure, "kind").asText, Json.field(failure, "message").asText))
    case "waiting" =>
      val seconds = Json.field(event, "seconds").asDouble
      log.warn(f"fit ${control.id}: waits for ${Json.field(event, "what").asText}, for $seconds%.0f s now")
    case "trainerLog" =>
      val line =
        s"fit ${control.id}: ${Json.field(event, "trainer").asText}: ${Json.field(event, "line").asText}"
      if (Json.field(event, "error").asBoolean) log.error(line) else log.warn(line)
    case "log" => log.info(s"fit ${control.id}: ${Json.field(event, "message").asText}")
    case _ => () // others may come with later versions
  }

  private def fail(error: CandlewickException): Unit = {
    val first = lock.synchronized {
      val isFirst = failed.isEmpty && doneEvent.isEmpty
      if (isFirst) failed = Some(error)
      isFirst
    }
    control.signal()
    if (first) onFailure()
  }

  private def change(action: => Any): Unit = {
    lock.synchronized(action): Unit
    control.signal()
  }

  /** Ends the polling and the coordinator, which tells all trainers to end. */
  override def close(): Unit = {
    open = false
    coordinator.close()
    if (Thread.currentThread() ne thread) thread.join(CoordinatorLink.CloseMs)
  }
}

private object CoordinatorLink {

  /** The end of a fit waits for the end of a poll. */
  val PollMs = 10
  val CloseMs = 1000L
  val TickMs = 1000L

  /** Epochs of which it is kept how long each trainer worked. */
  val Paces = 1000

  /** Characters of an event in a message. */
  val ShownChars = 200

  /** A recovery for the user: what happened and what it cost. */
  def told(record: JsonNode): String = {
    val seconds = Json.field(record, "seconds")
    val taken = Seq("detect", "halt", "feed", "donate", "resume").map(Json.field(seconds, _).asDouble).sum
    val refed = Json.field(record, "rowsRefed").asLong
    val rows = if (refed > 0) s", $refed rows were fed again" else ""
    f"training goes on at step ${Json.field(record, "resumeStep").asLong}%d after $taken%.1f s$rows: " +
      Json.field(record, "cause").asText
  }

  /** Trainers that came or left, for the user. */
  def toldRescaled(record: JsonNode): String = {
    val moved = Json.field(record, "rowsMoved").asLong
    val rows = if (moved > 0) s", $moved rows moved" else ""
    val count = Json.field(record, "trainers").asInt
    f"training goes on with $count%d trainer${if (count == 1) "" else "s"} at step " +
      f"${Json.field(record, "resumeStep").asLong}%d after ${Json.field(record, "seconds").asDouble}%.1f s$rows: " +
      Json.field(record, "cause").asText
  }

  /** How often a waiting fit looks after itself where nothing signals. */
  val EachMs = 1000L
}
