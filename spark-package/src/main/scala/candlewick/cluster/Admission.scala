package candlewick.cluster

import scala.collection.mutable

/** Trainers of one fit on one executor, each with so many threads.
  *
  * @param gpus
  *   address of the GPU of each, none where they compute on processors
  */
private[candlewick] final case class Assignment(
    executor: Executor,
    trainers: Int,
    threads: Int,
    gpus: Seq[String] = Nil
) {

  /** Cores that they keep busy. */
  def cores: Int = math.min(executor.cores, trainers * threads)

  /** What the line knows of it. */
  private[cluster] def held: Held = Held(executor.id, trainers, cores, gpus)

  /** What they have of their executor, which runs so many tasks at a time. */
  def share(slots: Int): Share = Share(trainers, cores, executor.cores, slots)
}

/** What the trainers of a fit have together of an executor. Other fits may have the rest of its cores, unless no task slot is left for
  * them, and what goes with cores is divided as they are.
  *
  * @param cores
  *   that they keep busy
  * @param all
  *   cores of the executor
  * @param slots
  *   tasks that it runs at a time: it has no more trainers
  */
private[candlewick] final case class Share(trainers: Int, cores: Int, all: Int, slots: Int) {
  private val own = math.max(1, trainers)

  /** So many trainers like one of these would have the whole executor. */
  def parts: Double =
    if (own >= slots) own.toDouble else own * math.max(1.0, all.toDouble / math.max(1, cores))

  /** What one of them has of something that the executor has. */
  def of(whole: Long): Long = (whole / parts).toLong

  /** For messages that tell of the part: nothing where it is the whole. */
  def text: String =
    if (parts > own) s", for $trainers trainer(s) with $cores of the executor's $all cores"
    else if (trainers > 1) s", for $trainers trainers"
    else ""
}

/** Who may start: fits wait in a line, first come, first served, until cores and task slots for all their trainers are
  * free. Else two fits could each get half of what they need and wait for ever, and fits at once would compute with
  * more threads than there are cores. One per application, whatever number of class loaders asks; thread safe.
  */
private[candlewick] final class Admission private (line: Line) {
  import line.locked

  /** One that no other has part in. */
  def this() = this(Line.alone())

  /** A fit begins: `changed` is run where others may have left room, until it is released. */
  def begin(fit: String)(changed: () => Unit): Unit = locked(line.signal(fit, () => changed()))

  /** Whether several fits are under way. */
  def several: Boolean = locked(line.signalled.length > 1)

  /** Lets all fits look again. */
  def signalAll(): Unit = locked(line.signalled).foreach(_.run())

  /** Puts a fit at the end of the line. */
  def enqueue(fit: String): Unit = locked(line.enqueue(fit))

  /** Whether the fit is the next to start, or has started. */
  def isFirst(fit: String): Boolean = locked(line.isRunning(fit) || isNext(fit))

  private def isNext(fit: String): Boolean = line.waits.headOption.contains(fit)

  /** A running fit holds its slots from now on and asks Spark for no others. */
  def fed(fit: String): Unit = locked(line.start(fit, needs = false))

  /** Whether another fit has been admitted and still needs slots for tasks that start and feed its trainers. */
  def othersStart(fit: String): Boolean = locked(line.starts.exists(_ != fit))

  /** Whether another fit waits in line. */
  def othersWait(fit: String): Boolean = locked(line.waits.exists(_ != fit))

  /** Whether another fit holds cores. */
  def othersHold(fit: String): Boolean = locked(line.runs.exists(_._1 != fit))

  /** The fits that run, and the cores that they hold. */
  def holders: Seq[(String, Int)] =
    locked(line.runs).map { case (fit, held) => fit -> held.map(_.cores).sum }

  private def hold(fit: String, places: Seq[Assignment]): Unit =
    line.hold(fit, places.map(_.held))

  /** Admits the fit if it is first in line and there is room for all its trainers. */
  def admit(
      fit: String,
      request: Request,
      executors: Seq[Executor],
      slots: Executor => Int
  ): Option[Seq[Assignment]] = locked {
    val placed = if (isNext(fit)) place(request, executors, slots) else None
    placed.foreach { places =>
      hold(fit, places)
      line.start(fit, needs = true)
    }
    placed
  }

  /** Executors that would have to come for so many trainers, each on an executor of its own, or on a GPU: beside those that
    * have room now, whatever others hold.
    */
  def missing(trainers: Int, request: Request, executors: Seq[Executor], slots: Executor => Int): Int =
    locked {
      val rooms = executors.map(room(_, request, slots).trainers)
      val there = if (request.gpus.isEmpty) rooms.count(_ > 0) else rooms.sum
      request.executors(math.max(0, trainers - there))
    }

  /** Gives a running fit, which lost executors, room for other trainers. It does not go back to the line: what waits
    * there may be waiting for what it holds.
    *
    * @param kept
    *   what it has and keeps; the rest is free for others
    * @return
    *   the new places, without the kept ones
    */
  def replace(
      fit: String,
      kept: Seq[Assignment],
      request: Request,
      executors: Seq[Executor],
      slots: Executor => Int
  ): Option[Seq[Assignment]] = locked {
    hold(fit, kept)
    val placed = place(request, executors, slots)
    placed.foreach(places => hold(fit, kept ++ places))
    placed
  }

  /** A running fit keeps these places; what it had besides is free for others. */
  def keep(fit: String, places: Seq[Assignment]): Unit = locked {
    if (line.isRunning(fit)) hold(fit, places)
  }

  /** Takes the fit out, wherever it is. */
  def release(fit: String): Unit = locked(line.release(fit))

  private def place(
      request: Request,
      executors: Seq[Executor],
      slots: Executor => Int
  ): Option[Seq[Assignment]] = {
    val rooms = executors.map(room(_, request, slots))
    // Where the cluster decides on GPUs, all of them: what others hold of them will be free.
    val wanted =
      if (request.wanted > 0) request.wanted
      else math.min(request.most, executors.map(request.hosts(_, slots)).sum)
    val all =
      if (request.wanted == 0 && request.gpus.isEmpty) Admission.oneEach(rooms, request.most, request.threads)
      else if (wanted == 0) None
      else Admission.spread(rooms, wanted, request.threads)
    def fewer =
      if (request.wanted == 0) None
      else Admission.spread(rooms, math.min(request.wanted, rooms.map(_.trainers).sum), request.threads)
    val placed = if (request.least > 0) all.orElse(fewer) else all
    placed.filter(_.map(_.trainers).sum >= request.needed)
  }

  private def room(executor: Executor, request: Request, slots: Executor => Int): Room = {
    val held = line.runs.flatMap(_._2).filter(_.executor == executor.id)
    val cores = math.max(0, executor.cores - held.map(_.cores).sum)
    val open = slots(executor) - held.map(_.trainers).sum
    // One fit may ask for more threads than an executor has cores, as long as it is alone there.
    val byCores = if (held.isEmpty) open else math.min(open, cores / math.max(1, request.threads))
    val used = held.flatMap(_.gpus)
    val gpus = request.gpus.fold(Seq.empty[String]) { asked =>
      // The least used first; those of one use in Spark's order.
      val open = executor.gpus.flatMap { address =>
        (used.count(_ == address) until asked.share).map(_ -> address)
      }
      open.sortBy(_._1).map(_._2)
    }
    val most = if (request.gpus.isEmpty) byCores else math.min(byCores, gpus.length)
    Room(executor, cores, math.max(0, most), gpus)
  }
}

