package candlewick.score

import candlewick.{NeuralClassificationModel, SparkSuite}
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.{DataFrame, Row}
import org.apache.spark.sql.execution.SparkPlan
import org.apache.spark.sql.functions.{col, count, lit, rand, sum}
import scala.util.Random

/** What goes below the operator, and when it is not there at all: by the rule among Spark's, and by the one that sessions
  * take which were there before the jar.
  */
class ScoreRuleSuite extends SparkSuite {
  import ScorePlans.{nodes, scores}

  private val early = "candlewick.score.ScoreRule"
  private val late = "candlewick.score.LateScoreRule"
  private lazy val model = classifier().setEpochs(1).fit(blobs(60))

  private lazy val path = {
    val folder = freshPath()
    val parts = blobs(400, partitions = 2).withColumn("dt", col("id") % 4).withColumn("unused", lit("x"))
    parts.write.partitionBy("dt").parquet(folder)
    folder
  }

  private def source: DataFrame = spark.read.parquet(path)

  private def without[T](rules: String*)(body: => T): T = {
    val key = "spark.sql.optimizer.excludedRules"
    spark.conf.set(key, rules.mkString(","))
    try body
    finally spark.conf.unset(key)
  }

  /** Both ways, one after the other. */
  private def each(name: String)(body: => Unit): Unit = {
    test(s"$name, by the rule among Spark's")(without(late)(body))
    test(s"$name, by the rule after Spark's")(without(early)(body))
  }

  private def executed(frame: DataFrame): SparkPlan = frame.queryExecution.executedPlan

  private def shown(frame: DataFrame, parts: String*): Unit = {
    val text = executed(frame).toString
    parts.foreach(part => assert(text.contains(part), s"'$part' is not in: $text"))
  }

  private def gone(frame: DataFrame): Unit =
    assert(scores(frame).isEmpty, s"the operator is still in: ${executed(frame)}")

  private def scored(frame: DataFrame): Long = {
    frame.collect(): Unit
    scores(frame).map(_.metrics("numOutputRows").value).sum
  }

  private def changed(change: NeuralClassificationModel => Unit): NeuralClassificationModel = {
    val copy = model.copy(ParamMap.empty)
    change(copy)
    copy
  }

  each("conditions reach the source, and only rows that meet them are scored") {
    val frame = model.transform(source).where("dt = 2 and id > 100").select("id", "prediction")
    shown(frame, "dt#", " = 2)", "GreaterThan(id,100)", "ReadSchema: struct<features:")
    assert(executed(frame).toString.contains("PartitionFilters: [isnotnull(dt#"), executed(frame).toString)
    assert(frame.count() == 75)
    assert(scored(frame) == 75)
    val read = nodes(executed(frame)).flatMap(_.metrics.get("numPartitions")).map(_.value)
    assert(read == Seq(1L), "partitions of the table that were read")
  }

  each("a condition on the prediction stays above, and one beside it goes below") {
    val frame = model.transform(source).where("prediction = 1 and id < 40").select("id")
    assert(scored(frame) == 40)
    shown(frame, "LessThan(id,40)")
    assert(scores(frame).head.appended.map(_.name) == Seq("prediction"))
  }

  each("a random condition stays where it is") {
    val frame = model.transform(source).where(rand(3) < 0.5 && col("id") >= 0)
    assert(scored(frame) == 400)
  }

  each("only the columns that are read are computed") {
    val frame = model.transform(source).select("probability")
    assert(scores(frame).head.appended.map(_.name) == Seq("probability"))
    assert(scores(frame).head.spec.outputs.map(_.name) == Seq("probability"))
    assert(scores(frame).head.child.output.map(_.name) == Seq("features"))
    assert(frame.collect().length == 400)
    assert(scores(model.transform(source)).head.appended.length == 3)
  }

  each("columns that nobody reads are not handed on") {
    def handed(frame: DataFrame) = scores(frame).map(_.output.map(_.name))
    val all = model.transform(source)
    assert(handed(all) == Seq(all.columns.toSeq))
    assert(handed(all.select("prediction")) == Seq(Seq("prediction")))
    assert(handed(all.select(col("label") + 1, col("prediction"))) == Seq(Seq("label", "prediction")))
    assert(handed(all.where("prediction = 1").select("id")) == Seq(Seq("id", "prediction")))
    assert(handed(all.groupBy("label").agg(sum("prediction"))) == Seq(Seq("label", "prediction")))
    assert(scores(all.select("prediction")).head.child.output.map(_.name) == Seq("features"))
    val wanted = all.collect().map(row => row.getAs[Long]("id") -> row.getAs[Double]("prediction")).toMap
    val found = all.select("id", "prediction").collect().map(row => row.getLong(0) -> row.getDouble(1)).toMap
    assert(found == wanted)
    assert(all.select("prediction").collect().map(_.getDouble(0)).toSeq.sorted == wanted.values.toSeq.sorted)
  }

