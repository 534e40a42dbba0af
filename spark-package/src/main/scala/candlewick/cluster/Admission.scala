package candlewick.cluster

import scala.collection.mutable

/** Trainers of one fit on one executor. */
private[candlewick] final case class Assignment(executor: Executor, trainers: Int)

/** Who may start: fits wait in a line, first come, first served, until slots for all their trainers are free. Else two
  * fits could each get half of what they need and wait for ever. One per SparkContext; thread safe.
  */
private[candlewick] final class Admission {
  private val waiting = mutable.ArrayBuffer.empty[String]
  private val running = mutable.LinkedHashMap.empty[String, Seq[Assignment]]

  /** Puts a fit at the end of the line. */
  def enqueue(fit: String): Unit = synchronized {
    waiting += fit
  }

  /** Whether the fit is the next to start. */
  def isFirst(fit: String): Boolean = synchronized(waiting.headOption.contains(fit))

  /** The fits that run, and the slots they hold. */
  def holders: Seq[(String, Int)] =
    synchronized(running.toSeq.map { case (fit, places) => fit -> places.map(_.trainers).sum })

  /** Admits the fit if it is first in line and slots for `wanted` trainers are free (0: one on each executor). */
  def admit(
      fit: String,
      wanted: Int,
      most: Int,
      executors: Seq[Executor],
      slots: Executor => Int
  ): Option[Seq[Assignment]] =
    synchronized {
      val used = running.values.flatten.groupBy(_.executor.id).map { case (id, its) =>
        id -> its.map(_.trainers).sum
      }
      val free = executors.map(executor => executor -> (slots(executor) - used.getOrElse(executor.id, 0)))
      val placed =
        if (!waiting.headOption.contains(fit)) None
        else if (wanted == 0) Admission.oneEach(free, most)
        else Admission.spread(free, wanted)
      placed.foreach { places =>
        waiting -= fit
        running(fit) = places
      }
      placed
    }

  /** Moves a running fit to other executors, after one was lost. */
  def replace(fit: String, places: Seq[Assignment]): Unit = synchronized {
    if (running.contains(fit)) running(fit) = places
  }

  /** Takes the fit out, wherever it is. */
  def release(fit: String): Unit = synchronized {
    waiting -= fit
    running -= fit
  }
}

private[candlewick] object Admission {

  /** One trainer on each executor, at most `most`, if each of those has a free slot. */
  private[cluster] def oneEach(free: Seq[(Executor, Int)], most: Int): Option[Seq[Assignment]] = {
    val count = math.min(free.length, most)
    val usable = free.filter { case (_, slots) => slots > 0 }.take(count)
    if (count == 0 || usable.length < count) None
    else Some(usable.map { case (executor, _) => Assignment(executor, 1) })
  }

  /** `wanted` trainers, as even as the free slots allow. */
  private[candlewick] def spread(free: Seq[(Executor, Int)], wanted: Int): Option[Seq[Assignment]] =
    if (free.map(_._2.max(0)).sum < wanted) None
    else {
      val placed = mutable.LinkedHashMap(free.map { case (executor, _) => executor -> 0 }: _*)
      (0 until wanted).foreach { _ =>
        val open = free.filter { case (executor, slots) => placed(executor) < slots }
        // The fewest trainers first, then the most room; minBy takes the earliest of equals.
        val (chosen, _) = open.minBy { case (executor, slots) =>
          (placed(executor), placed(executor) - slots)
        }
        placed(chosen) += 1
      }
      Some(placed.collect { case (executor, count) if count > 0 => Assignment(executor, count) }.toSeq)
    }
}
