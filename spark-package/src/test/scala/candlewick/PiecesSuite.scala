package candlewick

import candlewick.internal.WeightsFile
import java.nio.file.{Files, Paths}
import org.apache.spark.ml.linalg.Vectors

/** A model of more than one piece on every road that weights take: delivered, saved, loaded, started from, scored. */
class PiecesSuite extends ClusterSuite {
  private val words = 100000

  test("a model of two pieces is fitted, saved, loaded, started from and scored") {
    val session = start("local-cluster[1,2,1024]")
    import session.implicits._
    val data = session
      .createDataset(
        (0 until 60).map(row => (Vectors.dense((row * 1663 % words).toDouble), (row % 3).toDouble))
      )
      .toDF("features", "label")
    def estimator = new NeuralClassifier()
      .setNetwork(nn.Sequential(nn.Embedding(words, 90), nn.Flatten(), nn.Linear(3)))
      .setOptimizer(optim.SGD(lr = 0.1))
      .setBatchSize(20)
      .setEpochs(1)
      .setNumTrainers(1)
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
    def scores(of: NeuralClassificationModel) =
      of.transform(data).select("rawPrediction").collect().map(_.toString).sorted.toSeq
    assert(scores(loaded) == scores(model))
    for (again <- Seq(estimator.setInitialModel(loaded), estimator.setInitialWeights(file.toString)))
      assert(again.setEpochs(0).setSeed(99).fit(data).weightsHash == model.weightsHash)
  }

  test("what needs one array says its limit and the way out") {
    val told = intercept[jni.InvalidParameterException](
      WeightsFile.checkArray("weightsSafetensors", Int.MaxValue.toLong + 1)
    ).getMessage
    assert(told.contains("2147483648 bytes") && told.contains("data/weights.safetensors"), told)
    val wide = intercept[jni.InvalidParameterException](
      fit.InitialWeights.checkInline(fit.InitialWeights.MaxInline + 1)
    ).getMessage
    assert(wide.contains("set its path"), wide)
  }
}
