package candlewick.persist

import candlewick.ModelState
import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.nio.charset.StandardCharsets
import org.apache.hadoop.fs.Path
import org.apache.spark.ml.param.{Param, ParamPair, Params}
import org.apache.spark.ml.util.{MLReader, MLWriter}
import org.apache.spark.sql.SparkSession

/** Parameters whose defaults can be restored from a saved stage: it keeps its defaults when those of a later version
  * change.
  */
private[candlewick] trait RestorableParams extends Params {

  /** Sets a parameter's default from its JSON. */
  private[candlewick] def restoreDefault(param: Param[_], json: String): Unit = setDefault(
    RestorableParams.pair(param, json)
  ): Unit

  /** Sets a parameter from its JSON. */
  private[candlewick] def restore(param: Param[_], json: String): Unit = {
    val pair = RestorableParams.pair(param, json)
    set(pair): Unit
  }
}

private object RestorableParams {
  def pair(param: Param[_], json: String): ParamPair[_] = {
    val typed = param.asInstanceOf[Param[Any]]
    typed -> typed.jsonDecode(json)
  }
}

/** Files on any Hadoop file system. */
private[persist] final class Folder(session: SparkSession, root: String) {
  private val conf = session.sparkContext.hadoopConfiguration
  private val path = new Path(root)
  private val fs = path.getFileSystem(conf)

  /** Writes a file; folders above it are made. */
  def write(name: String, content: Array[Byte]): Unit = {
    val out = fs.create(new Path(path, name), true)
    try out.write(content)
    finally out.close()
  }

  /** Reads a whole file. */
  def read(name: String): Array[Byte] = {
    val file = new Path(path, name)
    if (!fs.exists(file))
      throw Failures.parameter(s"there is no saved Candlewick stage at $root: the file $name is missing")
    val in = fs.open(file)
    try in.readAllBytes()
    finally in.close()
  }
}

/** The `metadata` folder as Spark ML writes it: Pipeline, CrossValidator and their readers in Python look there for the
  * class. Spark's own writer has json4s types in its signature, which differ between versions.
  */
private[persist] object Metadata {
  private val File = "metadata/part-00000"

  /** Writes the metadata of a stage. The marker of success comes last. */
  def write(folder: Folder, stage: Params, sparkVersion: String): Unit = {
    val node = Json.obj(
      "class" -> stage.getClass.getName,
      "timestamp" -> System.currentTimeMillis(),
      "sparkVersion" -> sparkVersion,
      "uid" -> stage.uid,
      "paramMap" -> params(stage.extractParamMap().toSeq.filter(pair => stage.isSet(pair.param))),
      "defaultParamMap" -> params(stage.params.toSeq.filter(stage.hasDefault(_)).map(defaultOf(stage, _)))
    )
    folder.write(File, (node.toString + "\n").getBytes(StandardCharsets.UTF_8))
    folder.write("metadata/_SUCCESS", Array.emptyByteArray)
  }

  private def defaultOf(stage: Params, param: Param[_]): ParamPair[_] = {
    val typed = param.asInstanceOf[Param[Any]]
    typed -> stage.getDefault(typed).orNull
  }

  private def params(pairs: Seq[ParamPair[_]]): ObjectNode =
    Json.obj(pairs.map(pair => pair.param.name -> encode(pair)): _*)

  private def encode(pair: ParamPair[_]): JsonNode =
    Json.parse(pair.param.asInstanceOf[Param[Any]].jsonEncode(pair.value))

  /** Reads the metadata and checks that it is of the class `wanted`. */
  def read(folder: Folder, wanted: Class[_], path: String): JsonNode = {
    val node = Json.parse(new String(folder.read(File), StandardCharsets.UTF_8))
    val found = Json.field(node, "class").asText
    if (found != wanted.getName)
      throw Failures.parameter(s"$path holds a $found, not a ${wanted.getName}; load it with that class")
    node
  }

  /** Sets the parameters of a stage as they were saved. */
  def restore(stage: RestorableParams, metadata: JsonNode): Unit = {
    each(stage, metadata, "defaultParamMap")((param, json) => stage.restoreDefault(param, json))
    each(stage, metadata, "paramMap")((param, json) => stage.restore(param, json))
  }

  private def each(stage: RestorableParams, metadata: JsonNode, field: String)(
      action: (Param[_], String) => Unit
  ): Unit =
    Json.fields(Json.field(metadata, field)).foreach { case (name, value) =>
      if (!stage.hasParam(name))
        throw Failures.parameter(
          s"the saved stage has a parameter '$name' that ${stage.getClass.getName} does not know: " +
            "it was saved by a newer version of Candlewick; load it with that version"
        )
      action(stage.getParam(name), value.toString)
    }
}

/** Saves a stage that is nothing but its parameters. */
private[candlewick] final class ParamsWriter(stage: Params) extends MLWriter {
  override protected def saveImpl(path: String): Unit =
    Metadata.write(new Folder(sparkSession, path), stage, sparkSession.version)
}

/** Loads such a stage. */
private[candlewick] final class ParamsReader[T <: RestorableParams](make: String => T) extends MLReader[T] {
  override def load(path: String): T = {
    val folder = new Folder(sparkSession, path)
    val metadata = Metadata.read(folder, make("probe").getClass, path)
    val stage = make(Json.field(metadata, "uid").asText)
    Metadata.restore(stage, metadata)
    stage
  }
}

private[persist] object ModelFiles {
  val Weights = "data/weights.safetensors"
  val Document = "data/model.json"
}

/** Saves a model. The data come before the metadata, so that a half-written folder does not load. */
private[candlewick] final class ModelWriter(stage: Params, state: ModelState) extends MLWriter {
  override protected def saveImpl(path: String): Unit = {
    val folder = new Folder(sparkSession, path)
    folder.write(ModelFiles.Weights, state.weights)
    folder.write(ModelFiles.Document, state.document.toString.getBytes(StandardCharsets.UTF_8))
    Metadata.write(folder, stage, sparkSession.version)
  }
}

/** Loads a model. */
private[candlewick] final class ModelReader[T <: RestorableParams](make: (String, ModelState) => T)
    extends MLReader[T] {
  override def load(path: String): T = {
    val folder = new Folder(sparkSession, path)
    val document = folder.read(ModelFiles.Document)
    val weights = folder.read(ModelFiles.Weights)
    val node = Json.parseObject(ModelFiles.Document, new String(document, StandardCharsets.UTF_8))
    val state = new ModelState(node, weights)
    val metadata = Metadata.read(folder, make("probe", state).getClass, path)
    val stage = make(Json.field(metadata, "uid").asText, state)
    Metadata.restore(stage, metadata)
    // Loading natively checks names and shapes of the weights now, not in the first task.
    state.info: Unit
    stage
  }
}
