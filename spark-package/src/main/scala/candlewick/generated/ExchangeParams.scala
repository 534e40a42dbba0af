// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick.internal.Legal
import org.apache.spark.ml.param._

/** Parameters of estimators, which their models know. What trainers exchange, and when. */
trait ExchangeParams extends Params {

  /** What gradients become before trainers exchange them; part of what decides the bits of the
    * weights, on one trainer too. "none": they stay f32. "auto": before the first step the trainers
    * try steps, and by what these and the measured links take they decide for the whole fit,
    * losses, growth and checkpoints included, between none and bf16 (summary.compression says what
    * and why); another number of trainers or another network may decide otherwise, so that the same
    * bits on any number of trainers are given up. "bf16", "fp16": 16 bits a value, half of the
    * bytes. "topk:0.01": the largest hundredth of the values of each parameter (any share); "1bit":
    * signs and two means for 128 values; "powersgd:4": two factors of rank 4 (any rank) for each
    * matrix. Of these three a logical shard adds what it did not send to its next gradient.
    * Gradients that go by rows (Embedding, sparse features) are not compressed. ("none", "auto",
    * "bf16", "fp16", "1bit", "topk:" and the share of the values that is sent, above 0 and at most
    * 1, such as "topk:0.01", or "powersgd:" and a rank from 1 to 9999, such as "powersgd:4")
    * @group param
    */
  final val gradientCompression: Param[String] = new Param[String](
    this,
    "gradientCompression",
    "What gradients become before trainers exchange them; part of what decides the bits of the weights, on one trainer too. \"none\": they stay f32. \"auto\": before the first step the trainers try steps, and by what these and the measured links take they decide for the whole fit, losses, growth and checkpoints included, between none and bf16 (summary.compression says what and why); another number of trainers or another network may decide otherwise, so that the same bits on any number of trainers are given up. \"bf16\", \"fp16\": 16 bits a value, half of the bytes. \"topk:0.01\": the largest hundredth of the values of each parameter (any share); \"1bit\": signs and two means for 128 values; \"powersgd:4\": two factors of rank 4 (any rank) for each matrix. Of these three a logical shard adds what it did not send to its next gradient. Gradients that go by rows (Embedding, sparse features) are not compressed. (\"none\", \"auto\", \"bf16\", \"fp16\", \"1bit\", \"topk:\" and the share of the values that is sent, above 0 and at most 1, such as \"topk:0.01\", or \"powersgd:\" and a rank from 1 to 9999, such as \"powersgd:4\")",
    Legal[String]("gradientCompression", "\"none\", \"auto\", \"bf16\", \"fp16\", \"1bit\", \"topk:\" and the share of the values that is sent, above 0 and at most 1, such as \"topk:0.01\", or \"powersgd:\" and a rank from 1 to 9999, such as \"powersgd:4\"", Legal.matches("(?-i:none|auto|bf16|fp16|1bit|topk:(0?\\.[0-9]{0,8}[1-9]|1(\\.0)?)|powersgd:[1-9][0-9]{0,3})"))
  )
  setDefault(gradientCompression, "none")

  /** @group getParam */
  final def getGradientCompression: String = $(gradientCompression)

  /** Steps that every logical shard makes by itself, with weights and a state of the optimiser of
    * its own on its part of each batch, before all meet and exchange; they also meet at the end of
    * an epoch and before an evaluation. Part of what decides the bits of the weights, on one
    * trainer too. 1: every step is one of all together. (whole number from 1 to 4096)
    * @group param
    */
  final val localSteps: IntParam = new IntParam(
    this,
    "localSteps",
    "Steps that every logical shard makes by itself, with weights and a state of the optimiser of its own on its part of each batch, before all meet and exchange; they also meet at the end of an epoch and before an evaluation. Part of what decides the bits of the weights, on one trainer too. 1: every step is one of all together. (whole number from 1 to 4096)",
    Legal[Int]("localSteps", "a whole number from 1 to 4096", ParamValidators.inRange(1, 4096))
  )
  setDefault(localSteps, 1)

  /** @group getParam */
  final def getLocalSteps: Int = $(localSteps)

  /** With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the
    * shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv
    * 2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local
    * SGD). (number above 0)
    * @group param
    */
  final val outerLearningRate: DoubleParam = new DoubleParam(
    this,
    "outerLearningRate",
    "With localSteps above 1: learning rate of the step at a meeting, which takes the mean over the shards of (weights at the last meeting - weights now) as its gradient. 0.7 as in DiLoCo (arXiv 2311.08105); with 1 and outerMomentum 0 the shards go on with the mean of their weights (local SGD). (number above 0)",
    Legal[Double]("outerLearningRate", "a finite number above 0", ParamValidators.inRange(0.0, Double.MaxValue, false, true))
  )
  setDefault(outerLearningRate, 0.7)

