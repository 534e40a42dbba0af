package candlewick.fit

import candlewick.columns.ColumnChoice
import candlewick.generated.Formats
import java.util.Collections
import org.apache.spark.ml.linalg.{SQLDataTypes, Vectors}
import org.apache.spark.sql.{CandlewickShim, Row, SparkSession}
import org.apache.spark.sql.types.{DoubleType, StructType}

/** The way of a fit up to where it starts something, gone once with one row that is made up: what Spark, Scala and this package
  * load and link on it is there for the first real one. No Spark job runs, and nobody is told of a fit.
  */
private[fit] object Rehearsal {
  private val Schema =
    new StructType().add("features", SQLDataTypes.VectorType, true).add("label", DoubleType, true)

  // The shape is said, so that no job looks at the first row; with a device that is said, none looks for GPUs.
  private val Spec = FitSpec(
    ColumnChoice(
      features = Seq("features"),
      featuresParam = "featuresCol",
      inputs = Nil,
      labels = Seq("label"),
      labelParam = "labelCol",
      weight = None,
      validation = None,
      inputShape = Some(Seq(2)),
      scale = None,
      skipInvalid = false,
      task = "classifier"
    ),
    params =
      s"""{"network": {"format": "${Formats.Network}", "layers": [{"type": "Linear", "out_features": 2}]}, "device": "cpu"}""",
    defaults = "{}",
    initialWeights = None,
    outputs = Nil,
    resumed = None
  )

  /** Goes it.
    *
    * @return
    *   the partitions that would be fed
    */
  def run(session: SparkSession): Int = {
    val rows = Collections.singletonList(Row(Vectors.dense(1.0, 2.0), 1.0))
    val control = new FitControl("rehearsal")
    try {
      val prepared = Preparation.look(session.createDataFrame(rows, Schema), Spec, control)
      Search.request(prepared)
      FeedSpec.document(prepared).toString: Unit
      CandlewickShim.rows(prepared.source).getNumPartitions
    } finally control.finish()
  }
}
