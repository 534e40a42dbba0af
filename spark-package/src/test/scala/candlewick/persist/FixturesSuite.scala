package candlewick.persist

import candlewick._
import candlewick.internal.Json
import com.fasterxml.jackson.databind.JsonNode
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.util.Comparator
import org.apache.spark.ml.{Pipeline, PipelineModel, Transformer}
import org.apache.spark.ml.feature.VectorAssembler
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.util.{MLReader, MLWritable}
import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.functions.col
import scala.math.abs

/** What every version has saved, in tests/fixtures/models/FORMAT/NAME, loads and gives what it gave. With
  * CANDLEWICK_FIXTURES=write in the environment those of this version's format are written anew, which is for a format that
  * no version has been released with.
  */
class FixturesSuite extends SparkSuite {
  private val folder: Path = {
    val above = Iterator.iterate(Paths.get("").toAbsolutePath)(_.getParent).takeWhile(_ != null)
    above.map(_.resolve("tests/fixtures/models")).find(Files.isDirectory(_)).get
  }

  private val readers: Map[String, MLReader[_]] = Map(
    "candlewick.NeuralClassificationModel" -> NeuralClassificationModel.read,
    "candlewick.NeuralRegressionModel" -> NeuralRegressionModel.read,
    "candlewick.NeuralClassifier" -> NeuralClassifier.read,
    "candlewick.NeuralRegressor" -> NeuralRegressor.read,
    "candlewick.NeuralEstimatorModel" -> NeuralEstimatorModel.read,
    "org.apache.spark.ml.PipelineModel" -> PipelineModel.read
  )

  private def files(path: Path): Seq[Path] = {
    val found = Files.list(path)
    try found.toArray.toSeq.map(_.asInstanceOf[Path]).sortBy(_.toString)
    finally found.close()
  }

  private def text(path: Path): String = new String(Files.readAllBytes(path), UTF_8)

  private def metadata(stage: Path): JsonNode =
    Json.parse(text(files(stage.resolve("metadata")).find(_.getFileName.toString.startsWith("part-")).get))

  private def rowsOf(expected: JsonNode): DataFrame = {
    val session = spark
    import session.implicits._
    spark.read.json(Json.items(expected.get("rows")).map(_.toString).toDS())
  }

  private def columns(scored: DataFrame, rows: DataFrame) = scored.columns.filterNot(rows.columns.contains(_))

  private def numbers(value: Any): Seq[Double] = value match {
    case vector: Vector => vector.toArray.toSeq
    case number: Double => Seq(number)
    case other => fail(s"$other is no output of a model")
  }

  private def results(stage: Transformer, rows: DataFrame): Seq[Map[String, Seq[Double]]] = {
    val scored = stage.transform(rows)
    val made = columns(scored, rows).filter(_ != "assembled")
    scored.select(made.map(col).toSeq: _*).collect().toSeq.map { row: Row =>
      made.indices.map(at => made(at) -> numbers(row.get(at))).toMap
    }
  }

  if (sys.env.get("CANDLEWICK_FIXTURES").contains("write")) test("fixtures are written") { write() }

  for (format <- files(folder) if Files.isDirectory(format); fixture <- files(format))
    test(s"${folder.relativize(fixture)} loads") {
      // Who loads asks for the session that is there.
      val _ = spark
      val saved = fixture.resolve("stage")
      val described = metadata(saved)
      val stage = readers(described.get("class").asText).load(saved.toString)
      stage match {
        case model: Transformer =>
          val expected = Json.parse(text(fixture.resolve("expected.json")))
          val found = results(model, rowsOf(expected))
          val wanted = Json.items(expected.get("results"))
          assert(found.length == wanted.length && wanted.nonEmpty)
          for ((row, known) <- found.zip(wanted); (name, values) <- Json.fields(known)) {
            val old = Json.items(values).map(_.asDouble)
            assert(row(name).length == old.length, name)
            for ((now, before) <- row(name).zip(old))
              assert(abs(now - before) < 1e-5 * (1 + abs(before)), name)
          }
        case _ => ()
      }
      stage match {
        case writable: MLWritable if described.get("class").asText.startsWith("candlewick.") =>
          val again = freshPath()
          writable.write.save(again)
          for (map <- Seq("paramMap", "defaultParamMap"); (name, value) <- Json.fields(described.get(map)))
            assert(metadata(Paths.get(again)).get(map).get(name) == value, s"$map of $name")
        case _ => ()
      }
    }

