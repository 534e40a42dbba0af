package candlewick.fit

import candlewick.ClusterSuite
import java.util.concurrent.ConcurrentLinkedQueue
import org.apache.spark.sql.execution.QueryExecution
import org.apache.spark.sql.execution.adaptive.AdaptiveSparkPlanHelper
import org.apache.spark.sql.util.QueryExecutionListener

/** The feed is a query to those who listen to Spark's, though its rows are taken without Spark's encoder. */
class FeedQuerySuite extends ClusterSuite with AdaptiveSparkPlanHelper {
  test("listeners hear of a feed as of any collect(), with the metrics of its rows") {
    start("local[2]")
    val heard = new ConcurrentLinkedQueue[(String, Long)]
    val listener = new QueryExecutionListener {
      override def onSuccess(action: String, query: QueryExecution, nanoseconds: Long): Unit =
        collect(query.executedPlan) { case feed: FeedExec => feed.metrics("numRows").value }
          .foreach(rows => heard.add(action -> rows): Unit)
      override def onFailure(action: String, query: QueryExecution, error: Exception): Unit = ()
    }
    spark.listenerManager.register(listener)
    try {
      classifier().setInputShape(Array(4)).setEpochs(1).fit(points(100, 3)): Unit
      eventually(assert(heard.size == 1))
      assert(heard.peek == ("collect" -> 100L))
    } finally spark.listenerManager.unregister(listener)
  }
}
