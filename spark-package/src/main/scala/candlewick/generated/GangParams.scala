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
    * (spark.executor.resource.gpu.amount), each trainer on one; it needs the artifact
    * candlewick-cuda, and a fit without either is refused before a trainer starts. "cpu": on
    * processors. "auto": on GPUs where both are there, else on processors; the fit says which and
    * why, and summary.device has it. ("auto" or "cpu" or "cuda")
    * @group param
    */
  final val device: Param[String] = new Param[String](
    this,
    "device",
    "Where trainers compute. \"cuda\": on the NVIDIA GPUs that Spark gave the executors (spark.executor.resource.gpu.amount), each trainer on one; it needs the artifact candlewick-cuda, and a fit without either is refused before a trainer starts. \"cpu\": on processors. \"auto\": on GPUs where both are there, else on processors; the fit says which and why, and summary.device has it. (\"auto\" or \"cpu\" or \"cuda\")",
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

  /** Whether connections between executors, trainers and driver are encrypted, beside the proof
    * that both ends belong to the fit. "tls": by TLS 1.3. "none": rows and gradients cross the
    * network in the clear. "auto": as Spark does with its own (spark.network.crypto.enabled,
    * spark.authenticate.enableSaslEncryption, spark.ssl.enabled, spark.ssl.rpc.enabled,
    * spark.io.encryption.enabled), where anything leaves the machine. ("auto" or "none" or "tls")
    * @group param
    */
  final val transportSecurity: Param[String] = new Param[String](
    this,
    "transportSecurity",
    "Whether connections between executors, trainers and driver are encrypted, beside the proof that both ends belong to the fit. \"tls\": by TLS 1.3. \"none\": rows and gradients cross the network in the clear. \"auto\": as Spark does with its own (spark.network.crypto.enabled, spark.authenticate.enableSaslEncryption, spark.ssl.enabled, spark.ssl.rpc.enabled, spark.io.encryption.enabled), where anything leaves the machine. (\"auto\" or \"none\" or \"tls\")",
    Legal[String]("transportSecurity", "\"auto\" or \"none\" or \"tls\"", ParamValidators.inArray(Array("auto", "none", "tls")))
  )
  setDefault(transportSecurity, "auto")

  /** @group getParam */
  final def getTransportSecurity: String = $(transportSecurity)

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
  def setTransportSecurity(value: String): this.type = set(transportSecurity, value)

  /** @group setParam */
  def setFeedMemory(value: String): this.type = set(feedMemory, value)

  /** @group setParam */
  def setTrainerMemory(value: String): this.type = set(trainerMemory, value)

  /** @group setParam */
  def setSpoolDir(value: String): this.type = set(spoolDir, value)
}
