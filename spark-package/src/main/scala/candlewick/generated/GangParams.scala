// Written by candlewick-codegen (`make generate`); do not edit.
package candlewick.generated

import candlewick.internal.Legal
import org.apache.spark.ml.param._

/** Parameters of estimators, which their models know. The processes that train. */
trait GangParams extends Params {

  /** Trainer processes. 0: one per executor; on GPUs (device) one for each GPU of the executors.
    * (whole number from 0 to 4096)
    * @group param
    */
  final val numTrainers: IntParam = new IntParam(
    this,
    "numTrainers",
    "Trainer processes. 0: one per executor; on GPUs (device) one for each GPU of the executors. (whole number from 0 to 4096)",
    Legal[Int]("numTrainers", "a whole number from 0 to 4096", ParamValidators.inRange(0, 4096))
  )
  setDefault(numTrainers, 0)

  /** @group getParam */
  final def getNumTrainers: Int = $(numTrainers)

  /** Fewest trainers. Training begins with fewer than numTrainers where the cluster has no room for
    * more now, and goes on with fewer after a loss, but not with fewer than these: others are
    * waited for, up to executorTimeout. Not set: it begins with numTrainers and goes on with those
    * that are left. (whole number from 1 to 4096)
    * @group param
    */
  final val minTrainers: IntParam = new IntParam(
    this,
    "minTrainers",
    "Fewest trainers. Training begins with fewer than numTrainers where the cluster has no room for more now, and goes on with fewer after a loss, but not with fewer than these: others are waited for, up to executorTimeout. Not set: it begins with numTrainers and goes on with those that are left. (whole number from 1 to 4096)",
    Legal[Int]("minTrainers", "a whole number from 1 to 4096", ParamValidators.inRange(1, 4096))
  )

  /** @group getParam */
  final def getMinTrainers: Int = $(minTrainers)

  /** Most trainers: where executors come later, training takes more trainers in at the end of an
    * epoch, up to so many. Not set: as many as it began with, so that others take the place of
    * those that are lost. (whole number from 1 to 4096)
    * @group param
    */
  final val maxTrainers: IntParam = new IntParam(
    this,
    "maxTrainers",
    "Most trainers: where executors come later, training takes more trainers in at the end of an epoch, up to so many. Not set: as many as it began with, so that others take the place of those that are lost. (whole number from 1 to 4096)",
    Legal[Int]("maxTrainers", "a whole number from 1 to 4096", ParamValidators.inRange(1, 4096))
  )

  /** @group getParam */
  final def getMaxTrainers: Int = $(maxTrainers)

