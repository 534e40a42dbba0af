package candlewick.score

import org.apache.spark.sql.{SparkSessionExtensions, SparkSessionExtensionsProvider}

/** Makes the operator known to every session that is created with this jar on the application's class path, so that a
  * view made in one session works in another. Sessions that are there already learn of it in `transform`.
  */
final class CandlewickExtensions extends SparkSessionExtensionsProvider {
  override def apply(extensions: SparkSessionExtensions): Unit = {
    extensions.injectPlannerStrategy(_ => ScoreStrategy)
    extensions.injectOptimizerRule(_ => PredictRule)
    extensions.injectOptimizerRule(_ => ScoreRule)
  }
}
