package candlewick

import candlewick.checkpoint.OptimizerState
import candlewick.columns.DataContract
import candlewick.fit.FitResult
import candlewick.generated.Formats
import candlewick.internal.{Failures, Json, WeightsFile}
import candlewick.jni.{Model, Native}
import candlewick.persist.Saved
import candlewick.score.{ModelBytes, NetworkOutput, SentModel}
import com.fasterxml.jackson.databind.JsonNode
import com.fasterxml.jackson.databind.node.ObjectNode
import java.io.NotSerializableException
import scala.util.Try

/** What a model is besides its parameters; shared by its copies, never changed.
  *
  * @param document
  *   `{"network", "inputShape", "label", "featureWidth", "data", "summary"}`, the content of data/model.json
  * @param weights
  *   a safetensors file
  * @param optimizer
  *   the state that training ended with, where the model keeps it
  * @param savedGolden
  *   golden vectors, of a model that was loaded: a safetensors file
  */
private[candlewick] final class ModelState(
    val document: ObjectNode,
    val weights: WeightsFile,
    val optimizer: Option[OptimizerState] = None,
    savedGolden: Option[Array[Byte]] = None
) extends Serializable {

  /** Spark's tasks are not sent models: their weights would travel with every task, and the native library scores where it
    * has loaded them.
    */
  private[candlewick] def writeReplace(): AnyRef = throw new NotSerializableException(
    "a model of Candlewick is not sent to tasks by a closure; score with model.transform(df), with candlewick_predict in SQL, " +
      "or save the model and load it there"
  )

  /** Numbers in the features of a row. */
  def featureWidth: Int = Json.field(document, "featureWidth").asInt

  /** The summary of the fit, if the model comes from one. */
  def summary: Option[JsonNode] = Option(document.get("summary")).filterNot(_.isNull)

  /** The same for users. */
  lazy val trainingSummary: Option[TrainingSummary] =
    summary.map(known => new TrainingSummary(known.toString))

  /** Number of classes, of a classifier. */
  def numClasses: Option[Int] = Option(label.get("numClasses")).map(_.asInt)

  /** Number of values of the label, of a regressor. */
  def labelWidth: Option[Int] = Option(label.get("width")).map(_.asInt)

  /** The label of rows that count neither in the loss nor in metrics, if the loss has one. */
  def ignoredLabel: Option[Double] = Option(label.get("ignored")).filterNot(_.isNull).map(_.asDouble)

  /** Number of values of a regressor's prediction: the outputs of the network, which are more than the values of the
    * label where the loss wants several for one (GaussianNLLLoss, QuantileLoss).
    */
  def outputWidth: Int = networkOutputs.map(_.width).sum

  /** Shape that views the features as a tensor. */
  def inputShape: Seq[Int] = Json.items(Json.field(document, "inputShape")).map(_.asInt)

  /** Widths of a graph's named outputs; of a chain there are none. */
  def outputs: Map[String, Int] =
    networkOutputs.filter(_.name.nonEmpty).map(output => output.name -> output.width).toMap

  /** Numbers of values that these layers or nodes put out of a row. Throws where there is none of the name. */
  def innerWidths(names: Seq[String]): Map[String, Int] =
    if (names.isEmpty) Map.empty
    else {
      val request =
        Json.obj("network" -> Json.field(document, "network"), "inputShape" -> inputShape, "inner" -> names)
      val told = Json.items(Json.parse(Native.networkOutputs(request.toString)))
      told.map(value => Json.field(value, "name").asText -> Json.field(value, "width").asInt).toMap
    }

  /** The outputs of the network in order, and what they were trained to say. */
  lazy val networkOutputs: Seq[NetworkOutput] = {
    val told = ModelState.networkOutputs(Json.field(document, "network"), Some(inputShape)).getOrElse(Nil)
    NetworkOutput.of(told.map(output => output.name -> output.width), label)
  }

  /** The document as a model's folder holds it: with its format, and the version that saves it. */
  def saved: ObjectNode = {
    val whole = Saved.mark(Formats.Model)
    document.fieldNames.forEachRemaining { name =>
      if (!whole.has(name)) whole.set[JsonNode](name, document.get(name)): Unit
    }
    whole
  }

  /** The columns that the model was trained on. */
  def dataContract: JsonNode = Json.field(document, "data")

  /** What the native library knows of the model; loading checks names and shapes of the weights. */
  def info: JsonNode = looked.info

  /** A few rows of input and what the model gives for them, by which it is checked when it is loaded. */
  def golden: Array[Byte] = looked.golden

  /** All that needs the model in native memory: a large one is loaded once. */
  private lazy val looked: ModelState.Looked = {
    val loaded = Model.load(bytes.json, weights.iterable)
    try {
      val wrong = savedGolden.flatMap(known => Try(loaded.checkGolden(known)).failed.toOption)
      ModelState.Looked(Json.parse(loaded.info()), savedGolden.getOrElse(loaded.golden()), wrong)
    } finally loaded.close()
  }

  /** Throws unless the document is complete; where something is missing the exception says what. */
  def checkDocument(): Unit = {
    networkOutputs: Unit
    DataContract.check(dataContract)
    bytes: Unit
    val width = ModelState.width(inputShape)
    if (featureWidth != width)
      throw Failures.parameter(s"featureWidth is $featureWidth, but inputShape holds $width values")
  }

  /** Throws unless the weights fit the network and are those that were trained. */
  def checkWeights(): Unit = {
    val found = weightsHash
    summary
      .flatMap(known => Option(known.get("weightsHash")))
      .map(_.asText)
      .filter(_ != found)
      .foreach { trained =>
        throw Failures.parameter(
          s"the weights are not those that were saved: their hash is $found, not $trained; to load other weights " +
            "into a network, set initialWeights"
        )
      }
  }

  /** Throws unless the model gives what it gave when it was saved. */
  def checkGolden(): Unit = looked.wrong.foreach(throw _)

  /** Hash of the weights, computed from them. */
  def weightsHash: String = Json.field(info, "weightsHash").asText

  /** What executors load, with the key under which they keep it. */
  lazy val bytes: ModelBytes = {
    val json = Json.obj(
      "network" -> Json.field(document, "network"),
      "inputShape" -> Json.field(document, "inputShape"),
      "label" -> label
    )
    ModelBytes.of(json.toString, weights)
  }

  /** The one broadcast of the bytes. */
  val broadcast = new SentModel(() => bytes, savedGolden)

  private def label: JsonNode = Json.field(document, "label")
}