  private def table(rows: Int): DataFrame = {
    val session = spark
    import session.implicits._
    (0 until rows)
      .map { row =>
        val point = SparkSuite.point(row, 3).toArray
        (
          point,
          point(0),
          point(1),
          (row % 5).toDouble,
          (row % 3).toDouble,
          Array(point(0) + point(1), point(2))
        )
      }
      .toDF("features", "age", "income", "city", "label", "both")
      .coalesce(1)
      .cache()
  }

  private def write(): Unit = {
    val data = table(60)
    val head = nn.Sequential(nn.Linear(4), nn.ReLU(), nn.Linear(3))
    def classifier = new NeuralClassifier().setEpochs(3).setBatchSize(20).setSeed(7).setNetwork(head)
    def regressor = new NeuralRegressor().setEpochs(3).setBatchSize(20).setSeed(7)
    save("classifier", classifier.setThresholds(Array(0.2, 0.3, 0.5)).fit(data), data.select("features"))
    val chain = nn.Sequential(nn.Linear(4), nn.Tanh(), nn.Linear(2))
    save("regressor", regressor.setNetwork(chain).setLabelCol("both").fit(data), data.select("features"))
    val (age, city) = (nn.Input("age"), nn.Input("city"))
    val joined = nn.Concat()(age, nn.Flatten()(nn.Embedding(5, 2)(city)))
    val graph = nn.Graph(Seq(age, city), "sum" -> nn.Linear(1)(joined), "other" -> nn.Linear(1)(joined))
    save("graph", regressor.setNetwork(graph).setLabelCol("both").fit(data), data.select("age", "city"))
    val images =
      nn.Sequential(nn.Conv1d(2, 3, padding = 1), nn.BatchNorm1d(), nn.GELU(), nn.Flatten(), nn.Linear(3))
    val convolution = classifier.setNetwork(images).setInputShape(Array(1, 4)).setScale(0.5)
    save("convolution", convolution.fit(data), data.select("features"))
    val binary = nn.Sequential(nn.Linear(3), nn.SiLU(), nn.Linear(1))
    val logit = classifier.setNetwork(binary)
    save("logit", logit.fit(data.where("label < 2")), data.select("features"))
    val features = nn.Input("features", 4)
    val trunk = nn.Tanh()(nn.Linear(5)(features))
    val tasks = nn.Graph(Seq(features), "kind" -> nn.Linear(3)(trunk), "sizes" -> nn.Linear(2)(trunk))
    val general = new NeuralEstimator().setEpochs(3).setBatchSize(20).setSeed(7).setNetwork(tasks)
    general.setLabelCols(Array("label", "both"))
    general.setLoss(
      "kind" -> nn.LossTerm(nn.CrossEntropyLoss(), label = "label"),
      "sizes" -> nn.LossTerm(nn.MSELoss(), weight = 0.5, label = "both")
    )
    general.setOutputCols(Map("kind" -> "guess", "kind.probability" -> "sure", "sizes" -> "values"))
    save("general", general.fit(data), data.select("features"))
    val assembler = new VectorAssembler().setInputCols(Array("age", "income")).setOutputCol("assembled")
    val stages = Array(assembler, classifier.setFeaturesCol("assembled"))
    save("pipeline", new Pipeline().setStages(stages).fit(data), data.select("age", "income"))
    save("estimator", classifier.setOptimizer(optim.AdamW(lr = 0.02)).setMetrics(Array("accuracy"))): Unit
  }

  private def save(name: String, stage: MLWritable): Path = {
    val fixture = folder.resolve(s"1/$name")
    if (Files.exists(fixture)) walk(fixture)(Files.delete(_))
    Files.createDirectories(fixture)
    stage.write.save(fixture.resolve("stage").toString)
    // Checksums are Hadoop's; whoever checks files out may change the ends of lines.
    walk(fixture)(path => if (path.getFileName.toString.endsWith(".crc")) Files.delete(path))
    fixture
  }

  private def save(name: String, model: Transformer with MLWritable, rows: DataFrame): Unit = {
    val few = rows.limit(6).cache()
    val wanted = Json.obj(
      "rows" -> few.toJSON.collect().toSeq.map(Json.parse),
      "results" -> results(model, few).map { made =>
        Json.obj(made.toSeq.sortBy(_._1): _*)
      }
    )
    Files.write(save(name, model: MLWritable).resolve("expected.json"), s"$wanted\n".getBytes(UTF_8)): Unit
  }

  private def walk(path: Path)(each: Path => Unit): Unit = {
    val all = Files.walk(path)
    try all.sorted(Comparator.reverseOrder[Path]()).forEach(each(_))
    finally all.close()
  }
}
