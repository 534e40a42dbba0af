package candlewick.cluster

/** What a fit asks for.
  *
  * @param wanted
  *   number of trainers, 0 for one on each executor, or for one on each of its GPUs
  * @param most
  *   most trainers (the number of logical shards)
  * @param threads
  *   threads of a trainer, 0 for the free cores of its executor divided by the fit's trainers on it
  * @param least
  *   with so many it begins where there is no room for more now; 0: with no fewer than wanted
  * @param gpus
  *   where it is to compute on GPUs
  */
private[candlewick] final case class Request(
    wanted: Int,
    most: Int,
    threads: Int,
    least: Int = 0,
    gpus: Option[GpuRequest] = None
) {

  /** Slots without which it cannot begin. */
  def needed: Int = math.max(1, if (least > 0) least else wanted)

  /** Trainers that an executor can have of it at most, if nobody else is there. */
  def hosts(executor: Executor, slots: Executor => Int): Int = gpus match {
    case Some(asked) => math.min(slots(executor), executor.gpus.length * asked.share)
    case None => if (wanted == 0) 1 else slots(executor)
  }

  /** An executor of so many cores that is not there yet, with the GPUs that Spark gives it. */
  def coming(cores: Int): Executor =
    Executor("", "", cores, Seq.tabulate(gpus.fold(0)(_.perExecutor))(_.toString))

  /** Executors that so many trainers need. */
  def executors(trainers: Int): Int = gpus match {
    case Some(asked) =>
      val each = math.max(1, asked.perExecutor * asked.share)
      // Not (trainers + each - 1) / each: where nothing bounds the trainers that is negative.
      trainers / each + (if (trainers % each > 0) 1 else 0)
    case None => trainers
  }
}

/** GPUs that a fit asks for.
  *
  * @param perExecutor
  *   that Spark gives each executor
  * @param share
  *   trainers that may have one together
  * @param source
  *   the settings that say so, for messages
  */
private[candlewick] final case class GpuRequest(perExecutor: Int, share: Int, source: String)

private[candlewick] object GpuRequest {

  /** What a number of trainers asks for: they share a GPU only where it is said how many there shall be. */
  def of(gpus: Gpus, numTrainers: Int): GpuRequest =
    GpuRequest(gpus.perExecutor, if (numTrainers == 0) 1 else gpus.share, gpus.source)
}
