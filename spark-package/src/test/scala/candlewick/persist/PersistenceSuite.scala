package candlewick.persist

import candlewick._
import candlewick.generated.Formats
import candlewick.internal.{Json, WeightsFile}
import candlewick.jni.{InvalidParameterException, Native}
import candlewick.score.ModelCache
import java.io.IOException
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}
import org.apache.spark.ml.{Pipeline, PipelineModel}
import org.apache.spark.sql.functions.col

class PersistenceSuite extends SparkSuite {
  private lazy val data = blobs(60).cache()
  private lazy val model = classifier().setEpochs(1).fit(data)

  /** A saved model one of whose files is changed; the message of loading it. */
  private def damaged(name: String)(change: Array[Byte] => Array[Byte]): String = {
    val path = freshPath()
    model.write.save(path)
    val file = Paths.get(path, name)
    Files.deleteIfExists(Paths.get(path, name).resolveSibling(s".${file.getFileName}.crc"))
    Files.write(file, change(Files.readAllBytes(file)))
    load(path)
  }

  private def load(path: String): String = {
    val message = intercept[InvalidParameterException](NeuralClassificationModel.load(path)).getMessage
    assert(message.contains(path), message)
    message
  }

  private def edited(from: String, to: String)(content: Array[Byte]): Array[Byte] = {
    val text = new String(content, UTF_8)
    assert(text.contains(from), text)
    text.replace(from, to).getBytes(UTF_8)
  }

  private val weights = "data/weights.safetensors"
  private val golden = "data/golden.safetensors"
  private val document = "data/model.json"
  private val metadata = "metadata/part-00000"

  test("one byte of the weights that changed is noticed") {
    val message = damaged(weights) { bytes =>
      bytes(bytes.length - 2) = (bytes(bytes.length - 2) ^ 1).toByte
      bytes
    }
    assert(message.contains(weights) && message.contains(model.weightsHash), message)
  }

  test("files that are cut off, empty, or of something else") {
    assert(damaged(weights)(_.dropRight(5)).contains(weights))
    assert(damaged(weights)(_ => Array.emptyByteArray).contains(weights))
    val cut = damaged(document)(_.dropRight(5))
    assert(cut.contains(document) && cut.contains(", line 1, column ") && !cut.contains("Source"), cut)
    assert(damaged(document)(_ => "[1]".getBytes(UTF_8)).contains("must be a JSON object"))
    assert(damaged(document)(edited("\"network\":", "\"other\":")).contains("'network' is missing"))
    assert(damaged(document)(edited("\"featureWidth\":", "\"other\":")).contains("'featureWidth' is missing"))
    assert(damaged(document)(edited("Linear", "Lineal")).contains("Lineal"))
    assert(damaged(metadata)(_ => Array.emptyByteArray).contains(metadata))
    assert(damaged(metadata)(edited("\"uid\":", "\"other\":")).contains("'uid' is missing"))
    assert(damaged(metadata)(edited("\"error\"", "[1]")).contains(metadata))
    assert(damaged(metadata)(edited("\"handleInvalid\"", "\"handle\"")).contains("a parameter 'handle'"))
  }

  test("what is not there") {
    assert(load(freshPath()).contains("there is no saved Candlewick stage"))
    for (name <- Seq(weights, golden, document, metadata)) {
      val path = freshPath()
      model.write.save(path)
      Files.delete(Paths.get(path, name))
      assert(load(path).contains(s"the file $name is missing"))
    }
  }

  test("a network that was edited gives something else, and is refused") {
    val message = damaged(document)(edited("ReLU", "Tanh"))
    assert(message.contains(golden) && message.contains("row 0 of the golden vectors: output "), message)
    assert(message.contains("the network or its weights were changed since"), message)
  }

  test("golden vectors that are damaged, or another model's") {
    assert(damaged(golden)(_.dropRight(5)).contains("no file of golden vectors"))
    assert(damaged(golden)(_ => Array.emptyByteArray).contains(golden))
    val other = classifier(2).setEpochs(0).fit(blobs(20, classes = 2)).state.golden
    assert(
      damaged(golden)(_ => other).contains("an output of F32 [4, 2], but the network's has F32 [rows, 3]")
    )
  }

  test("an executor that computes something else refuses the model") {
    val loaded = NeuralClassificationModel.load(saved(model))
    val sc = spark.sparkContext
    def opened(golden: Array[Byte]) =
      ModelCache.load(
        loaded.state.bytes.json,
        loaded.state.weights.iterable,
        Some(WeightsFile.of(golden).send(sc))
      )
    assert(loaded.state.broadcast.golden(sc).isDefined && model.state.broadcast.golden(sc).isEmpty)
    opened(loaded.state.golden).close()
    val wrong = loaded.state.golden.clone()
    wrong(wrong.length - 2) = (wrong(wrong.length - 2) ^ 1).toByte
    val told = intercept[InvalidParameterException](opened(wrong)).getMessage
    assert(told.contains("not the same on this executor as on the driver: row "), told)
  }