/** What is free on an executor.
  *
  * @param trainers
  *   how many trainers it can take
  * @param gpus
  *   where they compute, each address as often as it has room; none for processors
  */
private[cluster] final case class Room(
    executor: Executor,
    cores: Int,
    trainers: Int,
    gpus: Seq[String] = Nil
) {

  /** So many trainers on it. */
  def assign(count: Int, threads: Int): Assignment =
    Assignment(
      executor,
      count,
      if (threads > 0) threads else math.max(1, cores / count),
      gpus.take(count)
    )

  /** How many trainers a GPU has, if `count` are placed here; 0 on processors. */
  def crowd(count: Int): Int =
    if (gpus.isEmpty) 0 else count / gpus.distinct.length
}

private[candlewick] object Admission {

  /** That of an application, by its id. */
  def of(application: String): Admission = new Admission(Line.of(application))

  /** The application has ended. */
  def forget(application: String): Unit = Line.forget(application)

  /** One trainer on each executor, at most `most`, if each of those has room. */
  private[cluster] def oneEach(rooms: Seq[Room], most: Int, threads: Int): Option[Seq[Assignment]] = {
    val count = math.min(rooms.length, most)
    val usable = rooms.filter(_.trainers > 0).take(count)
    if (count == 0 || usable.length < count) None else Some(usable.map(_.assign(1, threads)))
  }

  /** `wanted` trainers, as even as the room allows. */
  private[cluster] def spread(rooms: Seq[Room], wanted: Int, threads: Int): Option[Seq[Assignment]] =
    if (rooms.map(_.trainers).sum < wanted) None
    else {
      val placed = mutable.LinkedHashMap(rooms.map(room => room -> 0): _*)
      (0 until wanted).foreach { _ =>
        val open = rooms.filter(room => placed(room) < room.trainers)
        // A GPU of its own first, then the fewest trainers, then the most room; minBy takes the earliest of equals.
        val chosen =
          open.minBy(room => (room.crowd(placed(room)), placed(room), placed(room) - room.trainers))
        placed(chosen) += 1
      }
      Some(placed.collect { case (room, count) if count > 0 => room.assign(count, threads) }.toSeq)
    }
}
