package candlewick

import candlewick.jni.InvalidParameterException

/** `asynchrony = "stale"`: trainers that do not wait for each other at every step. */
class StaleSuite extends SparkSuite {

  private lazy val rows = blobs(300).cache()

  private def net: NeuralClassifier = classifier().setLogicalShards(4).setAsynchrony("stale").setStaleness(3)

  test("two trainers learn and say how stale they were, one has the bits of one that waits") {
    val two = net.setNumTrainers(2).fit(rows)
    assert(two.summary.objectiveHistory.last < two.summary.objectiveHistory.head)
    val one = net.setNumTrainers(1).fit(rows)
    assert(one.weightsHash == classifier().setLogicalShards(4).setNumTrainers(1).fit(rows).weightsHash)
    assert((one.getAsynchrony, one.getStaleness) == (("stale", 3)))
  }

  test("a plan has its memory, and what it does not go together with is refused by name") {
    val plain = classifier().setLogicalShards(4).setNumTrainers(2).plan(rows)
    assert(net.setNumTrainers(2).plan(rows).memory("weights") > plain.memory("weights"))
    val refused = intercept[InvalidParameterException](net.setLocalSteps(2).fit(rows))
    assert(
      refused.getMessage.contains("asynchrony = \"stale\" does not go together with localSteps = 2")
    )
  }
}