  test("a file that does not have its checksum any more") {
    val path = freshPath()
    model.write.save(path)
    val file = Paths.get(path, document)
    Files.write(file, edited("ReLU", "GELU")(Files.readAllBytes(file)))
    assert(load(path).contains(s"the file $document in $path was changed since it was saved"))
  }

  /** A saved model whose weights are several files. */
  private def inSeveralFiles(): String = {
    val path = freshPath()
    model.write.option("maxShardSize", "110").save(path)
    path
  }

  private def names(path: String): Seq[String] = {
    val files = Files.list(Paths.get(path, "data"))
    try
      files.toArray.toSeq
        .map(_.asInstanceOf[java.nio.file.Path].getFileName.toString)
        .filter(_.startsWith("weights"))
        .sorted
    finally files.close()
  }

  test("weights in several files, with an index") {
    val path = inSeveralFiles()
    // 0.bias has 32 bytes, 0.weight 128: a file of its own; 2.bias 12 and 2.weight 96.
    val files = (1 to 3).map(at => s"weights-0000$at-of-00003.safetensors")
    assert(names(path) == files :+ "weights.safetensors.index.json")
    val index =
      Json.parse(new String(Files.readAllBytes(Paths.get(path, s"data/${names(path).last}")), UTF_8))
    assert(index.at("/metadata/total_size").asLong == 4 * (4 * 8 + 8 + 8 * 3 + 3))
    assert(index.get("weight_map").size == 4)
    val loaded = NeuralClassificationModel.load(path)
    assert(loaded.weightsHash == model.weightsHash && scores(loaded) == scores(model))
    val start = classifier().setEpochs(0).setSeed(99).setInitialWeights(s"$path/data/${names(path).last}")
    assert(start.fit(data).weightsHash == model.weightsHash)
    assert(names(saved(loaded)) == Seq("weights.safetensors"))
    for (wrong <- Seq("0", "1g"))
      assert(
        intercept[InvalidParameterException](
          model.write.option("maxShardSize", wrong).save(freshPath())
        ).getMessage
          .contains(s"maxShardSize is '$wrong'")
      )
  }

  private def saved(model: NeuralClassificationModel): String = {
    val path = freshPath()
    model.write.save(path)
    path
  }

  test("several files of which one is missing, cut off, or another's") {
    def broken(change: String => Unit): String = {
      val path = inSeveralFiles()
      change(path)
      load(path)
    }
    def file(path: String, at: Int) = Paths.get(path, s"data/weights-0000$at-of-00003.safetensors")
    def rewrite(path: java.nio.file.Path)(change: Array[Byte] => Array[Byte]): Unit = {
      Files.deleteIfExists(path.resolveSibling(s".${path.getFileName}.crc"))
      Files.write(path, change(Files.readAllBytes(path))): Unit
    }
    val second = "weights-00002-of-00003.safetensors"
    assert(broken(path => Files.delete(file(path, 2))).contains(s"the file $second in "))
    assert(broken(path => rewrite(file(path, 2))(_.dropRight(1))).contains(s"is cut off"))
    assert(broken(path => rewrite(file(path, 2))(_ => Array.emptyByteArray)).contains(second))
    val swapped = broken { path =>
      val other = Files.readAllBytes(file(path, 3))
      rewrite(file(path, 2))(_ => other)
    }
    assert(swapped.contains(s"the file $second does not hold the tensor "), swapped)
    val index = "data/weights.safetensors.index.json"
    assert(
      broken(path => rewrite(Paths.get(path, index))(edited(second, s"../$second")))
        .contains("no name of a file")
    )
    assert(broken(path => rewrite(Paths.get(path, index))(_.drop(1))).contains(index))
    val hash = broken(path =>
      rewrite(file(path, 2)) { bytes =>
        bytes(bytes.length - 2) = (bytes(bytes.length - 2) ^ 1).toByte
        bytes
      }
    )
    assert(hash.contains(model.weightsHash), hash)
  }

  test("formats of other versions say who can read them") {
    val version = Native.version()
    def later(format: String) = s"${format.takeWhile(_ != '/')}/2"
    for ((file, format) <- Seq(document -> Formats.Model, metadata -> Formats.Stage)) {
      val message = damaged(file) { content =>
        edited(version, "7.8.9")(edited(s"\"$format\"", s"\"${later(format)}\"")(content))
      }
      for (
        part <- Seq(
          file,
          format,
          later(format),
          s"Candlewick $version",
          "load it with Candlewick 7.8.9 or a later one"
        )
      ) assert(message.contains(part), message)
      val stranger = damaged(file)(edited(s"\"$format\"", "\"zip/2\""))
      assert(stranger.contains("has the format zip/2") && stranger.contains("fit and save the stage again"))
      val none = damaged(file)(edited("\"format\"", "\"other\""))
      assert(none.contains(s"does not say which format it has, but Candlewick $version reads $format"), none)
    }
  }

