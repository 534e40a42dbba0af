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
  private val Name = "metadata"
  private val Part = s"$Name/part-00000"
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
    val line = (node.toString + "\n").getBytes(StandardCharsets.UTF_8)
    // On the driver's own disk Spark reads a file, elsewhere all files of a folder.
    if (folder.local) folder.write(Name, line)
    else {
      folder.write(Part, line)
      folder.write(s"$Name/_SUCCESS", Array.emptyByteArray)
    }
  }

  private def defaultOf(stage: Params, param: Param[_]): ParamPair[_] = {
    val typed = param.asInstanceOf[Param[Any]]
    typed -> stage.getDefault(typed).orNull
  }

  private def params(pairs: Seq[ParamPair[_]]): ObjectNode =
    Json.obj(pairs.map(pair => pair.param.name -> encode(pair)): _*)

  private def encode(pair: ParamPair[_]): JsonNode =
    Json.parse(pair.param.asInstanceOf[Param[Any]].jsonEncode(pair.value))

  /** Reads the metadata and checks that it is of the class `wanted`, in a format that this version reads. */
  def read(folder: Folder, wanted: Class[_]): Metadata = {
    val file = if (!folder.isFile(Part) && folder.isFile(Name)) Name else Part
    val node = folder.readObject(file)
    val found = folder.intact(file)(Json.field(node, "class").asText)
    if (found != wanted.getName)
      throw Failures.parameter(
        s"${folder.root} holds a $found, not a ${wanted.getName}; load it with that class"
      )
    Saved.check(folder, file, Option(node.get(Own)).getOrElse(Json.obj()), Formats.Stage)
    new Metadata(folder, file, node)
  }
}

/** The metadata of a saved stage, which stand in the file `file`. */
private[persist] final class Metadata private (folder: Folder, file: String, node: JsonNode) {

  /** The id of the stage. */
  def uid: String = folder.intact(file)(Json.field(node, "uid").asText)

  /** Sets the parameters of a stage as they were saved. */
  def restore(stage: RestorableParams): Unit = {
    each(stage, "defaultParamMap")((param, json) => stage.restoreDefault(param, json))
    each(stage, "paramMap")((param, json) => stage.restore(param, json))
  }

  private def each(stage: RestorableParams, field: String)(action: (Param[_], String) => Unit): Unit =
    Json.fields(folder.intact(file)(Json.field(node, field))).foreach { case (name, value) =>
      if (!stage.hasParam(name))
        throw Failures.parameter(
          s"the stage saved in ${folder.root} has a parameter '$name' that ${stage.getClass.getName} does not know: " +
            "it was saved by a newer version of Candlewick; load it with that version"
        )
      // Before lists had to have an item, an empty one stood for a parameter that is not set.
      if (!value.isArray || !value.isEmpty) folder.intact(file)(action(stage.getParam(name), value.toString))
    }
}
