package candlewick.score

import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.execution.adaptive.{AdaptiveSparkPlanExec, QueryStageExec}

/** The operators in executed plans. */
object ScorePlans {

  /** Every node of a plan, those of adaptive plans and their stages included. */
  def nodes(plan: SparkPlan): Seq[SparkPlan] = plan match {
    case adaptive: AdaptiveSparkPlanExec => nodes(adaptive.executedPlan)
    case stage: QueryStageExec => nodes(stage.plan)
    case other => other +: other.children.flatMap(nodes)
  }

  /** Those that score. */
  private[score] def scores(frame: DataFrame): Seq[ScoreExec] =
    nodes(frame.queryExecution.executedPlan).collect { case score: ScoreExec => score }
}
