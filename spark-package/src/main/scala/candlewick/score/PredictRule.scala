package candlewick.score

import org.apache.spark.sql.CandlewickShim
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression, NamedExpression}
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
      case _: AggregateExpression | _: Attribute => ofGroup(expression)
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
  private def callsOf(node: LogicalPlan): Seq[PredictExpression] = node.expressions.flatMap {
    _.collect { case call: PredictExpression if !call.features.exists(_.exists(isCall)) => call }
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
      val (operated, appended) = operator(below, distinct)
      below = operated
      columns ++= distinct.map(_.canonicalized).zip(appended)
    }
    val rewritten = node
      .transformExpressions {
        case call: PredictExpression if columns.contains(call.canonicalized) =>
          columns(call.canonicalized)
      }
      .withNewChildren(Seq(below))
    // Filters and sorts hand on what they read, which nobody above knows.
    if (rewritten.output.map(_.exprId) == node.output.map(_.exprId)) rewritten
    else CandlewickShim.project(node.output, rewritten)
  }

  /** The operator over `child` for calls of one model with the same features, and its columns. */
  private def operator(child: LogicalPlan, calls: Seq[PredictExpression]): (LogicalPlan, Seq[Attribute]) = {
    val appended = calls.map { call =>
      val StructField(name, kind, nullable, metadata) = call.column
      CandlewickShim.attribute(StructField(s"${call.model}_$name", kind, nullable, metadata))
    }
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
