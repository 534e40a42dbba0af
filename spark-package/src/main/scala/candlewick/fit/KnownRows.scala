package candlewick.fit

import org.apache.spark.sql.{CandlewickShim, DataFrame}
import org.apache.spark.sql.catalyst.expressions.Literal
import org.apache.spark.sql.catalyst.plans.logical.{
  GlobalLimit,
  LeafNode,
  LocalLimit,
  LogicalPlan,
  Project,
  RepartitionOperation,
  Sort,
  Union
}
import org.apache.spark.sql.execution.LogicalRDD
import org.apache.spark.sql.execution.columnar.InMemoryRelation

/** Rows of a DataFrame where Spark knows them without reading any. What it estimates only (a sample, a condition with its
  * cost-based optimizer, a limit above what may have fewer rows) is not known.
  */
private[fit] object KnownRows {
  def of(source: DataFrame): Option[Long] = of(CandlewickShim.optimized(source))

  private def of(plan: LogicalPlan): Option[Long] = plan match {
    case same: Project => of(same.child)
    case same: RepartitionOperation => of(same.child)
    case same: Sort => of(same.child)
    case GlobalLimit(Literal(most: Int, _), LocalLimit(_, child)) => of(child).map(math.min(_, most.toLong))
    case union: Union =>
      val all = union.children.map(child => of(child))
      if (all.forall(_.isDefined)) Some(all.flatten.sum) else None
    // Until it is filled it has the estimate of what it is made of.
    case cached: InMemoryRelation if !cached.cacheBuilder.isCachedColumnBuffersLoaded => None
    // What checkpoint() has written keeps the estimates of the plan that it came from.
    case _: LogicalRDD => None
    case leaf: LeafNode => leaf.stats.rowCount.filter(_.isValidLong).map(_.toLong)
    case _ => None
  }
}
