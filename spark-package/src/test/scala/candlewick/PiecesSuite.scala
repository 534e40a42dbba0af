package candlewick

import candlewick.internal.{SentWeights, WeightsFile}
import candlewick.jni.InvalidParameterException
import java.io.{ByteArrayInputStream, ByteArrayOutputStream, ObjectInputStream, ObjectOutputStream}
import java.lang.ref.WeakReference
import java.nio.file.{Files, Paths}
import org.apache.spark.StorageUse
import org.apache.spark.ml.linalg.Vectors
import org.apache.spark.sql.DataFrame
import scala.concurrent.{Await, Future}
import scala.concurrent.ExecutionContext.Implicits.global
import scala.concurrent.duration.DurationInt

/** A model of more than one piece on every road that weights take: delivered, saved, loaded, started from, scored. */
class PiecesSuite extends ClusterSuite {
  private val words = 100000

  private def data: DataFrame = {
    val session = current
    import session.implicits._
    session
      .createDataset(
        (0 until 60).map(row => (Vectors.dense((row * 1663 % words).toDouble), (row % 3).toDouble))
      )
      .toDF("features", "label")
  }

  private def estimator: NeuralClassifier = new NeuralClassifier()
    .setNetwork(nn.Sequential(nn.Embedding(words, 90), nn.Flatten(), nn.Linear(3)))
    .setOptimizer(optim.SGD(lr = 0.1))
    .setBatchSize(20)
    .setEpochs(1)
    .setNumTrainers(1)

  private def scores(model: NeuralClassificationModel): Seq[String] =
    model.transform(data).select("rawPrediction").collect().map(_.toString).sorted.toSeq

  test("a model of two pieces is fitted, saved, loaded, started from and scored") {
    start("local-cluster[1,2,1024]")
    val model = estimator.fit(data)
    val pieces = model.state.weights.pieces.map(_.length)
    assert(pieces.length == 2 && pieces.head == WeightsFile.PieceBytes, pieces)
    val path = freshPath()
    model.save(path)
    val file = Paths.get(path, "data/weights.safetensors")
    assert(Files.size(file) == model.estimatedSize)
    assert(java.util.Arrays.equals(Files.readAllBytes(file), model.weightsSafetensors))
    val loaded = NeuralClassificationModel.load(path)
    assert(loaded.weightsHash == model.summary.weightsHash)
    assert(scores(loaded) == scores(model))
    for (again <- Seq(estimator.setInitialModel(loaded), estimator.setInitialWeights(file.toString)))
      assert(again.setEpochs(0).setSeed(99).fit(data).weightsHash == model.weightsHash)
  }

  test("driver and executor keep what executors pass on, and an executor that comes later gets it too") {
    val sc = start("local-cluster[1,2,1024]").sparkContext
    val model = estimator.setEpochs(0).fit(data)
    def atExecutor = sc.parallelize(Seq(0), 1).map(_ => StorageUse.here).collect().head
    val (driver, executor) = (StorageUse.here, atExecutor)
    val first = scores(model)
    for ((where, bytes) <- Seq("driver" -> (StorageUse.here - driver), "executor" -> (atExecutor - executor)))
      assert(bytes > 0.9 * model.estimatedSize && bytes < 1.3 * model.estimatedSize, where)
    kill(executors().head)
    assert(scores(model) == first)
    assert(atExecutor > 0.9 * model.estimatedSize)
  }

  test("in local mode tasks read the driver's own pieces, of two models at once too") {
    start("local[2]")
    val (one, other) =
      (estimator.setEpochs(0).setSeed(1).fit(data), estimator.setEpochs(0).setSeed(2).fit(data))
    val before = StorageUse.here
    val both = one.setRawPredictionCol("first").setProbabilityCol("").setPredictionCol("")
    val joined = other.transform(both.transform(data)).select("first", "rawPrediction").collect()
    val alone =
      Seq(one, other).map(model => Future(model.transform(data).collect().map(_.getAs[Any](2)).toSeq))
    assert(Await.result(alone.head, 2.minutes) == joined.map(_.getAs[Any](0)).toSeq)
    assert(Await.result(alone.last, 2.minutes) == joined.map(_.getAs[Any](1)).toSeq)
    assert(joined.forall(row => row.get(0) != row.get(1)))
    val again = estimator.setInitialModel(other).setEpochs(0).setSeed(99).fit(data)
    assert(again.weightsHash == other.weightsHash)
    assert(StorageUse.here - before < one.estimatedSize / 10)
  }

  test("what is sent in local mode lasts as long as somebody holds it") {
    val sc = start("local[2]").sparkContext
    val piece = Array[Byte](1, 2, 3)
    var sent = Option(new WeightsFile(Seq(piece)).send(sc))
    var arrived = Option(copied(sent.get))
    val left = new WeakReference(arrived.get.iterable)
    assert(arrived.get.iterable.iterator.next() eq piece)
    sent = None
    System.gc()
    assert(arrived.get.iterable.iterator.next() eq piece)
    arrived = None
    eventually {
      System.gc()
      assert(left.get == null)
    }
    val ended = new WeightsFile(Seq(piece)).send(sc)
    ended.destroy()
    val late = intercept[IllegalStateException](copied(ended).iterable)
    assert(late.getMessage.contains("no longer in the driver"), late)
  }

  /** As a task gets it. */
  private def copied(sent: SentWeights): SentWeights = {
    val bytes = new ByteArrayOutputStream
    new ObjectOutputStream(bytes).writeObject(sent)
    new ObjectInputStream(new ByteArrayInputStream(bytes.toByteArray)).readObject().asInstanceOf[SentWeights]
  }

  test("a model that is too long for the parameter is named in it, and started from all the same") {
    start("local[2]")
    val model = estimator.fit(data)
    val next = estimator.setEpochs(0).setSeed(99).setInitialModel(model, 0L)
    assert(next.getInitialWeights == s"model:${model.uid}")
    val copy = next.copy(org.apache.spark.ml.param.ParamMap.empty).asInstanceOf[NeuralClassifier]
    for (one <- Seq(next, copy)) assert(one.fit(data).weightsHash == model.weightsHash)
    val path = freshPath()
    next.save(path)
    val loaded = NeuralClassifier.load(path)
    val told = intercept[InvalidParameterException](loaded.fit(data)).getMessage
    assert(told.contains(s"the model ${model.uid} is not here") && told.contains("setInitialModel"), told)
    assert(loaded.setInitialModel(model, 0L).fit(data).weightsHash == model.weightsHash)
  }

  test("what needs one array says its limit and the way out") {
    val told = intercept[InvalidParameterException](
      WeightsFile.checkArray("weightsSafetensors", Int.MaxValue.toLong + 1)
    ).getMessage
    assert(told.contains("2147483648 bytes") && told.contains("data/weights.safetensors"), told)
    val wide = intercept[InvalidParameterException](
      fit.InitialWeights.checkInline(fit.InitialWeights.MaxInline + 1)
    ).getMessage
    assert(wide.contains("set its path"), wide)
  }
}