private[candlewick] object ModelState {

  /** What is known of a model after it was in native memory.
    *
    * @param wrong
    *   why it is not the model that was saved
    */
  private final case class Looked(info: JsonNode, golden: Array[Byte], wrong: Option[Throwable])

  private def width(shape: Seq[Int]): Long = shape.foldLeft(1L)(_ * _)

  /** A network's outputs with their numbers of classes as the loss, if there is one, says; that of a chain has no name.
    * None where they depend on a shape of the input that is not known yet.
    */
  def networkOutputs(
      network: JsonNode,
      inputShape: Option[Seq[Int]],
      loss: JsonNode = null
  ): Option[Seq[NetworkOutput]] = {
    val request = Json.obj("network" -> network, "inputShape" -> inputShape, "loss" -> loss)
    Option(Json.parse(Native.networkOutputs(request.toString))).filterNot(_.isNull).map { outputs =>
      Json.items(outputs).map { output =>
        val classes = Option(output.get("numClasses")).filterNot(_.isNull).map(_.asInt)
        NetworkOutput(Json.field(output, "name").asText, Json.field(output, "width").asInt, classes)
      }
    }
  }

  /** The state after a fit. */
  def of(result: FitResult): ModelState = {
    val data = Json.field(result.job, "data")
    val document = Json.obj(
      "network" -> Json.field(Json.field(result.job, "train"), "network"),
      "inputShape" -> Json.field(data, "inputShape"),
      "label" -> Json.field(data, "label"),
      "featureWidth" -> Json.field(data, "featureWidth"),
      "data" -> DataContract.of(result.contract, Json.field(data, "inputShape")),
      "summary" -> result.summary
    )
    new ModelState(document, result.weights, result.optimizer)
  }
}