  /** Longest wait for other trainers where fewer than minTrainers are left. (duration such as
    * "15s", "500ms" or "2min"; a bare number is seconds)
    * @group param
    */
  final val executorTimeout: Param[String] = new Param[String](
    this,
    "executorTimeout",
    "Longest wait for other trainers where fewer than minTrainers are left. (duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds)",
    Legal[String]("executorTimeout", "a duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds", Legal.matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"))
  )
  setDefault(executorTimeout, "300s")

  /** @group getParam */
  final def getExecutorTimeout: String = $(executorTimeout)

  /** Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number
    * from 0 to 1024)
    * @group param
    */
  final val threadsPerTrainer: IntParam = new IntParam(
    this,
    "threadsPerTrainer",
    "Compute threads of a trainer. 0: the executor's cores divided by its trainers. (whole number from 0 to 1024)",
    Legal[Int]("threadsPerTrainer", "a whole number from 0 to 1024", ParamValidators.inRange(0, 1024))
  )
  setDefault(threadsPerTrainer, 0)

  /** @group getParam */
  final def getThreadsPerTrainer: Int = $(threadsPerTrainer)

  /** Where trainers compute. "cuda": on the NVIDIA GPUs that Spark gave the executors
    * (spark.executor.resource.gpu.amount), each trainer on one; it wants the artifact
    * candlewick-cuda, and a fit without either is refused before a trainer starts. "cpu": on
    * processors. "auto": on GPUs where both are there, else on processors; the fit says which and
    * why, and summary.device has it. ("auto" or "cpu" or "cuda")
    * @group param
    */
  final val device: Param[String] = new Param[String](
    this,
    "device",
    "Where trainers compute. \"cuda\": on the NVIDIA GPUs that Spark gave the executors (spark.executor.resource.gpu.amount), each trainer on one; it wants the artifact candlewick-cuda, and a fit without either is refused before a trainer starts. \"cpu\": on processors. \"auto\": on GPUs where both are there, else on processors; the fit says which and why, and summary.device has it. (\"auto\" or \"cpu\" or \"cuda\")",
    Legal[String]("device", "\"auto\" or \"cpu\" or \"cuda\"", ParamValidators.inArray(Array("auto", "cpu", "cuda")))
  )
  setDefault(device, "auto")

  /** @group getParam */
  final def getDevice: String = $(device)

  /** Logical shards the rows are dealt to; the unit of computation, so part of what decides the
    * weights' bits. At least numTrainers. Not set: 8, or more for more trainers; on GPUs as many as
    * trainers. (whole number from 1 to 65536)
    * @group param
    */
  final val logicalShards: IntParam = new IntParam(
    this,
    "logicalShards",
    "Logical shards the rows are dealt to; the unit of computation, so part of what decides the weights' bits. At least numTrainers. Not set: 8, or more for more trainers; on GPUs as many as trainers. (whole number from 1 to 65536)",
    Legal[Int]("logicalShards", "a whole number from 1 to 65536", ParamValidators.inRange(1, 65536))
  )
  setDefault(logicalShards, 8)

  /** @group getParam */
  final def getLogicalShards: Int = $(logicalShards)

  /** Where rows go. "hash": their content says to which logical shard, so the model does not depend
    * on the partitioning. "none": they go to the trainer beside the executor that reads them, and
    * cross the network only where there is none; the model then depends on the partitioning and on
    * where partitions were read, and equal rows are not spread. ("hash" or "none")
    * @group param
    */
  final val dataShuffle: Param[String] = new Param[String](
    this,
    "dataShuffle",
    "Where rows go. \"hash\": their content says to which logical shard, so the model does not depend on the partitioning. \"none\": they go to the trainer beside the executor that reads them, and cross the network only where there is none; the model then depends on the partitioning and on where partitions were read, and equal rows are not spread. (\"hash\" or \"none\")",
    Legal[String]("dataShuffle", "\"hash\" or \"none\"", ParamValidators.inArray(Array("hash", "none")))
  )
  setDefault(dataShuffle, "hash")

  /** @group getParam */
  final def getDataShuffle: String = $(dataShuffle)

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

  /** How often a fit may go on after a loss (a trainer, its executor, its host) or after a
    * connection between two trainers that broke; the next one fails it. 0: the first one does.
    * (whole number from 0 to 1000000)
    * @group param
    */
  final val maxRecoveries: IntParam = new IntParam(
    this,
    "maxRecoveries",
    "How often a fit may go on after a loss (a trainer, its executor, its host) or after a connection between two trainers that broke; the next one fails it. 0: the first one does. (whole number from 0 to 1000000)",
    Legal[Int]("maxRecoveries", "a whole number from 0 to 1000000", ParamValidators.inRange(0, 1000000))
  )
  setDefault(maxRecoveries, 3)

  /** @group getParam */
  final def getMaxRecoveries: Int = $(maxRecoveries)

  /** Trainers that keep each row. 2: a second trainer has a copy of what each one trains on, on
    * another host or executor where it can be, so that nothing is read from the DataFrame again
    * after a loss in training. It takes twice the memory for rows, and at least two trainers. The
    * model has the same bits either way. (whole number from 1 to 2)
    * @group param
    */
  final val dataReplicas: IntParam = new IntParam(
    this,
    "dataReplicas",
    "Trainers that keep each row. 2: a second trainer has a copy of what each one trains on, on another host or executor where it can be, so that nothing is read from the DataFrame again after a loss in training. It takes twice the memory for rows, and at least two trainers. The model has the same bits either way. (whole number from 1 to 2)",
    Legal[Int]("dataReplicas", "a whole number from 1 to 2", ParamValidators.inRange(1, 2))
  )
  setDefault(dataReplicas, 1)

  /** @group getParam */
  final def getDataReplicas: Int = $(dataReplicas)

  /** Silence after which a trainer counts as lost. (duration such as "15s", "500ms" or "2min"; a
    * bare number is seconds)
    * @group param
    */
  final val failureTimeout: Param[String] = new Param[String](
    this,
    "failureTimeout",
    "Silence after which a trainer counts as lost. (duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds)",
    Legal[String]("failureTimeout", "a duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds", Legal.matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"))
  )
  setDefault(failureTimeout, "15s")

  /** @group getParam */
  final def getFailureTimeout: String = $(failureTimeout)

  /** Time without a step after which a trainer counts as stuck. (duration such as "15s", "500ms" or
    * "2min"; a bare number is seconds)
    * @group param
    */
  final val progressTimeout: Param[String] = new Param[String](
    this,
    "progressTimeout",
    "Time without a step after which a trainer counts as stuck. (duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds)",
    Legal[String]("progressTimeout", "a duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds", Legal.matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"))
  )
  setDefault(progressTimeout, "600s")

  /** @group getParam */
  final def getProgressTimeout: String = $(progressTimeout)

  /** Longest wait for all trainers to start. (duration such as "15s", "500ms" or "2min"; a bare
    * number is seconds)
    * @group param
    */
  final val launchTimeout: Param[String] = new Param[String](
    this,
    "launchTimeout",
    "Longest wait for all trainers to start. (duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds)",
    Legal[String]("launchTimeout", "a duration such as \"15s\", \"500ms\" or \"2min\"; a bare number is seconds", Legal.matches("\\s*0*[1-9][0-9]{0,8}\\s*(ms|s|m|min|h)?\\s*"))
  )
  setDefault(launchTimeout, "300s")

  /** @group getParam */
  final def getLaunchTimeout: String = $(launchTimeout)

  /** Memory of an executor for rows on their way to the trainers. (size such as "64m" or "1g")
    * @group param
    */
  final val feedMemory: Param[String] = new Param[String](
    this,
    "feedMemory",
    "Memory of an executor for rows on their way to the trainers. (size such as \"64m\" or \"1g\")",
    Legal[String]("feedMemory", "a size such as \"64m\" or \"1g\"", Legal.matches("\\s*0*[1-9][0-9]{0,8}\\s*(b|k|kb|m|mb|g|gb)?\\s*"))
  )
  setDefault(feedMemory, "64m")

  /** @group getParam */
  final def getFeedMemory: String = $(feedMemory)

  /** Memory of a trainer in all: network, optimiser, batches and rows. Rows beyond it are on disk
    * (spoolDir), with the same model; a fit whose network and batch alone need more is refused
    * before it starts. Not set: on YARN and Kubernetes 60 % of spark.executor.memoryOverhead,
    * divided as the cores of the executor are among trainers of all fits; elsewhere 25 % of the
    * memory of the machine divided by the trainers on it. A lower limit of the container goes
    * before it. (size such as "64m" or "1g")
    * @group param
    */
  final val trainerMemory: Param[String] = new Param[String](
    this,
    "trainerMemory",
    "Memory of a trainer in all: network, optimiser, batches and rows. Rows beyond it are on disk (spoolDir), with the same model; a fit whose network and batch alone need more is refused before it starts. Not set: on YARN and Kubernetes 60 % of spark.executor.memoryOverhead, divided as the cores of the executor are among trainers of all fits; elsewhere 25 % of the memory of the machine divided by the trainers on it. A lower limit of the container goes before it. (size such as \"64m\" or \"1g\")",
    Legal[String]("trainerMemory", "a size such as \"64m\" or \"1g\"", Legal.matches("\\s*0*[1-9][0-9]{0,8}\\s*(b|k|kb|m|mb|g|gb)?\\s*"))
  )

  /** @group getParam */
  final def getTrainerMemory: String = $(trainerMemory)

  /** Folder that exists on each executor, for rows that trainerMemory does not hold; several with
    * commas between, used in turn. Not set: those that Spark has for its own files
    * (spark.local.dir, or what YARN or Kubernetes gives). (absolute paths of folders, without
    * "file:" and with commas between, such as "/data/1,/data/2")
    * @group param
    */
  final val spoolDir: Param[String] = new Param[String](
    this,
    "spoolDir",
    "Folder that exists on each executor, for rows that trainerMemory does not hold; several with commas between, used in turn. Not set: those that Spark has for its own files (spark.local.dir, or what YARN or Kubernetes gives). (absolute paths of folders, without \"file:\" and with commas between, such as \"/data/1,/data/2\")",
    Legal[String]("spoolDir", "absolute paths of folders, without \"file:\" and with commas between, such as \"/data/1,/data/2\"", Legal.matches("\\s*/[^,]*(,\\s*/[^,]*)*"))
  )

  /** @group getParam */
  final def getSpoolDir: String = $(spoolDir)
}

/** What estimators have beyond their models. The processes that train. */
trait GangSetters extends GangParams {

  /** @group setParam */
  def setNumTrainers(value: Int): this.type = set(numTrainers, value)

  /** @group setParam */
  def setMinTrainers(value: Int): this.type = set(minTrainers, value)

  /** @group setParam */
  def setMaxTrainers(value: Int): this.type = set(maxTrainers, value)

  /** @group setParam */
  def setExecutorTimeout(value: String): this.type = set(executorTimeout, value)

  /** @group setParam */
  def setThreadsPerTrainer(value: Int): this.type = set(threadsPerTrainer, value)

  /** @group setParam */
  def setDevice(value: String): this.type = set(device, value)

  /** @group setParam */
  def setLogicalShards(value: Int): this.type = set(logicalShards, value)

  /** @group setParam */
  def setDataShuffle(value: String): this.type = set(dataShuffle, value)

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

  /** @group setParam */
  def setMaxRecoveries(value: Int): this.type = set(maxRecoveries, value)

  /** @group setParam */
  def setDataReplicas(value: Int): this.type = set(dataReplicas, value)

  /** @group setParam */
  def setFailureTimeout(value: String): this.type = set(failureTimeout, value)

  /** @group setParam */
  def setProgressTimeout(value: String): this.type = set(progressTimeout, value)

  /** @group setParam */
  def setLaunchTimeout(value: String): this.type = set(launchTimeout, value)

  /** @group setParam */
  def setFeedMemory(value: String): this.type = set(feedMemory, value)

  /** @group setParam */
  def setTrainerMemory(value: String): this.type = set(trainerMemory, value)

  /** @group setParam */
  def setSpoolDir(value: String): this.type = set(spoolDir, value)
}
