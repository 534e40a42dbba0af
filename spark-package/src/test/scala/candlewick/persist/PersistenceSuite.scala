package candlewick.persist

import candlewick._
import candlewick.jni.InvalidParameterException
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Paths}

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
    assert(damaged(document)(_.dropRight(5)).contains(document))
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
    val path = freshPath()
    model.write.save(path)
    Files.delete(Paths.get(path, weights))
    assert(load(path).contains(weights))
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
