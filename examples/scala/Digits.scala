import candlewick.{NeuralClassificationModel, NeuralClassifier, nn, optim}
import java.util.Locale
import org.apache.spark.sql.{DataFrame, SparkSession}
import org.apache.spark.sql.functions.{array, col}

/** Tells handwritten digits apart: ETL in Spark, training by two trainer processes, scoring in Spark.
  *
  * Both paths are for one machine, or in a store that all hosts of the cluster reach. The first command needs
  * scikit-learn, the second builds this program from a checkout.
  *
  * {{{
  * python examples/data/export_digits.py /tmp/digits.csv
  * mvn -DskipTests package -pl examples -am
  * spark-submit --master 'local-cluster[2,1,1024]' --jars candlewick-spark-4.0_2.13-0.1.0.jar --class Digits \
  *   examples/target/candlewick-examples-0.1.0.jar /tmp/digits.csv /tmp/digits-model
  * }}}
  */
object Digits {
  private val Pixels = 64
  private val Brightest = 16.0

  /** The pictures as rows of `features` (64 numbers in 0..1) and `label`. */
  def read(spark: SparkSession, csv: String): DataFrame = {
    val schema = (0 until Pixels).map(i => s"p$i INT").mkString("", ", ", ", label INT")
    val raw = spark.read.option("header", "true").schema(schema).csv(csv).na.drop()
    raw.select(array((0 until Pixels).map(i => col(s"p$i") / Brightest): _*).as("features"), col("label"))
  }

  def main(args: Array[String]): Unit = args match {
    case Array(csv, out) => run(csv, out)
    case _ =>
      System.err.println("usage: Digits CSV MODEL_FOLDER")
      sys.exit(2)
  }

  private def run(csv: String, out: String): Unit = {
    val spark = SparkSession.builder().appName("candlewick-digits-scala").getOrCreate()
    val parts = read(spark, csv).cache().randomSplit(Array(0.8, 0.2), 11L)
    val (train, test) = (parts(0), parts(1))

    val classifier = new NeuralClassifier()
      .setNetwork(
        nn.Sequential(nn.Linear(128), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64), nn.ReLU(), nn.Linear(10))
      )
      .setOptimizer(optim.AdamW(lr = 3e-3))
      .setEpochs(30)
      .setBatchSize(64)
      .setSeed(7L)
      .setNumTrainers(2)
      .setVerbose(true)
    val model: NeuralClassificationModel = classifier.fit(train)

    val scored = model.transform(test).cache()
    scored.groupBy("label").pivot("prediction").count().na.fill(0).orderBy("label").show()
    val right = scored.filter(col("label") === col("prediction")).count()
    println("accuracy %.4f".formatLocal(Locale.ROOT, right.toDouble / scored.count()))

    model.write.overwrite().save(out)
    println(s"model saved in $out")
    spark.stop()
  }
}
