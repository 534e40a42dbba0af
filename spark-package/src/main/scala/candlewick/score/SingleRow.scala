package candlewick.score

import candlewick.internal.{Failures, Json, RowBatch, RowLayout}
import candlewick.jni.Scorer
import org.apache.spark.ml.linalg.{SQLDataTypes, Vector}
import org.apache.spark.sql.catalyst.InternalRow
import org.apache.spark.sql.catalyst.expressions.{UnsafeProjection, UnsafeRow}
import org.apache.spark.sql.types.{DataType, UserDefinedType}

/** What a network says of one row.
  *
  * @param raw
  *   the raw prediction, or the values of a regressor
  * @param classes
  *   of a classifier, the probability of each class and the predicted one
  */
private[candlewick] final case class Scored(raw: Vector, classes: Option[(Vector, Double)])

/** Scores one row after another; the owner closes it. For one thread at a time.
  *
  * @param scorer
  *   of [[SingleRow.document]]; closed with this
  */
private[score] final class SingleRow(scorer: Scorer, classifier: Boolean) extends AutoCloseable {
  RowLayout.check()
  private val kind = SQLDataTypes.VectorType.asInstanceOf[UserDefinedType[Vector]]
  private val project = UnsafeProjection.create(Array[DataType](kind))
  private val batch = new RowBatch(SingleRow.Bytes, 1)
  private val result = new UnsafeRow(SingleRow.outputs(classifier).length)

  /** What the network says of a row. */
  def score(features: Vector): Scored = {
    batch.clear()
    batch.append(project(InternalRow(kind.serialize(features))))
    val at = scorer.run(batch.buffer, batch.bytes, batch.rows)
    result.pointTo(null, at + RowBatch.HeaderBytes, RowLayout.sizeAt(at))
    Scored(vector(0), if (classifier) Some(vector(1) -> result.getDouble(2)) else None)
  }

  private def vector(at: Int): Vector = kind.deserialize(result.getStruct(at, SingleRow.Fields))

  /** Frees the scorer and the batch. */
  override def close(): Unit =
    try scorer.close()
    finally batch.close()
}

private[candlewick] object SingleRow {
  private val Bytes = 4096L

  /** Fields of a Vector as Spark keeps it. */
  private val Fields = 4

  private def outputs(classifier: Boolean): Seq[OutputColumn] =
    if (classifier) OutputColumn.classifier("raw", "probability", "prediction")
    else Seq(OutputColumn.RawPrediction("raw"))

  /** Throws unless the features are what a model was trained on. */
  def check(features: Vector, width: Int): Unit = {
    if (features == null) throw Failures.parameter("the features are null; expected a Vector")
    if (features.size != width)
      throw Failures.parameter(
        s"the features have ${features.size} values, but the model was trained on $width"
      )
    features.foreachActive { (at, value) =>
      if (value.isNaN || value.isInfinite)
        throw Failures.parameter(s"value $at of the features is $value; expected a finite number")
    }
  }

  /** The document of a scorer for rows of one Vector. */
  def document(
      thresholds: Option[Seq[Double]],
      scale: Option[Double],
      width: Int,
      classifier: Boolean,
      precision: String
  ): String = {
    val column =
      Json.obj("ordinal" -> 0, "name" -> "features", "dataType" -> "vector", "width" -> Some(width))
    val columns = Json.obj(
      "numFields" -> 1,
      "features" -> Seq(column),
      "featureWidth" -> width,
      "scale" -> scale,
      "labelKind" -> None,
      "weight" -> None,
      "skipInvalid" -> false
    )
    Json
      .obj(
        "columns" -> columns,
        "outputs" -> outputs(classifier).map(_.json),
        "thresholds" -> thresholds,
        "handleInvalid" -> "error",
        "precision" -> precision
      )
      .toString
  }
}
