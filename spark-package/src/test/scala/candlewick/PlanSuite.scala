package candlewick

import candlewick.internal.Json
import candlewick.jni.{CancelledException, InvalidParameterException}
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.atomic.AtomicInteger
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{array, col, udf}
import org.scalatest.concurrent.Eventually
import org.scalatest.time.{Millis, Seconds, Span}

/** `plan`, the check of memory before a fit, and `summary.memory`. */
class PlanSuite extends SparkSuite with Eventually {
  implicit override val patienceConfig: PatienceConfig =
    PatienceConfig(timeout = Span(120, Seconds), interval = Span(20, Millis))

  private lazy val rows = blobs(300).cache()

  private def accounts(summary: TrainingSummary): Seq[Map[String, Long]] =
    Json.items(Json.parse(summary.memory)).map { one =>
      Json.fields(Json.field(one, "accounts")).map { case (name, bytes) => name -> bytes.asLong }.toMap
    }

  test("a plan says steps, memory and seconds, and a fit has those steps and that memory") {
    val plan = classifier().setNumTrainers(2).plan(rows)
    val summary = classifier().setNumTrainers(2).fit(rows).summary
    assert(plan.rows == 300 && plan.stepsPerEpoch == 10 && plan.totalSteps == summary.totalSteps)
    assert(plan.numTrainers == 2 && plan.logicalShards == 8)
    val found = accounts(summary)
    assert(found.length == 2)
    for (name <- Seq("weights", "gradients", "optimizer", "activations", "batches", "links"))
      assert(found.map(_(name)).max == plan.memory(name) && plan.memory(name) > 0, name)
    assert(plan.memory("rows") > 0 && plan.memory("index") > 0)
    // 4 * 8 + 8 + 8 * 3 + 3 weights: the half to the other and back, and the sum to the other.
    assert(plan.exchangeBytesPerStep == 2 * 67 * 4)
    assert(plan.seconds > plan.secondsPerEpoch && plan.secondsPerEpoch > 0 && plan.fits)
    assert(Seq("compute", "exchange", "feed").contains(plan.bound))
    assert(plan.memoryLimit.exists(_ > plan.memoryNeeded))
    assert(plan.toString.contains("25 % of this machine's memory, for 2 trainers"))
    assert(Json.field(Json.parse(plan.json), "totalSteps").asLong == 50)
    val exchange = Json.parse(summary.exchange.get)
    assert(Json.field(exchange, "algorithm").asText == "direct", exchange)
    assert(
      Json.field(exchange, "predictedSeconds").asDouble > 0 && Json.field(exchange, "exchanges").asLong >= 50
    )
    assert(classifier().setNumTrainers(1).fit(rows).summary.exchange.isEmpty)
    assert(summary.toString.contains("memory=") && summary.json.contains("spilledBytes"))
  }

  test("a plan says whether connections will be encrypted") {
    val plan = classifier().setTransportSecurity("tls").setNumTrainers(2).plan(rows)
    assert(plan.transportSecurity == "tls" && plan.toString.contains("encrypted"))
    val plain = classifier().setNumTrainers(2).plan(rows)
    assert(plain.transportSecurity == "none" && !plain.toString.contains("encrypted"))
  }

  test("a plan that is cancelled ends its job, and says so") {
    val endless = spark
      .range(1000000000000000L)
      .where("id % 7 < 3")
      .selectExpr("cast(id as double) as x", "id % 2 as label")
    val started = classifier(2).setFeaturesCols(Array("x"))
    val handle = started.startPlan(endless, 0L)
    val jobs = spark.sparkContext.statusTracker
    eventually(assert(jobs.getActiveJobIds().nonEmpty, handle))
    handle.cancel("enough")
    val error = intercept[CancelledException](handle.result())
    assert(error.getMessage.endsWith("was cancelled: enough"))
    eventually(assert(jobs.getActiveJobIds().isEmpty))
    assert(classifier().startPlan(rows, 5000L).result().rows == 5000)
  }

  test("a plan tries out checkpointDir as a fit does, and leaves nothing there") {
    def kept(dir: Path) = classifier().setCheckpointDir(dir.toString)
    def told(body: => Any) = intercept[InvalidParameterException](body: Unit).getMessage
    val file = Files.createTempFile("candlewick", "file")
    val below = kept(file.resolve("below"))
    val message = told(below.plan(rows))
    assert(
      message.startsWith("checkpointDir: no checkpoint can be written to") && message == told(below.fit(rows))
    )
    val outer = Paths.get(freshPath())
    val inner = outer.resolve("of/mine")
    assert(kept(inner).plan(rows).rows == 300 && !Files.exists(outer))
    // What was there stays.
    Files.createDirectories(inner)
    kept(inner).plan(rows): Unit
    assert(Files.isDirectory(inner) && inner.toFile.list().isEmpty)
  }