  /** @group getParam */
  final def getOuterLearningRate: Double = $(outerLearningRate)

  /** With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv
    * 2311.08105). (number of at least 0 and below 1)
    * @group param
    */
  final val outerMomentum: DoubleParam = new DoubleParam(
    this,
    "outerMomentum",
    "With localSteps above 1: Nesterov momentum of the step at a meeting. 0.9 as in DiLoCo (arXiv 2311.08105). (number of at least 0 and below 1)",
    Legal[Double]("outerMomentum", "a finite number of at least 0 and below 1", ParamValidators.inRange(0.0, 1.0, true, false))
  )
  setDefault(outerMomentum, 0.9)

  /** @group getParam */
  final def getOuterMomentum: Double = $(outerMomentum)

  /** Whether trainers compute while they exchange, or wait for each other at all; part of what
    * decides the bits of the weights. "none": a step begins when the gradient of the one before is
    * applied. "delayed": it is computed while that gradient is exchanged, with the weights from
    * before it, so that each gradient is applied one step late, on one trainer too; at every 64th
    * step of an epoch and at its end what is under way is waited for. "stale": every trainer
    * applies its own updates at once and those of others as they come, and waits only where its
    * weights would lack more than the last `staleness` steps of another; at every 64th step of an
    * epoch, before an evaluation and at the end of an epoch all agree. The same bits, on other runs
    * too, are given up for it; one trainer alone computes what it does with "none". ("none" or
    * "delayed" or "stale")
    * @group param
    */
  final val asynchrony: Param[String] = new Param[String](
    this,
    "asynchrony",
    "Whether trainers compute while they exchange, or wait for each other at all; part of what decides the bits of the weights. \"none\": a step begins when the gradient of the one before is applied. \"delayed\": it is computed while that gradient is exchanged, with the weights from before it, so that each gradient is applied one step late, on one trainer too; at every 64th step of an epoch and at its end what is under way is waited for. \"stale\": every trainer applies its own updates at once and those of others as they come, and waits only where its weights would lack more than the last `staleness` steps of another; at every 64th step of an epoch, before an evaluation and at the end of an epoch all agree. The same bits, on other runs too, are given up for it; one trainer alone computes what it does with \"none\". (\"none\" or \"delayed\" or \"stale\")",
    Legal[String]("asynchrony", "\"none\" or \"delayed\" or \"stale\"", ParamValidators.inArray(Array("none", "delayed", "stale")))
  )
  setDefault(asynchrony, "none")

  /** @group getParam */
  final def getAsynchrony: String = $(asynchrony)

  /** With asynchrony="stale": of how many last steps a trainer may lack the updates of others when
    * it begins a step, so that none is further ahead. More of it waits less, and trains with older
    * weights. (whole number from 1 to 64)
    * @group param
    */
  final val staleness: IntParam = new IntParam(
    this,
    "staleness",
    "With asynchrony=\"stale\": of how many last steps a trainer may lack the updates of others when it begins a step, so that none is further ahead. More of it waits less, and trains with older weights. (whole number from 1 to 64)",
    Legal[Int]("staleness", "a whole number from 1 to 64", ParamValidators.inRange(1, 64))
  )
  setDefault(staleness, 4)

  /** @group getParam */
  final def getStaleness: Int = $(staleness)

  /** Whether gradients are added up in one order, so that the weights have the same bits on any
    * number of trainers. false: the order may follow from the trainers, where that is faster (a
    * ring); another number of trainers, a recovery or another network may give other bits then, all
    * trainers of a fit still have the same. (true or false)
    * @group param
    */
  final val deterministicReduction: BooleanParam = new BooleanParam(
    this,
    "deterministicReduction",
    "Whether gradients are added up in one order, so that the weights have the same bits on any number of trainers. false: the order may follow from the trainers, where that is faster (a ring); another number of trainers, a recovery or another network may give other bits then, all trainers of a fit still have the same. (true or false)"
  )
  setDefault(deterministicReduction, true)

  /** @group getParam */
  final def getDeterministicReduction: Boolean = $(deterministicReduction)
}

/** What estimators have beyond their models. What trainers exchange, and when. */
trait ExchangeSetters extends ExchangeParams {

  /** @group setParam */
  def setGradientCompression(value: String): this.type = set(gradientCompression, value)

  /** @group setParam */
  def setLocalSteps(value: Int): this.type = set(localSteps, value)

  /** @group setParam */
  def setOuterLearningRate(value: Double): this.type = set(outerLearningRate, value)

  /** @group setParam */
  def setOuterMomentum(value: Double): this.type = set(outerMomentum, value)

  /** @group setParam */
  def setAsynchrony(value: String): this.type = set(asynchrony, value)

  /** @group setParam */
  def setStaleness(value: Int): this.type = set(staleness, value)

  /** @group setParam */
  def setDeterministicReduction(value: Boolean): this.type = set(deterministicReduction, value)
}
