package candlewick.fit

import candlewick.cluster.{Assignment, Executor}
import candlewick.internal.{Clock, Failures, Json, SentWeights}
import candlewick.jni.CandlewickException
import com.fasterxml.jackson.databind.JsonNode
import java.util.concurrent.ConcurrentHashMap
import org.apache.spark.SparkContext

/** Trainers that are members of the job, and what the coordinator says of them.
  *
  * @param members
  *   answer of the command "members"
  */
private[fit] final case class Launched(trainers: Seq[Placed], members: JsonNode) {

  /** The executors, each as often as it has trainers. */
  def executors: Seq[Executor] = trainers.map(_.executor)
}

/** LAUNCH: one Spark task per executor starts its trainers. Spark's placement is a wish, so the task checks where it
  * is, and rounds go on for the executors that were missed. What is lost before the members are fixed gets another
  * place; of trainers that were lost without their executor as many as training would go on after. It ends when all are
  * members, or at the deadline.
  *
  * @param onOrder
  *   told of every executor that may have trainers from now on
  */
private[fit] final class Launch(
    sc: SparkContext,
    placement: Placement,
    control: FitControl,
    link: CoordinatorLink,
    orders: Orders,
    weights: Option[SentWeights],
    asked: LaunchSpec
)(onOrder: Executor => Unit) {
  private val timeoutMs = asked.launchTimeoutMs
  private var clock = new Clock
  private var open = Seq.empty[Order]
  private var started = Seq.empty[Order]
  private var vanished = Set.empty[String]
  private var ended = Set.empty[String] // trainers that are gone where their executors are not
  private var waitReported = false

  /** Starts the trainers and makes them members of the job. */
  def run(places: Seq[Assignment]): Launched = {
    open = places.map(order)
    FitPoint.hook(FitPoint.Placed)
    var launched = Option.empty[Launched]
    while (launched.isEmpty) {
      replaceLost()
      if (open.nonEmpty) round()
      else if (awaitRegistered()) {
        FitPoint.hook(FitPoint.Registered)
        launched = members()
      }
    }
    launched.get
  }

  private def order(place: Assignment): Order = {
    val kept = started.filter(_.executor.id == place.executor.id).flatMap(_.trainers)
    onOrder(place.executor)
    orders.at(place, kept.map(_.index).toSet)
  }

  private def isLost(order: Order): Boolean =
    vanished(order.executor.id) || control.lossOf(order.executor.id).isDefined

  /** The list of executors may know of a loss that Spark's listener was told of before the fit began. */
  private def lookForVanished(): Unit =
    vanished ++= (open ++ started).map(_.executor).filter(placement.lacks).map(_.id)

  /** Trainers that are gone get places anew, as if the fit came again with what it has. */
  private def replaceLost(): Unit = {
    val (lost, stay) = (open ++ started).partition(isLost)
    val wanted =
      lost.map(_.trainers.length).sum + stay.flatMap(_.trainers).count(trainer => ended(trainer.id))
    if (wanted > 0) {
      if (lost.nonEmpty)
        control.warn(s"${names(lost)} was lost while trainers started; they start elsewhere")
      open = standing(open)
      started = standing(started)
      open ++= placement.replace((open ++ started).map(_.place), wanted).map(order)
      // It had launchTimeout for itself; the new trainers have it again.
      clock = new Clock
    }
  }

  private def standing(orders: Seq[Order]): Seq[Order] = orders.filterNot(isLost).flatMap(_.without(ended))

  /** One job over the open orders. It ends when each was answered or its executor is gone: Spark's own retry of a task
    * runs elsewhere, where it must not start anything.
    */
  private def round(): Unit = {
    val orders = open
    val answers = new ConcurrentHashMap[Int, String]()
    sc.setJobDescription(s"Candlewick: launch trainers on ${orders.length} executor(s)")
    val tasks = orders.map(order => order.text -> order.executor.locations)
    val job = Jobs.submit(sc, tasks, LaunchTask.run(weights)) { (index, answer) =>
      answers.put(index, answer)
      control.signal()
    }
    job.onComplete(_ => control.signal())(Jobs.direct)
    def waiting = orders.indices.filterNot(index => answers.containsKey(index) || isLost(orders(index)))
    try
      link.await(Some(left), noSlot(waiting.map(orders)), () => tend(waiting.map(orders))) {
        if (job.isCompleted || waiting.isEmpty) Some(()) else None
      }
    finally if (!job.isCompleted) job.cancel()
    if (waiting.nonEmpty) job.value.foreach(_.get)
    val accepted = orders.indices.filter(index => accept(answers.get(index))).map(orders)
    started ++= accepted
    open = orders.filterNot(accepted.contains)
    if (open.nonEmpty && left <= 0) throw noSlot(open)
  }

  private def left: Long = math.max(0L, timeoutMs - clock.ms)

  private def accept(answer: String): Boolean =
    answer != null && answer != Answer.Misplaced && {
      val found = Json.parse(answer)
      if (found.has("kind")) throw Failures.of(found.get("kind").asText, found.get("message").asText)
      true
    }

  private def tend(waiting: Seq[Order]): Unit = {
    lookForVanished()
    if (!waitReported && waiting.nonEmpty && clock.ms > Launch.PatienceMs) {
      waitReported = true
      control.warn(s"waiting for a free task slot on ${names(waiting)} to start trainers")
    }
  }

  /** Waits until all trainers have registered; false if some were lost meanwhile. */
  private def awaitRegistered(): Boolean = {
    def missing = started.filterNot(_.trainers.forall(trainer => link.registered(trainer.id)))
    val patience = math.max(Launch.RegisterMs, math.min(Launch.RegisterMaxMs, left))
    link.await(Some(patience), unregistered(missing, patience), () => lookForVanished()) {
      if (started.exists(isLost)) Some(false)
      else if (missing.isEmpty) Some(true)
      else if (awaitLoss()) Some(false)
      else None
    }
  }

  /** Whether a trainer that started is gone. Most likely its container is being taken away, of which Spark tells a moment
    * later; else somebody has ended it, and another one starts in its place.
    */
  private def awaitLoss(): Boolean = gone.headOption.exists { case (_, why) =>
    val since = new Clock
    link.await(None, Failures.unavailable(why)) {
      if (started.exists(isLost)) Some(())
      else if (since.ms < Launch.LossMs) None
      else Some(giveUp(gone))
    }
    true
  }

  /** Trainers that started and are gone, each with why. */
  private def gone: Seq[(String, String)] = {
    val left = link.left
    started.flatMap(_.trainers).map(_.id).flatMap(id => left.get(id).map(id -> _))
  }

  private def giveUp(lost: Seq[(String, String)]): Unit = {
    val why = lost.map(_._2).distinct.mkString("; ")
    if (ended.size + lost.length > asked.maxRecoveries)
      throw Failures.unavailable(
        s"$why; ${ended.size} others were replaced before, and maxRecoveries = ${asked.maxRecoveries} allows no more: look for " +
          "who ends trainers there, and call fit again"
      )
    control.warn(s"$why; another one starts in its place")
    ended ++= lost.map(_._1)
  }

  /** Makes the trainers members; None if one went in the last moment. */
  private def members(): Option[Launched] = {
    val trainers = started.flatMap(_.trainers)
    try Some(Launched(trainers, link.command("members", "trainers" -> trainers.map(_.id))))
    catch {
      case error: CandlewickException if error.kind == "unavailable" =>
        // Its end is told a moment after that of its connection.
        link.await(Some(Launch.LossMs), error)(
          if (gone.nonEmpty || started.exists(isLost)) Some(()) else None
        )
        awaitLoss()
        None
    }
  }

  private def noSlot(missing: Seq[Order]): Exception =
    Failures.unavailable(
      s"no trainer could be started on ${names(missing)} within ${timeoutMs / 1000} s: no task slot was free there; " +
        "free slots, lower numTrainers or raise launchTimeout"
    )

  private def unregistered(missing: Seq[Order], patience: Long): Exception =
    Failures.unavailable(
      s"the trainers on ${names(missing)} run but did not reach the coordinator in the driver at " +
        s"${orders.coordinator} within ${patience / 1000} s; check that this name " +
        "resolves there and that no firewall is between (spark.driver.host, spark.candlewick.coordinator.port); the " +
        "executor's stderr has the trainer's own words"
    )

  private def names(orders: Seq[Order]): String =
    orders.map(order => s"executor ${order.executor.id} (${order.executor.host})").mkString(", ")
}

private object Launch {

  /** Shortest and longest wait for trainers that run to register. */
  val RegisterMs = 10000L
  val RegisterMaxMs = 60000L

  /** Wait for Spark to tell of the loss of an executor whose trainer has gone. */
  val LossMs = 10000L

  /** Wait after which the user is told. */
  val PatienceMs = 5000L
}
