package candlewick.score

import candlewick.columns.ColumnRules
import candlewick.internal.Failures
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.analysis.TypeCheckResult
import org.apache.spark.sql.catalyst.expressions.{Expression, Literal, NamedExpression}
import org.apache.spark.sql.catalyst.expressions.codegen.CodegenFallback
import org.apache.spark.sql.types.{DataType, Metadata, StructField}
import org.apache.spark.unsafe.types.UTF8String

/** A column of a model as a function of its features: `candlewick_predict` of SQL.
  *
  * The optimiser replaces it by the operator ([[PredictRule]]), which scores batches. Where it cannot, as in the condition
  * of a join, rows are scored one by one.
  *
  * @param model
  *   name under which the model is registered
  * @param spec
  *   how rows are scored, with the one output that is asked for
  * @param column
  *   type of the result
  */
private[candlewick] final case class PredictExpression(
    model: String,
    spec: ScoreTaskSpec,
    column: StructField,
    features: Seq[Expression]
) extends Expression
    with CodegenFallback {
  override def children: Seq[Expression] = features
  override def dataType: DataType = column.dataType
  override def nullable: Boolean = column.nullable
  override def prettyName: String = SqlFunction.Name
  override def sql: String = {
    val output = if (column.name == SqlFunction.Prediction) Nil else Seq(column.name)
    s"$prettyName(${(model +: (features.map(_.sql) ++ output)).mkString(", ")})"
  }
  override def toString: String = s"$prettyName($model, ${features.mkString(", ")}, ${column.name})"

  /** The features as the columns of a row of their own. */
  private[score] def fields: Seq[StructField] = features.zipWithIndex.map { case (feature, at) =>
    val (name, metadata) = feature match {
      case named: NamedExpression => named.name -> named.metadata
      case _ => s"argument ${at + 2} of $prettyName" -> Metadata.empty
    }
    StructField(name, feature.dataType, feature.nullable, metadata)
  }

  override def checkInputDataTypes(): TypeCheckResult = {
    fields.foreach(ColumnRules.checkFeature)
    val known = fields.map(ColumnRules.knownWidth)
    val sum = known.flatten.sum
    if (known.forall(_.isDefined) && sum != spec.featureWidth)
      throw Failures.parameter(
        s"$prettyName: the features hold $sum values but the model '$model' was trained on ${spec.featureWidth}; " +
          "give the columns that it was trained on, in their order"
      )
    TypeCheckResult.TypeCheckSuccess
  }

  @transient private lazy val (columns, document) = {
    val columns = fields.zipWithIndex.map { case (field, at) => at -> field }
    columns -> ScoreTask.document(spec, columns, columns.length, None)
  }

  @transient private lazy val key = s"${spec.key} $document "

  override def eval(input: InternalRow): Any = {
    val values = features.map(_.eval(input))
    // Where Spark only asks what comes of nulls, on the driver too, no model is loaded for it.
    if (spec.handleInvalid == "keep" && values.contains(null)) null
    else
      ModelCache.scoreRow(key, spec, document) { scorer =>
        new RowScorer(scorer, columns.map(_._2.dataType).toArray, dataType)
      }(_.score(InternalRow.fromSeq(values)))
  }

  override protected def withNewChildrenInternal(newChildren: IndexedSeq[Expression]): Expression =
    copy(features = newChildren)
}

/** A model that SQL knows by name.
  *
  * @param column
  *   how rows are scored and the type of the result, for the name of an output
  */
private[candlewick] final case class SqlModel(column: String => (ScoreTaskSpec, StructField))

/** `candlewick_predict(name, features..., output)`: what a session's registry of functions holds. */
private[candlewick] final class SqlFunction(val models: Map[String, SqlModel])
    extends (Seq[Expression] => Expression) {

  override def apply(arguments: Seq[Expression]): Expression = arguments match {
    case SqlFunction.Text(name) +: features :+ SqlFunction.Text(output) if features.nonEmpty =>
      made(name, features, output)
    case SqlFunction.Text(name) +: features if features.nonEmpty =>
      made(name, features, SqlFunction.Prediction)
    case _ =>
      throw Failures.parameter(
        s"${SqlFunction.Name} takes the name of a model and its feature columns: " +
          s"${SqlFunction.Name}('digits', features), or ${SqlFunction.Name}('digits', features, 'probability')"
      )
  }

  private def made(name: String, features: Seq[Expression], output: String): Expression = {
    val model = models.getOrElse(
      name,
      throw Failures.parameter(
        s"${SqlFunction.Name}: no model is registered as '$name' in this session; there are " +
          models.keys.toSeq.sorted.mkString(", ") +
          "; register it: candlewick.register(spark, \"" + name + "\", model)"
      )
    )
    val (spec, column) = model.column(output)
    PredictExpression(name, spec, column, features)
  }
}

private[candlewick] object SqlFunction {

  /** Name of the function. */
  val Name = "candlewick_predict"

  /** What it gives where no output is named. */
  val Prediction = "prediction"

  private object Text {
    def unapply(expression: Expression): Option[String] = expression match {
      case Literal(text: UTF8String, _) => Some(text.toString)
      case _ => None
    }
  }
}