  test("a plan knows how gradients will go") {
    def of(stage: NeuralClassifier) = Json.parse(stage.setNumTrainers(2).plan(rows).json)
    val plan = of(classifier())
    def text(name: String) = plan.path("exchange").path(name).asText
    assert(text("algorithm") == "direct" && text("compression") == "none" && text("parts") == "1", plan)
    assert(plan.path("seconds").path("hidden").asDouble == 0)
    assert(of(classifier().setAsynchrony("delayed")).path("seconds").path("hidden").asDouble > 0)
    val decided = classifier().setGradientCompression("auto").setNumTrainers(2).plan(rows).exchange.get
    assert(Json.field(Json.parse(decided), "compressionReason").asText.contains("with bf16"), decided)
    assert(classifier().setNumTrainers(1).plan(rows).exchange.isEmpty)
  }

  test("rows are known, counted or told") {
    val known =
      spark.range(200).select(array(col("id"), col("id") * 2).as("features"), (col("id") % 3).as("label"))
    assert(classifier().plan(known).rows == 200)
    assert(classifier().plan(rows.filter("id < 100")).rows == 100)
    assert(classifier().plan(rows, 1000000L).stepsPerEpoch == 31250)
    assert(classifier().setDropLast(true).plan(rows).stepsPerEpoch == 9)
    val aside = classifier().setValidationFraction(0.5).plan(rows, 6400L)
    assert(aside.stepsPerEpoch == 100)
    val marking = classifier().setValidationIndicatorCol("mark")
    val marks = rows.withColumn("mark", col("id") % 3 === 0)
    val marked = marking.plan(marks)
    assert(marked.rows == 300 && marked.stepsPerEpoch == 7 && marking.fit(marks).summary.totalSteps == 35)
    val unmarked = marking.plan(marks, 6400L)
    assert(unmarked.stepsPerEpoch == 200 && unmarked.advice.exists(_.contains("marks are not counted")))
    val wrong = intercept[InvalidParameterException](classifier().plan(rows, 0L))
    assert(wrong.getMessage.contains("rows = 0 is not legal"))
  }

  test(
    "rows that are held out are judged in the time, and what trainers share a machine for is tried side by side"
  ) {
    val aside = Json.parse(classifier().setValidationFraction(0.5).plan(rows, 6400L).json)
    val none = Json.parse(classifier().setNumTrainers(2).plan(rows, 6400L).json)
    assert(aside.path("seconds").path("evaluation").asDouble > 0)
    assert(none.path("seconds").path("evaluation").asDouble == 0)
    assert(
      none.path("seconds").path("feed").asDouble > 0 && none.path("seconds").path("start").asDouble > 0.1
    )
  }

  test("few rows that are put aside are charged as few, where Spark knows how many rows there are") {
    assert(rows.count() == 300)
    val aside = classifier().setNumTrainers(2).setValidationFraction(0.2)
    val (known, unknown) = (aside.plan(rows), aside.plan(rows.filter("label >= 0")))
    val found = accounts(aside.fit(rows).summary)
    for (name <- Seq("activations", "batches")) {
      assert(known.memory(name) < unknown.memory(name), name)
      assert(found.map(_(name)).max == known.memory(name), name)
    }
  }

  test("a plan refuses what a fit refuses") {
    def told(action: => Any) = intercept[InvalidParameterException](action).getMessage
    val lacks = classifier().setFeaturesCol("absent")
    assert(told(lacks.plan(rows)) == told(lacks.fit(rows)))
    val wrong = classifier().setLoss(nn.BCEWithLogitsLoss())
    assert(told(wrong.plan(rows)) == told(wrong.fit(rows)))
  }

  test("a plan for more trainers than the cluster can host says so, as the fit does") {
    val large = classifier().setNumTrainers(3)
    val plan = large.plan(rows)
    val told = intercept[InvalidParameterException](large.fit(rows)).getMessage
    assert(plan.numTrainers == 3 && plan.advice.head == s"it will be refused: $told")
    assert(!classifier().setNumTrainers(2).plan(rows).advice.exists(_.contains("will be refused")))
    // The one executor of this session has one trainer, and a copy of its rows has no place.
    val alone = classifier().setDataReplicas(2)
    val one = intercept[InvalidParameterException](alone.fit(rows)).getMessage
    assert(one.contains("there is only one trainer: set numTrainers to at least 2"), one)
    assert(alone.plan(rows).advice.head == s"it will be refused: $one")
    assert(!alone.setMaxTrainers(2).plan(rows).advice.exists(_.contains("will be refused")))
  }

