package candlewick.persist

import candlewick.ModelState
import candlewick.checkpoint.{OptimizerState, Scratch}
import candlewick.internal.{Failures, Files, Json, WeightsFile}
import candlewick.jni.CandlewickException
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.io.FileNotFoundException
import java.nio.charset.StandardCharsets
import org.apache.hadoop.fs.Path
import org.apache.spark.ml.param.{Param, ParamPair, Params}
import org.apache.spark.ml.util.{MLReader, MLWriter}
import org.apache.spark.sql.{CandlewickShim, SparkSession}
import scala.reflect.{classTag, ClassTag}
import scala.util.control.NonFatal

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

/** Files on any Hadoop file system. */
private[persist] final class Folder(session: SparkSession, val root: String) {
  private val conf = CandlewickShim.hadoopConf(session)
  private val path = new Path(root)
  private val fs = path.getFileSystem(conf)

  /** Writes a file; folders above it are made. */
  def write(name: String, content: Array[Byte]): Unit = {
    val out = fs.create(new Path(path, name), true)
    try out.write(content)
    finally out.close()
  }

  /** Writes a file of weights. */
  def write(name: String, weights: WeightsFile): Unit = {
    val out = fs.create(new Path(path, name), true)
    try weights.write(out)
    finally out.close()
  }

  /** Reads a whole file. */
  def read(name: String): Array[Byte] = found(name)(Files.readWhole(conf, new Path(path, name))())

  /** Reads a file of weights. */
  def readWeights(name: String): WeightsFile = found(name)(Files.readWeights(conf, new Path(path, name))())

  private def found[T](name: String)(read: => T): T =
    try read
    catch {
      case _: FileNotFoundException =>
        throw Failures.parameter(s"there is no saved Candlewick stage at $root: the file $name is missing")
    }

  /** Reads a JSON object. */
  def readObject(name: String): ObjectNode = {
    val text = new String(read(name), StandardCharsets.UTF_8)
    intact(name)(Json.parseObject(name, text))
  }

  /** Runs what understands the file `name`; where it does not, the error says so. */
  def intact[T](name: String)(body: => T): T =
    try body
    catch {
      case error: CandlewickException if error.kind != "invalidParameter" => throw error
      case NonFatal(error) =>
        val why = Option(error.getMessage).getOrElse(error.toString)
        throw Failures.parameter(
          s"the file $name in $root is damaged, or was saved by another version: $why"
        )
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
    val node = folder.readObject(File)
    val found = folder.intact(File)(Json.field(node, "class").asText)
    if (found != wanted.getName)
      throw Failures.parameter(s"$path holds a $found, not a ${wanted.getName}; load it with that class")
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
    val stage = make(Metadata.uid(folder, metadata))
    Metadata.restore(folder, stage, metadata)
    stage
  }
}

private[persist] object ModelFiles {
  val Weights = "data/weights.safetensors"
  val Document = "data/model.json"
}

/** Saves a model. The data come before the metadata, so that a half-written folder does not load. */
private[candlewick] final class ModelWriter(stage: Params, state: ModelState) extends MLWriter {

  /** Saves it, and first takes the optimiser's state out of the folder where that is overwritten. */
  override def save(path: String): Unit = {
    val folder = new Path(path)
    val conf = CandlewickShim.hadoopConf(sparkSession)
    if (shouldOverwrite) state.optimizer.foreach(_.moveOutOf(conf, folder)(Scratch.make()))
    super.save(path)
  }

  override protected def saveImpl(path: String): Unit = {
    val folder = new Folder(sparkSession, path)
    folder.write(ModelFiles.Weights, state.weights)
    state.optimizer.foreach(_.save(CandlewickShim.hadoopConf(sparkSession), new Path(path)))
    folder.write(ModelFiles.Document, state.document.toString.getBytes(StandardCharsets.UTF_8))
    Metadata.write(folder, stage, sparkSession.version)
  }
}

/** Loads a model. */
private[candlewick] final class ModelReader[T <: RestorableParams: ClassTag](make: (String, ModelState) => T)
    extends MLReader[T] {
  override def load(path: String): T = {
    val folder = new Folder(sparkSession, path)
    val metadata = Metadata.read(folder, classTag[T].runtimeClass, path)
    val optimizer = OptimizerState.of(CandlewickShim.hadoopConf(sparkSession), new Path(path))
    val state =
      new ModelState(
        folder.readObject(ModelFiles.Document),
        folder.readWeights(ModelFiles.Weights),
        optimizer
      )
    folder.intact(ModelFiles.Document)(state.checkDocument())
    // Loading natively checks names and shapes of the weights now, not in the first task.
    folder.intact(ModelFiles.Weights)(state.checkWeights())
    val stage = make(Metadata.uid(folder, metadata), state)
    Metadata.restore(folder, stage, metadata)
    stage
  }
}
