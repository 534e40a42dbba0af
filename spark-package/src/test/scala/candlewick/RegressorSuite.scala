package candlewick

import org.apache.spark.ml.evaluation.RegressionEvaluator
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.linalg.{SQLDataTypes, Vector}
import org.apache.spark.sql.functions.{array, col}
import org.apache.spark.sql.types.DoubleType

class RegressorSuite extends SparkSuite {
  private lazy val data = blobs(200)
    .withColumn("x", vector_to_array(col("features")))
    .withColumn("y", col("x")(0) * 2 - col("x")(1) + 0.5)
    .cache()

  test("one output: a double prediction that learns, saved and loaded") {
    val model = regressor().setLabelCol("y").setEpochs(30).fit(data)
    val scored = model.transform(data)
    assert(scored.schema("prediction").dataType == DoubleType)
    val rmse = new RegressionEvaluator().setLabelCol("y").setMetricName("rmse").evaluate(scored)
    assert(rmse < 0.6, s"rmse $rmse")
    val path = freshPath()
    model.write.save(path)
    val loaded = NeuralRegressionModel.load(path)
    assert(loaded.numOutputs == 1)
    assert(
      loaded.transform(data).select("id", "prediction").collect().toSet ==
        scored.select("id", "prediction").collect().toSet
    )
  }

  test("an array label gives a Vector prediction") {
    val two = data.withColumn("label", array(col("y"), -col("y")))
    val model = regressor(2).setEpochs(2).fit(two)
    assert(model.numOutputs == 2)
    val scored = model.transform(two)
    assert(scored.schema("prediction").dataType == SQLDataTypes.VectorType)
    assert(scored.select("prediction").head().getAs[Vector](0).size == 2)
    assert(regressor(2).transformSchema(two.schema)("prediction").dataType == SQLDataTypes.VectorType)
  }

  test("labels of any numeric type of equal value give the same weights") {
    val hashes = Seq("int", "bigint", "float", "double", "smallint", "decimal(10,2)").map { kind =>
      regressor().setEpochs(1).fit(data.withColumn("label", col("label").cast(kind))).weightsHash
    }
    assert(hashes.distinct.length == 1)
  }
}
