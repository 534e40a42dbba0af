package candlewick.checkpoint

import candlewick._
import candlewick.internal.Json
import candlewick.jni.{CancelledException, InvalidParameterException}
import com.fasterxml.jackson.databind.node.ObjectNode
import java.lang.ref.WeakReference
import java.nio.charset.StandardCharsets.UTF_8
import java.nio.file.{Files, Path, Paths}
import java.util.concurrent.atomic.AtomicInteger
import org.apache.spark.ml.{Pipeline, PipelineModel}
import org.apache.spark.ml.linalg.Vector
import org.apache.spark.ml.param.ParamMap
import org.apache.spark.sql.DataFrame
import org.apache.spark.sql.functions.{col, udf}
import scala.jdk.CollectionConverters._

/** Fits that go on from a model: 3 epochs and 3 more have the bits of 6 at once. */
class ResumeOptimizerSuite extends ClusterSuite {
  import ResumeOptimizerSuite._

  /** An optimiser with moments, a schedule by epochs, dropout: whatever is not restored shows. */
  private def gang(epochs: Int): NeuralClassifier = classifier()
    .setNetwork(nn.Sequential(nn.Linear(8), nn.ReLU(), nn.Dropout(0.2), nn.Linear(3)))
    .setOptimizer(optim.Adam(lr = 0.05))
    .setLrScheduler(optim.lr_scheduler.StepLR(2, gamma = 0.5))
    .setThreadsPerTrainer(1)
    .setInputShape(Array(4))
    .setValidationFraction(0.2)
    .setMetrics(Array("accuracy"))
    .setEpochs(epochs)

  private def kept(epochs: Int): NeuralClassifier = gang(epochs).setSaveOptimizer(true)

  private def further(epochs: Int, model: NeuralClassificationModel): NeuralClassifier =
    gang(epochs).setInitialModel(model).setResumeOptimizer(true)

  private def history(of: NeuralClassificationModel) =
    of.summary.history.toSeq.map(_.copy(seconds = 0, json = ""))

  private def same(model: NeuralClassificationModel, expected: NeuralClassificationModel): Unit = {
    assert(model.weightsHash == expected.weightsHash)
    assert(history(model) == history(expected))
    assert(model.summary.totalSteps == expected.summary.totalSteps)
  }

  private def loaded(model: NeuralClassificationModel): NeuralClassificationModel = {
    val path = freshPath()
    model.write.save(path)
    NeuralClassificationModel.load(path)
  }

  private def refused(estimator: NeuralClassifier, rows: DataFrame): String =
    intercept[InvalidParameterException](estimator.fit(rows)).getMessage

  test("3 epochs and 3 more are 6, through a saved model and in any number of trainers") {
    start("local-cluster[2,1,1024]")
    val data = points()
    val expected = gang(6).setNumTrainers(1).fit(data)
    val half = kept(3).setNumTrainers(1).fit(data)
    assert(half.hasOptimizerState && half.summary.resumedFromStep.isEmpty)
    val again = loaded(half)
    assert(again.hasOptimizerState && again.copy(ParamMap.empty).hasOptimizerState)
    val model = further(6, again).setNumTrainers(2).fit(data.repartition(7))
    assert(model.summary.resumedFromStep.contains(3L * StepsOfEpoch))
    assert(!model.hasOptimizerState && model.summary.phases.contains("resume"))
    same(model, expected)
    // Weights alone with a new optimiser are another training.
    val anew = gang(6).setInitialModel(again).setNumTrainers(1).fit(data)
    assert(anew.weightsHash != expected.weightsHash && anew.summary.history.length == 6)
  }