  each("the operator is not there where nothing of it is read") {
    val counted = model.transform(source).agg(count(lit(1)))
    gone(counted)
    shown(counted, "ReadSchema: struct<>")
    assert(counted.head().getLong(0) == 400)
    val ids = model.transform(source).select("id")
    gone(ids)
    shown(ids, "ReadSchema: struct<id:bigint>")
    gone(model.transform(source).where("dt = 1").groupBy("label").agg(sum("id")))
    gone(model.transform(source).drop("rawPrediction", "probability", "prediction"))
    val twice = changed(_.setPredictionCol("p2").setProbabilityCol("q2").setRawPredictionCol("r2"))
    assert(scores(twice.transform(model.transform(source)).select("p2")).length == 1)
  }

  each("it stays where it leaves rows out") {
    val holes =
      source.withColumn("features", org.apache.spark.sql.functions.when(col("id") >= 10, col("features")))
    val skips = changed(_.setHandleInvalid("skip"))
    val counted = skips.transform(holes).agg(count(lit(1)))
    assert(counted.head().getLong(0) == 390)
    assert(skips.transform(holes).select("id").collect().length == 390)
    assert(skips.transform(holes).limit(395).collect().length == 390)
    assert(skips.transform(holes).where("id < 20").count() == 10)
    // With "error" nobody asks whether rows are valid that nobody scores.
    assert(model.transform(holes).count() == 400)
    intercept[Exception](model.transform(holes).select("prediction").collect())
  }

  each("a limit goes below, and the order of the plan stays Spark's") {
    val frame = model.transform(source.coalesce(1)).limit(5)
    assert(frame.collect().length == 5)
    assert(scored(frame) == 5)
    assert(executed(frame).nodeName.contains("CollectLimit"), executed(frame).toString)
    assert(model.transform(source).where("prediction >= 0").limit(7).collect().length == 7)
  }

  each("views, unions, caches and joins with itself") {
    model.transform(source).createOrReplaceTempView("rule_view")
    shown(spark.sql("select id, prediction from rule_view where dt = 3"), " = 3)", "CandlewickScore")
    gone(spark.sql("select count(*) from rule_view"))
    val both =
      model.transform(source).union(model.transform(source)).where("dt = 0").select("id", "prediction")
    assert(scored(both) == 200)
    val one = model.transform(source)
    val pairs =
      one.as("a").join(one.as("b"), col("a.id") === col("b.id")).where("a.dt = 1 and b.prediction >= 0")
    assert(pairs.select("a.id", "b.prediction").collect().length == 100)
    val kept = model.transform(source).cache()
    try {
      assert(kept.count() == 400)
      shown(model.transform(source).where("prediction = 1"), "InMemoryTableScan")
      assert(model.transform(source).where("dt = 2").count() == 100)
    } finally kept.unpersist(): Unit
  }

  test("a session made before the jar takes the rule with its first transform") {
    val session = org.apache.spark.sql.CandlewickShim.session(source).get
    model.transform(source): Unit
    assert(session.experimental.extraOptimizations.count(_ == LateScoreRule) == 1)
    assert(session.experimental.extraStrategies.count(_ == ScoreStrategy) == 1)
  }

  /** One step of a query. Rows stay comparable: no step depends on the order of rows. */
  private def step(random: Random, frame: DataFrame): DataFrame = {
    def pick[T](of: Seq[T]): T = of(random.nextInt(of.length))
    val names = frame.columns.toSeq
    def has(name: String) = names.contains(name)
    random.nextInt(11) match {
      case 0 if has("id") => frame.where(col("id") % (2 + random.nextInt(4)) === 0)
      case 1 if has("dt") => frame.where(col("dt") === random.nextInt(4))
      case 2 if has("prediction") => frame.where(col("prediction") === random.nextInt(3))
      case 3 if has("prediction") && has("id") => frame.where(col("prediction") > 0 && col("id") < 300)
      case 4 => frame.select(random.shuffle(names).take(1 + random.nextInt(names.length)).map(col): _*)
      case 5 if has("id") => frame.withColumn("id", col("id") + 1)
      case 6 => frame.union(frame)
      case 7 if has("id") && has("prediction") && has("label") =>
        frame.groupBy("prediction", "label").agg(sum("id").as("id"))
      case 8 if has("id") && !names.exists(_.startsWith("j")) && names.length < 9 =>
        val right = frame.select(
          names.filterNot(n => n == "features" || n == "probability").map(n => col(n).as(s"j$n")): _*
        )
        frame.join(right.distinct(), col("id") === col("jid"), pick(Seq("inner", "left", "left_semi")))
      case 9 if has("id") && has("prediction") => frame.orderBy("prediction", "id").limit(50)
      case 10 if has("features") && has("prediction") && !has("again") =>
        changed(_.setPredictionCol("again").setProbabilityCol("").setRawPredictionCol("")).transform(frame)
      case _ => frame
    }
  }

  private def query(seed: Int): DataFrame = {
    val random = new Random(seed.toLong)
    (0 until 2 + random.nextInt(4)).foldLeft(model.transform(source))((frame, _) => step(random, frame))
  }

  private def counted(rows: Array[Row]): Map[Row, Int] =
    rows.groupBy(identity).map { case (row, all) => row -> all.length }

  test("results are those without the rules, for queries of any steps") {
    (0 until 40).foreach { seed =>
      val plain = without(early, late)(counted(query(seed).collect()))
      assert(without(late)(counted(query(seed).collect())) == plain, s"seed $seed, among Spark's rules")
      assert(without(early)(counted(query(seed).collect())) == plain, s"seed $seed, after Spark's rules")
    }
  }
}
