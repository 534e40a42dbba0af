package candlewick.fit

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.sql.{CandlewickShim, DataFrame}

/** FEED: the rows of every partition to the owners of their shards, then the ledger to the coordinator. What trainers have
  * lost is fed again in a later round: by the same query, held here, so that its plan, its shuffles and its caches are those
  * of the first.
  *
  * @param tasks
  *   feed tasks that run in one executor at a time: they share its feedMemory
  * @param trainers
  *   how many there are at first, for the text in the UI
  */
private[fit] final class Feeding(
    control: FitControl,
    prepared: Prepared,
    link: CoordinatorLink,
    keys: JobKeys,
    tasks: Int,
    trainers: Int
) {
  // Lost trainers that the user was told of.
  private var told = Set.empty[String]

  private lazy val query: DataFrame = {
    val session = prepared.session
    val label = s"fit ${control.id}, $trainers trainers"
    val document = FeedSpec.document(prepared).toString
    val task = new FeedTaskSpec(document, keys, FeedSpec.rowBytes(prepared.launch, tasks), label)
    CandlewickShim.install(session, FeedStrategy)
    CandlewickShim.ofRows(session, FeedLogical(task, CandlewickShim.analyzed(prepared.source)))
  }

  /** Feeds a round; its ledger rows, one for each partition, as text: of a million partitions they are a GB.
    *
    * @param asked
    *   number and owners, as the coordinator gave them
    */
  def ledgers(asked: JsonNode): Seq[String] = {
    val round = Json.field(asked, "round").asInt
    val sc = prepared.session.sparkContext
    sc.setJobDescription(if (round == 0) "Candlewick: feed" else s"Candlewick: feed again, round $round")
    sc.setLocalProperty(FeedRound.Property, FeedRound.document(asked, prepared.launch, tasks).toString)
    try CandlewickShim.collect(query).toSeq.map(_.getUTF8String(0).toString)
    finally sc.setLocalProperty(FeedRound.Property, null)
  }

  /** Feeds a round and tells the coordinator who won it. */
  def run(asked: JsonNode): Unit = tell(asked, ledgers(asked))

  /** Tells the coordinator what the winning tasks of a round say, in parts. */
  def tell(asked: JsonNode, ledgers: Seq[String]): Unit = {
    val parts = Feeding.parts(ledgers)
    parts.zipWithIndex.foreach { case (part, at) =>
      val more = at + 1 < parts.length
      link.command("seal", "round" -> Json.field(asked, "round"), "ledgers" -> Json.raw(part), "more" -> more)
    }
  }

  /** Waits until `found` gives something, and feeds what the coordinator asks for meanwhile. No deadline: the coordinator
    * watches over it.
    *
    * @param slotsToSpare
    *   whether tasks that feed find slots while those of the trainers are held, and these need to be
    */
  def await[T](hold: HoldJob, elastic: Elastic, slotsToSpare: => Boolean, late: String)(
      found: => Option[T]
  ): T = {
    def upkeep(): Unit = {
      elastic.maintain()
      hold.maintain()
    }
    def next: Either[JsonNode, T] =
      link.await(None, Failures.unavailable(late), () => upkeep()) {
        link.takeRound().map(Left(_)).orElse(found.map(Right(_)))
      }
    Iterator
      .continually(next)
      .flatMap {
        case Left(asked) =>
          control.warn(lost(asked))
          elastic.yieldSlots()
          // Where slots are to spare they are held on: an executor without a task might be taken away, trainer and all.
          if (slotsToSpare) run(asked) else hold.without(run(asked))
          None
        case Right(value) => Some(value)
      }
      .next()
  }

  /** Why a round is fed, for the user. */
  private def lost(asked: JsonNode): String = {
    val news = link.lost.filterNot { case (id, _) => told(id) }
    told ++= news.keys
    val why = if (news.isEmpty) "shards could not be handed over" else news.values.mkString("; ")
    s"$why: what is missing is fed again, round ${Json.field(asked, "round").asInt}"
  }
}

private[fit] object Feeding {

  /** Characters of ledgers in one command. */
  private val PartChars = 1 << 20

  /** Lists of about so much text, in order, at least one. */
  def parts(ledgers: Seq[String], most: Int = PartChars): Seq[String] = {
    val parts = Seq.newBuilder[String]
    val part = new StringBuilder("[")
    ledgers.foreach { ledger =>
      if (part.length > 1 && part.length + ledger.length > most) {
        parts += part.append(']').toString
        part.setLength(1)
      }
      if (part.length > 1) part.append(',')
      part.append(ledger)
    }
    parts += part.append(']').toString
    parts.result()
  }
}
