package candlewick.score

import candlewick.internal.{Failures, Json}
import com.fasterxml.jackson.databind.JsonNode

/** An output of a network, and what it was trained to say.
  *
  * @param name
  *   name; empty for a chain of layers
  * @param classes
  *   number of classes, where a loss over it tells classes apart
  * @param labels
  *   the values of the label that it is compared with, the first and one past the last; None where its loss compares
  *   otherwise, and where it has none
  */
private[candlewick] final case class NetworkOutput(
    name: String,
    width: Int,
    classes: Option[Int],
    labels: Option[(Int, Int)] = None
)

private[candlewick] object NetworkOutput {
  private val PredictionPart = "prediction"
  private val Probability = "probability"
  private val Raw = "rawPrediction"
  private val Parts = Seq(PredictionPart, Probability, Raw)

  /** The outputs of a model.
    *
    * @param widths
    *   names and widths, in order
    * @param label
    *   what the label meant, as the native library says it
    */
  def of(widths: Seq[(String, Int)], label: JsonNode): Seq[NetworkOutput] = {
    val ends = widths.map(_._2).scanLeft(0)(_ + _)
    widths.zip(ends.zip(ends.drop(1))).map { case ((name, width), place) =>
      val found = targets(label, ends.last).filter(_.outputs == place)
      val target = found.find(_.classes.isDefined).orElse(found.headOption)
      NetworkOutput(name, width, target.flatMap(_.classes), target.map(_.labels))
    }
  }

  /** The column of what a user calls an output: of the network, with what is asked of it, or of a layer within.
    *
    * @param name
    *   of the column
    * @param param
    *   the parameter that says so
    */
  def column(outputs: Seq[NetworkOutput], asked: String, name: String, param: String): OutputColumn = {
    val found = for {
      output <- outputs
      part <- Parts
      if names(output, part, outputs.length == 1).contains(asked)
    } yield (output, part)
    found.headOption.fold[OutputColumn](OutputColumn.Inner(asked, name)) { case (output, part) =>
      if (part == Probability && output.classes.isEmpty)
        throw Failures.parameter(
          s"$param: '$asked' is no column, since the loss of the output ${output.name} does not tell classes apart; ask for " +
            "the output itself"
        )
      if (outputs.length > 1) OutputColumn.NamedOutput(output.name, name, part, param)
      else
        part match {
          case Probability => OutputColumn.Probability(name, param)
          case Raw if output.classes.isDefined => OutputColumn.RawPrediction(name, param)
          case _ => OutputColumn.Prediction(name, param)
        }
    }
  }

  /** What a part of an output may be called. */
  private def names(output: NetworkOutput, part: String, only: Boolean): Seq[String] = {
    val whole = if (part == PredictionPart && output.name.nonEmpty) Seq(output.name) else Nil
    val alone = if (only) Seq(part) else Nil
    val dotted = if (output.name.nonEmpty) Seq(s"${output.name}.$part") else Nil
    whole ++ alone ++ dotted
  }

  /** What may be asked of an output beside its own name: for messages. */
  def ofClasses(output: NetworkOutput, only: Boolean): Seq[String] = {
    val parts = if (output.classes.isDefined) Seq(Probability, Raw) else Nil
    val alone = if (only) PredictionPart +: parts else Nil
    alone ++ (if (output.name.isEmpty) Nil else parts.map(part => s"${output.name}.$part"))
  }

  /** The columns that are appended where nothing else is asked for: one for each output.
    *
    * @param prediction
    *   name of the column where there is one, else what their names begin with; empty: none
    */
  def columns(outputs: Seq[String], prediction: String): Seq[OutputColumn] =
    if (prediction.isEmpty) Nil
    else if (outputs.length == 1) Seq(OutputColumn.Prediction(prediction))
    else outputs.map(output => OutputColumn.NamedOutput(output, s"${prediction}_$output"))

  private final case class Target(outputs: (Int, Int), labels: (Int, Int), classes: Option[Int])

  /** What outputs of `width` in all were compared with. */
  private def targets(label: JsonNode, width: Int): Seq[Target] =
    Json.field(label, "kind").asText match {
      case "class" => Seq(Target((0, width), (0, 1), Some(Json.field(label, "numClasses").asInt)))
      case "real" if Json.field(label, "width").asInt == width => Seq(Target((0, width), (0, width), None))
      case "targets" =>
        Json.items(Json.field(label, "targets")).map { target =>
          def ends(name: String) = {
            val places = Json.items(Json.field(target, name)).map(_.asInt)
            (places.head, places.last)
          }
          val classes = Option(target.get("numClasses")).filterNot(_.isNull).map(_.asInt)
          Target(ends("outputs"), ends("labels"), classes)
        }
      case _ => Nil
    }
}