  test("a plan refuses rows that make no step, as the fit does") {
    val few = classifier().setDropLast(true)
    val plan = few.plan(rows.limit(10))
    val told = intercept[InvalidParameterException](few.fit(rows.limit(10))).getMessage
    val said = plan.advice.filter(_.startsWith("it will be refused: "))
    assert(plan.totalSteps == 0 && said.length == 1, plan.advice)
    assert(told.contains(said.head.stripPrefix("it will be refused: ")), told)
    // How many are put aside is an estimate.
    val about = few.setValidationFraction(0.2)
    def refused(count: Int) = about.plan(rows.limit(count)).advice.filter(_.contains("be refused"))
    assert(refused(35).exists(_.startsWith("it may be refused: there are about 28 rows")), refused(35))
    assert(refused(10).exists(_.startsWith("it will be refused: there are about 8 rows")), refused(10))
    assert(refused(60).isEmpty)
    val none = classifier().setInputShape(Array(4)).plan(rows.where("id < 0"))
    assert(
      none.totalSteps == 0 && none.advice.contains("it will be refused: there are no rows to train on"),
      none.advice
    )
  }

  test("a plan reads rows that take long to make for a moment only") {
    SlowRows.read.set(0)
    val slow = udf((id: Long) => SlowRows.one(id))
    val all = spark.range(0, 40, 1, 1).select(slow(col("id")).as("x"), (col("id") % 3).as("label"))
    assert(classifier().setFeaturesCols(Array("x")).plan(all, 40L).rows == 40)
    assert(SlowRows.read.get < 20)
  }

  test("times in the table have no exponents") {
    val told = Seq(0.0, 0.0000188, 0.25, 1.0, 99.96, 634.2, 2101.0).map(TrainingPlan.duration)
    assert(told == Seq("0 s", "0.0188 ms", "0.250 s", "1.00 s", "100 s", "634 s", "2101 s"))
  }

  test("memory that does not hold network and batch is refused before anything starts, with what to set") {
    val large =
      classifier().setNetwork(nn.Sequential(nn.Linear(4096), nn.ReLU(), nn.Linear(4096), nn.Linear(3)))
    val small = large.setTrainerMemory("64m")
    val plan = small.plan(rows)
    assert(
      !plan.fits && plan.bound == "memory" && plan.advice.exists(_.contains("set trainerMemory to at least"))
    )
    // Nothing is said of steps that were not tried.
    val two = small.setNumTrainers(2).plan(rows)
    assert(two.advice.length == 1 && !two.oneTrainerIsAsFast, two.advice)
    val told = intercept[InvalidParameterException](small.setNumTrainers(1).fit(rows)).getMessage
    assert(told.contains("may use 64.0 MiB (trainerMemory)") && told.contains("optimizer 128."))
    val needed = """set trainerMemory to at least (\d+m)""".r.findFirstMatchIn(told).get.group(1)
    val model = small.setTrainerMemory(needed).setEpochs(1).fit(rows)
    assert(model.summary.totalSteps == 10)
  }

  test("rows beyond trainerMemory are on disk, and the weights are the same") {
    val model = classifier().setTrainerMemory("64m").fit(rows)
    assert(model.weightsHash == classifier().fit(rows).weightsHash)
    val limit = Json.field(Json.items(Json.parse(model.summary.memory)).head, "limit").asLong
    assert(limit == 64L << 20)
  }

  test("a plan that runs twice because the first row is asked for is told, and what to do") {
    def arrays = spark.range(60).select(col("id"), array(col("id"), col("id") * 2).as("features"))
    val labels = spark.range(60).select(col("id"), (col("id") % 3).as("label"))
    def lines(estimator: NeuralClassifier, rows: DataFrame) = {
      val handle = estimator.setEpochs(1).startFit(rows)
      handle.result(): Unit
      handle.progressLines().filter(_.contains("runs twice"))
    }
    val joined = arrays.join(labels, "id")
    assert(lines(classifier(), joined).exists(_.contains("so this runs twice: Join; cache the DataFrame")))
    assert(lines(classifier().setInputShape(Array(2)), joined).isEmpty)
    assert(lines(classifier(), joined.cache()).isEmpty)
    joined.unpersist()
    val moved = arrays.withColumn("label", col("id") % 3).repartition(3)
    assert(lines(classifier(), moved).exists(_.contains("so this runs twice: Repartition")))
    assert(lines(classifier(), arrays.withColumn("label", col("id") % 3)).isEmpty)
  }
}

/** Rows each of which takes longer than a plan reads. */
private object SlowRows {
  val read = new AtomicInteger

  def one(id: Long): Double = {
    read.incrementAndGet(): Unit
    val begin = System.nanoTime()
    while (System.nanoTime() - begin < 350000000L) Thread.sleep(10)
    id.toDouble
  }
}
