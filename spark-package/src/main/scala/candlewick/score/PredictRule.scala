package candlewick.score

import org.apache.spark.sql.CandlewickShim
import org.apache.spark.sql.catalyst.expressions.{Attribute, Expression}
import org.apache.spark.sql.catalyst.plans.logical._
import org.apache.spark.sql.catalyst.rules.Rule
import org.apache.spark.sql.types.StructField

/** Puts the operator in the place of [[PredictExpression]], so that batches are scored, one operator for all outputs of a
  * model over the same features. In nodes of other kinds the expression stays, and scores rows one by one.
  */
private[score] object PredictRule extends Rule[LogicalPlan] {
  override def apply(plan: LogicalPlan): LogicalPlan = plan.transformUp {
    case node @ (_: Project | _: Filter | _: Aggregate | _: Sort | _: Window) =>
      val child = node.children.head
      val calls = callsOf(node).filter { call =>
        call.references.subsetOf(child.outputSet) && call.features.forall(_.deterministic)
      }
      if (calls.isEmpty) node else replaced(node, child, calls)
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
      val (scored, appended) = operator(below, distinct)
      below = scored
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
