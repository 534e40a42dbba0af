package candlewick

import candlewick.internal.{Failures, Json}
import candlewick.score.{NetworkOutput, OutputColumn, OutputSizes}
import com.fasterxml.jackson.databind.JsonNode
import org.apache.spark.ml.param.Param

/** The columns that a [[NeuralEstimator]] and its model read as labels and append. */
private[candlewick] object GeneralColumns {

  /** The columns of the label and the parameter that names them, of an estimator or its model. */
  def labels(stage: NeuralGeneralParams): (Seq[String], String) =
    stage.get(stage.labelCols).filter(_.nonEmpty) match {
      case Some(_) if stage.isSet(stage.labelCol) =>
        throw Failures.parameter("labelCol and labelCols are both set; set one of them (clear the other)")
      case Some(several) => several.toSeq -> "labelCols"
      case None => Seq(stage.getLabelCol).filter(_.nonEmpty) -> "labelCol"
    }

  /** What an estimator or its model appends: what outputCols chooses, else a column for each output. */
  def columns(
      stage: NeuralGeneralParams,
      outputs: Seq[NetworkOutput]
  ): Seq[OutputColumn] =
    stage.get(stage.outputCols).map(TextMap.pairs) match {
      case Some(chosen) =>
        chosen.map { case (asked, name) => NetworkOutput.column(outputs, asked, name, "outputCols") }
      case None => NetworkOutput.columns(outputs.map(_.name), stage.getPredictionCol)
    }

  /** The sizes of columns of such outputs, whose values are `width` in all. */
  def sizes(
      outputs: Seq[NetworkOutput],
      width: Int,
      inner: Map[String, Int]
  ): OutputSizes = {
    val only = if (outputs.length == 1) outputs.head.classes else None
    val named = outputs.flatMap(output => output.classes.map(output.name -> _))
    OutputSizes(only, width, outputs.map(output => output.name -> output.width).toMap, inner, named.toMap)
  }

  /** What the native library takes for the text of the parameter loss. */
  def lossDocument(param: Param[String], text: String): JsonNode =
    (param: Any) match {
      case document: DocumentParam => Json.parse(document.encode(text))
      case _ => Json.parse(text)
    }
}
