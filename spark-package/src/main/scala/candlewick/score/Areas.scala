package candlewick.score

import org.apache.spark.rdd.RDD
import org.apache.spark.storage.StorageLevel

/** Areas under the curves of one class.
  *
  * @param hits
  *   weight of its rows
  * @param alarms
  *   weight of the others
  * @param roc
  *   area in units of both
  * @param precision
  *   sum of the precision at each row of the class, times its weight
  */
private[score] final case class Areas(hits: Double, alarms: Double, roc: Double, precision: Double) {

  /** As `roc_auc_score`; None without rows of both kinds. */
  def rocAuc: Option[Double] = if (hits > 0.0 && alarms > 0.0) Some(roc / hits / alarms) else None

  /** As `average_precision_score`; None without a row of the class. */
  def averagePrecision: Option[Double] = if (hits > 0.0) Some(precision / hits) else None

  /** With the rows of the next lower score: they are one step of the curve. */
  def step(own: Double, other: Double): Areas = {
    val found = hits + own
    val judged = found + alarms + other
    val gained = if (own > 0.0) own * found / judged else 0.0
    Areas(found, alarms + other, roc + other * (hits + own / 2.0), precision + gained)
  }
}

private[score] object Areas {

  /** Class and score, with the weights of the class's rows of that score and of the others. */
  type Point = ((Int, Double), (Double, Double))

  private val Zero = Areas(0.0, 0.0, 0.0, 0.0)

  /** Hits, alarms, roc and precision, as tasks give them back. */
  private type Numbers = (Double, Double, Double, Double)

  private def numbers(of: Map[Int, Areas]): Seq[(Int, Numbers)] = of.toSeq.map { case (curve, areas) =>
    curve -> ((areas.hits, areas.alarms, areas.roc, areas.precision))
  }

  private def read(of: Seq[(Int, Numbers)]): Map[Int, Areas] = of.map { case (curve, areas) =>
    curve -> Areas(areas._1, areas._2, areas._3, areas._4)
  }.toMap

  /** Those of each class that has points, exact over all rows.
    *
    * @param points
    *   class and score (negative: the best come first), with the weights of its rows and of the others
    */
  def of(points: RDD[Point]): Seq[Areas] = {
    val sorted = points.sortByKey(true, points.getNumPartitions).persist(StorageLevel.MEMORY_AND_DISK)
    try {
      def summed(at: Int, rows: Iterator[Point]) = Iterator(at -> numbers(walk(rows, Map.empty)))
      val sums = sorted.mapPartitionsWithIndex(summed, false).collect().toMap.map { case (at, found) =>
        at -> read(found)
      }
      // What comes before a partition: where its curves go on.
      val before =
        (0 until sorted.getNumPartitions).scanLeft(Map.empty[Int, Areas])((so, at) => added(so, sums(at)))
      def goingOn(at: Int, rows: Iterator[Point]) = {
        val start = before(at).map { case (curve, areas) => curve -> areas.copy(roc = 0.0, precision = 0.0) }
        Iterator(numbers(walk(rows, start)))
      }
      val all = sorted.mapPartitionsWithIndex(goingOn, false).collect().toSeq.map(read)
      val totals = before.last
      totals.toSeq.map { case (curve, total) =>
        val found = all.flatMap(_.get(curve))
        total.copy(roc = found.map(_.roc).sum, precision = found.map(_.precision).sum)
      }
    } finally sorted.unpersist(false): Unit
  }

  private def walk(rows: Iterator[Point], start: Map[Int, Areas]): Map[Int, Areas] =
    rows.foldLeft(start) { case (so, ((curve, _), (own, other))) =>
      so + (curve -> so.getOrElse(curve, Zero).step(own, other))
    }

  private def added(left: Map[Int, Areas], right: Map[Int, Areas]): Map[Int, Areas] =
    right.foldLeft(left) { case (so, (curve, areas)) =>
      val known = so.getOrElse(curve, Zero)
      so + (curve -> known.copy(hits = known.hits + areas.hits, alarms = known.alarms + areas.alarms))
    }
}
