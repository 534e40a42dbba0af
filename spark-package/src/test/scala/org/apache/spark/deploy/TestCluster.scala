package org.apache.spark.deploy

import java.nio.file.Path
import org.apache.spark.SparkConf
import org.apache.spark.deploy.master.Master
import org.apache.spark.deploy.worker.Worker
import org.apache.spark.rpc.RpcEnv

/** A standalone cluster: master and workers of Spark in this JVM, executors in processes of their own. Each worker has a
  * loopback address of its own, so that Spark takes them for different hosts (speculation needs two).
  */
final class TestCluster(hosts: Seq[String], cores: Int, folder: Path) {
  private val conf =
    new SparkConf(false).set("spark.ui.enabled", "false").set("spark.decommission.enabled", "true")
  private val (master, _, _) = Master.startRpcEnvAndEndpoint("127.0.0.1", 0, 0, conf)

  /** What a session connects to. */
  val url: String = s"spark://127.0.0.1:${master.address.port}"

  private var workers: Map[String, RpcEnv] = hosts.zipWithIndex.map { case (host, index) =>
    val work = folder.resolve(s"worker-$index").toString
    host -> Worker.startRpcEnvAndEndpoint(host, 0, 0, cores, 1024, Array(url), work, Some(index), conf)
  }.toMap

  /** Ends the worker of a host for good; its executors end with it. */
  def stopWorker(host: String): Unit = {
    workers.get(host).foreach(shutDown)
    workers -= host
  }

  /** Tells the worker of a host that it is to go before long; its executors run on while they have tasks. */
  def decommissionWorker(host: String): Unit = {
    val endpoint = master.setupEndpointRef(master.address, Master.ENDPOINT_NAME)
    val told = endpoint.askSync[Int](DeployMessages.DecommissionWorkersOnHosts(Seq(host)))
    assert(told == 1, s"$told workers on $host")
  }

  def stop(): Unit = {
    workers.values.foreach(shutDown)
    shutDown(master)
  }

  private def shutDown(env: RpcEnv): Unit = {
    env.shutdown()
    env.awaitTermination()
  }
}
