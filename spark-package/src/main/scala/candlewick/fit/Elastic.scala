package candlewick.fit

import candlewick.cluster.{Admission, Assignment, Executor, Request}
import candlewick.internal.{Clock, Json}
import org.apache.spark.FutureAction
import org.slf4j.LoggerFactory

/** How a gang changes while its fit runs.
  *
  * @param goal
  *   so many trainers are wanted
  * @param begun
  *   so many there were at first: up to so many others may take the place of those that are lost, whoever waits in line;
  *   beyond, a fit grows only where nobody waits
  * @param oneEach
  *   at most one on an executor
  * @param threads
  *   threads of a trainer, 0 for the free cores of its executor
  */
private[fit] final case class Growth(goal: Int, begun: Int, oneEach: Boolean, threads: Int, timeoutMs: Long)

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
    val clock = new Clock
    @volatile var answer = Option.empty[String]
    val job: FutureAction[Unit] = start(
      order,
      text => {
        answer = Some(text)
        control.signal()
      }
    )
    job.onComplete(_ => control.signal())(Jobs.direct)
  }

  private var attempts = Seq.empty[Attempt]
  private var nextMs = 0L
  private var draining = Set.empty[String]
  // In a row, until a trainer has joined.
  private var failures = 0
  private var gaveUp = false
  private var parked = Option.empty[FutureAction[Unit]]
  private var parkedMs = 0L
  private var parkAgainMs = 0L

  /** Looks after trainers that start and executors that come and go; to be called at every signal and each second. */
  def maintain(): Unit = {
    gang.newlyJoined().foreach(_ => failures = 0)
    attempts = attempts.filter(stillGoesOn)
    if (cluster.now >= nextMs) {
      nextMs = cluster.now + Elastic.LookMs
      tellOfDraining()
      if (missing > 0 && !gaveUp) look()
      if (missing <= 0) unpark()
    }
  }

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

  private def look(): Unit = {
    val all = gang.roster.there ++ starting
    val replaces = all.count(stays) < growth.begun
    if (replaces || !admission.othersWait(control.id)) {
      val taken = all.map(_.executor.id).toSet
      val usable = cluster
        .active()
        .filter(one => control.lossOf(one.id).isEmpty && !draining(one.id))
        .filterNot(one => growth.oneEach && taken(one.id))
      val one = Request(1, 1, growth.threads)
      admission.replace(control.id, Roster.assignments(all), one, usable, cluster.slots) match {
        case Some(places) => places.foreach(begin(_, all))
        case None => ask(taken.size)
      }
    }
  }

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
      if (parked.isEmpty && cluster.now >= parkAgainMs && !admission.othersStart(control.id)) {
        val perExecutor = math.max(1, cluster.slotsOf(cluster.conf.getInt("spark.executor.cores", 1)))
        parked = Some(cluster.park((executors + missing) * perExecutor))
        parkedMs = cluster.now
      } else if (parked.isDefined && cluster.now - parkedMs > Gathering.QuietMs) unpark()
    }

  private def unpark(): Unit = if (parked.isDefined) {
    parked.foreach(_.cancel())
    parked = None
    parkAgainMs = cluster.now + Elastic.ParkAgainMs
  }

  /** Whether it is still on its way. What has come, or failed, is taken note of. */
  private def stillGoesOn(attempt: Attempt): Boolean = {
    val lost = control.lossOf(attempt.order.executor.id).isDefined
    def over(why: => Option[String]): Boolean = {
      if (!attempt.job.isCompleted) attempt.job.cancel()
      why.foreach(failed(attempt, _))
      false
    }
    val gone = attempt.order.trainers.map(_.id).find(gang.isGone)
    if (lost) over(None)
    else if (gone.isDefined) over(Some("it ended before it had registered"))
    else
      attempt.answer match {
        case Some(Answer.Misplaced) => over(None)
        case Some(answer) => hasAnswered(attempt, answer, over)
        case None if attempt.job.isCompleted || attempt.clock.ms > growth.timeoutMs => over(None)
        case None => true
      }
  }

  private def hasAnswered(
      attempt: Attempt,
      answer: String,
      over: (=> Option[String]) => Boolean
  ): Boolean = {
    val found = Json.parse(answer)
    if (found.has("kind")) over(Some(Json.field(found, "message").asText))
    else if (attempt.order.trainers.forall(trainer => gang.registered(trainer.id))) {
      gang.roster.add(attempt.order.trainers)
      gang.holdSlots(attempt.order.executor)
      false
    } else if (attempt.clock.ms > Launch.RegisterMaxMs + growth.timeoutMs)
      over(Some(s"it did not reach the coordinator at ${orders.coordinator}"))
    else true
  }

  private def failed(attempt: Attempt, why: String): Unit = {
    failures += 1
    log.warn(s"fit ${control.id}: a trainer could not be started on ${name(attempt.order.executor)}: $why")
    if (failures >= Elastic.MostFailures) {
      gaveUp = true
      control.warn(
        s"$failures trainers in a row could not be started while the fit runs (the last one on " +
          s"${name(attempt.order.executor)}: $why): it goes on with those that it has"
      )
    }
  }

  private def tellOfDraining(): Unit = {
    val executors = gang.roster.there.map(_.executor).distinct
    executors.filterNot(one => draining(one.id)).filter(cluster.drains).foreach { executor =>
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
  trait Gang {

    /** The trainers that are there. */
    def roster: Roster

    /** Tells the coordinator that these are on their way. */
    def expect(trainers: Seq[String]): Unit

    /** Tells the coordinator that an executor goes. */
    def decommission(executor: Executor): Unit

    /** An executor may have trainers from now on. */
    def ordered(executor: Executor): Unit

    /** Ids of trainers that have become members since the last call. */
    def newlyJoined(): Seq[String]

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

  /** Pause before tasks are parked again that dynamic allocation gave no executor for. */
  val ParkAgainMs = 60000L

  /** So many trainers in a row may fail to start. */
  val MostFailures = 3
}
