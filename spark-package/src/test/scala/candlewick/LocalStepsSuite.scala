package candlewick

import candlewick.jni.InvalidParameterException

/** `localSteps`: steps that logical shards make by themselves before they meet. */
class LocalStepsSuite extends SparkSuite {

  private lazy val rows = blobs(300).cache()

  private def net(steps: Int): NeuralClassifier = classifier().setLogicalShards(4).setLocalSteps(steps)

  test("it learns, with bits of its own that are those of any number of trainers") {
    val one = net(3).setNumTrainers(1).fit(rows)
    val two = net(3).setNumTrainers(2).fit(rows.repartition(5))
    assert(two.weightsHash == one.weightsHash)
    assert(one.summary.objectiveHistory.last < one.summary.objectiveHistory.head)
    assert(one.weightsHash != net(1).fit(rows).weightsHash)
    val plain = net(3).setOuterLearningRate(1.0).setOuterMomentum(0.0).fit(rows)
    assert(plain.weightsHash != one.weightsHash)
    assert((one.getLocalSteps, one.getOuterLearningRate, one.getOuterMomentum) == ((3, 0.7, 0.9)))
  }

  test("a plan has its bytes and its memory") {
    def plan(steps: Int) = net(steps).setOptimizer(optim.SGD(0.1)).setNumTrainers(2).plan(rows)
    val (each, every8) = (plan(1), plan(8))
    assert(every8.exchangeBytesPerStep == (each.exchangeBytesPerStep + 7) / 8)
    assert(every8.memory("weights") > each.memory("weights"))
  }

  test("what it does not go together with is refused by name") {
    val refused = intercept[InvalidParameterException] {
      net(3).setGradientCompression("bf16").fit(rows)
    }
    assert(
      refused.getMessage.contains("localSteps = 3 does not go together with gradientCompression = \"bf16\"")
    )
  }
}