  test("a model goes on again and again, from the state and not from the weights that it has") {
    start("local[2]")
    val data = points()
    // The model is the average of its best epoch; the state that goes on is the last one.
    def judged(estimator: NeuralClassifier) =
      estimator.setEmaDecay(0.9).setEarlyStopping(EarlyStopping("val_loss", patience = 50))
    val expected = judged(gang(6)).fit(data)
    val first = judged(kept(2)).fit(data)
    val second = judged(further(4, first)).setSaveOptimizer(true).fit(data)
    val third = judged(further(6, loaded(second))).fit(data)
    assert(second.summary.resumedFromStep.contains(2L * StepsOfEpoch))
    assert(third.summary.resumedFromStep.contains(4L * StepsOfEpoch))
    same(third, expected)
    assert(third.summary.bestEpoch == expected.summary.bestEpoch)
  }

  test("what initial weights a training began with does not matter any more") {
    start("local[2]")
    val data = points()
    val other = gang(1).setSeed(99).fit(data)
    val expected = gang(4).setInitialModel(other).fit(data)
    same(further(4, kept(2).setInitialModel(other).fit(data)).fit(data), expected)
  }

  test("what is asked without what it needs is refused before any row is looked at") {
    start("local[2]")
    val data = points()
    // A function of an object: what it counts with is not copied to the tasks.
    val watch = udf((vector: Vector) => ResumeOptimizerSuite.look(vector))
    val watched = data.select(watch(col("features")).as("features"), col("label"))
    val without = loaded(gang(1).fit(data))
    val full = kept(3).fit(data)
    looked.set(0)
    def told(estimator: NeuralClassifier): String = refused(estimator, watched)
    def lacks(estimator: NeuralClassifier) = {
      estimator.clear(estimator.inputShape)
      told(estimator)
    }
    assert(!without.hasOptimizerState)
    assert(lacks(further(6, without)).contains("fit it with saveOptimizer=true"))
    val alone = "there is no model to go on from: set it with setInitialModel"
    assert(lacks(gang(6).setResumeOptimizer(true)).contains(alone))
    assert(
      lacks(further(6, full).setInitialWeights(without.weightsSafetensors)).contains(alone),
      "other weights since"
    )
    val resuming = further(6, full)
    val elsewhere = resuming.copy(ParamMap(resuming.initialWeights -> freshPath()))
    assert(
      lacks(elsewhere.asInstanceOf[NeuralClassifier]).contains(alone),
      "other weights in a map of parameters"
    )
    val path = freshPath()
    further(6, full).write.save(path)
    assert(lacks(NeuralClassifier.load(path)).contains("a saved estimator does not hold it"))
    assert(told(kept(0)).contains("saveOptimizer is true and epochs is 0"))
    for (epochs <- Seq(3, 2)) {
      val message = told(further(epochs, full))
      assert(message.contains(s"was trained for 3 epochs, and epochs is $epochs"), message)
      assert(message.contains("set it to more than 3, for example to 6 for 3 more"), message)
    }
    for {
      (estimator, wanted) <- Seq(
        further(6, full).setBatchSize(16) -> "batchSize is 16 and was 32",
        further(6, full).setSeed(8) -> "seed is 8 and was 7",
        further(6, full).setOptimizer(optim.Adam(lr = 0.01)) -> "optimizer.lr is 0.01 and was 0.05",
        further(6, full).setLoss(
          nn.CrossEntropyLoss(label_smoothing = 0.1)
        ) -> "loss.label_smoothing is 0.1 and was 0",
        further(6, full).setNetwork(
          nn.Sequential(nn.Linear(3))
        ) -> "network.layers[0].out_features is 3 and was 8",
        further(6, full).setLogicalShards(16) -> "logicalShards is 16 and was 8"
      )
    } {
      val message = told(estimator)
      assert(message.contains(wanted) && message.contains("set back what differs"), message)
    }
    assert(looked.get == 0)
    watched.collect()
    assert(looked.get > 0, "the source tells who looks")
  }

