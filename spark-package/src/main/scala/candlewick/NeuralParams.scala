package candlewick

import candlewick.generated._
import candlewick.score.OutputColumn
import org.apache.spark.ml.param.Param

/** Parameters that estimators and models share. */
trait NeuralModelParams extends ColumnParams {

  /** What a parameter does and what it is set to: networks and optimisers in short, not as JSON; of parameters that Spark
    * defines, in our words, which say more.
    */
  override def explainParam(param: Param[_]): String =
    // A whole file may stand in initialWeights.
    if (param.isInstanceOf[DocumentParam] || param.name == "initialWeights")
      explained(param.asInstanceOf[Param[String]])
    else {
      val told = super.explainParam(param)
      SharedDocs.words.get(param.name).fold(told) { words =>
        s"${param.name}: $words${told.stripPrefix(s"${param.name}: ${param.doc}")}"
      }
    }

  private def explained(param: Param[String]): String = {
    val values = getDefault(param).map(text => s"default: ${Document.short(text)}") ++
      get(param).map(text => s"current: ${Document.short(text)}")
    val set = if (values.isEmpty) "undefined" else values.mkString(", ")
    s"${param.name}: ${param.doc} ($set)"
  }

  /** Every parameter that was set, not the defaults, as one JSON object: what the native library completes. */
  private[candlewick] def paramsJson: String = json(get(_))

  /** The columns of outputCols. */
  private[candlewick] def innerOutputs: Seq[OutputColumn.Inner] =
    get(outputCols).fold(Seq.empty[(String, String)])(TextMap.pairs).map { case (node, name) =>
      OutputColumn.Inner(node, name)
    }

  /** Every default, as one JSON object: those of a stage that another version saved may be others than the native
    * library's.
    */
  private[candlewick] def defaultsJson: String = json(getDefault(_))

  // A file of initial weights that is given by its bytes would only be copied.
  private def json(valueOf: Param[Any] => Option[Any]): String = {
    val fields = for {
      param <- params.toSeq.map(_.asInstanceOf[Param[Any]]) if param.name != "initialWeights"
      value <- valueOf(param)
    } yield s""""${param.name}":${NeuralModelParams.encode(param, value)}"""
    fields.mkString("{", ",", "}")
  }
}

private object NeuralModelParams {

  /** A parameter's value as JSON; documents are objects, not texts. */
  def encode(param: Param[Any], value: Any): String = (param: Param[_]) match {
    case _: ClassWeightsParam => ClassWeights.encode(value.toString)
    case document: DocumentParam => document.encode(value.toString)
    case _: TextMapParam =>
      Document.parse(s"parameter ${param.name}", value.toString).toString
    case _ => param.jsonEncode(value)
  }
}

/** What estimators are set to, and models were trained with. */
trait NeuralTrainingParams
    extends NeuralModelParams
    with EstimatorColumnParams
    with NetworkParams
    with TrainingParams
    with GangParams
    with ExchangeParams
    with DurabilityParams

/** Parameters of every estimator. */
trait NeuralEstimatorParams
    extends NeuralTrainingParams
    with EstimatorColumnSetters
    with NetworkSetters
    with TrainingSetters
    with GangSetters
    with ExchangeSetters
    with DurabilitySetters

/** What a classifier and its model have beyond the others. */
trait NeuralClassifierParams
    extends NeuralModelParams
    with ClassifierColumnParams
    with ClassifierTrainingParams

/** What a [[NeuralEstimator]] and its model have beyond the others. */
trait NeuralGeneralParams extends NeuralModelParams with GeneralColumnParams

/** What a classifier has beyond the other estimators. */
trait NeuralClassifierEstimatorParams extends NeuralClassifierParams with ClassifierTrainingSetters
