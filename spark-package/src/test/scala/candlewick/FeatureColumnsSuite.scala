package candlewick

import candlewick.jni.InvalidParameterException
import org.apache.spark.ml.functions.vector_to_array
import org.apache.spark.ml.feature.VectorAssembler
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.sql.{Column, DataFrame}
import org.apache.spark.sql.functions.{col, udf}
import org.apache.spark.sql.types.Metadata

/** Every kind of feature column of equal values is the same data, so it gives the same weights. */
class FeatureColumnsSuite extends SparkSuite {

  // Whole numbers from 0 to 3: every type holds them.
  private lazy val data: DataFrame = blobs(60)
    .withColumn("wide", vector_to_array(col("features")))
    .select(col("label") +: (0 until 4).map(at => whole(col("wide")(at)).as(s"x$at")): _*)
    .cache()

  private def whole(value: Column): Column = (value * 10).cast("int").mod(4).plus(4).mod(4).cast("double")

  private val toSparse =
    udf((values: Seq[Double]) => org.apache.spark.ml.linalg.Vectors.dense(values.toArray).toSparse: Vector)
  private val toBytes = udf((values: Seq[Double]) => values.map(_.toByte).toArray)

  private def hash(frame: DataFrame, change: NeuralClassifier => NeuralClassifier = identity): String =
    change(classifier().setEpochs(1)).fit(frame).weightsHash

  private def packed(kind: String): DataFrame =
    data.selectExpr("label", s"cast(array(x0, x1, x2, x3) as array<$kind>) as features")

  private lazy val expected = hash(packed("double"))

  test("arrays of every numeric type") {
    Seq("float", "int", "bigint", "smallint", "tinyint").foreach(kind =>
      assert(hash(packed(kind)) == expected, kind)
    )
  }

  test("arrays of arrays are a tensor of their sizes, or of inputShape") {
    def nested(kind: String) =
      data.selectExpr(
        "label",
        s"cast(array(array(x0, x1), array(x2, x3)) as array<array<$kind>>) as features"
      )
    val flat = nn.Sequential(nn.Flatten(), nn.Linear(8), nn.ReLU(), nn.Linear(3))
    val model = classifier().setNetwork(flat).setEpochs(1).fit(nested("float"))
    assert(model.weightsHash == hash(packed("float"), _.setNetwork(flat).setInputShape(Array(2, 2))))
    assert(model.dataContract.contains("array<array<float>>") && model.dataContract.contains("[2,2]"))
    assert(model.transform(nested("float")).count() == 60)
    assert(hash(nested("int"), _.setInputShape(Array(4))) == expected)
    val many =
      hash(nested("int").withColumnRenamed("features", "a"), _.setNetwork(flat).setFeaturesCols(Array("a")))
    assert(many == model.weightsHash)
    val wrong = intercept[InvalidParameterException] {
      classifier().fit(data.selectExpr("label", "array(array('a')) features"))
    }
    assert(
      wrong.getMessage.contains("is array<array<string>>; expected a Vector, an array of numbers (or of")
    )
  }

  test("sparse Vectors") {
    assert(hash(packed("double").withColumn("features", toSparse(col("features")))) == expected)
  }

  test("numeric columns, and columns of several kinds after one another") {
    assert(hash(data, _.setFeaturesCols(Array("x0", "x1", "x2", "x3"))) == expected)
    val mixed = data.selectExpr("label", "cast(x0 as int) a", "array(x1, x2) b", "cast(x3 as decimal(5,1)) c")
    assert(hash(mixed, _.setFeaturesCols(Array("a", "b", "c"))) == expected)
  }

  test("binary with inputShape and scale") {
    val bytes = packed("double").withColumn("features", toBytes(col("features")))
    assert(hash(bytes, _.setInputShape(Array(4))) == expected)
    val flat = nn.Sequential(nn.Flatten(), nn.Linear(8), nn.ReLU(), nn.Linear(3))
    val scaled =
      classifier().setNetwork(flat).setInputShape(Array(1, 2, 2)).setScale(1.0 / 255).setEpochs(1).fit(bytes)
    assert(scaled.transform(bytes).count() == 60)
  }

  test("every row is read once where the schema tells the width, and one of them twice where it does not") {
    val attributed =
      new VectorAssembler().setInputCols(Array("x0", "x1", "x2", "x3")).setOutputCol("features")
    val assembled = attributed.transform(data).select("features", "label")
    def reads(metadata: Metadata): Long = {
      val count = spark.sparkContext.longAccumulator
      val counted = udf { (vector: Vector) => count.add(1); vector }
      val frame = assembled.withColumn("features", counted(col("features")).as("features", metadata))
      classifier().setEpochs(1).fit(frame): Unit
      count.value
    }
    assert(reads(assembled.schema("features").metadata) == 60)
    assert(reads(Metadata.empty) > 60)
  }

  test("one numeric column is a feature of width 1") {
    val model = classifier().setFeaturesCol("x0").setEpochs(1).fit(data)
    assert(model.numFeatures == 1)
    assert(model.transform(data).count() == 60)
  }
}
