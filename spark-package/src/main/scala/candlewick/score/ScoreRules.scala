package candlewick.score

import org.apache.spark.sql.catalyst.expressions.{And, AttributeSet, Expression, Literal}
import org.apache.spark.sql.catalyst.optimizer.{ColumnPruning, PushDownPredicates}
import org.apache.spark.sql.catalyst.plans.logical.{Filter, LocalLimit, LogicalPlan, Project}
import org.apache.spark.sql.catalyst.rules.Rule
import scala.annotation.tailrec

/** What Spark's rules do with operators they know, for [[ScoreLogical]]: conditions and limits that need nothing of the
  * model go below it, columns that nobody reads are not computed, and where none is left the operator goes. Columns of the child that nobody
  * reads are not handed on, be they features; that the child does not make others is Spark's own doing.
  *
  * In sessions that are created with the jar this runs among Spark's rules, which take a condition further, down to the
  * source.
  */
private[score] object ScoreRule extends Rule[LogicalPlan] {
  override def apply(plan: LogicalPlan): LogicalPlan = plan.transformDown {
    case filter @ Filter(_, score: ScoreLogical) => below(filter, score)
    case project @ Project(_, score: ScoreLogical) =>
      val read = narrowed(score, project.references)
      if (read eq score) project else project.copy(project.projectList, read)
    case project @ Project(_, filter @ Filter(condition, score: ScoreLogical)) =>
      val read = narrowed(score, project.references ++ filter.references)
      if (read eq score) project else project.copy(project.projectList, filter.copy(condition, read))
    case limit @ LocalLimit(_, score: ScoreLogical) =>
      limited(limit, score).fold[LogicalPlan](limit)(limit.copy(limit.limitExpr, _))
    case limit @ LocalLimit(_, project @ Project(columns, score: ScoreLogical))
        if columns.forall(_.deterministic) =>
      limited(limit, score).fold[LogicalPlan](limit) { fewer =>
        limit.copy(limit.limitExpr, project.copy(columns, fewer))
      }
  }

  /** Conditions over columns of the child go there. Whether a row is valid is then asked of fewer rows, as of a UDF. */
  private def below(filter: Filter, score: ScoreLogical): LogicalPlan = {
    val (low, high) = conjuncts(filter.condition).partition { condition =>
      condition.deterministic && condition.references.subsetOf(score.child.outputSet)
    }
    if (low.isEmpty) filter
    else {
      val fewer = score.copy(child = filter.copy(low.reduceLeft(And(_, _)), score.child))
      if (high.isEmpty) fewer else filter.copy(high.reduceLeft(And(_, _)), fewer)
    }
  }

  private def conjuncts(condition: Expression): Seq[Expression] = condition match {
    case And(left, right) => conjuncts(left) ++ conjuncts(right)
    case one => Seq(one)
  }

  /** With only those columns that are read, its own and the child's. Without any of its own the rows are the child's, unless
    * the operator leaves some out.
    */
  private def narrowed(score: ScoreLogical, read: AttributeSet): LogicalPlan = appending(score, read) match {
    case fewer: ScoreLogical =>
      val (all, handed) = (fewer.handed, fewer.handed.filter(read.contains))
      if (handed.length == all.length) fewer else fewer.copy(read = Some(handed))
    case child => child
  }

  private def appending(score: ScoreLogical, read: AttributeSet): LogicalPlan = {
    val kept = score.appended.indices.filter(at => read.contains(score.appended(at)))
    if (kept.length == score.appended.length) score
    else if (kept.isEmpty && !score.spec.drops) score.child
    else if (kept.isEmpty && score.appended.length == 1) score
    else {
      // A result of no column would be an operator of another kind: the last one stays.
      val some = if (kept.isEmpty) Seq(score.appended.length - 1) else kept
      score.copy(
        appended = some.map(score.appended),
        spec = score.spec.copy(outputs = some.map(score.spec.outputs))
      )
    }
  }

  /** The limit goes below where as many rows come out as go in, so that no whole batch is scored for a few of its rows.
    * None where it stands there already. Spark counts the rows of a stream itself.
    */
  private def limited(limit: LocalLimit, score: ScoreLogical): Option[ScoreLogical] = limit.limitExpr match {
    case Literal(rows: Int, _)
        if !score.spec.drops && !score.isStreaming && score.child.maxRowsPerPartition.forall(_ > rows) =>
      Some(score.copy(child = limit.copy(limit.limitExpr, score.child)))
    case _ => None
  }
}

/** The same for sessions that were there before the jar: what they take from an application comes after Spark's own rules, so
  * Spark's rules that bring conditions and columns to the source are applied once more where something moved.
  */
private[score] object LateScoreRule extends Rule[LogicalPlan] {

  /** Rounds at most: each takes a condition past one more operator. */
  private val Rounds = 100

  override def apply(plan: LogicalPlan): LogicalPlan = settle(plan, Rounds)

  @tailrec private def settle(plan: LogicalPlan, rounds: Int): LogicalPlan = {
    val moved = ScoreRule(PredictRule(plan))
    if (rounds == 0 || moved.fastEquals(plan)) plan
    else settle(ColumnPruning(PushDownPredicates(moved)), rounds - 1)
  }
}
