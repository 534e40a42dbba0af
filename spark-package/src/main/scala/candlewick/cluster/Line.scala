package candlewick.cluster

import candlewick.jni.PerJvm
import java.util.{
  ArrayList,
  HashMap,
  HashSet,
  LinkedHashMap,
  List => JavaList,
  Map => JavaMap,
  Set => JavaSet
}

/** The line of fits of one application, and what those hold that run. A JVM has one, whatever number of class loaders holds
  * Candlewick: Spark Connect loads a jar that a client attaches for its session alone, and the executors are those of all.
  * So it consists of JDK types, with one lock.
  */
private[cluster] final class Line private (parts: JavaMap[String, AnyRef]) {
  private val waiting: JavaList[String] = part("waiting")(new ArrayList[String])
  private val running: JavaMap[String, Array[Array[AnyRef]]] =
    part("running")(new LinkedHashMap[String, Array[Array[AnyRef]]])
  private val starting: JavaSet[String] = part("starting")(new HashSet[String])
  private val signals: JavaMap[String, Runnable] = part("signals")(new LinkedHashMap[String, Runnable])

  private def part[T <: AnyRef](name: String)(make: => T): T =
    locked(parts.computeIfAbsent(name, _ => make).asInstanceOf[T])

  /** Runs `body` while nobody else looks at the line. The rest is for such bodies. */
  def locked[T](body: => T): T = parts.synchronized(body)

  /** Fits that wait, the next one first. */
  def waits: Seq[String] = waiting.toArray(Array.empty[String]).toVector

  /** Puts a fit at the end. */
  def enqueue(fit: String): Unit = waiting.add(fit): Unit

  /** Fits that run, and what each holds. */
  def runs: Seq[(String, Seq[Held])] = {
    val all = Vector.newBuilder[(String, Seq[Held])]
    running.forEach((fit, places) => (all += fit -> places.toVector.map(Held.of)): Unit)
    all.result()
  }

  /** Whether a fit runs. */
  def isRunning(fit: String): Boolean = running.containsKey(fit)

  /** A fit runs, and holds these. */
  def hold(fit: String, places: Seq[Held]): Unit = {
    waiting.remove(fit)
    running.put(fit, places.map(_.plain).toArray): Unit
  }

  /** Fits that run and still need slots. */
  def starts: Seq[String] = starting.toArray(Array.empty[String]).toVector

  /** Whether a fit that runs still needs slots. */
  def start(fit: String, needs: Boolean): Unit =
    if (needs) starting.add(fit): Unit else starting.remove(fit): Unit

  /** What is run where others may have left room for a fit. */
  def signal(fit: String, changed: Runnable): Unit = signals.put(fit, changed): Unit

  /** The same of all fits. */
  def signalled: Seq[Runnable] = signals.values.toArray(Array.empty[Runnable]).toVector

  /** A fit is over. */
  def release(fit: String): Unit = {
    waiting.remove(fit)
    running.remove(fit)
    starting.remove(fit)
    signals.remove(fit): Unit
  }
}

private[cluster] object Line {
  private def lines = PerJvm.map[JavaMap[String, AnyRef]]("lines")

  /** That of an application, by its id. */
  def of(application: String): Line =
    new Line(lines.computeIfAbsent(application, _ => new HashMap[String, AnyRef]))

  /** One that nobody else has. */
  def alone(): Line = new Line(new HashMap[String, AnyRef])

  /** The application has ended. */
  def forget(application: String): Unit = lines.remove(application): Unit
}

/** What a fit holds of an executor.
  *
  * @param gpus
  *   address of the GPU of each trainer, none where they compute on processors
  */
private[cluster] final case class Held(executor: String, trainers: Int, cores: Int, gpus: Seq[String]) {

  /** As the line has it. */
  def plain: Array[AnyRef] = Array[AnyRef](executor, Int.box(trainers), Int.box(cores), gpus.toArray)
}

private[cluster] object Held {

  /** As the line has it, from whichever class loader. */
  def of(plain: Array[AnyRef]): Held = plain match {
    case Array(executor: String, trainers: Integer, cores: Integer, gpus: Array[String]) =>
      Held(executor, trainers, cores, gpus.toVector)
    case other => throw new IllegalStateException(s"no place of a fit: ${other.mkString(", ")}")
  }
}
