package candlewick.persist

import candlewick.generated.Formats
import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.nio.charset.StandardCharsets
import org.apache.spark.ml.param.{Param, ParamPair, Params}

/** Parameters whose defaults can be restored from a saved stage: it keeps its defaults, and trains by them, when those
  * of a later version are others.
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

/** The `metadata` folder as Spark ML writes it: Pipeline, CrossValidator and their readers in Python look there for the
  * class. Spark's own writer has json4s types in its signature, which differ between versions.
  */
private[persist] object Metadata {
  private val File = "metadata/part-00000"
  private val Own = "candlewick"

  /** Writes the metadata of a stage. The marker of success comes last. */
  def write(folder: Folder, stage: Params, sparkVersion: String): Unit = {
    val node = Json.obj(
      "class" -> stage.getClass.getName,
      "timestamp" -> System.currentTimeMillis(),
      "sparkVersion" -> sparkVersion,
      "uid" -> stage.uid,
      "paramMap" -> params(stage.extractParamMap().toSeq.filter(pair => stage.isSet(pair.param))),
      "defaultParamMap" -> params(stage.params.toSeq.filter(stage.hasDefault(_)).map(defaultOf(stage, _))),
      // Spark's readers, in Scala and in Python, look for the fields above and pass over others.
      Own -> Saved.mark(Formats.Stage)
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
    val node = folder.readObject(File)
    val found = folder.intact(File)(Json.field(node, "class").asText)
    if (found != wanted.getName)
      throw Failures.parameter(s"$path holds a $found, not a ${wanted.getName}; load it with that class")
    Saved.check(folder, File, Option(node.get(Own)).getOrElse(Json.obj()), Formats.Stage)
    node
  }

  /** The id of a stage. */
  def uid(folder: Folder, metadata: JsonNode): String =
    folder.intact(File)(Json.field(metadata, "uid").asText)

  /** Sets the parameters of a stage as they were saved. */
  def restore(folder: Folder, stage: RestorableParams, metadata: JsonNode): Unit = {
    each(folder, stage, metadata, "defaultParamMap")((param, json) => stage.restoreDefault(param, json))
    each(folder, stage, metadata, "paramMap")((param, json) => stage.restore(param, json))
  }

  private def each(folder: Folder, stage: RestorableParams, metadata: JsonNode, field: String)(
      action: (Param[_], String) => Unit
  ): Unit =
    Json.fields(folder.intact(File)(Json.field(metadata, field))).foreach { case (name, value) =>
      if (!stage.hasParam(name))
        throw Failures.parameter(
          s"the stage saved in ${folder.root} has a parameter '$name' that ${stage.getClass.getName} does not know: " +
            "it was saved by a newer version of Candlewick; load it with that version"
        )
      // Before lists had to have an item, an empty one stood for a parameter that is not set.
      if (!value.isArray || !value.isEmpty) folder.intact(File)(action(stage.getParam(name), value.toString))
    }
}
