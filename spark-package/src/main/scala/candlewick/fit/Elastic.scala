package candlewick.fit

import candlewick.cluster.{Admission, Assignment, Executor, GpuRequest, Request}
import candlewick.internal.{Failures, Json}
import org.apache.spark.FutureAction
import org.slf4j.LoggerFactory
import scala.util.Failure
import scala.util.control.NonFatal

/** How a gang changes while its fit runs.
  *
  * @param goal
  *   so many trainers are wanted
  * @param begun
  *   so many there were at first, or minTrainers: up to so many others may take the place of those that are lost, whoever waits in line;
  *   beyond, a fit grows only where nobody waits
  * @param oneEach
  *   at most one on an executor
  * @param threads
  *   threads of a trainer, 0 for the free cores of its executor
  * @param gpus
  *   where it computes on GPUs
  */
private[fit] final case class Growth(
    goal: Int,
    begun: Int,
    oneEach: Boolean,
    threads: Int,
    timeoutMs: Long,
    gpus: Option[GpuRequest] = None
)

/** Trainers that are started while a fit runs: in the place of those that are lost, and where executors come. The
  * coordinator takes them in at the end of an epoch, or in a recovery. Executors that Spark takes away before long are
  * made known to it, so that their trainers hand over what they hold. Nothing here waits; the fit goes on whatever comes
  * of it.
  *
  * @param start
  *   begins a Spark job that starts the trainers of an order; calls back with its answer
  */
