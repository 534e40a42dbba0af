package candlewick

import candlewick.internal.{Failures, Sessions}
import candlewick.score.{Scoring, SqlFunction, SqlModel}
import org.apache.spark.sql.{CandlewickShim, SparkSession}

/** Models that SQL knows by name. */
private[candlewick] object SqlModels {

  /** Makes `candlewick_predict('name', ...)` known to a session, and to those that are cloned from it. The model is taken as
    * it is set now.
    */
  def register(session: SparkSession, name: String, model: NeuralModel[_]): Unit = {
    if (name.isEmpty)
      throw Failures.parameter("register: the name of the model is empty; give it one, such as \"digits\"")
    if (!CandlewickShim.isClassic(session))
      throw Failures.parameter(Sessions.needed("register"))
    Scoring.install(session)
    val columns = model.sqlColumns(session.sparkContext)
    CandlewickShim.updateFunction(session, SqlFunction.Name) { known =>
      val before = known match {
        case Some(ours: SqlFunction) => ours.models
        case _ => Map.empty[String, SqlModel]
      }
      new SqlFunction(before + (name -> SqlModel(columns)))
    }
  }
}