  test("a model that is overwritten twice, and one that was loaded from where it is saved") {
    val path = freshPath()
    val other = classifier().setEpochs(0).setSeed(3).fit(data)
    model.write.save(path)
    assert(intercept[IOException](model.write.save(path)).getMessage.contains("already exists"))
    other.write.overwrite().save(path)
    assert(NeuralClassificationModel.load(path).weightsHash == other.weightsHash)
    model.write.overwrite().save(path)
    val loaded = NeuralClassificationModel.load(path)
    assert(loaded.weightsHash == model.weightsHash)
    loaded.write.overwrite().save(path)
    val again = NeuralClassificationModel.load(path)
    assert(again.weightsHash == model.weightsHash && again.dataContract == model.dataContract)
    assert(java.util.Arrays.equals(again.state.golden, model.state.golden))
    assert(scores(again) == scores(model))
  }

  private def scores(model: NeuralClassificationModel): Seq[String] =
    model.transform(data).orderBy("id").select("rawPrediction").collect().map(_.toString).toSeq

  test("two models in one Pipeline") {
    val both = new Pipeline().setStages(
      Array(
        classifier().setEpochs(1),
        regressor().setEpochs(1).setFeaturesCol("probability").setLabelCol("id").setPredictionCol("number")
      )
    )
    val fitted = both.fit(data)
    val path = freshPath()
    fitted.write.save(path)
    def rows(of: PipelineModel) = of.transform(data).orderBy("id").collect().map(_.toString).toSeq
    assert(rows(PipelineModel.load(path)) == rows(fitted))
  }

  test("what a model remembers of its columns") {
    val contract = Json.parse(model.dataContract)
    assert(
      contract.toString ==
        """{"features":[{"name":"features","type":"vector","nullable":true,"length":4}],""" +
        """"label":{"name":"label","type":"double","nullable":false,"length":1},"weight":null,"scale":null,""" +
        """"handleInvalid":"error","inputShape":[4]}"""
    )
    val wide = data.select(
      (0 until 4).map(at => org.apache.spark.ml.functions.vector_to_array(col("features"))(at).as(s"x$at")) :+
        col("label") :+ col("label").as("heavy"): _*
    )
    val many = classifier()
      .setEpochs(0)
      .setFeaturesCols(Array("x0", "x1", "x2", "x3"))
      .setWeightCol("heavy")
      .setHandleInvalid("skip")
      .fit(wide)
    val known = Json.parse(many.dataContract)
    assert(Json.items(known.get("features")).map(_.get("name").asText) == Seq("x0", "x1", "x2", "x3"))
    assert(Json.items(known.get("features")).forall(_.get("length").asInt == 1))
    assert(known.get("weight").get("name").asText == "heavy" && known.get("handleInvalid").asText == "skip")
    val missing = intercept[InvalidParameterException](model.transform(data.drop("features"))).getMessage
    assert(missing.endsWith("The model was trained on features: vector of 4"), missing)
    val other = intercept[InvalidParameterException](
      model.copy(model.extractParamMap()).setFeaturesCol("label").transform(data)
    )
    assert(other.getMessage.contains("trained on 4") && other.getMessage.contains("features: vector of 4"))
    assert(damaged(document)(edited("\"handleInvalid\"", "\"other\"")).contains("'handleInvalid' is missing"))
  }

  test("the driver's own disk, whatever the default file system is") {
    val (path, estimator) = (freshPath(), freshPath())
    spark.conf.set("fs.defaultFS", "viewfs://nowhere")
    try {
      intercept[IOException](model.write.save(freshPath()))
      model.write.saveToLocal(path)
      assert(intercept[IOException](model.write.saveToLocal(path)).getMessage.contains("already exists"))
      model.write.overwrite().saveToLocal(path)
      assert(NeuralClassificationModel.read.loadFromLocal(path).weightsHash == model.weightsHash)
      classifier().setEpochs(77).write.saveToLocal(estimator)
      assert(NeuralClassifier.read.loadFromLocal(s"file:$estimator").getEpochs == 77)
      // As Spark 4.1 has it there.
      assert(Files.isRegularFile(Paths.get(path, "metadata")))
    } finally spark.conf.unset("fs.defaultFS")
    assert(NeuralClassificationModel.load(path).weightsHash == model.weightsHash)
  }

  test("Hadoop's configuration is the session's") {
    val folder = Paths.get(freshPath())
    Files.createDirectories(folder)
    // A file system that exists for those only who read this setting.
    spark.conf.set("fs.viewfs.mounttable.candlewick.link./models", folder.toUri.toString)
    // Spark's writer looks at the path first, by the session's settings: Hadoop would keep what it opened for whoever asks next.
    spark.conf.set("fs.viewfs.impl.disable.cache", "true")
    try {
      val path = "viewfs://candlewick/models/one"
      model.write.save(path)
      assert(NeuralClassificationModel.load(path).weightsHash == model.weightsHash)
      val again = classifier().setEpochs(0).setInitialWeights(s"$path/$weights").fit(data)
      assert(again.weightsHash == model.weightsHash)
    } finally {
      spark.conf.unset("fs.viewfs.mounttable.candlewick.link./models")
      spark.conf.unset("fs.viewfs.impl.disable.cache")
    }
  }
}