private[fit] final class Elastic(
    cluster: ClusterView,
    admission: Admission,
    control: FitControl,
    gang: Elastic.Gang,
    orders: Orders,
    growth: Growth
)(start: (Order, String => Unit) => FutureAction[Unit]) {
  private val log = LoggerFactory.getLogger(classOf[Elastic])

  /** Trainers on their way. */
  private final class Attempt(val order: Order) {
    private val began = cluster.now
    @volatile var answer = Option.empty[String]
    // Since when its process has been there.
    private var answered = Option.empty[Long]
    val job: FutureAction[Unit] = start(
      order,
      text => {
        answer = Some(text)
        control.signal()
      }
    )
    job.onComplete(_ => control.signal())(Jobs.direct)

    /** For how long it is on its way. */
    def ms: Long = cluster.now - began

    /** For how long it is there and has not registered. */
    def unregisteredMs: Long = {
      if (answered.isEmpty) answered = Some(cluster.now)
      cluster.now - answered.getOrElse(cluster.now)
    }
  }

  private var attempts = Seq.empty[Attempt]
  private var nextMs = 0L
  private var draining = Set.empty[String]
  // By executor: starts that failed, and until when it is left alone after one that did not come about.
  private var failures = Map.empty[String, Int].withDefaultValue(0)
  private var pausedMs = Map.empty[String, Long].withDefaultValue(0L)
  private var parked = Option.empty[FutureAction[Unit]]
  private var parkedMs = 0L
  private var parkAgainMs = 0L

  /** Looks after trainers that start and executors that come and go; to be called at every signal and each second. */
  def maintain(): Unit =
    try tend()
    catch {
      // It can do without, and says what is wrong with the application itself where something is.
      case NonFatal(error) => log.warn(s"fit ${control.id}: could not look after trainers that come", error)
    }

  private def tend(): Unit = {
    attempts = attempts.filter(stillGoesOn)
    if (cluster.now >= nextMs) {
      nextMs = cluster.now + Elastic.LookMs
      tellOfDraining()
      // What is gone takes no cores: others may be waiting for them.
      admission.keep(control.id, Roster.assignments(gang.roster.there ++ starting))
      if (!(missing > 0 && look())) unpark()
    }
  }

  /** The fit needs slots to feed: tasks that only ask dynamic allocation for executors give theirs back. */
  def yieldSlots(): Unit = unpark()

  /** The end of the fit: what has not started need not. */
  def close(): Unit = {
    attempts.foreach(attempt => if (!attempt.job.isCompleted) attempt.job.cancel())
    attempts = Nil
    unpark()
  }

  private def starting: Seq[Placed] = attempts.flatMap(_.order.trainers)

  private def missing: Int = growth.goal - gang.roster.there.count(stays) - starting.length

  /** Whether a trainer is not about to leave. */
  private def stays(trainer: Placed): Boolean = !draining(trainer.executor.id)

  /** Looks for a place; true where executors may come that have one. */
  private def look(): Boolean = {
    val all = gang.roster.there ++ starting
    val replaces = all.count(stays) < growth.begun
    (replaces || !admission.othersWait(control.id)) && {
      val taken = all.map(_.executor.id).toSet
      val usable = cluster.listed().filter(isUsable).filterNot(one => growth.oneEach && taken(one.id))
      val one = Request(1, 1, growth.threads, gpus = growth.gpus)
      val found =
        admission.replace(control.id, Roster.assignments(all), one, usable, cluster.slots)
      found.foreach(_.foreach(begin(_, all)))
      found.isEmpty && {
        ask(taken.size)
        true
      }
    }
  }

  private def isUsable(executor: Executor): Boolean =
    control.lossOf(executor.id).isEmpty && !draining(executor.id) &&
      cluster.now >= pausedMs(executor.id) && spoiled(executor) < Elastic.MostFailures

  /** How often trainers did not start there, or are gone though their executor stays. */
  private def spoiled(executor: Executor): Int =
    failures(executor.id) +
      gang.roster.everybody.count(one => one.executor.id == executor.id && gang.isGone(one.id))

  private def begin(place: Assignment, all: Seq[Placed]): Unit = {
    unpark()
    gang.freeSlots(place.executor)
    val order =
      orders.at(place, all.filter(_.executor.id == place.executor.id).map(_.index).toSet)
    gang.expect(order.trainers.map(_.id))
    gang.ordered(place.executor)
    log.info(s"fit ${control.id}: starts ${order.trainers.length} trainer(s) on ${name(place.executor)}")
    attempts :+= new Attempt(order)
  }

  /** Dynamic allocation gives executors for tasks that wait: some do for a while, from time to time. */
  private def ask(executors: Int): Unit =
    if (cluster.capacity(Nil).dynamic) {
      val quiet = cluster.now - parkedMs > Gathering.QuietMs
      if (parked.isDefined && (quiet || admission.othersStart(control.id))) unpark()
      else if (parked.isEmpty && cluster.now >= parkAgainMs && !admission.othersStart(control.id)) {
        parked = Some(cluster.park(cluster.tasksFor(executors + missing)))
        parkedMs = cluster.now
      }
    }

  private def unpark(): Unit = if (parked.isDefined) {
    parked.foreach(_.cancel())
    parked = None
    parkAgainMs = cluster.now + Elastic.ParkAgainMs
  }

  /** Whether it is still on its way. What has come, or failed, is taken note of. */
  private def stillGoesOn(attempt: Attempt): Boolean = {
    val executor = attempt.order.executor
    def over(note: => Unit): Boolean = {
      if (!attempt.job.isCompleted) attempt.job.cancel()
      note
      false
    }
    if (control.lossOf(executor.id).isDefined) over(())
    else if (attempt.order.trainers.exists(trainer => gang.isGone(trainer.id)))
      over(failed(executor, "it ended before it had registered"))
    else
      attempt.answer match {
        case Some(Answer.Misplaced) => over(pause(executor))
        case Some(answer) => hasAnswered(attempt, answer, over)
        case None if attempt.job.isCompleted => over(endedUnanswered(attempt))
        case None => attempt.ms <= growth.timeoutMs || over(pause(executor))
      }
  }

  private def hasAnswered(attempt: Attempt, answer: String, over: (=> Unit) => Boolean): Boolean = {
    val found = Json.parse(answer)
    val executor = attempt.order.executor
    if (found.has("kind")) over(failed(executor, Json.field(found, "message").asText))
    else if (attempt.order.trainers.forall(trainer => gang.registered(trainer.id))) {
      gang.roster.add(attempt.order.trainers)
      gang.holdSlots(executor)
      false
    } else if (attempt.unregisteredMs > Launch.RegisterMaxMs)
      over(failed(executor, s"it did not reach the coordinator at ${orders.coordinator}"))
    else true
  }

  /** A job of ours that somebody else cancels is how a cancel of the fit reaches it. */
  private def endedUnanswered(attempt: Attempt): Unit = {
    pause(attempt.order.executor)
    attempt.job.value.collect { case Failure(error) => error }.flatMap(Failures.cancellation).foreach {
      case (job, why) if attempt.job.jobIds.contains(job) =>
        control.cancel(s"Spark job $job of the fit was cancelled $why".trim)
      case _ => ()
    }
  }

  private def pause(executor: Executor): Unit =
    pausedMs += executor.id -> (cluster.now + Elastic.PauseMs)

  private def failed(executor: Executor, why: String): Unit = {
    failures += executor.id -> (failures(executor.id) + 1)
    pause(executor)
    control.warn(s"a trainer could not be started on ${name(executor)} while the fit runs: $why")
  }

  private def tellOfDraining(): Unit = {
    val executors = gang.roster.there.map(_.executor).distinct
    val going = cluster.draining() -- draining
    executors.filter(one => going(one.id)).foreach { executor =>
      draining += executor.id
      control.warn(
        s"${name(executor)} is being decommissioned: its trainers hand over what they hold and leave"
      )
      gang.decommission(executor)
    }
  }

  private def name(executor: Executor): String = s"executor ${executor.id} (${executor.host})"
}

private[fit] object Elastic {

  /** The rest of the fit, as trainers that come and go concern it. */
  private[fit] trait Gang {

    /** The trainers that are there. */
    def roster: Roster

    /** Tells the coordinator that these are on their way. */
    def expect(trainers: Seq[String]): Unit

    /** Tells the coordinator that an executor goes. */
    def decommission(executor: Executor): Unit

    /** An executor may have trainers from now on. */
    def ordered(executor: Executor): Unit

    /** Whether a trainer has registered and is there. */
    def registered(trainer: String): Boolean

    /** Whether a trainer is lost or has left. */
    def isGone(trainer: String): Boolean

    /** The slots of trainers that are gone are given back on an executor. */
    def freeSlots(executor: Executor): Unit

    /** The slots of the trainers that are there are held on an executor. */
    def holdSlots(executor: Executor): Unit
  }

  /** How often it looks for executors. */
  val LookMs = 1000L

  /** Pause before an executor is tried again on which no trainer could be started, or no task found a slot. */
  val PauseMs = 5000L

  /** Pause before tasks are parked again that dynamic allocation gave no executor for. */
  val ParkAgainMs = 60000L

  /** So many trainers of an executor may fail to start, or be lost while it lives, before no other is started there. */
  val MostFailures = 2
}
