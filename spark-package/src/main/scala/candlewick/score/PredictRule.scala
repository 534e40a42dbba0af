package candlewick.score

import org.apache.spark.sql.CandlewickShim
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, NamedExpression, SubqueryExpression}
import org.apache.spark.sql.catalyst.expressions.aggregate.AggregateExpression
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.types.StructField
import scala.collection.mutable

/** Puts the operator in the place of [[PredictExpression]], so that batches are scored, one operator for all outputs of a
  * model over the same features. Calls over groups come after the aggregation. In nodes of other kinds the expression stays, and
  * scores rows one by one.
  */
private[score] object PredictRule extends Rule[LogicalPlan] {
  override def apply(plan: LogicalPlan): LogicalPlan = plan.transformUp {
    case node: Aggregate if node.aggregateExpressions.exists(overGroups(node, _)) =>
      val (columns, groups) = split(node)
      scored(CandlewickShim.project(columns, scored(groups)))
    case node @ (_: Project | _: Filter | _: Aggregate | _: Sort | _: Window) => scored(node)
  }

  /** A node with the operator in the place of its calls, where those read columns of its child. */
  private def scored(node: LogicalPlan): LogicalPlan = {
    val child = node.children.head
    val calls = callsOf(node).filter { call =>
      call.references.subsetOf(child.outputSet) && call.features.forall(_.deterministic)
    }
    if (calls.isEmpty) node else replaced(node, child, calls)
  }

  private def isGrouped(node: Aggregate, expression: Expression): Boolean =
    node.groupingExpressions.exists(_.semanticEquals(expression))

  /** Whether there is a call of which each group has one: it reads what the group is, or aggregates. */
  private def overGroups(node: Aggregate, expression: Expression): Boolean = expression match {
    case _: AggregateExpression => false
    case _ if isGrouped(node, expression) => false
    case _: SubqueryExpression => false
    case _: PredictExpression => true
    case other => other.children.exists(overGroups(node, _))
  }

  /** An aggregation as columns that are computed over groups, and the groups with what these columns read. */
  private def split(node: Aggregate): (Seq[NamedExpression], LogicalPlan) = {
    val read = mutable.ArrayBuffer.empty[(Expression, NamedExpression)]
    def ofGroup(expression: Expression): Expression = {
      val known = read.collectFirst { case (same, column) if same.semanticEquals(expression) => column }
      val named = known.getOrElse {
        val made = expression match {
          case attribute: Attribute => attribute
          case computed => CandlewickShim.alias(computed, computed.sql)
        }
        read += expression -> made
        made
      }
      named.toAttribute
    }
    def above(expression: Expression): Expression = expression match {
      case _: AggregateExpression | _: Attribute | _: SubqueryExpression => ofGroup(expression)
      case _ if isGrouped(node, expression) => ofGroup(expression)
      case other => other.mapChildren(above)
    }
    val columns = node.aggregateExpressions.map {
      case attribute: Attribute => ofGroup(attribute).asInstanceOf[NamedExpression]
      // Under their own names and ids.
      case alias => alias.mapChildren(above).asInstanceOf[NamedExpression]
    }
    // Later versions of Spark have more fields.
    val fields = node.productIterator.map {
      case old: AnyRef if old eq node.aggregateExpressions => read.map(_._2).toSeq
      case other => other.asInstanceOf[AnyRef]
    }
    columns -> node.makeCopy(fields.toArray)
  }

  /** The calls in a node whose features hold no other call; the others are for the next round. */
  private def callsOf(node: LogicalPlan): Seq[PredictExpression] = node.expressions.flatMap(callsIn)

  /** What a subquery has among its children is as well a condition over its own rows, which become a join: a call there stays, and
    * becomes a part of the condition of that join.
    */
  private def callsIn(expression: Expression): Seq[PredictExpression] = expression match {
    case _: SubqueryExpression => Nil
    case call: PredictExpression if !call.features.exists(_.exists(isCall)) => Seq(call)
    case other => other.children.flatMap(callsIn)
  }

  /** The expression with the columns of the operator in the place of calls, but those in subqueries. */
  private def withColumns(columns: Map[Expression, Attribute])(expression: Expression): Expression =
    expression match {
      case _: SubqueryExpression => expression
      case call: PredictExpression if columns.contains(call.canonicalized) => columns(call.canonicalized)
      case other => other.mapChildren(withColumns(columns))
    }

  private def isCall(expression: Expression): Boolean = expression.isInstanceOf[PredictExpression]

  private def replaced(node: LogicalPlan, child: LogicalPlan, calls: Seq[PredictExpression]): LogicalPlan = {
    val groups = calls.groupBy { call =>
      (call.spec.copy(outputs = Nil), call.features.map(_.canonicalized))
    }
    var below = child
    var columns = Map.empty[Expression, Attribute]
    groups.values.foreach { group =>
      val distinct = group.groupBy(_.canonicalized).values.map(_.head).toSeq
      val (operated, appended) = known(below, distinct).getOrElse(operator(below, distinct))
      below = operated
      columns ++= distinct.map(_.canonicalized).zip(appended)
    }
    val rewritten = node.mapExpressions(withColumns(columns)).withNewChildren(Seq(below))
    // Filters and sorts hand on what they read, which nobody above knows.
    if (rewritten.output.map(_.exprId) == node.output.map(_.exprId)) rewritten
    else CandlewickShim.project(node.output, rewritten)
  }

  /** An operator below that scores the same rows by the same model, with the columns of these calls: a condition has put it there,
    * or a call that is asked for twice. Its columns come up through what hands rows on.
    */
  private def known(
      plan: LogicalPlan,
      calls: Seq[PredictExpression]
  ): Option[(LogicalPlan, Seq[Attribute])] = plan match {
    case score: ScoreLogical if isOf(score, calls.head) =>
      val there = score.spec.outputs.zip(score.appended).toMap
      val added = calls.filterNot(call => there.contains(call.spec.outputs.head))
      val all = there ++ added.map(call => call.spec.outputs.head -> appendedBy(call))
      val more = added.map(_.spec.outputs.head)
      val scored = score.copy(
        appended = score.appended ++ more.map(all),
        spec = score.spec.copy(outputs = score.spec.outputs ++ more)
      )
      Some(scored -> calls.map(call => all(call.spec.outputs.head)))
    case Project(columns, child) =>
      known(child, calls).map { case (below, found) =>
        val missing = found.filterNot(column => columns.exists(_.exprId == column.exprId))
        CandlewickShim.project(columns ++ missing, below) -> found
      }
    case _: Filter | _: Sort =>
      known(plan.children.head, calls).map { case (below, found) =>
        plan.withNewChildren(Seq(below)) -> found
      }
    case _ => None
  }

  /** Whether the operator scores by the model of a call, and the same features. */
  private def isOf(score: ScoreLogical, call: PredictExpression): Boolean =
    score.spec.copy(outputs = Nil) == call.spec.copy(outputs = Nil) &&
      score.features.map(_.canonicalized) == call.features.map(_.canonicalized)

  private def appendedBy(call: PredictExpression): Attribute = {
    val StructField(name, kind, nullable, metadata) = call.column
    CandlewickShim.attribute(StructField(s"${call.model}_$name", kind, nullable, metadata))
  }

  /** The operator over `child` for calls of one model with the same features, and its columns. */
  private def operator(child: LogicalPlan, calls: Seq[PredictExpression]): (LogicalPlan, Seq[Attribute]) = {
    val appended = calls.map(appendedBy)
    val named = calls.head.features.zip(calls.head.fields).map {
      case (attribute: Attribute, _) => attribute -> None
      case (feature, field) =>
        val alias = CandlewickShim.alias(feature, field.name)
        alias.toAttribute -> Some(alias)
    }
    val computed = named.flatMap(_._2)
    val input = if (computed.isEmpty) child else CandlewickShim.project(child.output ++ computed, child)
    val spec = calls.head.spec.copy(outputs = calls.flatMap(_.spec.outputs))
    ScoreLogical(named.map(_._1), appended, spec, None, input) -> appended
  }
}