  test("other rows, an end by early stopping and a schedule as long as the training are refused by name") {
    start("local[2]")
    val data = points()
    val full = kept(3).fit(data)
    val rows = refused(further(6, full), points(201))
    assert(rows.contains("the number of rows is 201 and was 200"), rows)
    val cycle = kept(3).setLrScheduler(optim.lr_scheduler.OneCycleLR(0.1)).fit(data)
    val spans = refused(further(6, cycle).setLrScheduler(optim.lr_scheduler.OneCycleLR(0.1)), data)
    assert(spans.contains("the schedule OneCycleLR of the initial model spans all of its 3 epochs"), spans)
    // A value that nothing betters by so much.
    def stopping(estimator: NeuralClassifier) =
      estimator.setEarlyStopping(EarlyStopping("val_loss", patience = 2, minDelta = 100.0))
    for (epochs <- Seq(5, 3)) {
      val stopped = stopping(kept(epochs)).fit(data)
      assert(stopped.summary.history.length == 3 && stopped.summary.stoppedEarly == (epochs == 5))
      val ended = refused(stopping(further(6, stopped)), data)
      assert(ended.contains("early stopping ended the training of the initial model after 3 epochs"), ended)
    }
  }

  test("a state that is not as it was written is refused with the reason") {
    start("local[2]")
    val data = points()
    val path = freshPath()
    kept(3).fit(data).write.save(path)
    val model = NeuralClassificationModel.load(path)
    val folder = Paths.get(path, "optimizer")
    val state = folder.resolve("state.safetensors")
    val manifest = folder.resolve("manifest.json")
    val (whole, told) = (Files.readAllBytes(state), Files.readAllBytes(manifest))
    def damaged(file: Path, content: Array[Byte]): String = {
      // A file system with checksums of its own would find it first.
      Files.deleteIfExists(file.resolveSibling(s".${file.getFileName}.crc"))
      Files.write(file, content)
      val message = refused(further(6, model), data)
      assert(
        message.contains(s"the optimiser state of the initial model in ") && message.contains(path),
        message
      )
      Files.write(state, whole)
      Files.write(manifest, told)
      message
    }
    def turned(bytes: Array[Byte]): Array[Byte] =
      bytes.updated(bytes.length / 2, (bytes(bytes.length / 2) ^ 1).toByte)
    assert(
      damaged(state, whole.dropRight(1))
        .contains(s"state.safetensors has ${whole.length - 1} bytes, expected ${whole.length}")
    )
    assert(
      damaged(state, turned(whole))
        .contains("state.safetensors is damaged: its SHA-256 is not the one that was written")
    )
    val edited = new String(told, UTF_8).replace("\"finished\":true", "\"finished\":false").getBytes(UTF_8)
    assert(damaged(manifest, edited).contains("the manifest is damaged"))
    val newer = new String(told, UTF_8).replace(Manifest.Format, "candlewick.checkpoint/9").getBytes(UTF_8)
    assert(damaged(manifest, newer).contains("its format is 'candlewick.checkpoint/9'"))
    Files.delete(state)
    val gone = refused(further(6, model), data)
    assert(gone.contains("state.safetensors"), gone)
    Files.write(state, whole)
    assert(further(4, model).fit(data).summary.resumedFromStep.contains(3L * StepsOfEpoch))
    // The model without it is one that keeps none.
    files(folder).foreach(Files.delete)
    Files.delete(folder)
    assert(!NeuralClassificationModel.load(path).hasOptimizerState)
    // A model that was loaded before is worth saving without it.
    val copy = freshPath()
    model.write.save(copy)
    assert(NeuralClassificationModel.load(copy).weightsHash == model.weightsHash)
    assert(!NeuralClassificationModel.load(copy).hasOptimizerState)
  }

  test("a loaded model that is saved in its own place keeps its state") {
    start("local[2]")
    val data = points()
    val path = freshPath()
    kept(2).fit(data).write.save(path)
    val model = NeuralClassificationModel.load(path)
    model.write.overwrite().save(path)
    for (each <- Seq(model, NeuralClassificationModel.load(path)))
      same(further(3, each).fit(data), gang(3).fit(data))
  }

