package candlewick

import candlewick.generated._
import org.apache.spark.ml.param.Param

/** Parameters that estimators and models share. */
trait NeuralModelParams extends ColumnParams {

  /** Every parameter that was set, not the defaults, as one JSON object: what the native library completes. */
  private[candlewick] def paramsJson: String = {
    // A file that is given by its bytes would only be copied.
    val asked = params.filter(param => isSet(param) && param.name != "initialWeights")
    asked.map(param => s""""${param.name}":${json(param)}""").mkString("{", ",", "}")
  }

  private def json[T](param: Param[T]): String = param match {
    case document: DocumentParam => Document.parse(s"parameter ${param.name}", $(document)).toString
    case _ => param.jsonEncode($(param))
  }
}

/** Parameters of every estimator. */
trait NeuralEstimatorParams
    extends NeuralModelParams
    with EstimatorColumnParams
    with NetworkParams
    with TrainingParams
    with GangParams

/** What a classifier and its model have beyond the others. */
trait NeuralClassifierParams extends NeuralModelParams with ClassifierColumnParams
