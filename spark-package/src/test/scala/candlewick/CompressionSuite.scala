package candlewick

import candlewick.internal.Json

/** `gradientCompression`: what gradients become before trainers exchange them. */
class CompressionSuite extends SparkSuite {

  private lazy val rows = blobs(300).cache()

  private def net(compression: String): NeuralClassifier =
    classifier().setLogicalShards(4).setGradientCompression(compression)

  test("each kind learns, with bits of its own that are those of any number of trainers") {
    val plain = classifier().setLogicalShards(4).fit(rows)
    assert(net("none").fit(rows).weightsHash == plain.weightsHash)
    val hashes = Seq("bf16", "fp16", "topk:0.1", "1bit", "powersgd:1").map { kind =>
      val one = net(kind).setNumTrainers(1).fit(rows)
      val two = net(kind).setNumTrainers(2).fit(rows.repartition(5))
      assert(two.weightsHash == one.weightsHash, kind)
      val sent = Json.parse(two.summary.compression.get)
      def bytes(name: String) = Json.field(sent, name).asLong
      assert(bytes("sentBytes") > 0 && bytes("sentBytes") < bytes("plainBytes"), kind)
      assert(one.summary.compression.isEmpty, kind)
      assert(one.summary.objectiveHistory.last < one.summary.objectiveHistory.head, kind)
      assert(one.getGradientCompression == kind)
      one.weightsHash
    }
    assert((plain.weightsHash +: hashes).distinct.length == 6)
  }

  test(
    "what the trainers decide is said with the reason, and a fit on one machine is one without compression"
  ) {
    val plain = classifier().setLogicalShards(4).fit(rows)
    Seq(1 -> "one trainer sends nothing", 2 -> "with bf16").foreach { case (trainers, reason) =>
      val model = net("auto").setNumTrainers(trainers).fit(rows)
      val told = Json.parse(model.summary.compression.get)
      assert(
        Json.field(told, "kind").asText == "none" && Json.field(told, "reason").asText.contains(reason),
        told
      )
      assert(model.weightsHash == plain.weightsHash)
      assert(Json.field(told, "sentBytes").asLong == 0)
    }
  }

  test("late gradients learn, with bits of their own that are those of any number of trainers") {
    def late = classifier().setLogicalShards(4).setAsynchrony("delayed")
    val (one, two) = (late.setNumTrainers(1).fit(rows), late.setNumTrainers(2).fit(rows.repartition(5)))
    assert(two.weightsHash == one.weightsHash && one.getAsynchrony == "delayed")
    assert(one.weightsHash != classifier().setLogicalShards(4).fit(rows).weightsHash)
    assert(one.summary.objectiveHistory.last < one.summary.objectiveHistory.head)
    def hidden(model: NeuralClassificationModel) = model.summary.history.map(_.metrics.get("exchangeHidden"))
    assert(
      hidden(two).forall(_.exists(share => share >= 0.0 && share <= 1.0)) && hidden(one).forall(_.isEmpty)
    )
    def memory(stage: NeuralClassifier) = stage.setNumTrainers(2).plan(rows).memory
    val plain = classifier().setLogicalShards(4)
    Seq("gradients", "weights", "optimizer").foreach { account =>
      assert(memory(late)(account) > memory(plain)(account), account)
    }
  }

  test("a plan has its bytes and its memory") {
    def plan(kind: String) = net(kind).setNumTrainers(2).plan(rows)
    val (plain, half, top) = (plan("none"), plan("bf16"), plan("topk:0.01"))
    def sent(plan: TrainingPlan) = plan.exchangeBytesPerStep
    assert(sent(half) * 2 == sent(plain) && sent(top) < sent(half))
    assert(
      top.memory("weights") > half.memory("weights") && half.memory("gradients") > plain.memory("gradients")
    )
  }
}