  test("so does one in a pipeline that is saved in its own place") {
    start("local[2]")
    val data = points()
    val path = freshPath()
    new Pipeline().setStages(Array(kept(2))).fit(data).write.save(path)
    PipelineModel.load(path).write.overwrite().save(path)
    val model = PipelineModel.load(path).stages.head.asInstanceOf[NeuralClassificationModel]
    assert(model.hasOptimizerState)
    same(further(3, model).fit(data), gang(3).fit(data))
  }

  test("a state under another name, in another folder too, is neither read nor written") {
    start("local[2]")
    val data = points()
    val path = freshPath()
    new Pipeline().setStages(Array(kept(2))).fit(data).write.save(path)
    val folder = files(Paths.get(path, "stages")).head.resolve("optimizer")
    for {
      (name, why) <- Seq(
        "../../outside" -> "'../../outside' is no name of a file beside it",
        "other.safetensors" -> "it names the file other.safetensors, expected state.safetensors"
      )
    } {
      nameState(folder, name)
      val model = PipelineModel.load(path).stages.head.asInstanceOf[NeuralClassificationModel]
      // From the folder that the driver's copy would be in.
      assert(!Files.exists(Scratch.parent.resolve("outside")))
      val told = refused(further(3, model), data)
      assert(told.contains(why) && told.contains("resumeOptimizer to false"), told)
      val copy = freshPath()
      model.write.save(copy)
      assert(files(Paths.get(copy).getParent).map(_.getFileName.toString) == Seq("stage"))
      assert(!NeuralClassificationModel.load(copy).hasOptimizerState)
    }
    nameState(folder, "state.safetensors")
    val model = PipelineModel.load(path).stages.head.asInstanceOf[NeuralClassificationModel]
    same(further(3, model).fit(data), gang(3).fit(data))
  }

  test("a stage that was saved before there were these parameters loads") {
    start("local[2]")
    val path = freshPath()
    gang(3).write.save(path)
    val file = Paths.get(path, "metadata/part-00000")
    val old = Files
      .readString(file)
      .replaceAll("\"(saveOptimizer|resumeOptimizer)\":false,?", "")
      .replace(",}", "}")
    assert(!old.contains("Optimizer\":false"))
    Files.deleteIfExists(file.resolveSibling(s".${file.getFileName}.crc"))
    Files.write(file, old.getBytes(UTF_8))
    val stage = NeuralClassifier.load(path)
    assert(!stage.getSaveOptimizer && !stage.getResumeOptimizer)
    assert(!stage.fit(points()).hasOptimizerState)
  }

  test("with checkpoints, too, it goes on from whichever stands further") {
    start("local-cluster[2,1,1024]")
    val (data, dir) = (points(), freshPath())
    val expected = gang(6).setNumTrainers(2).fit(data)
    def checked(estimator: NeuralClassifier) =
      estimator.setNumTrainers(2).setCheckpointDir(dir).setKeepCheckpoints(9)
    // A checkpoint of epoch 2 is there; the model has had 3.
    endedAt(2L * StepsOfEpoch, data, checked(gang(6))): Unit
    val model = kept(3).setNumTrainers(2).fit(data)
    val told = endedAt(5L * StepsOfEpoch, data, checked(further(6, model)))
    assert(
      told.contains(s"from that of the initial model at step ${3 * StepsOfEpoch} (complete epochs: 3)"),
      told
    )
    // Begun again it goes on from its own checkpoint.
    val again = checked(further(6, model)).setSaveOptimizer(true).fit(data)
    assert(again.summary.resumedFromStep.contains(5L * StepsOfEpoch))
    assert(again.hasOptimizerState)
    same(again, expected)
    // Where all those beyond the model are damaged, it is the model's state again.
    for (path <- files(folderIn(dir)) if path.toString.endsWith("safetensors")) {
      Files.deleteIfExists(path.resolveSibling(s".${path.getFileName}.crc"))
      val bytes = Files.readAllBytes(path)
      Files.write(path, bytes.updated(bytes.length / 2, (bytes(bytes.length / 2) ^ 1).toByte))
    }
    val healed = checked(further(6, model)).fit(data)
    assert(healed.summary.resumedFromStep.contains(3L * StepsOfEpoch))
    same(healed, expected)
    // That which was kept beside the checkpoints is the last one.
    same(further(7, again).setNumTrainers(1).fit(data), gang(7).setNumTrainers(1).fit(data))
  }

