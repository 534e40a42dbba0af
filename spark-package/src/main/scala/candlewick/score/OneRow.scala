package candlewick.score

import org.apache.spark.ml.linalg.{SQLDataTypes, Vector}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.types.{DataType, Metadata, StructField, UserDefinedType}

/** A column of a model for one row of features, in this JVM: no Spark job is started. */
private[candlewick] object OneRow {
  private val kind = SQLDataTypes.VectorType.asInstanceOf[UserDefinedType[Vector]]

  /** The value as a user sees it, a number or a Vector.
    *
    * @param spec
    *   how rows are scored, with the one output that is asked for
    * @param column
    *   type of the result
    */
  def score(spec: ScoreTaskSpec, column: StructField, features: Vector): Any = {
    val columns = Seq(0 -> StructField("features", SQLDataTypes.VectorType, nullable = false, Metadata.empty))
    val document = ScoreTask.document(spec, columns, columns.length, None)
    val found = ModelCache.scoreRow(s"${spec.key} $document ", spec, document) { scorer =>
      new RowScorer(scorer, Array[DataType](kind), column.dataType)
    }(_.score(InternalRow(kind.serialize(features))))
    column.dataType match {
      case udt: UserDefinedType[_] => udt.deserialize(found)
      case _ => found
    }
  }
}
