package candlewick.score

import candlewick.columns.TrainingColumns
import candlewick.internal.{Failures, Sessions}
import org.apache.spark.sql.{CandlewickShim, DataFrame, Dataset, SparkSession}
import org.apache.spark.sql.types.StructField

/** Puts the operator on top of a DataFrame. */
private[candlewick] object Scoring {

  /** Makes the operator and the rules around it known to a session. */
  def install(session: SparkSession): Unit = {
    CandlewickShim.install(session, ScoreStrategy)
    CandlewickShim.install(session, LateScoreRule)
  }

  /** Appends `fields` to the columns of `dataset`.
    *
    * @param features
    *   columns of the features, fields of the dataset's schema
    */
  def append(dataset: Dataset[_], features: Seq[Int], fields: Seq[StructField])(
      spec: org.apache.spark.SparkContext => ScoreTaskSpec
  ): DataFrame = {
    val session = CandlewickShim.session(dataset).getOrElse {
      throw Failures.parameter(Sessions.needed("transform"))
    }
    install(session)
    val child = CandlewickShim.analyzed(dataset)
    val appended = fields.map(CandlewickShim.attribute)
    val scored = ScoreLogical(features.map(child.output), appended, spec(session.sparkContext), None, child)
    // Each appended column as an alias of itself: Spark gives aliases, and not a node that it does not know, fresh ids
    // where a DataFrame is joined with itself.
    val aliases = fields.map(field => field.name -> TrainingColumns.column(field)).toMap
    CandlewickShim.ofRows(session, scored).withColumns(aliases)
  }
}