  test("the state of a model that nobody has any more is deleted") {
    start("local[2]")
    val before = scratches
    var estimator = further(3, kept(2).fit(points()))
    System.gc()
    // The model is held by the estimator alone.
    assert(scratches > 0 && estimator.fit(points()).summary.resumedFromStep.isDefined)
    estimator = null
    eventually {
      System.gc()
      assert(scratches <= before)
    }
  }

  /** Moves a state, and names it in its manifest, whose hash is right. */
  private def nameState(folder: Path, name: String): Unit = {
    val manifest = folder.resolve("manifest.json")
    val document = Json.parseObject("the manifest", Files.readString(manifest))
    val state = document.get("state").asInstanceOf[ObjectNode]
    Files.move(folder.resolve(state.get("file").asText), folder.resolve(name))
    state.put("file", name)
    document.remove("sha256")
    document.put("sha256", Identity.hash(document))
    for (old <- Seq("manifest.json", "state.safetensors")) Files.deleteIfExists(folder.resolve(s".$old.crc"))
    Files.write(manifest, document.toString.getBytes(UTF_8)): Unit
  }

  private def scratches: Int =
    files(Scratch.parent).count(_.getFileName.toString.startsWith("candlewick-optimizer-"))

  test("models that others went on from are not kept with these") {
    start("local[2]")
    val before = scratches
    val (last, first) = chain(points(), 4)
    eventually {
      System.gc()
      assert(first.forall(_.get == null))
      // Its own, and that of the model which its estimator could go on from again.
      assert(scratches <= before + 2)
    }
    assert(last.hasOptimizerState && last.summary.resumedFromStep.contains(3L * StepsOfEpoch))
  }

  /** A model of so many epochs, each by an estimator of its own, and what there was of the first one. */
  private def chain(data: DataFrame, epochs: Int): (NeuralClassificationModel, Seq[WeakReference[AnyRef]]) = {
    val first = kept(1).fit(data)
    val last = (2 to epochs).foldLeft(first) { (model, more) =>
      further(more, model).setSaveOptimizer(true).fit(data)
    }
    (last, Seq[AnyRef](first, first.state).map(new WeakReference(_)))
  }

  private def endedAt(step: Long, data: DataFrame, estimator: NeuralClassifier): String =
    held(s"train.step=$step") { gates =>
      val handle = estimator.startFit(data)
      gates.next()
      eventually(assert(steps(estimator.getCheckpointDir).contains(step)))
      handle.cancel("the test ends it")
      gates.open()
      intercept[CancelledException](over(handle).result())
      handle.progressLines().mkString("\n")
    }

  private def folderIn(dir: String): Path = files(Paths.get(dir)).head

  private def files(folder: Path): Seq[Path] = {
    val listed = Files.list(folder)
    try listed.iterator().asScala.toSeq
    finally listed.close()
  }

  private def steps(dir: String): Seq[Long] =
    files(Paths.get(dir))
      .flatMap(files)
      .map(_.getFileName.toString)
      .collect { case s"step-$step.json" =>
        step.toLong
      }
      .sorted
}

object ResumeOptimizerSuite {

  /** Of 200 rows about a fifth are put aside. */
  private val StepsOfEpoch = 6

  /** Rows that somebody has looked at. */
  private val looked = new AtomicInteger

  private def look(vector: Vector): Array[Double] = {
    looked.incrementAndGet()
    vector.toArray
  }
}
