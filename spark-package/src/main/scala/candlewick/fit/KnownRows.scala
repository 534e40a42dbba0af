package candlewick.fit

import org.apache.spark.sql.{CandlewickShim, DataFrame}
import org.apache.spark.sql.catalyst.plans.logical.{LogicalPlan, Project, RepartitionOperation, Sort}

/** Rows of a DataFrame where Spark knows them without reading any. */
private[fit] object KnownRows {
  def of(source: DataFrame): Option[Long] = of(CandlewickShim.optimized(source))

  private def of(plan: LogicalPlan): Option[Long] = {
    // Spark's own estimate loses the number at every projection.
    def below = plan match {
      case same: Project => of(same.child)
      case same: RepartitionOperation => of(same.child)
      case same: Sort => of(same.child)
      case _ => None
    }
    plan.stats.rowCount.filter(_.isValidLong).map(_.toLong).orElse(below)
  }
}
