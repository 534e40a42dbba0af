package candlewick.fit

import candlewick.{ClusterSuite, Failpoints, NeuralClassificationModel, NeuralClassifier}
import candlewick.internal.Json
import candlewick.jni.{CancelledException, InvalidParameterException}
import com.fasterxml.jackson.databind.JsonNode
import java.nio.file.{Files, Path, Paths}
import org.apache.spark.sql.DataFrame
import scala.jdk.CollectionConverters._

/** `dataShuffle="none"`: rows stay beside the executor that reads them, and are fed again where they went first.
  *
  * Where there is one executor all trainers are beside it and partitions take turns, so that a placement follows from the
  * partitions; on a cluster of several it follows from where Spark ran them.
  */
class ShuffleNoneSuite extends ClusterSuite {
  private def gang(trainers: Int): NeuralClassifier = classifier()
    .setNumTrainers(trainers)
    .setThreadsPerTrainer(1)
    .setInputShape(Array(4))
    .setDataShuffle("none")

  private def ledger(of: NeuralClassificationModel): JsonNode = Json.parse(of.summary.ledger)

  private def number(of: NeuralClassificationModel, field: String): Long = ledger(of).get(field).asLong

  private def shardRows(of: NeuralClassificationModel): Seq[Long] =
    Json.items(ledger(of).get("shardRows")).map(_.asLong).toSeq

  /** Partitions of so many rows. */
  private def partitions(rows: Int*): DataFrame = rows.map(points(_, 1)).reduce(_ union _)

  /** A fit whose first trainer at a point is killed there. */
  private def struck(data: DataFrame, point: String)(
      strike: Failpoints.Hit => Unit
  ): NeuralClassificationModel = held(point) { gates =>
    val handle = gang(2).startFit(data)
    val hits = Seq(gates.next(), gates.next())
    strike(hits.head)
    hits.foreach(_.go())
    gates.open()
    over(handle).result()
  }

  private def recoveredOnce(model: NeuralClassificationModel): Unit =
    assert(Json.parse(model.summary.recoveryLog).size == 1, model.summary.recoveryLog)

  private def refused(estimator: NeuralClassifier, data: DataFrame): String =
    intercept[InvalidParameterException](over(estimator.startFit(data)).result()).getMessage

  test("on a cluster every row goes to the trainer of its executor, and equal placements give equal bits") {
    start("local-cluster[2,1,1024]")
    val data = points(400, 6).cache()
    val models = Seq.fill(2)(gang(2).fit(data))
    for (model <- models) {
      assert(model.summary.dataShuffle == "none")
      assert(number(model, "rowsLocal") == 400 && number(model, "rowsSent") == 400, ledger(model))
      assert(shardRows(model).sum == 400 && number(model, "rowsDealt") == 0, ledger(model))
    }
    val byHash = gang(2).setDataShuffle("hash").fit(data)
    assert(byHash.summary.dataShuffle == "hash" && !ledger(byHash).has("placement"), ledger(byHash))
    assert(ledger(byHash).get("hashSum") == ledger(models.head).get("hashSum"), "the rows are the same")
    // An executor is lost: its partitions are read by others and go where they went.
    val struckOne = struck(data, "train.step=9") { hit =>
      kill(hit.process.parent().get())
      ended(hit.process)
    }
    recoveredOnce(struckOne)
    assert(number(struckOne, "rowsSpooled") == 400, ledger(struckOne))
    for (Seq(one, other) <- (models :+ struckOne).combinations(2)) {
      val same = ledger(one).get("placement") == ledger(other).get("placement")
      assert(same == (one.weightsHash == other.weightsHash), s"${ledger(one)} ${ledger(other)}")
    }
  }

  test("a skewed partition stays with its trainer, and trainers and shards without rows take part") {
    start("local[2]")
    val data = partitions(600, 20)
    val model = gang(2).fit(data)
    assert(shardRows(model).take(4).sum == 600 && shardRows(model).drop(4).sum == 20, ledger(model))
    assert(gang(2).fit(data).weightsHash == model.weightsHash)
    assert(gang(2).fit(data.coalesce(1)).weightsHash != model.weightsHash, "partitions decide")
    val one = gang(2).fit(partitions(300))
    assert(shardRows(one).take(4).sum == 300 && shardRows(one).drop(4).sum == 0, ledger(one))
    assert(one.summary.history.forall(_.rows == 300), one.summary.json)
  }

  test("a trainer that is lost changes no bit") {
    start("local-cluster[1,2,1024]")
    val data = partitions(200, 40, 100, 60, 0, 30)
    val expected = gang(2).fit(data)
    for (point <- Seq("train.step=0", "train.step=13", "gang.form=1")) {
      val model = struck(data, point)(hit => kill(hit.process))
      recoveredOnce(model)
      assert(model.weightsHash == expected.weightsHash, point)
      assert(model.summary.ledger == expected.summary.ledger, point)
    }
  }

  test("a checkpoint, or a model's training, whose shards held other rows is refused and not begun anew") {
    start("local-cluster[1,2,1024]")
    val (data, dir) = (partitions(100, 60, 40), freshPath())
    val expected = gang(2).fit(data)
    def kept = gang(2).setCheckpointDir(dir)
    endedAfterAnEpoch(data, kept)
    for ((estimator, placed) <- Seq(kept.setNumTrainers(1) -> data, kept -> data.repartition(5))) {
      val told = refused(estimator, placed)
      assert(told.contains(s"$dir holds the checkpoint of this fit at step 7 (complete epochs: 1)"), told)
      assert(told.contains("its shards held other rows: with dataShuffle=\"none\""), told)
      assert(told.contains("dataShuffle=\"hash\"") && told.contains("choose another checkpointDir"), told)
    }
    // Placed as before, it goes on.
    val model = kept.fit(data)
    assert(model.summary.resumedFromStep.contains(7L))
    assert(model.weightsHash == expected.weightsHash)
    val begun = gang(2).setSaveOptimizer(true).setEpochs(2).fit(data)
    def further(trainers: Int) = gang(trainers).setResumeOptimizer(true).setInitialModel(begun)
    assert(further(2).fit(data).weightsHash == expected.weightsHash)
    val told = refused(further(1), data)
    assert(
      told.contains("resumeOptimizer: the shards held other rows when the initial model was trained"),
      told
    )
    assert(told.contains("set resumeOptimizer to false"), told)
  }

  /** A fit that is cancelled once its first checkpoint is there. */
  private def endedAfterAnEpoch(data: DataFrame, estimator: NeuralClassifier): Unit =
    held("train.step=7") { gates =>
      val dir = Paths.get(estimator.getCheckpointDir)
      val handle = estimator.startFit(data)
      gates.next()
      eventually {
        val names = files(dir).flatMap(files).map(_.getFileName.toString)
        assert(names.contains("step-000000000007.json"), handle)
      }
      handle.cancel("the test ends it")
      gates.open()
      intercept[CancelledException](over(handle).result()): Unit
    }

  private def files(folder: Path): Seq[Path] = {
    val listed = Files.list(folder)
    try listed.iterator().asScala.toSeq
    finally listed.close()
  }
}
